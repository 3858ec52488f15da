"""What pages of other origins may do and read: contract sections 0 and 1.2, as a table."""

from collections.abc import Mapping
from typing import NamedTuple

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tests.support.forms import form, part
from tests.support.service import LIMIT, ORIGIN, Account, Service, Start
from tests.support.wire import connected

from cella.http.crossorigin import CrossOrigin
from cella.model import Project

STRANGER = "https://stranger.example"
NOWHERE = "0" * 24
EXPOSED = {
    "Allow",
    "Allowed",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "ETag",
    "Last-Modified",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
    "X-Total-Count",
}
WANTED_BY_CLIENTS = {
    "Authorization",
    "Content-Disposition",
    "Content-Range",
    "Content-Type",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "Pillar-Request-Id",
    "Prefer",
    "Range",
    "X-HTTP-Method-Override",
    "X-Requested-With",
}
"""What jQuery File Upload (its chunks included), pillarsdk and downloads in parts send."""


class House(NamedTuple):
    """A service, and what requests to it are about."""

    service: Service
    owner: Account
    project: Project
    file_id: str
    link: str


@pytest.fixture
def house(local: Service) -> House:
    """A project with one file."""
    owner = local.account()
    project = local.project(owner)
    document = local.upload(owner, project)
    return House(local, owner, project, document["_id"], document["link"])


class Ask(NamedTuple):
    """A request: `path` has the fields of a `House` in it, `body` goes as a part `file`."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str] | None = None
    body: bytes | None = None
    signed: bool = True


STREAM = "/api/storage/stream/{project.id}"
FILE = "/api/files/{file_id}"
ASKS = [
    Ask("GET", "/api/files", 200),
    Ask("HEAD", "/api/files", 200),
    Ask("GET", FILE, 200),
    Ask("GET", FILE, 304, {"If-None-Match": "*"}),
    Ask("GET", "{link}", 200),
    Ask("HEAD", "{link}", 200),
    Ask("GET", "{link}", 206, {"Range": "bytes=0-3"}),
    Ask("GET", "{link}", 206, {"Range": "bytes=0-1,4-5"}),
    Ask("GET", "{link}", 304, {"If-None-Match": "*"}),
    Ask("GET", "/api/projects", 200),
    Ask("GET", "/api/projects/{project.id}", 200),
    Ask("GET", "/api/users/me", 200),
    Ask("GET", "/healthz", 200),
    Ask("GET", "/api/docs", 200),
    Ask("HEAD", "/api/docs", 200),
    Ask("GET", "/api/openapi.json", 200),
    Ask("GET", "/api/docs-assets/favicon.png", 200),
    Ask("POST", STREAM, 201, body=b"some bytes"),
    Ask("PUT", STREAM + "/a.bin", 201),
    Ask("DELETE", FILE, 204, {"If-Match": "*"}),
    Ask("POST", FILE, 204, {"If-Match": "*", "X-HTTP-Method-Override": "DELETE"}),
    Ask("GET", "/api/files?where=x", 400),
    Ask("POST", STREAM, 400),
    Ask("POST", STREAM, 403, body=b"x", signed=False),
    Ask("GET", "/api/users/me", 403, signed=False),
    Ask("GET", "/nonsense", 404),
    Ask("GET", "/api/docs-assets/nonsense", 404),
    Ask("GET", f"/api/files/{NOWHERE}", 404),
    Ask("OPTIONS", "/nonsense", 404),
    Ask("OPTIONS", FILE, 200),
    Ask("OPTIONS", "/api/p/{project.id}/asset", 204),
    Ask("DELETE", "/api/projects", 405),
    Ask("PATCH", "/healthz", 405),
    Ask("DELETE", FILE, 412, {"If-Match": "stale"}),
    Ask("GET", "{link}", 412, {"If-Match": '"stale"'}),
    Ask("POST", STREAM, 413, body=b"x" * LIMIT),
    Ask("PUT", STREAM + "/a.bin", 415, {"Content-Encoding": "gzip"}),
    Ask("GET", "{link}", 416, {"Range": "bytes=99-"}),
    Ask("DELETE", FILE, 428),
]


def answer_of(house: House, ask: Ask, origin: str | None) -> httpx.Response:
    """Ask, from a page of an origin."""
    headers = dict(ask.headers or {})
    if origin is not None:
        headers["Origin"] = origin
    content = None
    if ask.body is not None:
        made = form(part(ask.body))
        headers |= made.headers
        content = made.body
    path = ask.path.format(**house._asdict())
    by = house.owner if ask.signed else None
    answer = house.service.request(ask.method, path, by, headers=headers, content=content)
    assert answer.status_code == ask.status, answer.text
    return answer


def check(headers: httpx.Headers, origin: str | None) -> None:
    """Any answer's headers are those that a page of the origin needs, and no more."""
    assert "origin" in listed(headers["vary"].lower())
    if origin is None:
        assert not [name for name in headers if name.startswith("access-control-")]
        return
    assert headers["access-control-allow-origin"] == (ORIGIN if origin == ORIGIN else "*")
    assert headers.get("access-control-allow-credentials") == ("true" if origin == ORIGIN else None)
    assert listed(headers["access-control-expose-headers"]) >= EXPOSED


