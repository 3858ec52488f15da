"""Long transfers: memory stays flat, and who goes away leaves nothing open."""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.servers import wait_until
from tests.support.service import Service, Start
from tests.support.wire import Wire, connected

from cella.cli import connection

MIB = 1 << 20
LARGE = 100 * MIB
SPARE = 32 * MIB


def resident() -> int:
    """Bytes of memory that this process, in which the service runs, really uses."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def opened(name: str) -> int:
    """How many open files of this process have that name."""
    return sum(_target(fd).endswith(name) for fd in Path("/proc/self/fd").iterdir())


def _target(fd: Path) -> str:
    try:
        return str(fd.readlink())
    except FileNotFoundError:
        return ""


def test_memory_stays_flat_whatever_the_size(sqlite_disk: Service) -> None:
    service = sqlite_disk
    owner = service.account("subscriber")
    project = service.project(owner)
    block = bytes(range(256)) * (MIB // 256)
    before = peak = resident()
    sent = hashlib.sha256()

    def body() -> Iterator[bytes]:
        nonlocal peak
        for _ in range(LARGE // MIB):
            sent.update(block)
            yield block
            peak = max(peak, resident())

    answer = service.request(
        "PUT", f"/api/storage/stream/{project.id}/large.bin", owner, content=body()
    )
    document = service.document(owner, answer.json()["file_id"])
    assert document["length"] == LARGE
    assert document["sha256"] == sent.hexdigest()
    assert peak - before < SPARE

    service.wait_until_idle()
    before = peak = resident()
    received = hashlib.sha256()
    with service.stream(document["link"]) as download:
        for chunk in download.iter_raw():
            received.update(chunk)
            peak = max(peak, resident())
    assert received.hexdigest() == sent.hexdigest()
    assert peak - before < SPARE


def test_a_client_that_stops_reading_holds_no_memory_and_then_no_file(start: Start) -> None:
    service = start()
    owner = service.account("subscriber")
    document = service.upload(owner, service.project(owner), bytes(LARGE), "large.bin")
    service.wait_until_idle()
    wait_until(lambda: opened(document["name"]) == 0)
    path = document["link"].removeprefix(service.url)
    before = resident()
    with connected(service.port, receive_buffer=64 << 10) as wire:
        wire.send(f"GET {path} HTTP/1.1\nHost: x\n\n")
        assert wire.read(15) == b"HTTP/1.1 200 OK"
        assert opened(document["name"]) == 1, "the file is being read"
        assert resident() - before < SPARE
    wait_until(lambda: opened(document["name"]) == 0)


def test_who_takes_nothing_of_a_download_is_cut_off(start: Start) -> None:
    service = start(download_stall=0.3)
    owner = service.account("subscriber")
    document = service.upload(owner, service.project(owner), bytes(LARGE), "large.bin")
    service.wait_until_idle()
    path = document["link"].removeprefix(service.url)
    with connected(service.port, receive_buffer=64 << 10) as wire:
        wire.send(f"GET {path} HTTP/1.1\nHost: x\n\n")
        assert wire.read(12) == b"HTTP/1.1 200"
        wait_until(lambda: not is_held(wire))
        assert opened(document["name"]) == 0
        assert rest_of(wire) < LARGE
    assert service.get("/healthz").status_code == 200


def test_who_takes_a_download_slowly_gets_it_all(start: Start) -> None:
    """What counts is that something is taken now and then, not the whole time."""
    service = start(download_stall=2)
    owner = service.account("subscriber")
    document = service.upload(owner, service.project(owner), bytes(20 * MIB), "large.bin")
    service.wait_until_idle()
    path = document["link"].removeprefix(service.url)
    received = 0
    with connected(service.port, receive_buffer=64 << 10) as wire:
        wire.send(f"GET {path} HTTP/1.1\nHost: x\nConnection: close\n\n")
        while more := wire.read(MIB):
            received += len(more)
            time.sleep(0.01)
    assert received > 20 * MIB


@pytest.mark.parametrize("connection_is", ["close", "keep-alive"])
def test_who_does_not_take_the_end_of_a_download_is_cut_off(
    start: Start, monkeypatch: pytest.MonkeyPatch, connection_is: str
) -> None:
    """All of it has been handed on, and what waits to be taken must not wait for ever."""
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.2)
    service = start(send_buffer=64 << 10)
    owner = service.account("subscriber")
    document = service.upload(owner, service.project(owner), bytes(20 * MIB), "large.bin")
    service.wait_until_idle()
    path = document["link"].removeprefix(service.url)
    received = 0
    with connected(service.port, receive_buffer=64 << 10) as wire:
        wire.send(f"GET {path} HTTP/1.1\nHost: x\nConnection: {connection_is}\n\n")
        assert wire.read(12) == b"HTTP/1.1 200"
        while received < 19 * MIB:
            received += len(wire.read(64 << 10))
        wait_until(lambda: not is_held(wire))
        received += rest_of(wire)
    assert received < 20 * MIB


def is_held(wire: Wire) -> bool:
    """Whether the server's end of the connection is open; in Linux's table 01 is ESTABLISHED."""
    ours, theirs = (
        f":{name[1]:04X}" for name in (wire.connection.getpeername(), wire.connection.getsockname())
    )
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(ours) and row[2].endswith(theirs) and row[3] == "01" for row in rows)


def rest_of(wire: Wire) -> int:
    """How many bytes come before the connection ends or breaks."""
    received = 0
    with contextlib.suppress(ConnectionError):
        while more := wire.read(MIB):
            received += len(more)
    return received


def test_parts_of_a_file_are_not_read_for_who_has_gone(start: Start) -> None:
    service = start()
    owner = service.account("subscriber")
    document = service.upload(owner, service.project(owner), bytes(LARGE), "large.bin")
    service.wait_until_idle()
    wait_until(lambda: opened(document["name"]) == 0)
    path = document["link"].removeprefix(service.url)
    ranges = f"bytes=0-{LARGE // 2},{LARGE // 2 + 10}-"
    with connected(service.port, receive_buffer=64 << 10) as wire:
        wire.send(f"GET {path} HTTP/1.1\nHost: x\nRange: {ranges}\n\n")
        assert wire.read(12) == b"HTTP/1.1 206"
        wait_until(lambda: opened(document["name"]) == 1)
    wait_until(lambda: opened(document["name"]) == 0)


def test_nothing_is_opened_for_a_head(start: Start) -> None:
    service = start()
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    for blob in (service.assembly.config.data / "blobs").rglob(document["name"]):
        blob.unlink()
    assert service.request("HEAD", document["link"]).status_code == 200


def test_a_file_that_is_deleted_meanwhile_is_read_to_its_end(start: Start) -> None:
    service = start()
    owner = service.account("subscriber")
    content = os.urandom(MIB) * 20
    document = service.upload(owner, service.project(owner), content, "large.bin")
    service.wait_until_idle()
    document = service.document(owner, document["_id"])
    path = document["link"].removeprefix(service.url)
    with connected(service.port, receive_buffer=64 << 10) as wire:
        wire.send(f"GET {path} HTTP/1.1\nHost: x\n\n")
        wait_until(lambda: opened(document["name"]) == 1)
        gone = service.request(
            "DELETE", f"/api/files/{document['_id']}", owner, headers={"If-Match": "*"}
        )
        assert gone.status_code == 204
        assert service.get(document["link"]).status_code == 404
        answer = wire.answer()
    assert answer.status == 200
    assert answer.body == content
