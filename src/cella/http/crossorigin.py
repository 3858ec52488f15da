"""Cross-origin access as browsers ask for it (https://fetch.spec.whatwg.org/#http-cors-protocol).

Origins on the configured list are echoed and may send credentials; everybody else gets `*`,
which browsers refuse to combine with credentials. Preflights are answered without asking who
it is, because browsers send them without credentials.
"""

from collections.abc import Callable, Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_REQUEST_HEADERS = ", ".join(
    (
        "Authorization",
        "Cache-Control",
        "Content-Disposition",
        "Content-Range",
        "Content-Type",
        "If-Match",
        "If-Modified-Since",
        "If-None-Match",
        "If-Range",
        "If-Unmodified-Since",
        "Pillar-Request-Id",
        "Prefer",
        "Range",
        "Tus-Resumable",
        "Upload-Length",
        "Upload-Metadata",
        "Upload-Offset",
        "X-CSRF-Token",
        "X-HTTP-Method-Override",
        "X-Request-ID",
        "X-Requested-With",
    )
)
_EXPOSED = ", ".join(
    (
        "Accept-Encoding",
        "Accept-Ranges",
        "Allow",
        "Allowed",
        "Cella-File",
        "Cella-State",
        "Content-Disposition",
        "Content-Length",
        "Content-Range",
        "Date",
        "ETag",
        "Last-Modified",
        "Location",
        "Preference-Applied",
        "Retry-After",
        "Tus-Extension",
        "Tus-Max-Size",
        "Tus-Resumable",
        "Tus-Version",
        "Upload-Expires",
        "Upload-Length",
        "Upload-Metadata",
        "Upload-Offset",
        "WWW-Authenticate",
        "X-Request-ID",
        "X-Total-Count",
    )
)
_MAX_AGE = "21600"


def allow(methods: Collection[str]) -> str:
    """The value of `Allow` where a path has these methods; OPTIONS is one of all paths."""
    return ", ".join(sorted({*methods, "OPTIONS"}))


class CrossOrigin:
    """ASGI middleware that adds the headers, and answers OPTIONS.

    `methods_of` tells which methods a path has, none where there is no such path. A route that
    has OPTIONS itself answers it, unless it is a preflight.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        origins: Collection[str],
        methods_of: Callable[[Scope], Collection[str]],
    ) -> None:
        self._app = app
        self._origins = frozenset(origins)
        self._methods_of = methods_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        origin = asked.get("origin")
        is_preflight = origin is not None and "access-control-request-method" in asked
        methods = self._methods_of(scope) if scope["method"] == "OPTIONS" else ()

        async def decorate(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if methods:
                    headers["Allow"] = allow(methods)
                if origin is not None:
                    self._admit(headers, origin)
                    if methods:
                        _answer_preflight(headers)
            await send(message)

        if methods and (is_preflight or "OPTIONS" not in methods):
            await Response(status_code=200)(scope, receive, decorate)
        else:
            await self._app(scope, receive, decorate)

    def _admit(self, headers: MutableHeaders, origin: str) -> None:
        if origin in self._origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Credentials"] = "true"
        else:
            headers["Access-Control-Allow-Origin"] = "*"
        headers["Access-Control-Expose-Headers"] = _EXPOSED


def _answer_preflight(headers: MutableHeaders) -> None:
    headers["Access-Control-Allow-Methods"] = headers["Allow"]
    headers["Access-Control-Allow-Headers"] = _REQUEST_HEADERS
    headers["Access-Control-Max-Age"] = _MAX_AGE
