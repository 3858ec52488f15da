"""kill -9 on a real server while files come in pieces: what was acknowledged is not sent again.

Clients send files of random sizes in pieces of random length, break off at random, end some of
them, and go on after each restart from where the server says that it is.
"""

import contextlib
import hashlib
import os
import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from tests.drills.test_kill import PATIENCE, Server, database_url, wait_until

from cella.catalog import projects
from cella.catalog.tables import blobs, files, pieces, uploads
from cella.clock import SystemClock
from cella.db import Database, migrations
from cella.flows.administer import Administer, Founded
from cella.flows.config import DROP_UPLOADS
from cella.flows.tend import Tend
from cella.jobs.tables import jobs

__all__ = ["database_url"]

KILLS = 60
CLIENTS = 4
LARGEST = 6 << 20
CHUNK = 32 << 10
SEED = 20261130
SECONDS = int(os.environ.get("CELLA_DRILL_SECONDS", "120"))
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


class BrokenOffError(Exception):
    """The client pulls the plug."""


class Client:
    """Sends one file after the other, in a thread, and notes what has become of them."""

    def __init__(self, server: Server, founded: Founded, number: int) -> None:
        self._uploads = f"/api/uploads/{founded.project.id}"
        self._http = httpx.Client(
            base_url=server.url,
            headers={**TUS, "Authorization": f"Bearer {founded.token}"},
            timeout=PATIENCE,
        )
        self._chance = random.Random(SEED + number)
        self.stop = threading.Event()
        self.acknowledged: dict[str, str] = {}
        self.received = self.cut_off = self.ended = 0
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            while not self.stop.is_set():
                self._send_one()
        except BaseException as error:
            self.error = error
        finally:
            self._http.close()

    def _send_one(self) -> None:
        chance = self._chance
        body = chance.randbytes(int(LARGEST ** chance.random()) - (chance.random() < 0.1))
        is_to_end = chance.random() < 0.4
        path = self._begin(body)
        if path is None:
            return
        known = 0
        while True:
            try:
                answer = self._http.get(path)
                assert answer.status_code == 200, answer.text
                told = answer.json()
                assert told["received"] >= known, "what was acknowledged is gone"
                known = told["received"]
                assert told["state"] != "failed", told
                if told["state"] == "complete":
                    self.acknowledged[told["file"]] = hashlib.sha256(body).hexdigest()
                    return
                if is_to_end and chance.random() < 0.7:
                    self._end(path)
                    return
                if told["state"] == "receiving":
                    known = self._go_on(path, body, known)
            except (httpx.TransportError, BrokenOffError):
                self.cut_off += 1
                time.sleep(0.02)

    def _begin(self, body: bytes) -> str | None:
        """Begin, perhaps with the first bytes; where nobody tells of it, it is left to expire."""
        first = body[: self._length()] if self._chance.random() < 0.3 else b""
        headers = {"Upload-Length": str(len(body)), "Upload-Metadata": "filename cGxhdGUuYmlu"}
        try:
            answer = self._http.post(self._uploads, headers=headers, content=first)
        except httpx.TransportError:
            self.cut_off += 1
            time.sleep(0.02)
            return None
        assert answer.status_code == 201, answer.text
        path: str = answer.headers["location"]
        return path

    def _go_on(self, path: str, body: bytes, offset: int) -> int:
        """Send some bytes; how many the server has then."""
        piece = body[offset : offset + self._length()]
        stop = self._chance.randrange(len(piece)) if self._chance.random() < 0.2 else None
        answer = self._http.patch(
            path, headers={"Upload-Offset": str(offset)}, content=_flowing(piece, stop)
        )
        if answer.status_code == 409:
            # The server has not yet done with what came before the plug was pulled.
            return offset
        assert answer.status_code == 204, answer.text
        now = int(answer.headers["upload-offset"])
        assert now == offset + len(piece)
        self.received += len(piece)
        return now

    def _end(self, path: str) -> None:
        """End it, perhaps twice as the first answer was lost; a file stays one."""
        while True:
            try:
                answer = self._http.delete(path)
            except httpx.TransportError:
                self.cut_off += 1
                time.sleep(0.02)
            else:
                assert answer.status_code in (204, 404, 409), answer.text
                self.ended += 1
                return

    def _length(self) -> int:
        return 1 + int((2 << 20) * self._chance.random())


def _flowing(piece: bytes, stop: int | None) -> Iterator[bytes]:
    for start in range(0, len(piece), CHUNK):
        if stop is not None and start + CHUNK > stop:
            raise BrokenOffError
        yield piece[start : start + CHUNK]


@pytest.mark.drill
@pytest.mark.timeout(SECONDS + 180)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_servers_are_killed_while_files_come_in_pieces(tmp_path: Path, database_url: str) -> None:
    """In the end every file is what was sent, and nothing else is in the store."""
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
    deadline = time.monotonic() + SECONDS / 2
    clients = [Client(server, founded, number) for number in range(CLIENTS)]
    kills = 0
    try:
        server.start()
        for client in clients:
            client.thread.start()
        while kills < KILLS and time.monotonic() < deadline:
            wait_until(partial(_has_come_on, clients, sum(each.received for each in clients)))
            time.sleep(chance.random() * 0.5)
            server.kill()
            server.start()
            kills += 1
        for client in clients:
            client.stop.set()
        for client in clients:
            client.thread.join(PATIENCE)
            assert client.error is None, repr(client.error)
            assert not client.thread.is_alive(), "a client does not come to its end"
        _drop_the_rest(db)
        wait_until(lambda: not _rows(db, jobs))
        server.stop()
        assert kills > 0
        for what in ("acknowledged", "cut_off", "ended"):
            assert any(getattr(client, what) for client in clients), f"none was {what}"
        _check(server, db, founded, clients)
    finally:
        with contextlib.suppress(AssertionError):
            server.stop()
        db.close()


def _has_come_on(clients: list[Client], before: int) -> bool:
    failed = [client.error for client in clients if client.error is not None]
    assert not failed, repr(failed)
    return sum(client.received for client in clients) > before


def _drop_the_rest(db: Database) -> None:
    """Let those expire of which nobody knows, and have them dropped."""
    is_left = uploads.c.state == "receiving"
    db.write_now(lambda tx: tx.execute(sa.update(uploads).where(is_left).values(expires=0)))
    Tend(db=db, handlers={}, clock=SystemClock(), attempts=8).begin(DROP_UPLOADS)


def _rows(db: Database, table: sa.Table) -> list[sa.Row[tuple[object, ...]]]:
    return list(db.read_now(lambda tx: tx.execute(sa.select(table)).all()))


def _check(server: Server, db: Database, founded: Founded, clients: list[Client]) -> None:
    assert _rows(db, pieces) == []
    assert {row.state for row in _rows(db, uploads)} <= {"complete"}
    stored = {path.name: path for path in (server.data / "blobs").rglob("*") if path.is_file()}
    assert {row.key.rpartition("/")[2] for row in _rows(db, blobs)} == set(stored)
    assert list((server.data / "scratch").iterdir()) == []
    rows = {row.id: row for row in _rows(db, files)}
    for client in clients:
        for file_id, sha256 in client.acknowledged.items():
            assert rows[file_id].sha256 == sha256
    for row in rows.values():
        content = stored[row.file_path].read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (row.length, row.sha256)
    totals = db.read_now(lambda tx: projects.stats(tx, founded.project.id))
    assert (totals.files, totals.bytes) == (len(rows), sum(row.length for row in rows.values()))
