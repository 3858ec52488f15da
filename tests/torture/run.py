"""The torture set against a running server: sends it, waits for it, and looks at what it left."""

import asyncio
import itertools
import mmap
import os
import re
import secrets
import socket
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from tests.media.make import SAMPLES
from tests.support.servers import Server, serving
from tests.support.stores import listed_keys
from tests.torture.case import COMPLETE, Case, Traps
from tests.torture.films import encoded

from cella.store.disk import DiskStore

GIVE_UP = 600.0
"""Seconds after which a file is taken to be stuck. Its limits end it long before."""

SETTINGS = {
    "CELLA_JOBS_RETRY_BASE_SECONDS": "0.1",
    "CELLA_JOBS_SLOTS": "2",
    "CELLA_LOG_LEVEL": "warning",
}
"""A second try comes soon; the rest is as in production, on two cores."""

_FIRST_LOOK_SECONDS = 0.02
_LAST_LOOK_SECONDS = 0.2


class End(NamedTuple):
    """How a file ended. `length` is in bytes, `seconds` are from its acknowledgement."""

    case: Case
    length: int
    document: dict[str, Any]
    seconds: float

    @property
    def status(self) -> str:
        """`complete` or `failed`."""
        status: str = self.document["status"]
        return status

    @property
    def reason(self) -> str:
        """What the document says was wrong; empty where nothing was."""
        reason: str = self.document.get("processing", {}).get("error", "")
        return reason


class Snares:
    """A listener that nobody may call, and somebody else's film that nobody may read."""

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        self._word = f"canary-{secrets.token_hex(16)}"
        self._listener = listener
        film = folder / "somebody-elses.mp4"
        picture = ("-f", "lavfi", "-i", "testsrc=size=96x80:rate=10:duration=1")
        film.write_bytes(encoded("mp4", *picture))
        with film.open("ab") as file:
            file.write(self._word.encode())
        self.traps = Traps(film, listener.getsockname()[1])

    def was_called(self) -> bool:
        """Whether anybody has connected."""
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return False
        connection.close()
        return True

    def found_in(self, folder: Path) -> list[Path]:
        """The files at any depth that hold the film's word."""
        files = (path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
        return [path for path in files if _holds(path, self._word.encode())]


@contextmanager
def snares(folder: Path) -> Iterator[Snares]:
    """Traps whose film lies in `folder`."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        listener.setblocking(False)
        yield Snares(folder, listener)


@contextmanager
def server_under_test(folder: Path) -> Iterator[Server]:
    """A server as in production, with its data in `<folder>/data`."""
    with serving(folder, **SETTINGS) as server:
        yield server


class Client:
    """An admin of the server who sends files and reads documents."""

    def __init__(self, server: Server, http: httpx.Client) -> None:
        self._http = http
        self._project = server.start.project

    def send(self, path: Path, name: str, content_type: str, *, at_once: bool = True) -> str:
        """Send a file; its id, at once or when its previews are there."""
        with path.open("rb") as file:
            answer = self._http.post(
                f"/api/storage/stream/{self._project}",
                files={"file": (name, file, content_type)},
                headers={"Prefer": "respond-async"} if at_once else {},
            )
        assert answer.status_code == 201, f"{name}: {answer.status_code} {answer.text}"
        file_id: str = answer.json()["file_id"]
        return file_id

    def wait(self, file_id: str) -> dict[str, Any]:
        """The document of a file when all work on it is done."""
        give_up = time.monotonic() + GIVE_UP
        pause = _FIRST_LOOK_SECONDS
        while True:
            answer = self._http.get(f"/api/files/{file_id}")
            assert answer.status_code == 200, answer.text
            document: dict[str, Any] = answer.json()
            if document["status"] in ("complete", "failed"):
                return document
            assert time.monotonic() < give_up, f"{document['filename']} is stuck: {document}"
            time.sleep(pause)
            pause = min(1.2 * pause, _LAST_LOOK_SECONDS)

    def preview(self, photo: Path) -> dict[str, Any]:
        """The document of a JPEG that is sent and waited for as people do, by one request."""
        return self.wait(self.send(photo, "photo.jpg", "image/jpeg", at_once=False))

    def endure(self, case: Case, path: Path) -> End:
        """Send a file of the set and wait for its end."""
        file_id = self.send(path, case.file, case.declared)
        began = time.monotonic()
        document = self.wait(file_id)
        return End(case, path.stat().st_size, document, time.monotonic() - began)


@contextmanager
def client(server: Server) -> Iterator[Client]:
    """A client who signs in as the first admin."""
    with httpx.Client(
        base_url=server.start.url,
        headers={"Authorization": f"Bearer {server.start.token}"},
        timeout=120,
        trust_env=False,
    ) as http:
        yield Client(server, http)


def make(cases: Iterable[Case], folder: Path, traps: Traps) -> list[tuple[Case, Path]]:
    """Write the files of these cases into `folder`."""
    made = []
    for number, case in enumerate(cases):
        path = folder / f"{number:03}"
        case.make(path, traps)
        made.append((case, path))
    return made


def harmless(files: Iterable[tuple[Case, Path]]) -> list[tuple[Case, Path]]:
    """The same files as ones of a type that nothing is made of."""
    return [
        (Case(case.name, "archive.zip", "other", _untouched, COMPLETE), path)
        for case, path in files
    ]


def good(files: Iterable[tuple[Case, Path]], folder: Path) -> list[tuple[Case, Path]]:
    """For each file a good picture of the same length, if that is enough for one.

    What is behind the end of a JPEG or PNG changes nothing.
    """
    pictures = itertools.cycle(
        path
        for path in sorted(SAMPLES.iterdir())
        if path.suffix in (".jpg", ".png") and path.stem != "cut"
    )
    found = []
    for number, ((_, bad), picture) in enumerate(zip(files, pictures, strict=False)):
        path = folder / f"good-{number:03}"
        path.write_bytes(picture.read_bytes())
        os.truncate(path, max(path.stat().st_size, bad.stat().st_size))
        found.append((Case(picture.name, picture.name, "picture", _untouched, COMPLETE), path))
    return found


def _untouched(path: Path, traps: Traps) -> None:
    """The file is there already."""


def endure_all(
    customer: Client, files: Iterable[tuple[Case, Path]], *, at_once: int = 2
) -> list[End]:
    """Send all files, so many at a time, each when one before has ended; in the same order."""
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(lambda pair: customer.endure(*pair), files))


def memory(pid: int, field: str = "VmRSS") -> int:
    """Bytes of memory that a process has, or with `VmHWM` had at most since `forget_peak`."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, flags=re.MULTILINE)
    assert found is not None
    return int(found[1]) << 10


def peak(pid: int, work: Callable[[], object]) -> int:
    """The most bytes of memory that a process has while `work` is done."""
    forget_peak(pid)
    work()
    return memory(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Have the peak of a process's memory begin anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def blobs_and_rows(data: Path) -> tuple[set[str], set[str]]:
    """The keys of the blobs that lie in the store, and of those that the catalogue knows."""
    with closing(sqlite3.connect(f"file:{data / 'cella.sqlite'}?mode=ro", uri=True)) as database:
        rows = {key for (key,) in database.execute("SELECT key FROM blobs")}
    return set(asyncio.run(_listed(data / "blobs"))), rows


async def _listed(root: Path) -> list[str]:
    store = DiskStore(root)
    await store.open()
    try:
        return await listed_keys(store)
    finally:
        await store.close()


def _holds(path: Path, word: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(word) >= 0
