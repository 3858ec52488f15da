"""What every request goes through: a request id and a log line, and the original's habits.

`X-HTTP-Method-Override` is honoured on every request, and a trailing slash means nothing. Only
to and from HEAD there is no override: whether an answer has a body must stay what client and
server see on the wire.

To the patterns of routes a line feed is a character like any other, once it is a carriage
return: as it is they would not match it, or take it for their end. What a path says is read from
`raw_path`, which stays what it was.
"""

import logging
import re
import secrets
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("cella.access")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OVERRIDABLE = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = ("/healthz", "/readyz")


class Requests:
    """ASGI middleware that names, rewrites and logs requests.

    A request id that the client or a proxy sends is kept where it is harmless.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        method, path = scope["method"], scope["path"]
        override = headers.get("x-http-method-override", "").upper()
        if override in _OVERRIDABLE and method != "HEAD":
            scope["method"] = override
        scope["path"] = (path.rstrip("/") or "/").replace("\n", "\r")
        status = 0

        async def name(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                await self._app(scope, receive, name)
            finally:
                level = logging.DEBUG if path in _QUIET else logging.INFO
                _log.log(
                    level,
                    "%s %s",
                    method,
                    scope["raw_path"].decode("latin-1"),
                    extra={
                        "status": status,
                        "ms": round((time.perf_counter() - started) * 1000, 1),
                    },
                )
