"""Uploads and downloads, described."""

from typing import Any

from cella.api.openapi.errors import answers
from cella.api.openapi.parts import (
    A_FILE,
    A_PLACE,
    A_SIGNATURE,
    BINARY,
    CONDITIONS,
    ID,
    MULTIPART,
    PREFER,
    PROJECT_ID,
    Answers,
    Content,
    an_object,
    json_body,
    leads_to,
    parameter,
    route,
    with_headers,
    with_links,
)
from cella.links.urls import ROUTE

STORED: Answers = {
    201: with_links(
        with_headers(
            json_body(
                "Stored: the bytes and the document are durable.",
                an_object({"status": {"const": "ok"}, "file_id": ID}),
                {"status": "ok", "file_id": A_FILE},
            ),
            *("Cache-Control", "Location", "Preference-Applied"),
        ),
        {"get": leads_to("get_file", "Read its document.", {"file_id": "$response.body#/file_id"})},
    )
}
_UPLOAD_ERRORS = (400, 403, 404, 408, 413, 415, 501, 503, 507)
UPLOAD_FORM = route(
    "Upload a form",
    answers(STORED, *_UPLOAD_ERRORS),
    PROJECT_ID,
    PREFER,
    body={
        MULTIPART: {
            "schema": an_object({"file": {**BINARY, "description": "With a file name."}}),
            "example": {"file": "the bytes"},
            "encoding": {"file": {"contentType": "application/octet-stream, image/*"}},
        }
    },
    login=True,
) | {"status_code": 201}
UPLOAD_RAW = route(
    "Upload a plain body",
    answers(STORED, *_UPLOAD_ERRORS),
    PROJECT_ID,
    parameter("path", "filename", "The file's name.", "plate 0041.exr"),
    PREFER,
    body={
        "application/octet-stream": {"schema": BINARY, "example": "the bytes"},
        "image/*": {"schema": BINARY, "example": "the bytes"},
    },
    may_be_empty=True,
    login=True,
) | {"status_code": 201}

_STORE_ERRORS = tuple(status for status in _UPLOAD_ERRORS if status != 404)
_STORE_ANSWERS = answers(
    {
        200: with_headers(
            json_body(
                "Stored: the bytes and the document are durable.",
                an_object({"url": {"type": "string"}}),
                {"url": f"{ROUTE}/{A_PLACE}.exr?{A_SIGNATURE}"},
            ),
            "Cache-Control",
        )
    },
    *_STORE_ERRORS,
)
_STORE_FORM: Content = {
    MULTIPART: {
        "schema": an_object(
            {
                "name": {
                    "type": "string",
                    "minLength": 1,
                    "description": "Letters and digits of any script, blanks, dots and "
                    "underscores are kept of it.",
                },
                "data": {**BINARY, "description": "With a file name."},
            }
        ),
        "example": {"name": "plate 0041.exr", "data": "the bytes"},
        "encoding": {"data": {"contentType": "application/octet-stream, image/*"}},
    }
}
STORE = route("Store a file without a project", _STORE_ANSWERS, body=_STORE_FORM, login=True)
STORE_AT = route(
    "Store a file without a project, at any address",
    _STORE_ANSWERS,
    parameter("path", "path", "Means nothing.", "a.txt"),
    body=_STORE_FORM,
    login=True,
)

_BYTES: Content = {"*/*": {"schema": BINARY}}
_SERVED = (
    *("Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Security-Policy"),
    *("Cross-Origin-Resource-Policy", "ETag", "Last-Modified", "X-Content-Type-Options"),
)
DOWNLOAD: dict[str, Any] = {
    "tags": ["Download"],
    "summary": "Download",
    "description": (
        "The bytes of a file or of a preview. Take the address from the `link` of a document as "
        "it is: it holds the signature that lets anybody read who has it. Without one, the file "
        "must be public, or the caller must have full access to it. Ranges, one or several, and "
        "conditions are understood (RFC 9110)."
    ),
    "operationId": "download",
    "parameters": [
        parameter("path", "path", "The blob's place, slashes and all.", f"{A_PLACE}.jpg"),
        parameter("query", "expires", "Seconds since the epoch.", 1797552000, type="integer"),
        parameter(
            "query",
            "signature",
            "What proves that the link was not changed.",
            A_SIGNATURE.rpartition("=")[2],
        ),
        parameter("header", "Range", "The bytes that are wanted.", "bytes=0-1023"),
        parameter(
            "header",
            "If-Range",
            "An etag or a date: all bytes where it is not current.",
            "Sun, 22 Nov 2026 17:38:00 GMT",
        ),
        *CONDITIONS,
    ],
    "responses": {
        str(status): answer
        for status, answer in answers(
            {
                200: with_headers({"description": "The bytes.", "content": _BYTES}, *_SERVED),
                206: with_headers(
                    {
                        "description": "Parts of them; several as `multipart/byteranges`.",
                        "content": _BYTES,
                    },
                    *_SERVED,
                    "Content-Range",
                ),
                304: with_headers({"description": "Not modified."}, *_SERVED),
            },
            *(403, 404, 412, 416),
        ).items()
    },
}
