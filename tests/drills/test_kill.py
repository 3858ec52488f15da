"""kill -9 on a real server, at random moments of uploads and of processing.

What was acknowledged before a kill is there after the restart, with its bytes and, in the end,
its previews; what was not is either wholly there or leaves nothing.
"""

import contextlib
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from tests.support.databases import PostgreSQL

from cella.catalog.tables import blobs, files
from cella.clock import SystemClock
from cella.config import Config, load
from cella.db import Database, migrations
from cella.flows.administer import Administer, Founded
from cella.jobs.tables import jobs
from cella.keyring import complete

FEW = 5
MANY = 24
SEED = 20261122
PHOTO = Path("tests/media/samples/plain.jpg")
PATIENCE = 60.0


class Server:
    """A `cella serve` of our own on a data directory, killed and started again."""

    def __init__(self, data: Path, database_url: str) -> None:
        self.data = data
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "CELLA_DATA": str(data),
            "CELLA_DATABASE_URL": database_url,
            "CELLA_JOBS_LEASE_SECONDS": "1",
            "CELLA_JOBS_POLL_SECONDS": "0.1",
            "CELLA_JOBS_RETRY_BASE_SECONDS": "0.1",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def config(self) -> Config:
        """The settings that the server runs with."""
        return complete(load(self.environment))

    def start(self) -> None:
        """Start, and wait until it is ready."""
        with (self.data.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cella", "serve", "--port", str(self.port)],
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        wait_until(self._is_ready)

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "the server ended by itself"
        try:
            return httpx.get(f"{self.url}/readyz", verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """kill -9, as the kernel does when memory runs out."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it well."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for the condition; a bound, not a measure."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


KILLS = (
    pytest.param("sqlite", FEW, id="sqlite, some"),
    pytest.param("sqlite", MANY, marks=pytest.mark.drill, id="sqlite, many"),
    pytest.param("postgresql", MANY, marks=pytest.mark.drill, id="postgresql, many"),
)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind that outlives the server."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'data' / 'cella.sqlite'}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    with server.database() as database:
        yield database.engine.url.render_as_string(hide_password=False)


class Clients:
    """Threads that upload photos and larger files without end, noting what was acknowledged."""

    def __init__(self, server: Server, founded: Founded) -> None:
        self._server = server
        self._project = founded.project.id
        self._headers = {"Authorization": f"Bearer {founded.token}"}
        self.acknowledged: dict[str, str] = {}
        self.cut_off = 0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._upload, args=(number,), daemon=True)
            for number in range(3)
        ]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def has_acknowledged(self, number: int) -> bool:
        """Whether that many uploads were answered with 201."""
        return len(self.acknowledged) >= number

    def _upload(self, number: int) -> None:
        chance = random.Random(SEED + number)
        photo = PHOTO.read_bytes()
        while not self._stop.is_set():
            is_photo = chance.random() < 0.5
            body = photo + chance.randbytes(8) if is_photo else chance.randbytes(3 << 20)
            name = "photo.jpg" if is_photo else "cache.bin"
            try:
                answer = httpx.put(
                    f"{self._server.url}/api/storage/stream/{self._project}/{name}",
                    content=body,
                    headers={**self._headers, "Prefer": "respond-async"},
                    timeout=PATIENCE,
                    verify=False,
                )
            except httpx.TransportError:
                self.cut_off += 1
                self._stop.wait(0.05)
                continue
            if answer.status_code == 201:
                self.acknowledged[answer.json()["file_id"]] = hashlib.sha256(body).hexdigest()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kind", "kills"), KILLS)
def test_kill_at_random_moments(tmp_path: Path, database_url: str, kills: int) -> None:
    """Many kills; after each start the invariants hold, and in the end all is complete."""
    server = Server(tmp_path / "data", database_url)
    server.data.mkdir()
    config = server.config()
    db = Database(config.database, config.data / "cella.sqlite")
    db.open()
    migrations.upgrade(db)
    founded = Administer(
        db=db, token_key=config.service.auth_token_hmac_key, clock=SystemClock()
    ).found()
    assert founded is not None
    chance = random.Random(SEED)
    try:
        server.start()
        with Clients(server, founded) as clients:
            for _ in range(kills):
                more = len(clients.acknowledged) + 1
                wait_until(partial(clients.has_acknowledged, more))
                time.sleep(chance.random() * 0.4)
                server.kill()
                server.start()
        wait_until(lambda: _waiting(db) == 0)
        server.stop()
        assert clients.cut_off > 0
        _check(server, db, clients.acknowledged)
    finally:
        with contextlib.suppress(AssertionError):
            server.stop()
        db.close()


def _waiting(db: Database) -> int:
    count = sa.select(sa.func.count()).select_from(jobs)
    return db.read_now(lambda tx: tx.execute(count).scalar_one())


def _check(server: Server, db: Database, acknowledged: dict[str, str]) -> None:
    rows = db.read_now(lambda tx: tx.execute(sa.select(files)).all())
    keys = set(db.read_now(lambda tx: tx.execute(sa.select(blobs.c.key)).scalars().all()))
    stored = {path.name: path for path in (server.data / "blobs").rglob("*") if path.is_file()}
    temporary = [name for name in stored if not _is_blob(name)]
    assert temporary == []
    assert {key.rpartition("/")[2] for key in keys} == set(stored)
    by_id = {row.id: row for row in rows}
    assert set(acknowledged) <= set(by_id)
    for file_id, digest in acknowledged.items():
        assert by_id[file_id].sha256 == digest
    for row in rows:
        assert row.status == "complete", row.processing
        assert hashlib.sha256(stored[row.file_path].read_bytes()).hexdigest() == row.sha256
        assert (row.content_type == "image/jpeg") == (row.variations != "[]")
    assert list((server.data / "scratch").iterdir()) == []


def _is_blob(name: str) -> bool:
    return name.endswith((".jpg", ".bin"))
