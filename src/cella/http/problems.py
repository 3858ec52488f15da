"""Errors as HTTP answers. This is the only place that knows which error has which status.

The body is the original's, `{"_status": "ERR", "_error": {"code", "message"}}`, with two fields
on top: `name`, the stable code of the error, and `retriable`. A refused document has `_issues`.
"""

import logging
from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cella import errors
from cella.db import explain
from cella.http.ranges import unsatisfied_range

_log = logging.getLogger("cella.http")

_STATUS: dict[type[errors.CellaError], int] = {
    errors.BadRequest: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.TooSlow: 408,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.UnsupportedVersion: 412,
    errors.TooLarge: 413,
    errors.UnsupportedCoding: 415,
    errors.UnsupportedType: 415,
    errors.RangeNotSatisfiable: 416,
    errors.InvalidDocument: 422,
    errors.InvalidDocuments: 422,
    errors.PreconditionMissing: 428,
    errors.TooManyRequests: 429,
    errors.UnknownTransfer: 501,
    errors.Overloaded: 503,
    errors.DatabaseUnavailable: 503,
    errors.StoreUnavailable: 503,
    errors.StoreFull: 507,
}
_ROUTING = {
    404: ("not_found", "There is nothing at this address. /api/docs tells what there is."),
    405: ("method_not_allowed", "This address does not take that method; see the header Allow."),
}
_COMES_BACK = (errors.Overloaded, errors.StoreUnavailable, errors.DatabaseUnavailable)
_PRIVATE = 500
_UNEXPECTED = "Something went wrong on the server. The request id is in the log."


def status_of(error: errors.CellaError) -> int:
    """The HTTP status of an error."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return _PRIVATE


def answer(error: Exception) -> Response:
    """The HTTP answer to any error. What is not for the public is logged and not told."""
    if isinstance(error, HTTPException):
        name, message = _ROUTING.get(error.status_code, ("http", error.detail))
        return _answer(error.status_code, message, name, False, headers=error.headers)
    if isinstance(error, ClientDisconnect):
        return _answer(400, "The connection broke off before the body was complete.", "cut", True)
    error = explain(error) or error
    if not isinstance(error, errors.CellaError) or status_of(error) == _PRIVATE:
        _log.error("unexpected error", exc_info=error)
        return _answer(500, _UNEXPECTED, "internal", False)
    headers: dict[str, str] = {}
    if isinstance(error, errors.TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.RangeNotSatisfiable):
        headers["Content-Range"] = unsatisfied_range(error.length)
    if isinstance(error, errors.UnsupportedCoding):
        headers["Accept-Encoding"] = "identity"
    if isinstance(error, errors.UnsupportedVersion):
        headers["Tus-Version"] = error.spoken
    if isinstance(error, errors.TooSlow):
        # RFC 9110, section 15.5.9: else who sends a byte now and then holds on to it for good.
        headers["Connection"] = "close"
    if isinstance(error, _COMES_BACK):
        headers["Retry-After"] = "5"
    return _answer(
        status_of(error),
        error.message,
        error.code,
        error.retriable,
        headers=headers,
        issues=_issues(error),
    )


def _issues(error: errors.CellaError) -> dict[str, object]:
    """What is wrong with the document or the documents, as the original put it."""
    if isinstance(error, errors.InvalidDocument):
        return {"_issues": error.issues}
    if isinstance(error, errors.InvalidDocuments):
        return {
            "_items": [
                {"_status": "ERR", "_issues": issues} if issues else {"_status": "OK"}
                for issues in error.issues
            ]
        }
    return {}


def _answer(
    status: int,
    message: str,
    name: str,
    retriable: bool,
    *,
    headers: Mapping[str, str] | None = None,
    issues: Mapping[str, object] | None = None,
) -> Response:
    body: dict[str, object] = {"_status": "ERR", **(issues or {})}
    body["_error"] = {"code": status, "message": message, "name": name, "retriable": retriable}
    return Response(
        msgspec.json.encode(body),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type="application/json",
    )


class Problems:
    """ASGI middleware that answers whatever goes wrong further in.

    An error after the answer has begun can only be shown by breaking the connection off.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            if begun:
                raise
            await answer(error)(scope, receive, send)