def listed(value: str) -> set[str]:
    """The members of a header that is a list."""
    return {item.strip() for item in value.split(",")}


@pytest.mark.parametrize("origin", [None, ORIGIN, STRANGER, "null"])
@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: f"{ask.method} {ask.path} {ask.status}")
def test_every_answer_may_be_read_by_pages_of_other_origins(
    house: House, ask: Ask, origin: str | None
) -> None:
    check(answer_of(house, ask, origin).headers, origin)


@pytest.mark.parametrize("origin", [ORIGIN, STRANGER])
def test_answers_to_a_sender_in_trouble_may_be_read_too(start: Start, origin: str) -> None:
    """A 408, a 501, a 503 and a 500."""
    service = start(upload_stall=0.2, upload_slots=1)
    owner = service.account()
    project = service.project(owner)
    document = service.upload(owner, project)

    def put(framing: str, body: bytes = b"") -> httpx.Headers:
        with connected(service.port) as wire:
            wire.send(
                f"PUT /api/storage/stream/{project.id}/a.bin HTTP/1.1\nHost: x\nOrigin: {origin}\n"
                f"Authorization: Bearer {owner.token}\n{framing}\n\n"
            )
            wire.send(body)
            answer = wire.answer()
        statuses.append(answer.status)
        return httpx.Headers(answer.headers)

    statuses: list[int] = []
    check(put("Content-Length: 5"), origin)
    check(put("Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"), origin)
    with connected(service.port) as wire:
        wire.send(
            f"PUT /api/storage/stream/{project.id}/a.bin HTTP/1.1\nHost: x\n"
            f"Authorization: Bearer {owner.token}\nContent-Length: 5\nExpect: 100-continue\n\n"
        )
        assert wire.answer(has_body=False).status == 100
        check(put("Content-Length: 5", b"hello"), origin)
    for blob in (service.assembly.config.data / "blobs").rglob(document["name"]):
        blob.unlink()
    broken = service.get(document["link"], headers={"Origin": origin})
    check(broken.headers, origin)
    assert [*statuses, broken.status_code] == [408, 501, 503, 500]


# Preflights


@pytest.mark.parametrize("origin", [ORIGIN, STRANGER])
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (STREAM, {"POST"}),
        (STREAM + "/a.bin", {"PUT"}),
        ("/api/storage/file", {"POST"}),
        (f"/api/storage/file/aa/{NOWHERE}/bb/bb", {"GET", "HEAD", "POST"}),
        ("/api/files", {"GET", "HEAD"}),
        (FILE, {"GET", "HEAD", "DELETE"}),
        (FILE + "/", {"GET", "HEAD", "DELETE"}),
        ("/api/projects", {"GET", "HEAD"}),
        ("/api/users/me", {"GET", "HEAD"}),
        ("/api/docs", {"GET", "HEAD"}),
        ("/healthz", {"GET", "HEAD"}),
    ],
)
def test_a_preflight_succeeds_for_everybody(
    house: House, path: str, methods: set[str], origin: str
) -> None:
    """Browsers send them without credentials, so nobody can be signed in."""
    answer = house.service.request(
        "OPTIONS",
        path.format(**house._asdict()),
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": sorted(methods)[0],
            "Access-Control-Request-Headers": ",".join(WANTED_BY_CLIENTS).lower(),
        },
    )
    assert (answer.status_code, answer.content) == (200, b"")
    check(answer.headers, origin)
    assert listed(answer.headers["allow"]) >= {*methods, "OPTIONS"}
    assert listed(answer.headers["access-control-allow-methods"]) >= {*methods, "OPTIONS"}
    allowed = {name.lower() for name in listed(answer.headers["access-control-allow-headers"])}
    assert allowed >= {name.lower() for name in WANTED_BY_CLIENTS}
    assert answer.headers["access-control-max-age"] == "21600"


def test_options_without_an_origin_tell_the_methods(house: House) -> None:
    answer = house.service.request("OPTIONS", "/api/storage/file")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["allow"] == "OPTIONS, POST"
    check(answer.headers, None)


# Routes that have OPTIONS themselves


async def _ask(app: CrossOrigin, method: str, headers: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://cella.example"
    ) as client:
        return await client.request(method, "/a", headers=headers)


@pytest.fixture
def with_options() -> CrossOrigin:
    """An application whose route answers GET and OPTIONS itself."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"Allowed": "GET, POST", "Vary": "Accept"}
        await Response(status_code=204, headers=headers)(scope, receive, send)

    return CrossOrigin(route, origins=[ORIGIN], methods_of=lambda _: {"GET", "HEAD", "OPTIONS"})


@pytest.mark.parametrize("origin", [None, ORIGIN, STRANGER])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_a_route_may_answer_options_itself(
    with_options: CrossOrigin, origin: str | None, method: str
) -> None:
    answer = await _ask(with_options, method, {} if origin is None else {"Origin": origin})
    assert answer.status_code == 204
    assert answer.headers["allowed"] == "GET, POST"
    assert listed(answer.headers["vary"]) == {"Accept", "Origin"}
    check(answer.headers, origin)
    if method == "OPTIONS":
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_but_a_preflight_never_reaches_it(with_options: CrossOrigin) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
    answer = await _ask(with_options, "OPTIONS", asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert "allowed" not in answer.headers
