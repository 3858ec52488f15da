"""What the OpenAPI document says of each route: parameters, bodies, answers, with examples.

Routes read their parameters themselves, because the wire has forms that annotations cannot
express; here they are described. Each constant is what a route decorator is handed.
"""

from importlib import metadata
from typing import Any

import msgspec
from fastapi import FastAPI

from cella.api.documents import FileDocument, ProjectDocument, UserDocument
from cella.links.urls import ROUTE

TITLE = "Cella"
DESCRIPTION = """\
A media-asset store: upload files into projects, see their previews, get links that are signed,
expire, and are always fresh when read.

Sign in with `Authorization: Bearer <token>`, or with Basic and the token as user name. A token
that is not valid counts as none. Errors are JSON with a stable `name`.
"""

_ID = "5d2c3f1e8b0a4c7d9e6f1a2b"
_ETAG = "0f4c1c8f5f3d4b0b9a7b2f6e1d8c3a5b7e9d0c1f"
_DATE = "Sun, 22 Nov 2026 17:38:00 GMT"
_LINK = (
    "http://127.0.0.1:8333/api/storage/file/5d/5d2c3f1e8b0a4c7d9e6f1a2b/9b/"
    "9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d-t.jpg"
)

_schemas, _components = msgspec.json.schema_components(
    [FileDocument, ProjectDocument, UserDocument], ref_template="#/components/schemas/{name}"
)
_FILE, _PROJECT, _USER = _schemas


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required or list(properties)}


def _list_of(schema: dict[str, Any]) -> dict[str, Any]:
    number = {"type": "integer", "minimum": 0}
    meta = _object({"page": number, "max_results": number, "total": number})
    return _object({"_items": {"type": "array", "items": schema}, "_meta": meta})


COMPONENTS: dict[str, Any] = {
    **_components,
    "Error": {
        **_object(
            {
                "_status": {"const": "ERR"},
                "_issues": {"type": "object", "description": "What is wrong, by field."},
                "_error": _object(
                    {
                        "code": {"type": "integer", "description": "The HTTP status."},
                        "message": {"type": "string"},
                        "name": {"type": "string", "description": "Stable; for programs."},
                        "retriable": {"type": "boolean"},
                    }
                ),
            },
            ["_status", "_error"],
        ),
        "example": {
            "_status": "ERR",
            "_error": {
                "code": 404,
                "message": f"File {_ID} does not exist.",
                "name": "not_found",
                "retriable": False,
            },
        },
    },
}

_ERRORS = {
    400: "The request cannot be understood; the message says what to change.",
    403: "Not allowed, or not signed in.",
    404: "There is no such thing.",
    408: "The upload came too slowly and was given up.",
    412: "The etag is not the current one: read the document again.",
    413: "The file is not smaller than the limit of who uploads.",
    415: "The body has a Content-Encoding.",
    416: "None of the wanted ranges lies in the file.",
    428: "`If-Match` is missing.",
    503: "A part that is needed does not answer; try again.",
    507: "The store has no room left.",
}


_Answers = dict[int | str, dict[str, Any]]


def _answers(success: _Answers, *errors: int) -> _Answers:
    answers = dict(success)
    for status in errors:
        schema = {"$ref": "#/components/schemas/Error"}
        answers[status] = {
            "description": _ERRORS[status],
            "content": {"application/json": {"schema": schema}},
        }
    return answers


def _json(description: str, schema: dict[str, Any], example: object = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {"application/json": content}}


def _parameter(
    place: str, name: str, description: str, example: object = None, **schema: Any
) -> dict[str, Any]:
    parameter = {
        "in": place,
        "name": name,
        "required": place == "path",
        "description": description,
        "schema": schema or {"type": "string"},
    }
    if example is not None:
        parameter["example"] = example
    return parameter


