"""What descriptions of routes are made of: parameters, bodies, answers, and ids for examples.

Routes read their parameters themselves, because the wire has forms that annotations cannot
express; the modules beside this one describe them. Each of their constants is what a route
decorator is handed.

The ids stand for the same things in all examples: one file, in one project, of one user, who is in
one group.
"""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]
"""A JSON Schema of draft 2020-12, as OpenAPI 3.1 has it."""

Answers = dict[int | str, dict[str, Any]]
"""Response objects by status."""

Content = dict[str, dict[str, Any]]
"""Media type objects by media type."""

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

A_FILE = "5d2c42a08b0a4c7d9e6f1a2b"
A_PROJECT = "5d2c3f1e8b0a4c7d9e6f1a2a"
A_USER = "5d2c3d908b0a4c7d9e6f1a28"
A_GROUP = "5d2c3f1e8b0a4c7d9e6f1a29"
AN_ETAG = "0f4c1c8f5f3d4b0b9a7b2f6e1d8c3a5b7e9d0c1f"
A_DATE = "Sun, 22 Nov 2026 17:38:00 GMT"
A_PLACE = f"{A_PROJECT[:2]}/{A_PROJECT}/9b/9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d"
A_LINK = f"http://127.0.0.1:8333/api/storage/file/{A_PLACE}"
A_SIGNATURE = "expires=1797552000&signature=4010abc9299d55c884a79932960096cf59a8914fd526be50"
A_CURSOR = "W1siLV9jcmVhdGVkIiwiLV9pZCJdLFsxNzk1MzY4MDAwLCI1ZDJjNDJhMDhiMGE0YzdkOWU2ZjFhMmIiXV0"
"""Of a list that is sorted by `-_created`."""

TEXT: Schema = {"type": "string"}
IN_A_PATH: Schema = {"type": "string", "pattern": "[^/]"}
"""A text in an address; one of slashes alone would be that of another thing, which ends there."""

COUNT: Schema = {"type": "integer", "minimum": 0}
ANYTHING: Schema = {}
BINARY: Schema = {"type": "string", "format": "binary"}
ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
ETAG: Schema = {"type": "string", "pattern": "^[0-9a-f]{40}$"}
DATE: Schema = {
    "type": "string",
    "pattern": "^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$",
    "description": "As HTTP writes dates (RFC 9110), whole seconds.",
}


def ref(kind: str, name: str) -> dict[str, Any]:
    """A reference to one of the document's components."""
    return {"$ref": f"#/components/{kind}/{name}"}


def an_object(
    properties: Mapping[str, Schema], required: list[str] | None = None, **more: Any
) -> Schema:
    """The schema of an object; all of `properties` are required, unless `required` says which."""
    wanted = list(properties) if required is None else required
    return {
        "type": "object",
        "properties": dict(properties),
        **({"required": wanted} if wanted else {}),
        **more,
    }


def json_body(description: str, schema: Schema, example: object = None) -> dict[str, Any]:
    """An answer with a JSON document."""
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {JSON: content}}


def with_headers(answer: dict[str, Any], *names: str) -> dict[str, Any]:
    """The answer, which has these of the headers that are components."""
    headers = {name: ref("headers", name) for name in names}
    return {**answer, "headers": {**answer.get("headers", {}), **headers}}


def with_links(answer: dict[str, Any], links: Mapping[str, Any]) -> dict[str, Any]:
    """The answer, which leads on to other operations."""
    return {**answer, "links": dict(links)}


def leads_to(operation: str, description: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """A link to an operation, whose parameters are runtime expressions."""
    return {
        "operationId": operation,
        "description": description,
        "parameters": dict(parameters),
    }


def parameter(
    place: str,
    name: str,
    description: str,
    example: object = None,
    *,
    required: bool = False,
    **schema: Any,
) -> dict[str, Any]:
    """A parameter in the `place` path, query or header; a text, unless `schema` says otherwise."""
    text = IN_A_PATH if place == "path" else TEXT
    described = {
        "in": place,
        "name": name,
        "required": required or place == "path",
        "description": description,
        "schema": schema or text,
    }
    return described if example is None else {**described, "example": example}


def json_parameter(
    name: str, description: str, schema: Schema, examples: Mapping[str, Any]
) -> dict[str, Any]:
    """A parameter of the query that is a JSON document."""
    values = {key: {"value": value} for key, value in examples.items()}
    return {
        "in": "query",
        "name": name,
        "required": False,
        "description": description,
        "content": {JSON: {"schema": schema, "examples": values}},
    }


def route(
    summary: str,
    answers: Answers,
    *parameters: dict[str, Any],
    body: Content | None = None,
    may_be_empty: bool = False,
    login: bool = False,
) -> dict[str, Any]:
    """What a route decorator is handed. With `login` the operation is for who has signed in."""
    extra: dict[str, Any] = {"parameters": list(parameters)} if parameters else {}
    if body is not None:
        extra["requestBody"] = {"required": not may_be_empty, "content": body}
    if login:
        extra["security"] = [{"bearer": []}, {"basic": []}]
    return {"summary": summary, "responses": answers, "openapi_extra": extra}


def an_id(place: str, name: str, description: str, example: str) -> dict[str, Any]:
    """A parameter that is an id."""
    return parameter(place, name, description, example, required=True, **ID)


FILE_ID = an_id("path", "file_id", "The file's id.", A_FILE)
PROJECT_ID = an_id("path", "project_id", "The project's id.", A_PROJECT)
USER_ID = an_id("path", "user_id", "The user's id.", A_USER)
PREFER = parameter(
    "header", "Prefer", "`respond-async`: do not wait for previews (RFC 7240).", "respond-async"
)
IF_MATCH = parameter(
    "header",
    "If-Match",
    "The document's `_etag`, quoted, bare or weak; or several; or `*`.",
    f'"{AN_ETAG}"',
    required=True,
    type="string",
    pattern="\\S",
)
_IS_CURRENT = f'"{AN_ETAG}"'
CONDITIONS = (
    parameter("header", "If-None-Match", "Etags: 304 where one is current.", _IS_CURRENT),
    parameter("header", "If-Modified-Since", "A date: 304 where nothing changed since.", A_DATE),
    parameter("header", "If-Match", "Etags: 412 where none is current.", "*"),
    parameter("header", "If-Unmodified-Since", "A date: 412 where it changed since.", A_DATE),
)


def overridden(method: str) -> dict[str, Any]:
    """The header by which clients that only know GET and POST say what they mean."""
    return parameter(
        "header",
        "X-HTTP-Method-Override",
        f"`{method}`, for clients that cannot send it: they send POST with this header.",
        method,
    )
