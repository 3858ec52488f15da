"""A house in which files come in pieces: small ones, on a clock that is moved by hand."""

import hashlib
import random
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
import sqlalchemy as sa
from tests.flows.test_receive_faults import House
from tests.support.databases import PostgreSQL, sqlite
from tests.support.faults import FailingDatabase, FailingIntents
from tests.support.stores import chunked, listed_keys, read

from cella.access.rules import AccessConfig
from cella.catalog import files as catalog_files
from cella.catalog import projects
from cella.catalog import uploads as catalog_uploads
from cella.catalog.tables import blobs, files, pieces, project_stats, uploads
from cella.clock import ManualClock
from cella.db import Database, Tx
from cella.db.schema import metadata
from cella.flows import join
from cella.flows.arrivals import Arrivals
from cella.flows.config import DROP_UPLOADS, JOIN, FlowsConfig
from cella.flows.gather import Gather
from cella.flows.intents import Intents
from cella.flows.join import DropUploads, Join
from cella.ids import new_id
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.jobs.queue import Entry, Job
from cella.jobs.runner import Handler
from cella.jobs.tables import jobs
from cella.model import Actor, File, Piece, Upload
from cella.scratch import Scratch
from cella.slots import Slots
from cella.store.checked import CheckedStore
from cella.store.contract import Store
from cella.store.failing import FailingStore, Faults, Mode, each_step
from cella.store.memory import MemoryStore

