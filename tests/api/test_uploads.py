"""Uploads as clients send them: contract sections 1.1, 4.3, 4.4 and 6."""

import gzip
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest
from tests.media.films import film
from tests.support.forms import Form, form, part
from tests.support.servers import wait_until
from tests.support.service import LIMIT, Account, Service, Start
from tests.support.wire import Wire, connected

from cella.model import Project

MIB = 1 << 20
WAYS = ["form", "raw"]


def send(
    service: Service,
    way: str,
    by: Account | None,
    project_id: str,
    content: bytes | Iterator[bytes] = b"some bytes",
    name: str = "some.bin",
    content_type: str | None = "application/octet-stream",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """Upload as a form's part or as a raw body; an iterator goes without a length, in chunks."""
    path = f"/api/storage/stream/{project_id}"
    if way == "raw":
        given = {} if content_type is None else {"Content-Type": content_type}
        name = quote(name, safe="")
        return service.request(
            "PUT", f"{path}/{name}", by, headers={**given, **(headers or {})}, content=content
        )
    if isinstance(content, bytes):
        made = form(part(content, name, content_type))
        body: bytes | Iterator[bytes] = made.body
    else:
        made = form(part(b"", name, content_type))
        cut = len(made.body) - len(form().body) - 2
        body = _around(made.body[:cut], content, made.body[cut:])
    return service.request(
        "POST", path, by, headers={**made.headers, **(headers or {})}, content=body
    )


def _around(before: bytes, content: Iterator[bytes], after: bytes) -> Iterator[bytes]:
    yield before
    yield from content
    yield after


def stored(service: Service, by: Account, answer: httpx.Response) -> dict[str, Any]:
    """The document of what was just uploaded."""
    assert answer.status_code == 201, answer.text
    return service.document(by, answer.json()["file_id"])


def error(answer: httpx.Response) -> tuple[int, str]:
    """Status and stable name of a refusal, whose body agrees with its status."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert body["_status"] == "ERR"
    assert body["_error"]["code"] == answer.status_code
    assert body["_error"]["message"]
    return answer.status_code, body["_error"]["name"]


# What comes of a good upload


@pytest.mark.parametrize("way", WAYS)
def test_answer_is_exactly_what_clients_expect(service: Service, way: str) -> None:
    owner = service.account()
    answer = send(service, way, owner, service.project(owner).id)
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    file_id = answer.json()["file_id"]
    assert answer.json() == {"status": "ok", "file_id": file_id}
    assert re.fullmatch("[0-9a-f]{24}", file_id)
    assert answer.headers["location"] == f"/api/files/{file_id}"


@pytest.mark.parametrize("way", WAYS)
def test_document_describes_what_was_sent(service: Service, way: str) -> None:
    owner = service.account("subscriber")
    project = service.project(owner)
    content = bytes(range(256)) * 8000
    document = stored(
        service, owner, send(service, way, owner, project.id, content, "Plate 0041.EXR.bin")
    )
    assert document["sha256"] == hashlib.sha256(content).hexdigest()
    assert document["md5"] == hashlib.md5(content).hexdigest()
    assert document["length"] == document["length_aggregate_in_bytes"] == len(content)
    assert document["user"] == owner.id
    assert document["project"] == project.id
    assert document["filename"] == "Plate 0041.EXR.bin"
    assert document["content_type"] == "application/octet-stream"
    assert document["format"] == "octet-stream"
    assert document["status"] == "complete"
    assert document["backend"] == service.assembly.backend
    assert re.fullmatch(r"[0-9a-f]{32}\.bin", document["name"])
    assert document["file_path"] == document["name"]
    assert "processing" not in document
    assert service.get(document["link"]).content == content


def test_two_uploads_of_the_same_bytes_are_two_files(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    one, other = (service.upload(owner, project, b"the same") for _ in range(2))
    assert one["_id"] < other["_id"], "ids sort by age"
    assert one["name"] != other["name"]
    assert one["_etag"] != other["_etag"]
    assert one["sha256"] == other["sha256"]
    assert len(service.blobs(project)) == 2


@pytest.mark.parametrize("way", WAYS)
def test_an_empty_file_is_a_file(service: Service, way: str) -> None:
    owner = service.account()
    document = stored(
        service, owner, send(service, way, owner, service.project(owner).id, b"", "empty.txt")
    )
    assert document["length"] == 0
    assert document["md5"] == hashlib.md5(b"").hexdigest()
    assert document["sha256"] == hashlib.sha256(b"").hexdigest()
    answer = service.get(document["link"])
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("way", WAYS)
def test_a_body_without_length_is_taken(service: Service, way: str) -> None:
    owner = service.account("demo")
    chunks = [bytes([number]) * 100_000 for number in range(30)]
    document = stored(
        service, owner, send(service, way, owner, service.project(owner).id, iter(chunks))
    )
    assert document["sha256"] == hashlib.sha256(b"".join(chunks)).hexdigest()


def test_md5_of_a_large_file_comes_later(service: Service) -> None:
    owner = service.account("subscriber")
    content = bytes(range(256)) * (9 * MIB // 256)
    document = service.upload(owner, service.project(owner), content)
    wait_until(lambda: bool(service.document(owner, document["_id"])["md5"]))
    later = service.document(owner, document["_id"])
    assert later["md5"] == hashlib.md5(content).hexdigest()
    assert later["status"] == "complete"


# Who may, and in which order that is judged


@pytest.mark.parametrize("way", WAYS)
def test_checks_come_in_the_order_of_the_contract(service: Service, way: str) -> None:
    owner, stranger = service.account(), service.account("subscriber")
    private = service.project(owner, public=False)
    gone = service.project(owner)
    service.soft_delete(gone)
    too_long = b"x" * (LIMIT + 100_000)

    assert error(send(service, way, None, "nonsense", too_long)) == (403, "forbidden")
    assert error(send(service, way, owner, "nonsense", too_long)) == (400, "bad_request")
    assert error(send(service, way, owner, "a" * 12, too_long)) == (400, "bad_request")
    assert error(send(service, way, owner, private.id.upper(), too_long)) == (400, "bad_request")
    assert error(send(service, way, owner, "0" * 24, too_long)) == (404, "not_found")
    assert error(send(service, way, owner, gone.id, too_long)) == (404, "not_found")
    assert error(send(service, way, stranger, private.id, too_long)) == (403, "forbidden")
    assert error(send(service, way, owner, private.id, too_long)) == (413, "too_large")
    service.assert_nothing_left(private)
    service.assert_nothing_left(gone)


def test_refusals_name_what_is_wrong(local: Service) -> None:
    owner = local.account()
    assert "nonsense" in send(local, "form", owner, "nonsense").json()["_error"]["message"]
    message = send(local, "form", owner, "0" * 24).json()["_error"]["message"]
    assert message == f"Project {'0' * 24} does not exist."


@pytest.mark.parametrize("way", WAYS)
def test_reading_a_public_project_is_no_leave_to_upload(service: Service, way: str) -> None:
    project = service.project(service.account())
    answer = send(service, way, service.account("subscriber"), project.id)
    assert error(answer) == (403, "forbidden")
    service.assert_nothing_left(project)


def test_whom_the_world_grants_upload_may_but_not_the_anonymous(service: Service) -> None:
    project = service.project_with(service.account(), world=("GET", "POST"))
    assert send(service, "form", service.account(), project.id).status_code == 201
    assert error(send(service, "form", None, project.id)) == (403, "forbidden")


def test_an_administrator_may_upload_anywhere(service: Service) -> None:
    project = service.project(service.account(), public=False)
    assert send(service, "raw", service.account("admin"), project.id).status_code == 201


# The limit


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("size", "status"), [(LIMIT - 1, 201), (LIMIT, 413), (LIMIT + 1, 413), (LIMIT + MIB, 413)]
)
def test_a_file_must_be_smaller_than_the_limit(
    service: Service, way: str, size: int, status: int
) -> None:
    owner = service.account()
    project = service.project(owner)
    answer = send(service, way, owner, project.id, b"x" * size)
    assert answer.status_code == status
    if status == 413:
        assert error(answer) == (413, "too_large")
        service.assert_nothing_left(project)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("role", ["admin", "subscriber", "demo"])
def test_some_roles_have_no_limit(service: Service, way: str, role: str) -> None:
    owner = service.account(role)
    document = stored(
        service, owner, send(service, way, owner, service.project(owner).id, b"x" * 2 * MIB)
    )
    assert document["length"] == 2 * MIB


def test_other_roles_have_the_limit(local: Service) -> None:
    owner = local.account("video-encoder", "service", "badger")
    answer = send(local, "raw", owner, local.project(owner).id, b"x" * LIMIT)
    assert error(answer) == (413, "too_large")


@pytest.mark.parametrize("way", WAYS)
def test_too_much_without_a_length_leaves_nothing(service: Service, way: str) -> None:
    owner = service.account()
    project = service.project(owner)
    answer = send(service, way, owner, project.id, iter([b"x" * 4096] * 800))
    assert error(answer) == (413, "too_large")
    service.assert_nothing_left(project)


def announce(wire: Wire, account: Account | None, method: str, path: str, length: int) -> None:
    """Send a request's head, and none of its body."""
    signed = f"Authorization: Bearer {account.token}\n" if account else ""
    wire.send(
        f"{method} {path} HTTP/1.1\nHost: test\n{signed}Content-Type: multipart/form-data; "
        f"boundary=x\nContent-Length: {length}\nExpect: 100-continue\n\n"
    )


@pytest.mark.parametrize("way", WAYS)
def test_refusals_come_before_the_body(local: Service, way: str) -> None:
    owner, stranger = local.account(), local.account("subscriber")
    project = local.project(owner, public=False)
    method = "POST" if way == "form" else "PUT"
    name = "" if way == "form" else "/huge.bin"
    path = f"/api/storage/stream/{project.id}{name}"
    nowhere = f"/api/storage/stream/{'0' * 24}{name}"
    for account, where, status in (
        (None, path, 403),
        (stranger, path, 403),
        (stranger, nowhere, 404),
        (owner, path, 413),
    ):
        with connected(local.port) as wire:
            announce(wire, account, method, where, 1 << 40)
            answer = wire.answer()
        # Had the body been asked for, a 100 (Continue) would have come first.
        assert answer.status == status
    local.assert_nothing_left(project)


# Many at once


@contextmanager
def held(service: Service, by: Account, project: Project, framing: str) -> Iterator[Wire]:
    """An upload that is under way: the server has asked for its body, and waits."""
    with connected(service.port) as wire:
        wire.send(
            f"PUT /api/storage/stream/{project.id}/held HTTP/1.1\nHost: x\n{framing}\n"
            f"Authorization: Bearer {by.token}\nContent-Type: x\nExpect: 100-continue\n\n"
        )
        assert wire.answer(has_body=False).status == 100
        yield wire


def turned_away(service: Service, by: Account, project: Project, way: str = "raw") -> str:
    """Why an upload is refused for the sake of others, before its body is asked for."""
    with connected(service.port) as wire:
        name, method = ("/next.bin", "PUT") if way == "raw" else ("", "POST")
        announce(wire, by, method, f"/api/storage/stream/{project.id}{name}", 5)
        answer = wire.answer()
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    error = json.loads(answer.body)["_error"]
    assert (error["name"], error["retriable"]) == ("overloaded", True)
    message: str = error["message"]
    return message


@pytest.mark.parametrize("way", WAYS)
def test_no_more_uploads_at_once_than_the_server_takes(start: Start, way: str) -> None:
    service = start(upload_slots=3)
    people = [service.account() for _ in range(4)]
    project = service.project_with(people[0], world=("GET", "POST"))
    with ExitStack() as stack:
        for account in people[:3]:
            stack.enter_context(held(service, account, project, "Content-Length: 5"))
        assert "The server takes 3 uploads at once" in turned_away(service, people[3], project, way)
        raw_store = service.request(
            "POST", "/api/storage/file", people[3], files={"data": b"x"}, data={"name": "x"}
        )
        assert error(raw_store) == (503, "overloaded")
        forbidden = send(service, way, None, project.id)
        assert error(forbidden) == (403, "forbidden"), "that is judged first"
        assert service.get("/api/files", people[3]).status_code == 200
    wait_until(lambda: send(service, way, people[3], project.id).status_code == 201)


def test_nobody_gets_all_places(start: Start) -> None:
    service = start(upload_slots=4)
    greedy, other = service.account(), service.account()
    project = service.project_with(greedy, world=("GET", "POST"))
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(held(service, greedy, project, "Content-Length: 5"))
        assert "You have 3 uploads under way" in turned_away(service, greedy, project)
        assert send(service, "raw", other, project.id).status_code == 201
        stack.enter_context(held(service, other, project, "Content-Length: 5"))
        assert "The server takes 4" in turned_away(service, greedy, project)
        assert "The server takes 4" in turned_away(service, other, project)


def _leave(service: Service, project: Project, wire: Wire) -> None:
    wire.close()


def _complete(service: Service, project: Project, wire: Wire) -> None:
    wire.send(b"5\r\n%PDF-\r\n0\r\n\r\n")
    assert wire.answer().status == 201


def _send_too_much(service: Service, project: Project, wire: Wire) -> None:
    wire.send(f"{LIMIT:x}\r\n".encode() + bytes(LIMIT) + b"\r\n")
    assert wire.answer().status == 413


def _send_no_chunk(service: Service, project: Project, wire: Wire) -> None:
    wire.send(b"no chunk\r\n")
    assert wire.answer().status == 400


def _send_what_has_no_type(service: Service, project: Project, wire: Wire) -> None:
    wire.send(b"5\r\nhello\r\n0\r\n\r\n")
    assert wire.answer().status == 400


def _dawdle(service: Service, project: Project, wire: Wire) -> None:
    assert wire.answer().status == 408


def _delete_the_project(service: Service, project: Project, wire: Wire) -> None:
    service.soft_delete(project)
    wire.send(b"5\r\n%PDF-\r\n0\r\n\r\n")
    assert wire.answer().status == 404


def _fill_the_disk(service: Service, project: Project, wire: Wire) -> None:
    incoming = service.assembly.config.data / "blobs" / ".incoming"
    moved = incoming.rename(incoming.with_name("away"))
    incoming.touch()
    wire.send(b"5\r\n%PDF-\r\n0\r\n\r\n")
    assert wire.answer().status >= 500
    incoming.unlink()
    moved.rename(incoming)


@pytest.mark.parametrize(
    "end",
    [
        _complete,
        _leave,
        _send_too_much,
        _send_no_chunk,
        _send_what_has_no_type,
        _dawdle,
        _delete_the_project,
        _fill_the_disk,
    ],
)
def test_however_an_upload_ends_its_place_is_free(
    start: Start, end: Callable[[Service, Project, Wire], None]
) -> None:
    stall = 0.5 if end is _dawdle else 60
    service = start(upload_slots=1, upload_stall=stall)
    owner = service.account()
    project, other = service.project(owner), service.project(owner)
    for _ in range(2):
        project = service.project(owner)
        with held(service, owner, project, "Transfer-Encoding: chunked") as wire:
            turned_away(service, owner, other)
            end(service, project, wire)
        wait_until(lambda: send(service, "raw", owner, other.id).status_code == 201)


def test_who_waits_for_previews_holds_no_place(start: Start) -> None:
    """The worker is away, so the first upload waits for its previews in vain."""
    service = start(upload_slots=1, upload_wait=30, embedded_worker=False)
    owner = service.account()
    project = service.project(owner)
    with connected(service.port) as wire:
        wire.send(
            f"PUT /api/storage/stream/{project.id}/a.png HTTP/1.1\nHost: x\n"
            f"Authorization: Bearer {owner.token}\nContent-Length: 12\n\n"
        )
        wire.send(b"\x89PNG\r\n\x1a\n1234")
        wait_until(lambda: len(service.blobs(project)) == 1)
        wait_until(lambda: send(service, "raw", owner, project.id).status_code == 201)
        assert not wire.has_come(seconds=0)


def test_a_client_that_waits_is_told_to_continue(local: Service) -> None:
    owner = local.account()
    project = local.project(owner)
    with connected(local.port) as wire:
        announce(wire, owner, "PUT", f"/api/storage/stream/{project.id}/small.bin", 5)
        assert wire.answer(has_body=False).status == 100
        wire.send(b"hello")
        assert wire.answer().status == 201


# Broken uploads leave nothing


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(form(part(b"x" * 5000), is_closed=False), id="no last boundary"),
        pytest.param(form(part(b"x"), part(b"y")), id="two files"),
        pytest.param(form(part(b"x", field="data")), id="another field"),
        pytest.param(form(part(b"x", None, None)), id="a field that is no file"),
        pytest.param(form(part(b"x", "")), id="no file chosen"),
        pytest.param(form(), id="no part"),
        pytest.param(form(part(b"x"), *[part(b"", None, None, "a")] * 100), id="too many parts"),
        pytest.param(form(part(b"x"), part(b"y" * 100_000, None, None, "a")), id="long field"),
    ],
)
def test_broken_forms_leave_nothing(service: Service, broken: Form) -> None:
    owner = service.account("subscriber")
    project = service.project(owner)
    answer = service.request(
        "POST",
        f"/api/storage/stream/{project.id}",
        owner,
        headers=broken.headers,
        content=broken.body,
    )
    assert error(answer) == (400, "bad_request")
    service.assert_nothing_left(project)


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=", "application/json"],
)
def test_what_is_no_form_is_refused(local: Service, content_type: str) -> None:
    owner = local.account()
    project = local.project(owner)
    answer = local.request(
        "POST",
        f"/api/storage/stream/{project.id}",
        owner,
        headers={"Content-Type": content_type},
        content=form(part(b"x")).body,
    )
    assert error(answer) == (400, "bad_request")
    local.assert_nothing_left(project)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("announced", [True, False], ids=["length", "chunked"])
