"""Uploads in pieces, described."""

from typing import Any

from cella.api.openapi.errors import answers
from cella.api.openapi.parts import (
    A_DATE,
    A_FILE,
    A_PROJECT,
    A_USER,
    BINARY,
    COUNT,
    DATE,
    ID,
    PROJECT_ID,
    TEXT,
    an_id,
    an_object,
    json_body,
    leads_to,
    parameter,
    ref,
    route,
    with_headers,
    with_links,
)

_AN_UPLOAD = "5d2c42a08b0a4c7d9e6f1a2c"
_UPLOAD_ID = an_id("path", "upload_id", "The upload's id.", _AN_UPLOAD)
_TUS = parameter(
    "header", "Tus-Resumable", "The version of tus.", "1.0.0", required=True, const="1.0.0"
)
_OFFSET = parameter(
    "header",
    "Upload-Offset",
    "How many bytes have come before.",
    0,
    required=True,
    **COUNT,
    maximum=1 << 50,
)
_CHUNK: dict[str, Any] = {
    "application/offset+octet-stream": {"schema": BINARY, "example": "the bytes"}
}
_EXAMPLE = {
    "_id": _AN_UPLOAD,
    "_created": A_DATE,
    "project": A_PROJECT,
    "user": A_USER,
    "filename": "plate 0041.exr",
    "length": 61368,
    "received": 61368,
    "state": "complete",
    "expires": "Mon, 23 Nov 2026 17:38:00 GMT",
    "file": A_FILE,
}
_OF_BYTES = (400, 403, 404, 408, 409, 412, 413, 415, 501, 503, 507)
_STATE = ("Cella-File", "Cella-State", "Tus-Resumable", "Upload-Expires")

SCHEMAS = {
    "Upload": an_object(
        {
            "_id": ID,
            "_created": DATE,
            "project": ID,
            "user": ID,
            "filename": TEXT,
            "length": COUNT,
            "received": COUNT,
            "state": {"enum": ["receiving", "storing", "complete", "failed"]},
            "expires": DATE,
            "file": ID,
            "reason": TEXT,
        },
        [
            *("_id", "_created", "project", "user", "filename", "length", "received"),
            *("state", "expires"),
        ],
        description="A file that comes in pieces.",
    )
}
"""Components."""

ABOUT_UPLOADS = route(
    "What tus can do here",
    {
        200: with_headers(
            {"description": "See the headers."},
            *("Tus-Extension", "Tus-Max-Size", "Tus-Resumable", "Tus-Version"),
        )
    },
    PROJECT_ID,
) | {"status_code": 200}
BEGIN_UPLOAD = route(
    "Begin an upload in pieces",
    answers(
        {
            201: with_links(
                with_headers(
                    json_body(
                        "Begun; the bytes go to its `Location`.", ref("schemas", "Upload"), _EXAMPLE
                    ),
                    *("Cache-Control", "Location", "Upload-Offset", *_STATE),
                ),
                {
                    "state": leads_to(
                        "read_upload",
                        "Read how far it is.",
                        {
                            "project_id": "$request.path.project_id",
                            "upload_id": "$response.body#/_id",
                        },
                    )
                },
            )
        },
        *_OF_BYTES,
        429,
    ),
    PROJECT_ID,
    _TUS,
    parameter(
        "header",
        "Upload-Length",
        "How many bytes the file has.",
        61368,
        required=True,
        **COUNT,
        maximum=1 << 50,
    ),
    parameter(
        "header",
        "Upload-Metadata",
        "`filename` and `filetype` in Base64; Uppy's `name` and `type` do as well.",
        "filename cGxhdGUgMDA0MS5leHI=,filetype aW1hZ2UveC1leHI=",
    ),
    body=_CHUNK,
    may_be_empty=True,
    login=True,
) | {"status_code": 201}
READ_UPLOAD = route(
    "Read an upload",
    answers(
        {
            200: with_headers(
                json_body("The upload.", ref("schemas", "Upload"), _EXAMPLE),
                *("Cache-Control", "Upload-Length", "Upload-Offset", *_STATE),
            )
        },
        *(403, 404, 412),
    ),
    PROJECT_ID,
    _UPLOAD_ID,
    parameter("header", "Tus-Resumable", "The version of tus.", "1.0.0", const="1.0.0"),
    login=True,
)
APPEND_UPLOAD = route(
    "Go on with an upload",
    answers(
        {
            204: with_headers(
                {"description": "All of the body has come."}, *("Upload-Offset", *_STATE)
            )
        },
        *_OF_BYTES,
    ),
    PROJECT_ID,
    _UPLOAD_ID,
    _TUS,
    _OFFSET,
    body=_CHUNK,
    login=True,
) | {"status_code": 204}
END_UPLOAD = route(
    "End an upload",
    answers({204: with_headers({"description": "Ended."}, "Tus-Resumable")}, *(403, 404, 409, 412)),
    PROJECT_ID,
    _UPLOAD_ID,
    _TUS,
    login=True,
) | {"status_code": 204}
