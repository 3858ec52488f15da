"""Projects, described."""

from typing import Any

from cella.access.project_edits import FIELDS, NEW_FIELDS
from cella.api.openapi.errors import answers
from cella.api.openapi.lists import PROJECTION, SHOW_DELETED, wanted
from cella.api.openapi.parts import (
    A_DATE,
    A_GROUP,
    A_PROJECT,
    A_USER,
    AN_ETAG,
    CONDITIONS,
    COUNT,
    ID,
    IF_MATCH,
    JSON,
    PROJECT_ID,
    Answers,
    Schema,
    an_id,
    an_object,
    json_body,
    leads_to,
    overridden,
    parameter,
    ref,
    route,
    with_headers,
    with_links,
)
from cella.api.openapi.reading import (
    MEMBER,
    MEMBER_EXAMPLE,
    PROJECT,
    PROJECT_EXAMPLE,
    RECEIPT,
    RECEIPTS,
    a_list_example,
    a_list_of,
)
from cella.api.openapi.writing import (
    ONE_LINE,
    as_form,
    as_json,
    one_or_several,
    partial,
    sent,
    strict,
    told,
)
from cella.catalog import project_listing
from cella.flows.organise import MOST_AT_ONCE

_NAME: Schema = {
    "pattern": ONE_LINE,
    "description": "One line of characters that can be seen.",
}
_TOLD: dict[str, Schema] = {
    "name": _NAME,
    "url": {"description": "Unique; `p-<_id>` where it is missing."},
    "user": {"description": "The owner; only administrators name somebody else."},
    "permissions": {"description": "Of the three parts a PATCH keeps those that it does not name."},
}
_IGNORED: Schema = {
    "readOnly": True,
    "description": "Follows from the permissions; passed over where it comes back.",
}
_PROJECT_PATCH = told(
    partial(strict(FIELDS)), {**_TOLD, "allowed_methods": _IGNORED, "is_private": _IGNORED}
) | {"patternProperties": {"^_": {"description": "Passed over: Cella's own."}}}
SCHEMAS: dict[str, Schema] = {
    "ProjectNew": {
        **told(
            strict(NEW_FIELDS),
            {
                **_TOLD,
                "_id": {"description": "For administrators."},
                "is_private": {"description": "Where `permissions` do not tell."},
            },
        ),
        "description": "A new project.",
    },
    "ProjectPatch": {
        **_PROJECT_PATCH,
        "description": "What changes of a project. `category`, `status`, `url` and `user` change "
        "for administrators only; from others they are passed over.",
    },
    "ProjectWrite": {
        **_PROJECT_PATCH,
        "required": ["name", "category"],
        "description": "A project as it is to be. What is missing of `summary` and `description` "
        "is removed, all else stays; protected fields as in a change.",
    },
    "MemberChange": an_object(
        {"project_id": ID, "user_id": ID, "action": {"type": "string", "enum": ["add", "remove"]}},
        description="Who joins or leaves which project.",
    ),
    "MemberNew": an_object(
        {
            "project_id": ID,
            "user": {
                "type": "string",
                "minLength": 1,
                "maxLength": 128,
                "description": "Exactly the user name, or the address, of who joins.",
            },
            "action": {"const": "add"},
        },
        description="Who joins which project, by name.",
    ),
}
"""Components."""

EXAMPLES = {"Quotas": {"value": {"file_size_quota": None, "file_size_used": 10380902}}}
"""Components; FastAPI leaves nulls out of all others."""

_NEW_EXAMPLE = {"name": "Spring", "category": "film", "url": "spring"}
_WHOLE_EXAMPLE = {
    name: value
    for name, value in PROJECT_EXAMPLE.items()
    if not name.startswith("_") and name not in ("allowed_methods", "is_private")
}
_RECEIPT_EXAMPLE = {
    "_id": A_PROJECT,
    "_created": A_DATE,
    "_updated": A_DATE,
    "_etag": AN_ETAG,
    "_status": "OK",
}
_IT = {"project_id": "$response.body#/_id"}
_AS_IT_IS = {**_IT, "If-Match": "$response.body#/_etag"}
_TO_USE = {
    "change": leads_to("patch_project", "Change it.", _AS_IT_IS),
    "replace": leads_to("put_project", "Replace it.", _AS_IT_IS),
    "delete": leads_to("delete_project", "Delete it.", _AS_IT_IS),
    "upload": leads_to("upload_form", "Upload into it.", _IT),
    "quotas": leads_to("get_quotas", "What it holds.", _IT),
    "members": leads_to("get_members", "Its members.", _IT),
}
_WRITTEN = {"get": leads_to("get_project", "Read it.", _IT), **_TO_USE}
_CHANGED: Answers = {
    200: with_links(
        with_headers(
            json_body("The new state.", RECEIPT, _RECEIPT_EXAMPLE | {"_deleted": False}),
            *("Cache-Control", "ETag"),
        ),
        _WRITTEN,
    )
}
_BODY_ERRORS = (400, 403, 408, 409, 413, 415, 422, 501, 507)

