"""The bytes behind links: whole, in parts, on conditions, and under headers that tame them."""

import io
from collections.abc import Callable
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, NamedTuple

import httpx
import pytest
from PIL import Image
from tests.support.service import Service

MIB = 1 << 20
LENGTH = 3 * MIB + 5
CONTENT = b"".join(number.to_bytes(4, "big") for number in range(LENGTH // 4 + 1))[:LENGTH]


class Target(NamedTuple):
    """An uploaded file of `CONTENT`, and what a plain download of it answers."""

    service: Service
    document: dict[str, Any]
    link: str
    headers: httpx.Headers

    def get(self, **headers: str) -> httpx.Response:
        """A download with headers, whose names have `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.service.get(self.link, headers=named)


_targets: dict[int, Target] = {}


@pytest.fixture
def target(service: Service) -> Target:
    """The file, uploaded once to each service."""
    if service.port not in _targets:
        owner = service.account("subscriber")
        document = service.upload(owner, service.project(owner), CONTENT, "plate.bin")
        headers = service.request("HEAD", document["link"]).headers
        _targets[service.port] = Target(service, document, document["link"], headers)
    return _targets[service.port]


# The whole


def test_a_download_is_the_upload(target: Target) -> None:
    answer = target.get()
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["content-length"] == str(LENGTH)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == f'"{target.document["sha256"]}"'
    assert answer.headers["last-modified"] == target.document["_created"]
    assert answer.headers["cache-control"].startswith("private")


def test_head_is_get_without_the_bytes(target: Target) -> None:
    full, head = (target.service.request(method, target.link) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    changing = ("date", "x-request-id")
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in full.headers.items() if k not in changing
    }


def test_head_knows_no_ranges(target: Target) -> None:
    """RFC 9110, section 14.2: ranges are for GET."""
    head = target.service.request("HEAD", target.link, headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(LENGTH))


# Parts


@pytest.mark.parametrize(
    ("ranges", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        (f"bytes=0-{MIB - 1}", 0, MIB),
        (f"bytes={MIB - 3}-{MIB + 3}", MIB - 3, MIB + 4),
        (f"bytes={MIB}-{2 * MIB - 1}", MIB, 2 * MIB),
        ("bytes=1000-", 1000, LENGTH),
        (f"bytes={LENGTH - 1}-", LENGTH - 1, LENGTH),
        (f"bytes={LENGTH - 10}-{LENGTH + 99999999999999999999}", LENGTH - 10, LENGTH),
        ("bytes=-1", LENGTH - 1, LENGTH),
        ("bytes=-100", LENGTH - 100, LENGTH),
        (f"bytes=-{10 * LENGTH}", 0, LENGTH),
        ("BYTES= 5-7", 5, 8),
        ("bytes=0-99,50-149", 0, 150),
        ("bytes=0-99,100-149", 0, 150),
        (f"bytes=0-9,{LENGTH}-", 0, 10),
    ],
)
def test_a_range_is_answered_with_those_bytes(
    target: Target, ranges: str, start: int, stop: int
) -> None:
    answer = target.get(Range=ranges)
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{LENGTH}"
    assert answer.headers["content-length"] == str(stop - start)
    assert answer.headers["etag"] == target.headers["etag"]
    assert answer.headers["content-type"] == target.headers["content-type"]
    assert answer.content == CONTENT[start:stop]


@pytest.mark.parametrize(
    ("ranges", "spans"),
    [
        ("bytes=0-9,100-109,-5", [(0, 10), (100, 110), (LENGTH - 5, LENGTH)]),
        (f"bytes={2 * MIB - 5}-{2 * MIB + 5},0-0", [(2 * MIB - 5, 2 * MIB + 6), (0, 1)]),
        ("bytes=500-599,0-99,550-649", [(500, 650), (0, 100)]),
    ],
)
def test_several_ranges_are_answered_in_parts(
    target: Target, ranges: str, spans: list[tuple[int, int]]
) -> None:
    answer = target.get(Range=ranges)
    assert answer.status_code == 206
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "content-range" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    kind = answer.headers["content-type"]
    assert kind.startswith("multipart/byteranges; boundary=")
    whole = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + answer.content
    )
    parts = list(whole.iter_parts())
    assert [part["content-range"] for part in parts] == [
        f"bytes {start}-{stop - 1}/{LENGTH}" for start, stop in spans
    ]
    assert {part["content-type"] for part in parts} == {target.headers["content-type"]}
    boundary = b"\r\n--" + kind.partition("boundary=")[2].encode()
    bodies = [
        piece.partition(b"\r\n\r\n")[2] for piece in (b"\r\n" + answer.content).split(boundary)
    ]
    assert bodies[1:-1] == [CONTENT[start:stop] for start, stop in spans]
    assert isinstance(whole, Message)


@pytest.mark.parametrize("ranges", [f"bytes={LENGTH}-", f"bytes={LENGTH}-{LENGTH + 5}", "bytes=-0"])
def test_ranges_outside_the_file_are_refused(target: Target, ranges: str) -> None:
    answer = target.get(Range=ranges)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{LENGTH}"
    assert answer.json()["_error"]["name"] == "range_not_satisfiable"


@pytest.mark.parametrize(
    "ranges",
    [
        "bytes=5-2",
        "bytes=a-b",
        "bytes=",
        "bytes 0-9",
        "chars=0-9",
        "bytes=-",
        "bytes=--5",
        "bytes=0-9;10-19",
        "bytes=" + ",".join(f"{n * 10}-{n * 10 + 1}" for n in range(33)),
        "bytes=" + "0-0," * 5000,
    ],
    ids=lambda text: text[:20],
)
def test_ranges_that_are_none_or_too_many_are_ignored(target: Target, ranges: str) -> None:
    answer = target.get(Range=ranges)
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(LENGTH))


def test_an_empty_file_has_no_ranges(service: Service) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner), b"")
    for ranges, status in (("bytes=0-", 416), ("bytes=0-0", 416), ("bytes=-5", 200)):
        answer = service.get(document["link"], headers={"Range": ranges})
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (lambda h: h["etag"], 206),
        (lambda h: f"W/{h['etag']}", 200),
        (lambda _: '"another"', 200),
        (lambda h: h["last-modified"], 206),
        (lambda h: _moved(h["last-modified"], -1), 200),
        (lambda h: _moved(h["last-modified"], +1), 200),
        (lambda _: "garbage", 200),
    ],
    ids=["etag", "weak", "other etag", "date", "earlier", "later", "garbage"],
)
def test_a_range_of_another_state_becomes_the_whole(
    target: Target, condition: Callable[[httpx.Headers], str], status: int
) -> None:
    answer = target.get(Range="bytes=0-9", If_Range=condition(target.headers))
    assert answer.status_code == status
    assert len(answer.content) == (10 if status == 206 else LENGTH)


def _moved(date: str, seconds: int) -> str:
    return formatdate(parsedate_to_datetime(date).timestamp() + seconds, usegmt=True)


# Conditions


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        (lambda h: {"If_None_Match": h["etag"]}, 304),
        (lambda h: {"If_None_Match": f"W/{h['etag']}"}, 304),
        (lambda h: {"If_None_Match": f'"x", {h["etag"]}'}, 304),
        (lambda _: {"If_None_Match": "*"}, 304),
        (lambda _: {"If_None_Match": '"x"'}, 200),
        (lambda h: {"If_Modified_Since": h["last-modified"]}, 304),
        (lambda h: {"If_Modified_Since": _moved(h["last-modified"], 100)}, 304),
        (lambda h: {"If_Modified_Since": _moved(h["last-modified"], -1)}, 200),
        (lambda _: {"If_Modified_Since": "garbage"}, 200),
        (lambda h: {"If_None_Match": '"x"', "If_Modified_Since": h["last-modified"]}, 200),
        (lambda h: {"If_Match": h["etag"]}, 200),
        (lambda _: {"If_Match": "*"}, 200),
        (lambda h: {"If_Match": f"W/{h['etag']}"}, 412),
        (lambda _: {"If_Match": '"x"'}, 412),
        (lambda h: {"If_Unmodified_Since": h["last-modified"]}, 200),
        (lambda h: {"If_Unmodified_Since": _moved(h["last-modified"], -1)}, 412),
        (lambda h: {"If_Match": '"x"', "If_None_Match": h["etag"]}, 412),
        (lambda h: {"If_None_Match": h["etag"], "Range": "bytes=0-9"}, 304),
        (lambda h: {"If_Match": h["etag"], "Range": "bytes=0-9"}, 206),
    ],
)
def test_conditions_are_those_of_http(
    target: Target, conditions: Callable[[httpx.Headers], dict[str, str]], status: int
) -> None:
    answer = target.get(**conditions(target.headers))
    assert answer.status_code == status
    if status == 304:
        assert answer.content == b""
        for name in ("etag", "last-modified", "cache-control"):
            assert answer.headers[name] == target.headers[name]
    if status == 412:
        assert answer.json()["_error"]["name"] == "precondition_failed"


# Headers that keep foreign bytes harmless


@pytest.mark.parametrize(
    ("content", "name", "declared", "kind", "is_shown"),
    [
        (b"<script>alert(1)</script>", "x.html", "text/html", "text/html; charset=utf-8", False),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "x.svg", None, "image/svg+xml", False),
        (b"<?xml version='1.0'?><a/>", "x.xml", "text/xml", "text/xml; charset=utf-8", False),
        (b"<html/>", "x.page", "application/xhtml+xml", "application/xhtml+xml", False),
        (b"alert(1)", "x.run", "text/javascript", "text/javascript; charset=utf-8", False),
        (b"some bytes", "x.unknown", "x/y", "x/y", False),
        (b"some bytes", "x", "application/octet-stream", "application/octet-stream", False),
        (b"some words", "x.txt", "text/plain", "text/plain; charset=utf-8", True),
        (b"%PDF-1.7\n", "x.pdf", "application/pdf", "application/pdf", True),
        (b"a film", "x.webm", "video/webm", "video/webm", True),
        (b"a sound", "x.ogg", "audio/ogg", "audio/ogg", True),
    ],
)
def test_only_what_is_harmless_is_shown(
    local: Service, content: bytes, name: str, declared: str | None, kind: str, is_shown: bool
) -> None:
    owner = local.account("admin")
    document = local.upload(
        owner, local.project(owner), content, name, declared or "application/octet-stream"
    )
    answer = local.get(document["link"])
    assert answer.content == content
    assert answer.headers["content-type"] == kind
    shown = "inline" if is_shown else "attachment"
    assert answer.headers["content-disposition"] == f'{shown}; filename="{name}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "set-cookie" not in answer.headers


def test_errors_at_links_are_no_place_for_foreign_bytes_either(local: Service) -> None:
    answer = local.get("/api/storage/file/<script>alert(1)</script>")
    assert answer.headers["content-type"] == "application/json"
    assert "<script>" not in answer.text


def test_previews_are_named_after_the_file(service: Service) -> None:
    owner = service.account()
    target = io.BytesIO()
    Image.new("RGB", (30, 20)).save(target, "PNG")
    document = service.upload(
        owner, service.project(owner), target.getvalue(), "Größe 1.png", "image/png"
    )
    variation = next(v for v in document["variations"] if v["size"] == "t")
    answer = service.get(variation["link"])
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"] == (
        "inline; filename=\"Gr__e 1-t.jpg\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201-t.jpg"
    )
    assert answer.headers["cache-control"].startswith("public")
    assert answer.headers["etag"] == f'"{variation["sha256"]}"'
