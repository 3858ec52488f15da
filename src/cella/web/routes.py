"""The page and its files.

The page finds its own way in the address, so all its addresses are answered with the same file.
"""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cella.errors import NotFound
from cella.http.conditions import Conditions, evaluate
from cella.http.services import services
from cella.web import policy
from cella.web.built import INDEX, Asset, Built

PAGES = ("/", "/p/{project}", "/f/{file}", "/admin", "/admin/{part}", "/sign-in")
"""Addresses that the page has for its views."""

FILES = ("/assets/{name}", "/icon.svg", "/manifest.webmanifest", "/theme.js")
"""What the build makes beside the page itself."""

_BUILT = Built(Path(__file__).parent / "static")
_NOT_TAKEN = re.compile(r"q=0(?:\.0*)?")
_YEAR = "public, max-age=31536000, immutable"
_NOT_BUILT = """\
Cella runs, but the page for people has not been built.

  make web      builds it, in a clone of the repository; it needs Node 20.19 or newer, or gets one
  make serve    builds it too, and runs the server

The API answers meanwhile: /api/docs
"""


async def page(request: Request) -> Response:
    """Answer a GET or HEAD of one of the page's addresses."""
    index = await asyncio.to_thread(_BUILT.asset, INDEX)
    if index is None:
        return PlainTextResponse(_NOT_BUILT, 503, {"Cache-Control": "no-store"})
    origins = await asyncio.to_thread(services(request).link_origins)
    return _answer(request, index, policy.headers(origins))


async def file(request: Request) -> Response:
    """Answer a GET or HEAD of a file that the page needs; raises `NotFound`."""
    asset = await asyncio.to_thread(_BUILT.asset, request.url.path.removeprefix("/"))
    if asset is None:
        raise NotFound("The page has no such file.")
    return _answer(request, asset, {"X-Content-Type-Options": "nosniff"})


ROUTES = [
    *(Route(path, page, methods=["GET", "HEAD"]) for path in PAGES),
    *(Route(path, file, methods=["GET", "HEAD"]) for path in FILES),
]


def _answer(request: Request, asset: Asset, headers: Mapping[str, str]) -> Response:
    coding = _coding(request.headers.get("accept-encoding", ""), asset)
    etag = asset.etag if coding == "identity" else f"{asset.etag}-{coding}"
    sent = {
        **headers,
        "Cache-Control": _YEAR if asset.is_hashed else "no-cache",
        "Cross-Origin-Resource-Policy": "same-origin",
        "ETag": f'"{etag}"',
        "Vary": "Accept-Encoding",
    }
    if evaluate(Conditions.of(request.headers), etag, None) == "not_modified":
        return Response(status_code=304, headers=sent)
    if coding != "identity":
        sent["Content-Encoding"] = coding
    return Response(asset.bodies[coding], headers={**sent, "Content-Type": asset.content_type})


def _coding(accepted: str, asset: Asset) -> str:
    """The smallest body that the client takes (RFC 9110, section 12.5.3)."""
    items = (item.partition(";") for item in accepted.lower().replace(" ", "").split(","))
    taken = {name for name, _, weight in items if not _NOT_TAKEN.fullmatch(weight)}
    offered = sorted(asset.bodies, key=lambda coding: len(asset.bodies[coding]))
    return next((coding for coding in offered if coding in taken), "identity")