LIST_PROJECTS = route(
    "List projects",
    answers(
        {
            200: with_headers(
                json_body(
                    "A page of projects.",
                    a_list_of(PROJECT),
                    a_list_example("projects", PROJECT_EXAMPLE),
                ),
                *("Cache-Control", "Last-Modified", "X-Total-Count"),
            )
        },
        400,
    ),
    *wanted(
        project_listing.FIELDS,
        project_listing.SORTABLE,
        {"by name": {"name": "Spring"}, "one's own": {"user": A_USER, "is_private": True}},
    ),
    SHOW_DELETED,
)
_RECEIPTS_EXAMPLE = {"_status": "OK", "_items": [_RECEIPT_EXAMPLE]}
POST_PROJECT = route(
    "Make a project",
    answers(
        {
            201: with_links(
                with_headers(
                    {
                        "description": "Made. Of an array, `_items` has one receipt for each.",
                        "content": as_json(
                            {"anyOf": [RECEIPT, RECEIPTS]},
                            one=_RECEIPT_EXAMPLE,
                            several=_RECEIPTS_EXAMPLE,
                        ),
                    },
                    *("Cache-Control", "ETag", "Location"),
                ),
                _WRITTEN,
            )
        },
        *_BODY_ERRORS,
    ),
    body=sent("ProjectNew", SCHEMAS["ProjectNew"], one=_NEW_EXAMPLE)
    | as_json(
        one_or_several("ProjectNew", MOST_AT_ONCE),
        one=_NEW_EXAMPLE,
        several=[_NEW_EXAMPLE, {"name": "Agent 327", "category": "film"}],
    ),
    login=True,
) | {"status_code": 201}
_READ = with_headers(json_body("The project.", PROJECT, PROJECT_EXAMPLE), "Cache-Control", "ETag")
GET_PROJECT = route(
    "Read a project",
    answers(
        {
            200: with_links(with_headers(_READ, "Last-Modified"), _TO_USE),
            304: with_headers(
                {"description": "Not modified."}, "Cache-Control", "ETag", "Last-Modified"
            ),
        },
        *(400, 403, 404, 412),
    ),
    PROJECT_ID,
    PROJECTION,
    SHOW_DELETED,
    *CONDITIONS,
)
PUT_PROJECT = route(
    "Replace a project",
    answers(_CHANGED, *_BODY_ERRORS, 404, 412, 428),
    PROJECT_ID,
    IF_MATCH,
    overridden("PUT"),
    body=sent(
        "ProjectWrite",
        SCHEMAS["ProjectWrite"],
        short={"name": "Spring", "category": "film"},
        whole=_WHOLE_EXAMPLE,
    ),
    login=True,
)
PATCH_PROJECT = route(
    "Change a project",
    answers(_CHANGED, *_BODY_ERRORS, 404, 412, 428),
    PROJECT_ID,
    IF_MATCH,
    overridden("PATCH"),
    body=sent(
        "ProjectPatch",
        SCHEMAS["ProjectPatch"],
        summary={"summary": "A shepherd girl and her dog."},
        granted={"permissions": {"groups": [{"group": A_GROUP, "methods": ["GET", "PUT"]}]}},
    ),
    login=True,
)
DELETE_PROJECT = route(
    "Delete a project",
    answers({204: {"description": "Deleted."}}, 403, 404, 409, 412, 428, 507),
    PROJECT_ID,
    IF_MATCH,
    overridden("DELETE"),
    login=True,
)

_SHORT: Schema = {"type": "string", "minLength": 1, "maxLength": 128, **_NAME}
_BY_FORM = an_object({"project_name": _SHORT})
_BY_JSON = an_object({"name": _SHORT}) | {"not": {"required": ["project_name"]}}
CREATE_PROJECT = route(
    "Make a project from its name",
    answers(
        {201: with_links(with_headers(_READ, "Location"), _TO_USE)},
        *_BODY_ERRORS,
    ),
    body=as_json({"anyOf": [_BY_JSON, _BY_FORM]}, name={"name": "Spring"})
    | as_form(_BY_FORM, name={"project_name": "Spring"}),
    login=True,
) | {"status_code": 201}
GET_MEMBERS = route(
    "List the members of a project",
    answers(
        {
            200: with_headers(
                json_body(
                    "The members.",
                    an_object(
                        {"_status": {"const": "OK"}, "_items": {"type": "array", "items": MEMBER}}
                    ),
                    {"_status": "OK", "_items": [MEMBER_EXAMPLE]},
                ),
                "Cache-Control",
            )
        },
        *(400, 403, 404),
    ),
    an_id("query", "project_id", "The project's id.", A_PROJECT),
    login=True,
)
_JOINING = {"project_id": A_PROJECT, "user_id": A_USER, "action": "add"}
POST_MEMBER = route(
    "Add or remove a member",
    answers(
        {
            200: with_headers(
                json_body("The user.", MEMBER, MEMBER_EXAMPLE | {"_status": "OK"}), "Cache-Control"
            )
        },
        *(status for status in _BODY_ERRORS if status != 422),
        *(404, 429),
    ),
    body=as_json(
        {"anyOf": [ref("schemas", "MemberChange"), ref("schemas", "MemberNew")]},
        add=_JOINING,
        named={"project_id": A_PROJECT, "user": "ada@studio.example", "action": "add"},
    )
    | as_form(SCHEMAS["MemberChange"], add=_JOINING),
    login=True,
)
GET_QUOTAS = route(
    "What a project holds",
    answers(
        {
            200: with_headers(
                {
                    "description": "What the project takes, in bytes.",
                    "content": {
                        JSON: {
                            "schema": an_object(
                                {"file_size_quota": {"type": "null"}, "file_size_used": COUNT}
                            ),
                            "examples": {"some": ref("examples", "Quotas")},
                        }
                    },
                },
                "Cache-Control",
            )
        },
        *(403, 404),
    ),
    PROJECT_ID,
    login=True,
)
_NODE_TYPE = parameter("path", "node_type", "Any type of node; all are alike here.", "asset")
_SEE_HEADER: dict[str, Any] = with_headers(
    {"description": "See the header."}, "Allowed", "Cache-Control"
)
GET_ALLOWED = route(
    "What one may do in a project",
    answers({204: _SEE_HEADER}, 403, 404),
    PROJECT_ID,
    _NODE_TYPE,
)
