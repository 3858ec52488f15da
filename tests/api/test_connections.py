"""Connections that a hostile or an odd client makes: upgrades, endless heads, endless bodies."""

import hashlib
import json

import pytest
from tests.support.service import Account, Service
from tests.support.wire import Wire, connected

from cella.cli import connection

CONTENT = bytes(range(256)) * 300


def put(account: Account, project_id: str, *headers: str) -> bytes:
    """The head of a raw upload."""
    lines = [
        f"PUT /api/storage/stream/{project_id}/a.bin HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {account.token}",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunked(content: bytes, *trailers: str) -> bytes:
    """The content as one chunk, with trailers."""
    end = "".join(f"{trailer}\r\n" for trailer in trailers).encode()
    return f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n" + end + b"\r\n"


def stored(service: Service, account: Account, wire: Wire) -> str:
    """The SHA-256 of the file that the next answer speaks of."""
    answer = wire.answer()
    assert answer.status == 201, answer.body
    document = service.document(account, json.loads(answer.body)["file_id"])
    return str(document["sha256"])


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "foo"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_wish_to_upgrade_costs_no_body(
    local: Service, protocol: str, framing: str, at_once: bool
) -> None:
    """Java's client asks for h2c by default; its upload arrives whole all the same."""
    account = local.account("admin")
    project = local.project(account)
    body = CONTENT if framing == "length" else chunked(CONTENT)
    length = (
        f"Content-Length: {len(CONTENT)}" if framing == "length" else "Transfer-Encoding: chunked"
    )
    head = put(
        account, project.id, f"UPGRADE: {protocol}", "Connection: Upgrade, HTTP2-Settings", length
    )
    with connected(local.port) as wire:
        if at_once:
            wire.send(head + body)
        else:
            wire.send(head)
            wire.send(body)
        assert stored(local, account, wire) == hashlib.sha256(CONTENT).hexdigest()
        wire.send("GET /healthz HTTP/1.1\nHost: x\n\n")
        assert wire.answer().status == 200


def test_an_upgrade_behind_another_request_is_refused(local: Service) -> None:
    """Where the wish cannot be taken out it is refused, and its body is no request."""
    account = local.account("admin")
    project = local.project(account)
    smuggled = b"GET /api/users/me HTTP/1.1\r\nHost: x\r\n\r\n"
    head = put(
        account,
        project.id,
        "Upgrade: h2c",
        "Connection: upgrade",
        f"Content-Length: {len(smuggled)}",
    )
    with connected(local.port) as wire:
        wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + head + smuggled)
        seen = b""
        while more := wire.read(65536):
            seen += more
    assert seen.count(b"HTTP/1.1 ") <= 2
    assert b"HTTP/1.1 201" not in seen
    assert b"_status" not in seen
    assert local.blobs(project) == []


def test_a_trailer_is_no_header(local: Service) -> None:
    """What comes behind a chunked body signs nobody in and overrides nothing."""
    account = local.account("admin")
    project = local.project(account)
    head = put(account, project.id, "Transfer-Encoding: chunked")
    with connected(local.port) as wire:
        wire.send(head + chunked(CONTENT, "X-HTTP-Method-Override: DELETE"))
        assert stored(local, account, wire) == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("piece", [b"a" * 1000, b"X-Header: value\r\n" * 50])
def test_an_endless_head_is_refused(local: Service, piece: bytes) -> None:
    """Nobody makes the server gather more than a head may have."""
    with connected(local.port) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
        for _ in range(2 * connection.HEAD_BYTES // len(piece)):
            try:
                wire.send(piece)
            except ConnectionError:
                break
        try:
            assert wire.answer().status == 431
        except ConnectionError:
            assert wire.is_over()


def test_a_head_that_takes_too_long(local: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that brings half a head, or nothing, is closed."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    for begun in (b"", b"GET / HTTP/1.1\r\nHos"):
        with connected(local.port) as wire:
            wire.send(begun)
            assert wire.is_over()


def test_what_comes_after_the_answer_is_bounded(
    local: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused client may send some more, but not for ever."""
    monkeypatch.setattr(connection, "DRAIN_BYTES", 1 << 20)
    with connected(local.port) as wire:
        wire.send("POST /api/storage/stream/x HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n")
        assert wire.answer().status == 403
        with pytest.raises(ConnectionError):
            send_chunks(wire, 1 << 30)


def send_chunks(wire: Wire, count: int) -> None:
    """Send `count` bytes in chunks that never end the body."""
    for _ in range(count >> 16):
        wire.send(f"{1 << 16:x}\r\n".encode() + bytes(1 << 16) + b"\r\n")


def test_a_refusal_is_read_by_clients_that_send_everything_first(local: Service) -> None:
    """The connection stays in step after a body that nobody wanted."""
    body = bytes(4 << 20)
    with connected(local.port) as wire:
        wire.send("PUT /api/storage/stream/x/a HTTP/1.1\nHost: x\n")
        wire.send(f"Content-Length: {len(body)}\n\n")
        wire.send(body)
        assert wire.answer().status == 403
        wire.send("GET /healthz HTTP/1.1\nHost: x\n\n")
        assert wire.answer().status == 200


def test_a_field_may_be_sorted_by_again_and_again(local: Service) -> None:
    """Only the first time counts, and the database is not asked for more."""
    answer = local.get("/api/files?sort=" + ",".join(["name", "-name"] * 500))
    assert answer.status_code == 200
