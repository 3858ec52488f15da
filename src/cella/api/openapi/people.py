"""Users and signing in, described."""

from cella.access.account_edits import FIELDS, LARGEST_SETTINGS
from cella.api.openapi.errors import answers
from cella.api.openapi.lists import PROJECTION, wanted
from cella.api.openapi.parts import (
    A_DATE,
    A_USER,
    AN_ETAG,
    CONDITIONS,
    IF_MATCH,
    JSON,
    TEXT,
    USER_ID,
    Answers,
    Content,
    Schema,
    an_object,
    json_body,
    leads_to,
    overridden,
    ref,
    route,
    with_headers,
    with_links,
)
from cella.api.openapi.reading import (
    RECEIPT,
    STRANGER,
    STRANGER_EXAMPLE,
    USER,
    USER_EXAMPLE,
    a_list_example,
    a_list_of,
)
from cella.api.openapi.writing import (
    ADDRESS,
    ONE_LINE,
    READ_ONLY,
    as_json,
    partial,
    sent,
    strict,
    told,
)
from cella.catalog import user_listing

_SENT_BACK = ("_id", "_created", "_updated", "_etag", "_status", "_links", "_deleted")
_OF_NAMES = "Letters and digits of any script, and signs of `.@+-_`, in the form NFKC."
_USERNAME: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 128,
    "description": _OF_NAMES,
}
_USER_PATCH = told(
    partial(strict(FIELDS)),
    {
        "full_name": {
            "pattern": ONE_LINE,
            "description": "One line of characters that can be seen.",
        },
        "email": {
            "pattern": f"^({ADDRESS})?$",
            "description": "Unique, or empty; in the form NFKC.",
        },
        "settings": {"description": f"Anything, {LARGEST_SETTINGS >> 10} KiB at most."},
        "username": {**_USERNAME, "description": f"{_OF_NAMES} Changed by administrators only."},
        "roles": {
            "items": {"type": "string", "pattern": "^[a-z0-9_-]{1,64}$"},
            "description": "Changed by administrators only.",
        },
        "groups": {"description": "Changed by administrators only."},
        "disabled": {"description": "Changed by administrators only."},
        **dict.fromkeys(_SENT_BACK, READ_ONLY),
    },
)
SCHEMAS: dict[str, Schema] = {
    "UserPatch": {**_USER_PATCH, "description": "What changes of a user."},
    "UserWrite": {
        **_USER_PATCH,
        "required": ["full_name"],
        "description": "A user as he is to be; `email` and `settings` are emptied where missing.",
    },
    "SetUsername": an_object(
        {"op": {"const": "set-username"}, "username": _USERNAME},
        additionalProperties=False,
        description="A new name for oneself.",
    ),
    "Credentials": an_object(
        {"username": TEXT, "password": {"type": "string", "format": "password"}},
        description="A name and a password.",
    ),
    "Badge": an_object(
        {
            "action": {"type": "string", "enum": ["grant", "revoke"]},
            "role": {"type": "string", "pattern": "^[a-z0-9_-]{1,64}$"},
            "user_email": {
                "type": "string",
                "maxLength": 128,
                "pattern": f"^{ADDRESS}$",
            },
        },
        description="A role, and whose it is to be or not.",
    ),
}
"""Components."""

_WHOLE: Answers = {
    200: with_headers(
        json_body("The user.", USER, USER_EXAMPLE), "Cache-Control", "ETag", "Last-Modified"
    ),
    304: with_headers({"description": "Not modified."}, "Cache-Control", "ETag", "Last-Modified"),
}
_HIM = {"user_id": "$response.body#/_id"}
_CHANGED: Answers = {
    200: with_links(
        with_headers(
            json_body(
                "Changed, or nothing was to change.",
                RECEIPT,
                {
                    "_id": A_USER,
                    "_created": A_DATE,
                    "_updated": A_DATE,
                    "_etag": AN_ETAG,
                    "_status": "OK",
                },
            ),
            *("Cache-Control", "ETag", "Last-Modified"),
        ),
        {
            "get": leads_to("get_user", "Read him.", _HIM),
            "change": leads_to(
                "patch_user", "Change him.", {**_HIM, "If-Match": "$response.body#/_etag"}
            ),
        },
    )
}
_BODY_ERRORS = (400, 403, 404, 408, 413, 415, 501, 507)

