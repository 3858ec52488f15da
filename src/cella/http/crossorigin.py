"""Cross-origin access as browsers ask for it (https://fetch.spec.whatwg.org/#http-cors-protocol).

Origins on the configured list are echoed and may send credentials; everybody else gets `*`,
which browsers refuse to combine with credentials. Preflights are answered without asking who
it is, because browsers send them without credentials.
"""

from collections.abc import Callable, Collection

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_REQUEST_HEADERS = (
    "Authorization, Content-Type, If-Match, If-None-Match, If-Modified-Since, Prefer, Range, "
    "X-HTTP-Method-Override, X-Requested-With"
)
_EXPOSED = (
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Last-Modified, "
    "Location, Preference-Applied, X-Request-ID, X-Total-Count"
)
_MAX_AGE = "21600"


def allow(methods: Collection[str]) -> str:
    """The value of `Allow` where a path has these methods; OPTIONS is one of all paths."""
    return ", ".join(sorted({*methods, "OPTIONS"}))


class CrossOrigin:
    """ASGI middleware that adds the headers, and answers OPTIONS.

    `methods_of` tells which methods a path has, none where there is no such path.
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
        origin = Request(scope).headers.get("origin")

        async def decorate(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(MutableHeaders(scope=message), scope, origin)
            await send(message)

        if scope["method"] == "OPTIONS":
            methods = self._methods_of(scope)
            if methods:
                answer = Response(status_code=200, headers={"Allow": allow(methods)})
                await answer(scope, receive, decorate)
                return
        await self._app(scope, receive, decorate)

    def _add(self, headers: MutableHeaders, scope: Scope, origin: str | None) -> None:
        headers.add_vary_header("Origin")
        if origin is None:
            return
        if origin in self._origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Credentials"] = "true"
        else:
            headers["Access-Control-Allow-Origin"] = "*"
        headers["Access-Control-Expose-Headers"] = _EXPOSED
        if scope["method"] == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = headers.get("Allow", "")
            headers["Access-Control-Allow-Headers"] = _REQUEST_HEADERS
            headers["Access-Control-Max-Age"] = _MAX_AGE