def test_a_cut_connection_leaves_nothing(service: Service, way: str, announced: bool) -> None:
    owner = service.account("subscriber")
    project = service.project(owner)
    service.wait_until_idle()
    wait_until(lambda: not service.under_way())
    begin = form(part(b"x" * 3 * MIB), is_closed=False)
    body = begin.body if way == "form" else b"x" * 3 * MIB
    method, name = ("POST", "") if way == "form" else ("PUT", "/cut.bin")
    length = f"Content-Length: {8 * MIB}" if announced else "Transfer-Encoding: chunked"
    framed = body if announced else f"{len(body) + 1000:x}\r\n".encode() + body
    with connected(service.port) as wire:
        wire.send(
            f"{method} /api/storage/stream/{project.id}{name} HTTP/1.1\nHost: test\n"
            f"Authorization: Bearer {owner.token}\n"
            f"Content-Type: {begin.headers['Content-Type']}\n{length}\n\n"
        )
        wire.send(framed)
        wait_until(lambda: bool(service.under_way()))
    service.assert_nothing_left(project)


def test_a_sender_that_stops_is_given_up(start: Start) -> None:
    service = start(upload_stall=0.3, upload_stall_bytes=1000)
    owner = service.account()
    project = service.project(owner)
    with connected(service.port) as wire:
        wire.send(
            f"PUT /api/storage/stream/{project.id}/slow.bin HTTP/1.1\nHost: test\n"
            f"Authorization: Bearer {owner.token}\nContent-Length: 10000\n\n"
        )
        wire.send(b"x" * 500)
        answer = wire.answer()
        assert answer.status == 408
        assert b'"retriable":true' in answer.body
        assert answer.headers["connection"] == "close"
        assert wire.is_over()
    service.assert_nothing_left(project)