START = 1_790_000_000.0
DAY = 86400.0
LEASE = 30.0
PIECE = 1000
_EFFECTS = ("write", "intend", "put", "settle", "delete")
CHUNK = 5000
BODY = random.Random(20261130).randbytes(2600)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def catalogue(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A database of each kind, which tests leave empty."""
    if request.param == "sqlite":
        with sqlite(tmp_path_factory.mktemp("catalogue")) as db:
            yield db
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        with server.database() as db:
            yield db


@pytest_asyncio.fixture
async def hall(
    catalogue: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator["Hall"]:
    """A hall with each database, its bytes in memory; two pieces are a page."""
    monkeypatch.setattr(join, "_PAGE", 2)
    monkeypatch.setattr(join, "_AT_ONCE", 2)
    made = Hall(catalogue, CheckedStore(MemoryStore()), tmp_path / "scratch")
    made.scratch.open()
    yield made
    made.scratch.close()
    catalogue.write_now(_empty)


def _empty(tx: Tx) -> None:
    for table in reversed(metadata.sorted_tables):
        tx.execute(table.delete())


class Hall(House):
    """A house with the flows of uploads in pieces, and one client.

    `stores` may be changed, and `backend`, where new files go; `access` is what limits uploads.
    """

    def __init__(self, db: Database, store: Store, folder: Path) -> None:
        super().__init__(db, store, folder)
        self.clock = ManualClock(START)
        self.stores: dict[str, Store] = {"local": store}
        self.backend = "local"
        self.bell = Bell()
        self.access = AccessConfig()
        self.config = FlowsConfig(upload_wait=0.0)
        self.actor = Actor(user=self.user)

    # The flows

    def gather(self, faults: Faults | None = None) -> Gather:
        """The flow, with whatever it touches going wrong after the plan."""
        return Gather(
            **self._parts(faults or Faults()),
            bell=self.bell,
            config=self.config,
            slots=Slots(8, "uploads"),
            attempts=3,
            piece=PIECE,
        )

    def join(self, faults: Faults | None = None) -> Join:
        """The handler of `join` jobs, going wrong likewise."""
        return Join(**self._parts(faults or Faults()), config=self.config)

    def drop(self, faults: Faults | None = None) -> DropUploads:
        """The handler of `drop_uploads` jobs, going wrong likewise."""
        parts = self._parts(faults or Faults())
        return DropUploads(db=parts["db"], stores=parts["stores"], clock=self.clock)

    def _parts(self, faults: Faults) -> dict[str, Any]:
        stores = {name: FailingStore(store, faults) for name, store in self.stores.items()}
        db = FailingDatabase(self.db, faults)
        intents = FailingIntents(db, stores, self.scratch)
        intents.faults = faults
        arrivals = Arrivals(backend=self.backend, clock=self.clock, access=self.access, attempts=3)
        return {
            "db": db,
            "stores": stores,
            "arrivals": arrivals,
            "intents": intents,
            "clock": self.clock,
        }

    async def restart(self) -> None:
        """End as a process does, and start anew with everything in order."""
        self.scratch.close()
        self.scratch = Scratch(self.folder)
        self.scratch.open()
        await Intents(self.db, self.stores, self.scratch).adopt()

    def each_step(self, mode: Mode) -> Iterator[Faults]:
        """Plans that fail one step after the other.

        With PostgreSQL only transactions that write fail: the rest is the same with SQLite. And
        what has no effect is the same before and after.
        """
        if not self.db.is_sqlite:
            return each_step(mode=mode, only="write")
        if mode != "after":
            return each_step(mode=mode)
        return chain.from_iterable(each_step(mode=mode, only=name) for name in _EFFECTS)

    # The client

    async def begin(
        self,
        gather: Gather | None = None,
        body: bytes = BODY,
        *,
        filename: str = "plate.dat",
        declared_type: str | None = "application/octet-stream",
    ) -> Upload:
        """Begin an upload of `body`."""
        gather = gather or self.gather()
        return await gather.begin(self.actor, self.project, filename, declared_type, len(body))

    async def send(
        self,
        upload: Upload,
        gather: Gather | None = None,
        *,
        stop: int | None = None,
        body: bytes = BODY,
    ) -> Upload:
        """Go on after what had come, up to `stop`."""
        gather, offset = gather or self.gather(), upload.received
        rest = chunked(body[offset:stop], CHUNK)
        return await gather.append(self.actor, self.project, upload.id, offset, None, rest)

    async def end(self, upload: Upload, gather: Gather | None = None) -> None:
        """End the upload."""
        await (gather or self.gather()).end(self.actor, self.project, upload.id)

    async def begun(self, stop: int = 1700) -> Upload:
        """An upload of which so much has come."""
        return await self.send(await self.begin(), stop=stop)

    # The worker

    def claim(self, kind: str = JOIN) -> Job | None:
        """Take a job that is due, if there is one."""
        found = self.db.write_now(
            lambda tx: queue.claim(
                tx,
                kinds=[kind],
                worker="w",
                now=self.clock.now(),
                lease_seconds=LEASE,
            )
        )
        return found[0] if found else None

    async def work(self, job: Job, handler: Handler) -> None:
        """An attempt at the job, and its end as a worker writes it. Raises what went wrong."""
        try:
            effect = await handler.work(job, ignore)
        except Exception as error:
            ending = partial(self._fail, job=job, handler=handler, reason=str(error))
            self.db.write_now(ending)
            raise

        def finish(tx: Tx) -> None:
            queue.finish(tx, job)
            effect(tx)

        self.db.write_now(finish)

    def _fail(self, tx: Tx, job: Job, handler: Handler, reason: str) -> None:
        if job.is_last_attempt:
            queue.bury(tx, job, error=reason)
            handler.failed(tx, job, reason)
        else:
            queue.retry(tx, job, run_at=self.clock.now(), error=reason)
            handler.retrying(tx, job, reason)

    async def work_off(self, faults: Faults | None = None) -> None:
        """Do the jobs that are due, as long as that goes well."""
        while (job := self.claim()) is not None:
            await self.work(job, self.join(faults))

    async def drop_expired(self, faults: Faults | None = None) -> None:
        """What the periodic job does."""
        await self.drop(faults).work(_PERIODIC, ignore)

    # What is there

    def facts(self) -> "Facts":
        """What the catalogue says at one moment."""
        return self.db.read_now(self._facts)

    def _facts(self, tx: Tx) -> "Facts":
        held: dict[str, list[Piece]] = {}
        for row in tx.execute(sa.select(pieces).order_by(pieces.c.start)):
            held.setdefault(row.upload_id, []).append(Piece(row.key, row.start, row.length))
        ids = tx.execute(sa.select(uploads.c.id).order_by(uploads.c.id)).scalars().all()
        found = [catalog_uploads.get(tx, each) for each in ids]
        return Facts(
            files=list(map(catalog_files.from_row, tx.execute(sa.select(*catalog_files.COLUMNS)))),
            keys=set(tx.execute(sa.select(blobs.c.key)).scalars()),
            totals=projects.stats(tx, self.project),
            uploads={upload.id: (upload, held.pop(upload.id, [])) for upload in found},
            jobs=queue.listing(tx, limit=1000),
        )

    def now(self, upload: Upload) -> Upload:
        """The upload as its row has it."""
        return self.db.read_now(partial(catalog_uploads.get, upload_id=upload.id))

    async def content(self, file: File) -> bytes:
        """The file's bytes."""
        return await read(self.stores[file.backend], f"{file.bucket}/_/{file.file_path}")

    async def check(self) -> set[str]:
        """Hold the invariants, and give the ids of the files that are there.

        Files are whole, and the project's totals are theirs. All that uploads say has come is
        there, byte for byte. The stores hold nothing else.
        """
        facts = self.facts()
        wanted: set[tuple[str, str]] = set()
        for file in facts.files:
            content = await self.content(file)
            assert content == BODY[: len(content)]
            assert len(content) == file.length
            assert hashlib.sha256(content).hexdigest() == file.sha256
            wanted.add((file.backend, f"{file.bucket}/_/{file.file_path}"))
        lengths = [file.length for file in facts.files]
        assert (facts.totals.files, facts.totals.bytes) == (len(lengths), sum(lengths))
        assert facts.keys == {key for _, key in wanted}
        there = {
            (name, key) for name, store in self.stores.items() for key in await listed_keys(store)
        }
        for upload, held in facts.uploads.values():
            named = {(upload.backend, piece.key) for piece in held}
            if upload.state in ("ended", "complete"):
                # Bytes go before their rows, so that none is left of which nobody knows.
                wanted |= named & there
            else:
                wanted |= named
                await self._check_bytes(upload, held)
        # What is about to be known, or to go, is noted.
        assert there - self.scratch.unsettled == wanted - self.scratch.unsettled
        return {file.id for file in facts.files}

    async def _check_bytes(self, upload: Upload, held: list[Piece]) -> None:
        offset = 0
        for piece in held:
            content = await read(self.stores[upload.backend], piece.key)
            assert (piece.start, piece.length) == (offset, len(content))
            assert content == BODY[offset : offset + len(content)]
            offset += len(content)
        assert offset == upload.received
        assert (upload.received == upload.length) == (upload.state in ("storing", "failed"))

    async def check_nothing_is_left(self) -> set[str]:
        """Let everything expire, and hold that no more is there than files; their ids."""
        await self.restart()
        await self.work_off()
        self.clock.advance(self.config.upload_keep + DAY)
        await self.drop_expired()
        ids = await self.check()
        facts = self.facts()
        assert (facts.uploads, facts.jobs, self.leftovers()) == ({}, [], [])
        return ids

    async def clear(self) -> None:
        """Have nothing, as at first, so that what follows is not slower than what was before."""

        def work(tx: Tx) -> None:
            for table in (pieces, uploads, blobs, files, jobs):
                tx.execute(table.delete())
            tx.execute(project_stats.update().values(files=0, bytes=0))

        self.db.write_now(work)
        for store in self.stores.values():
            for key in await listed_keys(store):
                await store.delete(key)

    def change(self, statement: str) -> None:
        """Change rows behind everybody's back."""
        self.db.write_now(lambda tx: tx.execute(sa.text(statement)))


class Facts(NamedTuple):
    """Rows: `uploads`, with their pieces, by their ids; `keys` of blobs of files."""

    files: list[File]
    keys: set[str]
    totals: projects.Stats
    uploads: dict[str, tuple[Upload, list[Piece]]]
    jobs: list[Entry]


def ignore(_progress: object) -> None:
    """Hear how far an attempt is, and do nothing."""


async def broken(body: bytes, error: Callable[[], BaseException]) -> AsyncIterator[bytes]:
    """The body, and then an error in place of its end."""
    async for chunk in chunked(body, CHUNK):
        yield chunk
    raise error()


_PERIODIC = Job(
    id=new_id(),
    kind=DROP_UPLOADS,
    subject=DROP_UPLOADS,
    payload={},
    priority=0,
    run_at=0.0,
    attempts=1,
    max_attempts=1,
    created=0.0,
    error=None,
)
