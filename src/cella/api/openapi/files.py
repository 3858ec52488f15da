"""The files resource, described."""

from cella.access.file_edits import KNOWN_FIELDS, NEW_FIELDS
from cella.api.openapi.errors import answers
from cella.api.openapi.lists import EMBEDDED, PROJECTION, SHOW_DELETED, wanted
from cella.api.openapi.parts import (
    A_PROJECT,
    CONDITIONS,
    FILE_ID,
    IF_MATCH,
    Answers,
    Schema,
    json_body,
    leads_to,
    overridden,
    route,
    with_headers,
    with_links,
)
from cella.api.openapi.reading import (
    FILE,
    FILE_EXAMPLE,
    RECEIPT,
    RECEIPT_EXAMPLE,
    RECEIPTS,
    a_list_example,
    a_list_of,
)
from cella.api.openapi.writing import (
    READ_ONLY,
    as_json,
    one_or_several,
    partial,
    sent,
    strict,
    told,
    without,
)
from cella.catalog.file_fields import SORTABLE, file_fields

_NAMES: dict[str, Schema] = {
    "name": {"description": "For programs; uploads get one of their own."},
    "filename": {"description": "For people; what could deceive them is left out."},
}
_MEASURES: dict[str, Schema] = {
    "width": {"description": "Pixels."},
    "height": {"description": "Pixels."},
    "duration": {"description": "Seconds."},
}
_FOR_ADMINISTRATORS: Schema = {"description": "Set by administrators only."}
_OF_BYTES: Schema = {"description": "Set by administrators only, of files without bytes."}
_SENT_BACK = (
    *("_id", "_created", "_updated", "_etag", "_status", "_links", "_deleted"),
    *("project", "backend", "file_path", "sha256", "length_aggregate_in_bytes", "variations"),
    *("link", "link_expires", "media"),
)

_new = without(strict(NEW_FIELDS), "file_path")
_variation = _new["properties"]["variations"]["items"]
_FILE_NEW = told(
    _new,
    {
        **_NAMES,
        **_MEASURES,
        "_id": {"description": "Chosen by Cella where it is missing."},
        "length": {"description": "Bytes; they count."},
        "user": {"description": "Oneself, unless one is an administrator."},
        "project": {"description": "Without one, the file is the user's own."},
        "backend": {"description": "Where the bytes lie; the server's own by default."},
        "status": {"description": "`complete`, unless one is an administrator."},
        "processing": _FOR_ADMINISTRATORS,
        "variations": {
            **_FOR_ADMINISTRATORS,
            "items": without(_variation, "file_path", "link", "sha256"),
        },
    },
)
_FILE_PATCH = told(
    partial(without(strict(KNOWN_FIELDS), *_SENT_BACK)),
    {
        **_NAMES,
        **dict.fromkeys(("content_type", "status", "format", "size"), _FOR_ADMINISTRATORS),
        **dict.fromkeys(("width", "height", "duration", "processing"), _FOR_ADMINISTRATORS),
        **dict.fromkeys(("length", "md5", "user"), _OF_BYTES),
        **dict.fromkeys(_SENT_BACK, READ_ONLY),
    },
)
SCHEMAS: dict[str, Schema] = {
    "FileNew": {**_FILE_NEW, "description": "A file without bytes."},
    "FilePatch": {**_FILE_PATCH, "description": "What changes of a file; null removes a field."},
    "FileWrite": {
        **_FILE_PATCH,
        "required": ["name", "filename"],
        "description": "A file's document as it is to be, which may have all that was read.",
    },
}
"""Components."""

_NEW_EXAMPLE = {
    "name": "plate-0041",
    "filename": "plate 0041.exr",
    "content_type": "application/x-exr",
    "project": A_PROJECT,
    "length": 9437184,
    "description": "On the tape in the cellar.",
}
_IT = {"file_id": "$response.body#/_id"}
_AS_IT_IS = {**_IT, "If-Match": "$response.body#/_etag"}
_TO_CHANGE = {
    "change": leads_to("change_file", "Change it.", _AS_IT_IS),
    "replace": leads_to("replace_file", "Replace it.", _AS_IT_IS),
    "delete": leads_to("delete_file", "Delete it.", _AS_IT_IS),
}
_WRITTEN = {"get": leads_to("get_file", "Read it.", _IT), **_TO_CHANGE}
_BODY_ERRORS = (400, 403, 408, 413, 415, 422, 501, 507)

