"""The answers to requests that fail, described once for all routes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from cella.api.openapi.headers import of_all
from cella.api.openapi.parts import (
    A_FILE,
    A_PROJECT,
    JSON,
    Answers,
    an_object,
    ref,
    with_headers,
)


class _Sort(NamedTuple):
    """A status; `examples` are messages by the name of the error, or whole bodies."""

    name: str
    description: str
    examples: Mapping[str, str | Mapping[str, Any]]
    headers: tuple[str, ...] = ()


_MISSING = f"value '{A_PROJECT}' must exist in resource 'projects', field '_id'."

_SORTS = {
    400: _Sort(
        "BadRequest",
        "The request cannot be understood; the message says what to change.",
        {
            "bad_request": "`where` does not know the operator $foo.",
            "cut": "The connection broke off before the body was complete.",
        },
    ),
    401: _Sort(
        "Unauthorized",
        "The secret that the service shares with the server is missing, or is another one.",
        {"unauthorized": "The header X-Zencoder-Notification-Secret is missing."},
    ),
    403: _Sort(
        "Forbidden",
        "Not allowed, or not signed in.",
        {
            "forbidden": "Sign in first: this needs a valid token.",
            "csrf": "A change by a browser's session needs the header X-CSRF-Token, which "
            "GET /api/session tells.",
            "link_refused": "The link has no signature, and you may not read this file without "
            "one. Read the file's document for a fresh link.",
        },
    ),
    404: _Sort(
        "NotFound",
        "There is no such thing, or none that the asker may know of.",
        {"not_found": f"File {A_FILE} does not exist."},
    ),
    405: _Sort(
        "MethodNotAllowed",
        "The address does not take the method.",
        {"method_not_allowed": "This address does not take that method; see the header Allow."},
        ("Allow",),
    ),
    408: _Sort(
        "TooSlow",
        "The body came too slowly and was given up.",
        {"too_slow": "The upload brought less than 16384 bytes in 60 seconds and was given up."},
    ),
    409: _Sort(
        "Conflict",
        "It is there already, or in a state that does not allow this.",
        {"conflict": f"There is a file with the _id {A_FILE} already."},
    ),
    412: _Sort(
        "PreconditionFailed",
        "The etag is not the current one: read the document again.",
        {
            "precondition_failed": "The document was changed since it was read: the etags do not "
            "match. Read it again, then repeat the change.",
            "unsupported_version": "Send the header Tus-Resumable: 1.0.0, which is what is spoken "
            "here.",
        },
    ),
    413: _Sort(
        "TooLarge",
        "The file or the document is larger than allowed.",
        {"too_large": "A document may have 1 MiB; this one has more."},
    ),
    415: _Sort(
        "UnsupportedCoding",
        "The body has a Content-Encoding, or another Content-Type than is needed.",
        {
            "unsupported_coding": "Send the body as it is, without a Content-Encoding.",
            "unsupported_type": "Send the bytes with the Content-Type "
            "application/offset+octet-stream.",
        },
        ("Accept-Encoding",),
    ),
    416: _Sort(
        "RangeNotSatisfiable",
        "None of the wanted ranges lies in the file.",
        {"range_not_satisfiable": "The file has 42 bytes; none of the wanted ranges lies in it."},
        ("Content-Range",),
    ),
    422: _Sort(
        "InvalidDocument",
        "The document does not fit; `_issues` tells what is wrong, by field, and of several "
        "documents `_items` tells it of each.",
        {
            "invalid_document": {
                "_status": "ERR",
                "_issues": {"filename": "required field", "project": _MISSING},
                "_error": {
                    "code": 422,
                    "message": "Insertion failure: 1 document(s) contain(s) error(s)",
                    "name": "invalid_document",
                    "retriable": False,
                },
            },
            "invalid_documents": {
                "_status": "ERR",
                "_items": [
                    {"_status": "OK"},
                    {"_status": "ERR", "_issues": {"lenght": "unknown field"}},
                ],
                "_error": {
                    "code": 422,
                    "message": "Insertion failure: 1 document(s) contain(s) error(s)",
                    "name": "invalid_document",
                    "retriable": False,
                },
            },
        },
    ),
    428: _Sort(
        "PreconditionMissing",
        "`If-Match` is missing.",
        {
            "precondition_required": "Send the document's _etag in the header If-Match to change "
            "or delete it."
        },
    ),
    429: _Sort(
        "TooManyRequests",
        "It was tried too often.",
        {"too_many_requests": "Too many sign-ins have failed; try again in 60 seconds."},
        ("Retry-After",),
    ),
    500: _Sort(
        "Internal",
        "Something unexpected. What it was is in the log only, under the request id.",
        {"internal": "Something went wrong on the server. The request id is in the log."},
    ),
    501: _Sort(
        "UnknownTransfer",
        "The body has a Transfer-Encoding other than `chunked`.",
        {"unknown_transfer": "Send the body with the Transfer-Encoding chunked, or without one."},
    ),
    503: _Sort(
        "Unavailable",
        "A part that is needed does not answer, or too much goes on at once; try again.",
        {
            "database_unavailable": "The database does not answer. Try again in a moment.",
            "store_unavailable": "The store's folder is not there. Is its disk mounted?",
            "overloaded": "The server takes 64 uploads at once, and as many are under "
            "way. Try again in a moment.",
        },
        ("Retry-After",),
    ),
    507: _Sort(
        "StoreFull",
        "There is no room left.",
        {"store_full": "The disk of the server is full; nothing was stored."},
    ),
}
_RETRIABLE = {"cut", "too_slow", "too_many_requests", "store_full"}

ERROR = an_object(
    {
        "_status": {"const": "ERR"},
        "_issues": {
            "type": "object",
            "description": "What is wrong, by field: a sentence, or the issues of what is nested "
            "in it; members of a list go by their index.",
        },
        "_items": {
            "type": "array",
            "description": "Of several documents each one's issues, or that it has none.",
            "items": an_object(
                {"_status": {"enum": ["OK", "ERR"]}, "_issues": {"type": "object"}}, ["_status"]
            ),
        },
        "_error": an_object(
            {
                "code": {"type": "integer", "description": "The HTTP status."},
                "message": {"type": "string", "description": "A sentence for a person."},
                "name": {"type": "string", "description": "Stable; for programs."},
                "retriable": {
                    "type": "boolean",
                    "description": "Whether the same request may succeed later.",
                },
            },
            additionalProperties=False,
        ),
    },
    ["_status", "_error"],
    description="Why a request was refused, or failed.",
    additionalProperties=False,
)
"""The schema of all errors."""


def _example(status: int, name: str, told: str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(told, str):
        return {"value": told}
    retriable = status == 503 or name in _RETRIABLE
    error = {"code": status, "message": told, "name": name, "retriable": retriable}
    return {"value": {"_status": "ERR", "_error": error}}


def _response(status: int, sort: _Sort) -> dict[str, Any]:
    examples = {name: _example(status, name, told) for name, told in sort.examples.items()}
    content = {JSON: {"schema": ref("schemas", "Error"), "examples": examples}}
    answer = {"description": sort.description, "headers": of_all(), "content": content}
    return with_headers(answer, "Cache-Control", *sort.headers)


RESPONSES = {sort.name: _response(status, sort) for status, sort in _SORTS.items()}
"""Components."""


def answers(success: Answers, *errors: int) -> Answers:
    """The answers of a route: the good ones, and the statuses of what goes wrong."""
    refused: Answers = {status: failure(status) for status in errors}
    return {**success, **refused}


def failure(status: int) -> dict[str, Any]:
    """The answer of that status, which is described once for all routes."""
    name, description = _SORTS[status][:2]
    return {"description": description, **ref("responses", name)}


def bodiless(status: int) -> dict[str, Any]:
    """The same without its body, as HEAD gets it."""
    return {
        name: value for name, value in RESPONSES[_SORTS[status].name].items() if name != "content"
    }