def _route(
    answers: dict[int | str, dict[str, Any]],
    *parameters: dict[str, Any],
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    extra: dict[str, Any] = {"parameters": list(parameters)} if parameters else {}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": body}
    return {"responses": answers, "openapi_extra": extra}


_PROJECT_ID = _parameter("path", "project_id", "The project's id.", _ID)
_FILE_ID = _parameter("path", "file_id", "The file's id.", _ID)
_PREFER = _parameter(
    "header", "Prefer", "`respond-async`: do not wait for previews (RFC 7240).", "respond-async"
)
_PAGE = _parameter("query", "page", "Counted from 1.", 1, type="integer")
_MAX_RESULTS = _parameter("query", "max_results", "1 to 250 items.", 250, type="integer")
_CONDITIONS = (
    _parameter("header", "If-None-Match", "An etag: 304 where it is current.", f'"{_ETAG}"'),
    _parameter("header", "If-Modified-Since", "A date: 304 where nothing changed.", _DATE),
)
_BINARY = {"type": "string", "format": "binary"}
_STORED: _Answers = {
    201: _json(
        "Stored: the bytes and the document are durable.",
        _object({"status": {"const": "ok"}, "file_id": {"type": "string"}}),
        {"status": "ok", "file_id": _ID},
    )
}
_UPLOAD_ERRORS = (400, 403, 404, 408, 413, 415, 503, 507)
_FILE_EXAMPLE = {
    "_id": _ID,
    "_created": _DATE,
    "_updated": _DATE,
    "_etag": _ETAG,
    "name": "9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d.jpg",
    "filename": "plate 0041.jpg",
    "content_type": "image/jpeg",
    "format": "jpeg",
    "width": 6000,
    "height": 4000,
    "length": 9437184,
    "length_aggregate_in_bytes": 10380902,
    "md5": "5d41402abc4b2a76b9719d911017c592",
    "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "user": _ID,
    "project": _ID,
    "backend": "local",
    "file_path": "9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d.jpg",
    "status": "complete",
    "variations": [
        {
            "size": "t",
            "content_type": "image/jpeg",
            "width": 160,
            "height": 106,
            "length": 6021,
            "md5": "7d793037a0760186574b0282f2f435e7",
            "file_path": "9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d-t.jpg",
            "is_public": True,
            "link": _LINK,
        }
    ],
    "link": _LINK.replace("-t.jpg", ".jpg") + "?expires=1766448000&signature=1f2e3d4c…",
    "link_expires": "Tue, 22 Dec 2026 00:00:00 GMT",
}

UPLOAD_FORM = _route(
    _answers(_STORED, *_UPLOAD_ERRORS),
    _PROJECT_ID,
    _PREFER,
    body={"multipart/form-data": {"schema": _object({"file": _BINARY})}},
) | {"status_code": 201}
UPLOAD_RAW = _route(
    _answers(_STORED, *_UPLOAD_ERRORS),
    _PROJECT_ID,
    _parameter("path", "filename", "The file's name.", "plate 0041.exr"),
    _PREFER,
    body={"application/octet-stream": {"schema": _BINARY}},
) | {"status_code": 201}
LIST_FILES = _route(
    _answers({200: _json("A page of files.", _list_of(_FILE))}, 400),
    _parameter(
        "query",
        "where",
        "A JSON object: fields with values, or with `$eq $ne $gt $gte $lt $lte $in $nin`.",
        f'{{"project": "{_ID}"}}',
    ),
    _parameter("query", "sort", "Fields with commas, `-` for descending.", "-_created"),
    _MAX_RESULTS,
    _PAGE,
)
GET_FILE = _route(
    _answers(
        {200: _json("The file.", _FILE, _FILE_EXAMPLE), 304: {"description": "Not modified."}},
        403,
        404,
        412,
    ),
    _FILE_ID,
    *_CONDITIONS,
)
DELETE_FILE = _route(
    _answers({204: {"description": "Deleted."}}, 403, 404, 412, 428),
    _FILE_ID,
    _parameter("header", "If-Match", "The document's `_etag`, with or without quotes.", _ETAG),
)
LIST_PROJECTS = _route(
    _answers({200: _json("A page of projects.", _list_of(_PROJECT))}), _MAX_RESULTS, _PAGE
)
GET_PROJECT = _route(_answers({200: _json("The project.", _PROJECT)}, 403, 404), _PROJECT_ID)
GET_ME = _route(_answers({200: _json("Oneself.", _USER)}, 403))
HEALTHZ = _route({200: _json("It lives.", _object({"status": {"const": "ok"}}))})
READYZ = _route(
    {
        200: _json("It can work.", _object({"status": {"const": "ready"}})),
        503: _json(
            "It cannot.", _object({"status": {"type": "string"}, "wrong": {"type": "object"}})
        ),
    }
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
    "responses": {
        str(status): answer
        for status, answer in _answers(
            {
                200: {"description": "The bytes.", "content": {"*/*": {"schema": _BINARY}}},
                206: {"description": "Parts of them.", "content": {"*/*": {"schema": _BINARY}}},
                304: {"description": "Not modified."},
            },
            *(403, 404, 412, 416, 503),
        ).items()
    },
    "parameters": [
        _parameter("path", "path", "The blob's place.", _LINK.partition("/file/")[2]),
        _parameter("query", "expires", "Seconds since the epoch.", 1797552000, type="integer"),
        _parameter("query", "signature", "What proves that the link was not changed."),
        _parameter("header", "Range", "The bytes that are wanted.", "bytes=0-1023"),
        _parameter("header", "If-Range", "An etag or a date: all bytes where it is not current."),
        _parameter("header", "If-Match", "An etag: 412 where it is not current."),
        *_CONDITIONS,
    ],
}


def version() -> str:
    """The version of the installed package."""
    return metadata.version("cella")


def complete(app: FastAPI) -> None:
    """Put into the document what FastAPI cannot know.

    That is the schemas that routes refer to, the ways to sign in, and the delivery of bytes.
    """
    generate = app.openapi

    def described() -> dict[str, Any]:
        document = generate()
        document["paths"][ROUTE + "/{path}"] = {"get": DOWNLOAD}
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(COMPONENTS)
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "basic": {
                "type": "http",
                "scheme": "basic",
                "description": "The token as user name, an empty password.",
            },
        }
        document["security"] = [{}, {"bearer": []}, {"basic": []}]
        return document

    app.openapi = described  # type: ignore[method-assign]
