"""The OpenAPI document as a whole."""

from copy import deepcopy
from importlib import metadata
from typing import Any

from fastapi import FastAPI

from cella.api.openapi import (
    admin,
    blender_id,
    browse,
    documentation,
    encoding,
    files,
    lists,
    people,
    projects,
    reading,
    session,
    uploads,
)
from cella.api.openapi.errors import ERROR, RESPONSES, bodiless, failure
from cella.api.openapi.headers import HEADERS, of_all
from cella.api.openapi.methods import head_of, joined, options_of
from cella.api.openapi.parts import parameter, ref
from cella.api.openapi.storage import DOWNLOAD
from cella.links.urls import ROUTE

TITLE = "Cella"
DESCRIPTION = """\
A media-asset store: upload files into projects, see their previews, get links that are signed,
expire, and are always fresh when read.

Sign in with `Authorization: Bearer <token>`, or with Basic and the token as user name; the
password is a sub-client's id, or empty. A token that is not valid counts as none, and what needs a
login then answers 403. A browser may sign in with a cookie instead (`/api/session`), and then sends
`X-CSRF-Token` with every change.

Ids are 24 lower-case hex digits, dates those of HTTP in whole seconds. Fields without a value are
left out. Slashes at the end of an address mean nothing. `X-HTTP-Method-Override` replaces the
method of a request, but never to or from HEAD. A body of a GET or DELETE is ignored.

Errors are JSON with a stable `name`. Only what is no request of HTTP at all is answered without:
with 400, and with 431 where the headers have more than 64 KiB.
"""
SCHEMAS: dict[str, Any] = {
    **reading.SCHEMAS,
    **files.SCHEMAS,
    **uploads.SCHEMAS,
    **projects.SCHEMAS,
    **people.SCHEMAS,
    **blender_id.SCHEMAS,
    **encoding.SCHEMAS,
    **session.SCHEMAS,
    **admin.SCHEMAS,
    **lists.SCHEMAS,
    **browse.SCHEMAS,
    "Error": ERROR,
}
_TAGS = {
    "Upload": "Bytes come in.",
    "Download": "Bytes go out.",
    "Browse": "What lies in the buckets of projects.",
    "Files": "The documents about files.",
    "Projects": "What people work on; it owns files and says who may do what with them.",
    "Users": "Who may sign in.",
    "Administration": "Running the place, for administrators.",
    "Encoding": "What encoders elsewhere tell.",
    "Health": "For load balancers and supervisors. Neither answer tells a stranger anything.",
    "Documentation": "This document.",
    "HEAD": "The headers that the GET of the same address would have.",
    "OPTIONS": "What an address takes, and what pages of other origins may do.",
}
_WITHOUT_DATABASE = ("/healthz", "/readyz", "/api", "/api/docs", "/api/openapi.json")
_REQUEST_ID = parameter(
    "header",
    "X-Request-ID",
    "Names the request in the log; another one is made where this is missing or strange.",
    "9e60d141ef9fff9b",
)
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token."},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The token as user name; the sub-client's id, if any, as password.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "cella_session",
        "description": "A browser's session; changes need `X-CSRF-Token` too.",
    },
}


def version() -> str:
    """The version of the installed package."""
    return metadata.version("cella")


def complete(app: FastAPI) -> None:
    """Put into the document what FastAPI cannot know.

    That is what routes refer to, the ways to sign in, the delivery of bytes, and what holds for
    all routes: HEAD and OPTIONS, the headers of all answers, and errors that any of them may meet.
    """
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(generate())
        return generate()

    app.openapi = described  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    paths = document["paths"]
    paths.setdefault(ROUTE + "/{path}", {})["get"] = deepcopy(DOWNLOAD)
    paths.update(deepcopy(documentation.PATHS))
    for path, item in paths.items():
        if "get" in item:
            item["head"] = head_of(item["get"])
        preflight = options_of(path, item)
        item["options"] = joined(item["options"], preflight) if "options" in item else preflight
        for operation in item.values():
            _add_to_all(path, operation)
        item["parameters"] = [ref("parameters", "X-Request-ID")]
    document["tags"] = [
        {"name": name, "description": description} for name, description in _TAGS.items()
    ]
    document["components"] = {
        "schemas": SCHEMAS,
        "examples": projects.EXAMPLES,
        "responses": RESPONSES,
        "headers": HEADERS,
        "parameters": {"X-Request-ID": _REQUEST_ID},
        "securitySchemes": _SCHEMES,
    }
    document["security"] = [{}, {"bearer": []}, {"basic": []}]


def _add_to_all(path: str, operation: dict[str, Any]) -> None:
    """Add what holds for all operations: headers of answers, and what may fail anywhere."""
    answers = operation["responses"]
    for answer in answers.values():
        if "$ref" not in answer:
            answer["headers"] = of_all() | answer.get("headers", {})
    if "OPTIONS" in operation["tags"]:
        return
    everywhere = (500,) if path in _WITHOUT_DATABASE else (500, 503)
    is_head = "HEAD" in operation["tags"]
    for status in everywhere:
        answers.setdefault(str(status), bodiless(status) if is_head else failure(status))
    operation["responses"] = dict(sorted(answers.items()))