LIST_FILES = route(
    "List files",
    answers(
        {
            200: with_headers(
                json_body(
                    "A page of files.", a_list_of(FILE), a_list_example("files", FILE_EXAMPLE)
                ),
                *("Cache-Control", "Last-Modified", "X-Total-Count"),
            )
        },
        400,
    ),
    *wanted(
        file_fields(deleted=False, loose=False, shown=None),
        SORTABLE,
        {
            "one project": {"project": A_PROJECT},
            "large pictures": {"content_type": {"$regex": "^image/"}, "width": {"$gte": 4096}},
            "failed": {"processing.status": "failed"},
        },
    ),
    EMBEDDED,
    SHOW_DELETED,
)
GET_FILE = route(
    "Read a file",
    answers(
        {
            200: with_links(
                with_headers(
                    json_body("The file.", FILE, FILE_EXAMPLE),
                    *("Cache-Control", "ETag", "Last-Modified"),
                ),
                _TO_CHANGE,
            ),
            304: with_headers(
                {"description": "Not modified."}, "Cache-Control", "ETag", "Last-Modified"
            ),
        },
        *(400, 403, 404, 412),
    ),
    FILE_ID,
    PROJECTION,
    EMBEDDED,
    SHOW_DELETED,
    *CONDITIONS,
)
DELETE_FILE = route(
    "Delete a file",
    answers({204: {"description": "Deleted."}}, 403, 404, 412, 428, 507),
    FILE_ID,
    IF_MATCH,
    overridden("DELETE"),
    login=True,
)
RESTORE_FILE = route(
    "Restore a deleted file",
    answers(
        {
            200: with_links(
                with_headers(
                    json_body("Restored, or it was not deleted.", RECEIPT, RECEIPT_EXAMPLE),
                    *("Cache-Control", "ETag"),
                ),
                _WRITTEN,
            )
        },
        *(403, 404, 507),
    ),
    FILE_ID,
    login=True,
)

ADD_FILES = route(
    "Add documents",
    answers(
        {
            201: with_links(
                with_headers(
                    {
                        "description": "Added. Of an array, `_items` has one receipt for each.",
                        "content": as_json(
                            {"anyOf": [RECEIPT, RECEIPTS]},
                            one=RECEIPT_EXAMPLE,
                            several={"_status": "OK", "_items": [RECEIPT_EXAMPLE]},
                        ),
                    },
                    *("Cache-Control", "ETag", "Location"),
                ),
                _WRITTEN,
            )
        },
        *_BODY_ERRORS,
        409,
    ),
    body=sent("FileNew", SCHEMAS["FileNew"], one=_NEW_EXAMPLE)
    | as_json(
        one_or_several("FileNew", 250),
        one=_NEW_EXAMPLE,
        several=[_NEW_EXAMPLE, {**_NEW_EXAMPLE, "name": "plate-0042"}],
    ),
    login=True,
) | {"status_code": 201}

_CHANGED: Answers = answers(
    {
        200: with_links(
            with_headers(
                json_body("Changed, or nothing was to change.", RECEIPT, RECEIPT_EXAMPLE),
                *("Cache-Control", "ETag"),
            ),
            _WRITTEN,
        )
    },
    *_BODY_ERRORS,
    *(404, 412, 428),
)
CHANGE_FILE = route(
    "Change a file",
    _CHANGED,
    FILE_ID,
    IF_MATCH,
    overridden("PATCH"),
    body=sent(
        "FilePatch",
        SCHEMAS["FilePatch"],
        described={"description": "The one that was used."},
        failed={"processing": {"status": "failed", "error": "The tape is gone."}},
    ),
    login=True,
)
REPLACE_FILE = route(
    "Replace a file's document",
    _CHANGED,
    FILE_ID,
    IF_MATCH,
    overridden("PUT"),
    body=sent(
        "FileWrite",
        SCHEMAS["FileWrite"],
        short={"name": "plate-0041", "filename": "plate 0041 final.exr"},
        whole={**FILE_EXAMPLE, "filename": "plate 0041 final.jpg"},
    ),
    login=True,
)
PROCESS_AGAIN = route(
    "Have a file that failed worked on again",
    answers(
        {
            200: with_links(
                with_headers(
                    json_body("It is worked on again.", RECEIPT, RECEIPT_EXAMPLE),
                    *("Cache-Control", "ETag"),
                ),
                _WRITTEN,
            )
        },
        *(403, 404, 409, 412, 428, 507),
    ),
    FILE_ID,
    {**IF_MATCH, "required": False},
    login=True,
)