GET_ME = route("Read oneself", answers(_WHOLE, 400, 403, 412), PROJECTION, *CONDITIONS, login=True)
LIST_USERS = route(
    "List users",
    answers(
        {
            200: with_headers(
                json_body(
                    "A page of users.", a_list_of(USER), a_list_example("users", USER_EXAMPLE)
                ),
                *("Cache-Control", "Last-Modified", "X-Total-Count"),
            )
        },
        *(400, 403),
    ),
    *wanted(
        user_listing.FIELDS,
        user_listing.SORTABLE,
        {"by address": {"email": "ada@studio.example"}, "by role": {"roles": "admin"}},
    ),
    login=True,
)
GET_USER = route(
    "Read a user",
    answers(
        {
            **_WHOLE,
            200: with_headers(
                {
                    "description": "The whole user for oneself and for administrators, two fields "
                    "for all others.",
                    "content": as_json(
                        {"anyOf": [USER, STRANGER]},
                        whole=USER_EXAMPLE,
                        stranger=STRANGER_EXAMPLE,
                    ),
                },
                *("Cache-Control", "ETag", "Last-Modified"),
            ),
        },
        *(400, 404, 412),
    ),
    USER_ID,
    PROJECTION,
    *CONDITIONS,
)
_CHANGE_ANSWERS = answers(_CHANGED, *_BODY_ERRORS, 412, 422, 428)
_WHOLE_BODY = sent(
    "UserWrite",
    SCHEMAS["UserWrite"],
    one={"full_name": "Ada Lovelace", "email": "ada@studio.example"},
    whole={**STRANGER_EXAMPLE, "settings": {"email_communications": 1}},
)
_PUT = (IF_MATCH, overridden("PUT"))
PUT_ME = route("Replace oneself", _CHANGE_ANSWERS, *_PUT, body=_WHOLE_BODY, login=True)
PUT_USER = route("Replace a user", _CHANGE_ANSWERS, USER_ID, *_PUT, body=_WHOLE_BODY, login=True)
_partial_body = sent("UserPatch", SCHEMAS["UserPatch"], name={"full_name": "Ada King"})
_PARTIAL_BODY: Content = {
    **_partial_body,
    JSON: {
        "schema": {"anyOf": [ref("schemas", "UserPatch"), ref("schemas", "SetUsername")]},
        "examples": {
            **_partial_body[JSON]["examples"],
            "a new name": {"value": {"op": "set-username", "username": "ada.l"}},
        },
    },
}
_PATCH = (
    {
        **IF_MATCH,
        "required": False,
        "description": "The document's `_etag`. Needed but with `op`.",
    },
    overridden("PATCH"),
)
PATCH_ME = route("Change oneself", _CHANGE_ANSWERS, *_PATCH, body=_PARTIAL_BODY, login=True)
PATCH_USER = route(
    "Change a user", _CHANGE_ANSWERS, USER_ID, *_PATCH, body=_PARTIAL_BODY, login=True
)
MAKE_TOKEN = route(
    "Sign in",
    answers(
        {
            200: with_headers(
                json_body(
                    "A token, valid for `login_token_days`.",
                    an_object({"token": TEXT}),
                    {"token": "qk2mZtYb8s5wJ3v9uX1cR7dN0hLfGpAeQiVoTyUaBzM"},
                ),
                "Cache-Control",
            )
        },
        *(status for status in _BODY_ERRORS if status != 404),
        429,
    ),
    body=sent(
        "Credentials",
        SCHEMAS["Credentials"],
        ada={"username": "ada", "password": "correct horse battery staple"},
    ),
)
BADGER = route(
    "Grant or revoke a role",
    answers(
        {204: {"description": "It is so now, whether or not it was before."}},
        *_BODY_ERRORS,
        409,
    ),
    body=sent(
        "Badge",
        SCHEMAS["Badge"],
        grant={"action": "grant", "role": "subscriber", "user_email": "ada@studio.example"},
    ),
    login=True,
)
ROOT = route(
    "Nothing",
    answers({200: with_headers(json_body("Nothing.", {"type": "object"}, {}), "Cache-Control")}),
)
