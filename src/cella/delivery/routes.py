"""The bytes behind links: ranges, conditions, and headers that keep foreign bytes harmless."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cella.clock import http_date
from cella.delivery.stream import BlocksResponse
from cella.disposition import serving_headers
from cella.errors import LinkRefused, PreconditionFailed
from cella.flows.serve import Blob, Serve
from cella.http import ranges
from cella.http.conditions import Conditions, evaluate, if_range
from cella.http.ranges import Framing, Span
from cella.http.services import actor_of, services
from cella.links.urls import ROUTE


async def deliver(request: Request) -> Response:
    """Answer a GET or HEAD of a local link (RFC 9110)."""
    serve = services(request).serve
    blob = await serve.blob(
        await actor_of(request),
        request.scope["raw_path"].partition(b"?")[0].decode("latin-1"),
        _only(request, "expires"),
        _only(request, "signature"),
    )
    headers = {
        **serving_headers(blob.content_type, blob.filename),
        "ETag": f'"{blob.etag}"',
        "Accept-Ranges": "none" if blob.names else "bytes",
        "Cache-Control": _caching(blob),
    }
    if blob.modified is not None:
        headers["Last-Modified"] = http_date(blob.modified)
    outcome = evaluate(Conditions.of(request.headers), blob.etag, blob.modified)
    if outcome == "failed":
        raise PreconditionFailed("The file is not the one that the condition names.")
    if outcome == "not_modified":
        return Response(status_code=304, headers=headers)
    if blob.names:
        return Response(await serve.spell(blob), headers=headers)
    spans = _spans(request, blob)
    if spans is None:
        headers["Content-Length"] = str(blob.length)
        return _answer(request, 200, headers, serve.read(blob, 0, blob.length))
    if len(spans) == 1:
        span = spans[0]
        headers["Content-Range"] = ranges.content_range(span, blob.length)
        headers["Content-Length"] = str(span.length)
        return _answer(request, 206, headers, serve.read(blob, span.start, span.stop))
    framing = ranges.frame(secrets.token_hex(16), headers["content-type"], spans, blob.length)
    headers["content-type"] = framing.content_type
    headers["Content-Length"] = str(framing.content_length)
    return _answer(request, 206, headers, _parts(serve, blob, spans, framing))


ROUTES = [Route(ROUTE + "/{path:path}", deliver, methods=["GET", "HEAD"])]


def _caching(blob: Blob) -> str:
    if blob.names:
        # The links in it end some day, and a cache does not know when.
        return "private, no-cache"
    return "public, max-age=43200" if blob.public else "private, max-age=43200"


def _only(request: Request, name: str) -> str | None:
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise LinkRefused(f"The link names its {name} more than once: the link was changed.")
    return values[0] if values else None


def _spans(request: Request, blob: Blob) -> tuple[Span, ...] | None:
    if request.method != "GET" or not if_range(
        request.headers.get("if-range"), blob.etag, blob.modified
    ):
        return None
    return ranges.parse(request.headers.get("range"), blob.length)


def _answer(
    request: Request, status: int, headers: dict[str, str], body: AsyncGenerator[bytes, None]
) -> Response:
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return BlocksResponse(body, status, headers, services(request).pacing.download_stall)


async def _parts(
    serve: Serve, blob: Blob, spans: tuple[Span, ...], framing: Framing
) -> AsyncGenerator[bytes, None]:
    for head, span in zip(framing.heads, spans, strict=True):
        yield head
        async with aclosing(serve.read(blob, span.start, span.stop)) as blocks:
            async for block in blocks:
                yield block
    yield framing.tail
