"""Large files that go in pieces, over connections that break off."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.support.faulty_proxy import Answers, Loses, faulty_proxy
from tests.support.service import Account, Service

from cella.client import Refused, api, connect
from cella.model import Project

LENGTH = 3_000_000
PATCH = "PATCH /api/uploads/"


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of some megabytes are large ones, and nobody waits for long."""
    monkeypatch.setattr(api, "_SMALL", 1000)
    monkeypatch.setattr(api, "_PAUSES", (0.01,) * 7)
    monkeypatch.setattr(api, "_LOOK_AGAIN", 0.01)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of some megabytes."""
    path = tmp_path / "김치 plate.bin"
    path.write_bytes(os.urandom(LENGTH))
    return path


@pytest.fixture
def owner(local: Service) -> Account:
    """Somebody without a limit."""
    return local.account("subscriber")


@pytest.fixture
def project(local: Service, owner: Account) -> Project:
    """Where it goes."""
    return local.project(owner)


def sent(url: str, by: Account, project: Project, path: Path) -> tuple[str, list[int]]:
    """The id of the file, and the progress that was told."""
    told: list[int] = []
    with connect(url, by.token) as client:
        return client.upload(project.id, path, told.append), told


@contextmanager
def line(port: int, *cuts: int) -> Iterator[str]:
    """A line to a server on which each connection is cut after so many bytes, then none."""
    left = list(cuts)

    def hand_on(source: socket.socket, target: socket.socket, most: int) -> None:
        with suppress(OSError):
            while most > 0 and (block := source.recv(min(most, 1 << 16))):
                target.sendall(block)
                most -= len(block)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
                sockets.extend((client, server))
                most = left.pop(0) if left else 1 << 40
                for source, target, bound in ((client, server, most), (server, client, 1 << 40)):
                    thread = threading.Thread(target=hand_on, args=(source, target, bound))
                    thread.start()
                    threads.append(thread)

    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=serve)
        accepting.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
    for thread in threads:
        thread.join()
    for each in sockets:
        each.close()


def test_what_breaks_off_in_the_middle_goes_on(
    local: Service, owner: Account, project: Project, large: Path
) -> None:
    with line(local.port, 1_000_000, 900_000, 700_000) as url:
        file_id, told = sent(url, owner, project, large)
    assert sum(told) == LENGTH
    file = local.document(owner, file_id)
    assert file["filename"] == large.name
    assert local.get(file["link"]).content == large.read_bytes()


@pytest.mark.parametrize("fault", [Answers(503), Answers(502, b"<html>"), Loses()], ids=str)
def test_what_passes_is_tried_again(
    local: Service, owner: Account, project: Project, large: Path, fault: Answers | Loses
) -> None:
    with faulty_proxy(local.url) as proxy:
        proxy.fail(PATCH, fault, times=2)
        file_id, told = sent(proxy.url, owner, project, large)
        assert proxy.count(PATCH) == (1 if isinstance(fault, Loses) else 3)
    assert sum(told) == LENGTH
    assert local.get(local.document(owner, file_id)["link"]).content == large.read_bytes()


def test_what_does_not_pass_ends_it(
    local: Service, owner: Account, project: Project, large: Path
) -> None:
    with faulty_proxy(local.url) as proxy:
        proxy.fail(PATCH, Answers(503), times=1000)
        with pytest.raises(Refused):
            sent(proxy.url, owner, project, large)
        assert proxy.count(PATCH) == 8


def test_a_refusal_is_not_tried_again(local: Service, large: Path) -> None:
    limited = local.account()
    with faulty_proxy(local.url) as proxy:
        with pytest.raises(Refused, match="need another role"):
            sent(proxy.url, limited, local.project(limited), large)
        assert proxy.count("") == 1


def test_who_interrupts_it_leaves_nothing(
    local: Service, owner: Account, project: Project, large: Path
) -> None:
    def interrupt(count: int) -> None:
        if count:
            raise KeyboardInterrupt

    with connect(local.url, owner.token) as client, pytest.raises(KeyboardInterrupt):
        client.upload(project.id, large, interrupt)
    local.wait_until_idle()
    local.assert_nothing_left(project)
    assert not [row for row in local.everything()["uploads"] if owner.id in row]