def test_a_byte_now_and_then_is_not_enough(start: Start) -> None:
    service = start(upload_stall=0.5, upload_stall_bytes=1000)
    owner = service.account()
    project = service.project(owner)
    with connected(service.port) as wire:
        wire.send(
            f"PUT /api/storage/stream/{project.id}/slow.bin HTTP/1.1\nHost: test\n"
            f"Authorization: Bearer {owner.token}\nContent-Length: 10000\n\n"
        )
        while not wire.has_come(seconds=0.02):
            wire.send(b"x")
        assert wire.answer().status == 408
    service.assert_nothing_left(project)


def test_a_steady_sender_may_take_longer_than_the_pause(start: Start) -> None:
    """What counts is the pace, not the whole time."""
    service = start(upload_stall=1.5, upload_stall_bytes=100)
    owner = service.account()

    def drip() -> Iterator[bytes]:
        for _ in range(24):
            time.sleep(0.1)
            yield b"x" * 100

    answer = send(service, "raw", owner, service.project(owner).id, drip())
    assert stored(service, owner, answer)["length"] == 2400


def test_a_compressed_body_is_refused(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    for way in WAYS:
        answer = send(
            service,
            way,
            owner,
            project.id,
            gzip.compress(b"some bytes"),
            headers={"Content-Encoding": "gzip"},
        )
        assert error(answer) == (415, "unsupported_coding")
        assert answer.headers["accept-encoding"] == "identity"
    service.assert_nothing_left(project)
    plain = send(
        service, "raw", owner, project.id, b"plain", headers={"Content-Encoding": "identity"}
    )
    assert stored(service, owner, plain)["length"] == 5


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("headers", "status", "name"),
    [
        ("Content-Encoding: identity\nContent-Encoding: gzip", 415, "unsupported_coding"),
        ("Content-Encoding: gzip\nContent-Encoding: identity", 415, "unsupported_coding"),
        ("Content-Encoding: identity, br", 415, "unsupported_coding"),
        ("Transfer-Encoding: gzip, chunked", 501, "unknown_transfer"),
        ("Transfer-Encoding: gzip\nTransfer-Encoding: chunked", 501, "unknown_transfer"),
        ("Transfer-Encoding: x-gzip, Chunked", 501, "unknown_transfer"),
    ],
)
def test_what_was_done_to_a_body_is_not_stored(
    local: Service, way: str, headers: str, status: int, name: str
) -> None:
    """A body that is compressed in a way that is not undone is no file of anybody's."""
    owner = local.account()
    project = local.project(owner)
    made = form(part(b"some bytes"))
    sent = made.body if way == "form" else b"some bytes"
    method, path = ("POST", "") if way == "form" else ("PUT", "/a.bin")
    is_chunked = headers.startswith("Transfer")
    length = "" if is_chunked else f"Content-Length: {len(sent)}\n"
    framed = f"{len(sent):x}\r\n".encode() + sent + b"\r\n0\r\n\r\n" if is_chunked else sent
    with connected(local.port) as wire:
        wire.send(
            f"{method} /api/storage/stream/{project.id}{path} HTTP/1.1\nHost: x\n{headers}\n"
            f"Authorization: Bearer {owner.token}\n{length}"
            f"Content-Type: {made.headers['Content-Type']}\n\n"
        )
        wire.send(framed)
        answer = wire.answer()
    assert answer.status == status
    assert json.loads(answer.body)["_error"]["name"] == name
    local.assert_nothing_left(project)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("content_range", "status"),
    [
        ("bytes 0-9/10", 201),
        ("bytes 0-9/100", 400),
        ("bytes 10-19/20", 400),
        ("bytes 0-9/*", 400),
        ("nonsense", 400),
    ],
)
def test_a_part_of_a_file_is_not_taken_for_a_file(
    local: Service, way: str, content_range: str, status: int
) -> None:
    """jQuery File Upload sends such parts where it has a `maxChunkSize`."""
    owner = local.account()
    project = local.project(owner)
    headers = {"Content-Range": content_range}
    answer = send(local, way, owner, project.id, b"some bytes", headers=headers)
    assert answer.status_code == status
    if status == 400:
        assert "Content-Range" in answer.json()["_error"]["message"]
        local.assert_nothing_left(project)


# Names


RIGHT_TO_LEFT = "\u202e"
HOSTILE = [
    # given, kept, extension in the store, what downloads are called
    ("../../etc/pass wd.txt", "../../etc/pass wd.txt", ".txt", "_.._etc_pass wd.txt"),
    ("/etc/passwd", "/etc/passwd", "", "_etc_passwd"),
    ("..%2f%2e%2e%2fx.txt", "..%2f%2e%2e%2fx.txt", ".txt", "%2f%2e%2e%2fx.txt"),
    ("nul\0byte.txt", "nulbyte.txt", ".txt", "nulbyte.txt"),
    ("bell\x07 and\x1b[31m.txt", "bell and[31m.txt", ".txt", "bell and[31m.txt"),
    (f"photo{RIGHT_TO_LEFT}gpj.exe", "photogpj.exe", ".exe", "photogpj.exe"),
    ('say "hi".txt', 'say "hi".txt', ".txt", "say _hi_.txt"),
    ("line\r\nSet-Cookie: a=b.txt", "lineSet-Cookie: a=b.txt", ".txt", "lineSet-Cookie_ a=b.txt"),
    ("a\n.txt\n", "a.txt", ".txt", "a.txt"),
    ("x" * 300 + ".txt", "x" * 251 + ".txt", ".txt", "x" * 236 + ".txt"),
    ("CON.txt", "CON.txt", ".txt", "_CON.txt"),
    (".htaccess", ".htaccess", "", "htaccess"),
    ("..", "..", "", "file"),
    ("김치 – naïve.JPG.txt", "김치 – naïve.JPG.txt", ".txt", "김치 – naïve.JPG.txt"),
    ("a.t'x/t", "a.t'x/t", "", "a.t'x_t"),
    ("a.ünï", "a.ünï", "", "a.ünï"),
    ("\u200f", "unnamed", "", "unnamed"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("given", "kept", "extension", "offered"), HOSTILE)
def test_hostile_names_are_only_labels(
    local: Service, way: str, given: str, kept: str, extension: str, offered: str
) -> None:
    owner = local.account()
    project = local.project(owner)
    if way == "raw" and given == "..":
        answer = send_dots(local, owner, project)
    else:
        answer = send(local, way, owner, project.id, b"harmless", given).json()
    document = local.document(owner, answer["file_id"])
    assert document["filename"] == kept
    assert re.fullmatch(r"[0-9a-f]{32}" + re.escape(extension), document["name"])
    assert local.blobs(project) == [f"{project.id}/_/{document['name']}"]
    download = local.get(document["link"])
    assert download.content == b"harmless"
    assert offered_name(download.headers["content-disposition"]) == offered
    assert "set-cookie" not in download.headers


def send_dots(service: Service, owner: Account, project: Project) -> dict[str, Any]:
    """Upload under the name `..`, which client libraries would resolve."""
    with connected(service.port) as wire:
        wire.send(
            f"PUT /api/storage/stream/{project.id}/%2e%2e HTTP/1.1\nHost: test\n"
            f"Authorization: Bearer {owner.token}\nContent-Type: application/x-dots\n"
            "Content-Length: 8\n\nharmless"
        )
        answer = httpx.Response(201, content=wire.answer().body)
    document: dict[str, Any] = answer.json()
    return document


def offered_name(disposition: str) -> str:
    """What a browser would call the download (RFC 6266, section 4.3)."""
    match = re.fullmatch(
        r"""(?:inline|attachment); filename="([^"\\/\x00-\x1f]*)"(?:; filename\*=UTF-8''(\S+))?""",
        disposition,
    )
    assert match is not None, disposition
    plain, extended = match.groups()
    return plain if extended is None else unquote(extended, errors="strict")


# Content types


@pytest.mark.parametrize(
    ("name", "declared", "kept"),
    [
        ("x.blend", "application/octet-stream", "application/x-blender"),
        ("x.blend", "text/plain", "application/x-blender"),
        ("blend.mp3", "application/octet-stream", "audio/mpeg"),
        ("blend.mp3", "audio/mp3", "audio/mp3"),
        ("mp3.mkv", "application/octet-stream", "application/x-matroska"),
        ("a.b.mp4", None, "application/x-mp4"),
        ("t.html", "text/plain", "text/html"),
        ("t.tar.gz", "application/octet-stream", "application/x-tar"),
        ("x.svg", None, "image/svg+xml"),
        ("x.foo", "application/awesome-type", "application/awesome-type"),
        ("x.foo", "Application/Awesome-Type; charset=x", "application/awesome-type"),
        ("t.exr", "image/x-exr", "application/x-exr"),
        ("t.foo", "image/x-exr", "application/x-exr"),
        ("t.foo", "image/exr", "image/exr"),
        ("t.hdr", None, "application/x-radiance-hdr"),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_content_types_follow_the_contract(
    local: Service, way: str, name: str, declared: str | None, kept: str
) -> None:
    owner = local.account()
    answer = send(local, way, owner, local.project(owner).id, b"some words", name, declared)
    document = stored(local, owner, answer)
    assert document["content_type"] == kept
    # Words are no sound, and the document says so.
    assert document["status"] == ("failed" if kept.startswith("audio/") else "complete")


@pytest.mark.parametrize(
    ("way", "declared"),
    [("form", None), *((way, text) for way in WAYS for text in ("nonsense", "a b/c", "/"))],
)
def test_a_type_that_nobody_tells_is_missing(
    local: Service, way: str, declared: str | None
) -> None:
    owner = local.account()
    project = local.project(owner)
    answer = send(local, way, owner, project.id, b"some words", "README", declared)
    assert error(answer) == (400, "bad_request")
    assert answer.json()["_error"]["message"].startswith("Missing content type.")
    local.assert_nothing_left(project)


@pytest.mark.parametrize("declared", [None, "application/x-www-form-urlencoded"])
def test_scripts_need_not_tell_a_type(local: Service, declared: str | None) -> None:
    """`curl -T` tells none, and `curl --data-binary` one that it means for something else."""
    owner = local.account()
    answer = send(local, "raw", owner, local.project(owner).id, b"some words", "README", declared)
    assert stored(local, owner, answer)["content_type"] == "application/octet-stream"


def test_the_bytes_tell_a_type_that_nobody_told(local: Service) -> None:
    owner = local.account()
    answer = send(local, "form", owner, local.project(owner).id, b"%PDF-1.7\n", "README", None)
    assert stored(local, owner, answer)["content_type"] == "application/pdf"


@pytest.mark.parametrize(
    ("subtype", "name", "kept"),
    [
        ("mp4", "film.mp4", "application/x-mp4"),
        ("x-matroska", "film.mkv", "application/x-matroska"),
    ],
)
def test_videos_of_those_who_may_not_encode(
    service: Service, subtype: str, name: str, kept: str
) -> None:
    owner = service.account()
    project = service.project(owner)
    document = service.upload(owner, project, b"a film", name, f"video/{subtype}")
    assert document["content_type"] == kept
    assert document["format"] == subtype
    assert document["status"] == "complete"
    assert "variations" not in document


@pytest.mark.parametrize("role", ["admin", "video-encoder"])
def test_videos_of_those_who_may_encode_stay_videos(
    service: Service, tmp_path: Path, role: str
) -> None:
    owner = service.account(role)
    content = film(tmp_path / "film.mp4", 2, "24", "-pix_fmt", "yuv420p").read_bytes()
    document = service.upload(owner, service.project(owner), content, "film.mp4", "video/mp4")
    assert document["content_type"] == "video/mp4"
    assert document["format"] == "mp4"
