"""The receive flow, with each of its steps failing in turn.

The invariant is always the same: a file is wholly there or not at all, bytes and row agree, what
was acknowledged stays, and after a restart nothing is left over.
"""

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.support.faults import FailingDatabase, FailingIntents

from cella.access.rules import AccessConfig
from cella.catalog import files as catalog_files
from cella.catalog import people, projects
from cella.catalog.tables import blobs, files
from cella.clock import SystemClock
from cella.db import Database, Tx
from cella.errors import BadRequest, CellaError, StoreFull, StoreUnavailable, TooLarge
from cella.flows.arrivals import Arrivals
from cella.flows.config import FlowsConfig
from cella.flows.intents import Intents
from cella.flows.receive import Receive
from cella.ids import new_etag, new_id
from cella.jobs.bell import Bell
from cella.jobs.tables import jobs
from cella.model import METHODS, Actor, File, Permissions, Project, User
from cella.scratch import Scratch
from cella.slots import Slots
from cella.store.checked import CheckedStore
from cella.store.contract import Store
from cella.store.disk import DiskStore
from cella.store.failing import FailingStore, Faults, Mode, each_step
from cella.store.memory import MemoryStore

BODY = bytes(range(256)) * (5 << 10)  # 1.25 MiB: more than one block
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100


class House:
    """A store, a catalogue with one project, and a scratch, that survive `restart`."""

    def __init__(self, db: Database, store: Store, folder: Path) -> None:
        self.db = db
        self.store = store
        self.folder = folder
        self.scratch = Scratch(folder)
        self.user = new_id()
        self.project = new_id()
        db.write_now(self._furnish)

    def _furnish(self, tx: Tx) -> None:
        user = User(
            id=self.user,
            created=1,
            updated=1,
            etag=new_etag(),
            username="u",
            full_name="u",
            email="u@localhost",
        )
        project = Project(
            id=self.project,
            created=1,
            updated=1,
            etag=new_etag(),
            name="p",
            url=self.project,
            user=self.user,
            permissions=Permissions(world=METHODS),
        )
        people.add_user(tx, user)
        projects.add(tx, project)

    def receive(self, faults: Faults) -> Receive:
        """The flow, with whatever it touches going wrong after the plan."""
        store = FailingStore(self.store, faults)
        db = FailingDatabase(self.db, faults)
        intents = FailingIntents(db, {"local": store}, self.scratch)
        intents.faults = faults
        return Receive(
            db=db,
            stores={"local": store},
            arrivals=Arrivals(
                backend="local", clock=SystemClock(), access=AccessConfig(), attempts=5
            ),
            intents=intents,
            bell=Bell(),
            config=FlowsConfig(),
            slots=Slots(8, "uploads"),
        )

    async def upload(self, faults: Faults, body: bytes = BODY, limit: str = "admin") -> File:
        """One upload from admission to acknowledgement."""
        receive = self.receive(faults)
        actor = Actor(user=self.user, roles=frozenset({limit}))
        permit = await receive.admit(actor, self.project, len(body))
        return await receive.store(permit, "shot.dat", "application/octet-stream", chunks(body))

    async def upload_own(
        self, faults: Faults, named: Callable[[], str] = lambda: "shot.txt"
    ) -> File:
        """One upload of a file without a project, which tells its name in the end."""
        receive = self.receive(faults)
        permit = await receive.admit(Actor(user=self.user), None, None)
        return await receive.store(
            permit, "blob", "application/octet-stream", chunks(BODY), named=named
        )

    async def restart(self) -> None:
        """End as a process does, and start anew with everything in order."""
        self.scratch.close()
        self.scratch = Scratch(self.folder)
        self.scratch.open()
        await Intents(self.db, {"local": self.store}, self.scratch).adopt()

    async def check(self) -> set[str]:
        """Hold the invariants, and give the ids of the files that are there."""
        in_store = {stat.key: stat.length async for stat in self.store.list()}
        rows = self.db.read_now(lambda tx: tx.execute(sa.select(blobs.c.key)).scalars().all())
        assert set(rows) == set(in_store)
        ids = self.db.read_now(lambda tx: tx.execute(sa.select(files.c.id)).scalars().all())
        count = total = 0
        for file_id in ids:
            file = self.db.read_now(partial(catalog_files.get, file_id=file_id))
            bucket = file.project or file.user
            content = b"".join(
                [block async for block in self.store.get(f"{bucket}/_/{file.file_path}")]
            )
            assert len(content) == file.length
            assert hashlib.sha256(content).hexdigest() == file.sha256
            assert hashlib.md5(content).hexdigest() == file.md5
            if file.project is not None:
                count, total = count + 1, total + file.length
        stats = self.db.read_now(lambda tx: projects.stats(tx, self.project))
        assert (stats.files, stats.bytes) == (count, total)
        waiting = self.db.read_now(lambda tx: tx.execute(sa.select(jobs.c.subject)).scalars().all())
        assert set(waiting) <= set(ids)
        return set(ids)

    def leftovers(self) -> list[str]:
        """What an upload may not leave in the scratch."""
        return [key for _, key in self.scratch.unsettled]


async def chunks(body: bytes, size: int = 200_000) -> AsyncIterator[bytes]:
    """The body as a connection brings it."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.fixture(params=["disk", "memory"])
async def house(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path
) -> AsyncIterator[House]:
    """A house on each database and each store."""
    store: Store = MemoryStore() if request.param == "memory" else DiskStore(tmp_path / "blobs")
    store = CheckedStore(store)
    await store.open()
    house = House(database, store, tmp_path / "scratch")
    house.scratch.open()
    yield house
    house.scratch.close()
    await store.close()


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_one_step_fails(house: House, mode: Mode) -> None:
    """Whatever single step fails: bytes and rows agree at once, and a retry succeeds."""
    acknowledged: set[str] = set()
    failed = 0
    for faults in each_step(mode=mode):
        try:
            acknowledged.add((await house.upload(faults)).id)
        except StoreUnavailable:
            failed += 1
        there = await house.check() if not house.leftovers() else acknowledged
        assert acknowledged <= there
        await house.restart()
        assert acknowledged <= await house.check()
        assert house.leftovers() == []
    assert failed >= 4
    assert {"read", "intend", "put", "put.block", "write"} <= set(faults.steps)
    acknowledged.add((await house.upload(Faults())).id)
    assert acknowledged <= await house.check()


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_one_step_fails_for_a_file_without_a_project(house: House, mode: Mode) -> None:
    """It lies in its uploader's bucket, under the same rules."""
    acknowledged: set[str] = set()
    failed = 0
    for faults in each_step(mode=mode):
        try:
            file = await house.upload_own(faults)
        except StoreUnavailable:
            failed += 1
        else:
            acknowledged.add(file.id)
            assert (file.project, file.bucket) == (None, house.user)
            assert (file.filename, file.content_type) == ("shot.txt", "text/plain")
        await house.restart()
        assert acknowledged <= await house.check()
        assert house.leftovers() == []
    assert failed >= 3
    assert acknowledged


async def test_a_name_that_never_comes_leaves_nothing(house: House) -> None:
    """The name is asked for when the bytes are stored, and they go where there is none."""

    def unnamed() -> str:
        raise BadRequest("The form has no field 'name'.")

    with pytest.raises(BadRequest):
        await house.upload_own(Faults(), unnamed)
    assert await house.check() == set()
    assert house.leftovers() == []


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_everything_fails_from_one_step_on(house: House, mode: Mode) -> None:
    """The service cannot even clean up; the next start does."""
    number = 0
    while True:
        number += 1
        faults = Faults(number, mode=mode, lasting=True)
        acknowledged: set[str] = set()
        with contextlib.suppress(StoreUnavailable):
            acknowledged.add((await house.upload(faults)).id)
        await house.restart()
        assert acknowledged <= await house.check()
        assert house.leftovers() == []
        if not faults.fired:
            return


async def test_cancelled_at_any_step(house: House) -> None:
    """A request that is cancelled while a step hangs leaves all or nothing."""
    for faults in each_step(mode="stall"):
        upload = asyncio.ensure_future(house.upload(faults))
        stalled = asyncio.ensure_future(faults.stalled.wait())
        await asyncio.wait({upload, stalled}, return_when=asyncio.FIRST_COMPLETED)
        upload.cancel()
        faults.release()
        with contextlib.suppress(asyncio.CancelledError):
            await upload
        stalled.cancel()
        await house.restart()
        await house.check()
        assert house.leftovers() == []


def broken(error: Callable[[], Exception], after: int) -> AsyncIterator[bytes]:
    async def body() -> AsyncIterator[bytes]:
        yield BODY[:after]
        raise error()

    return body()


class CutError(Exception):
    """The connection broke off."""


@pytest.mark.parametrize("after", [1, 100_000, len(BODY)])
async def test_the_body_breaks_off(house: House, after: int) -> None:
    """Nothing stays of an upload whose sender went away, and the error comes out unchanged."""
    receive = house.receive(Faults())
    actor = Actor(user=house.user, roles=frozenset({"admin"}))
    permit = await receive.admit(actor, house.project, None)
    with pytest.raises(CutError):
        await receive.store(permit, "a.bin", "application/octet-stream", broken(CutError, after))
    assert await house.check() == set()
    assert house.leftovers() == []


async def test_the_body_is_longer_than_announced(house: House) -> None:
    """The limit holds while the body flows, too, and nothing stays."""
    receive = house.receive(Faults())
    permit = await receive.admit(Actor(user=house.user), house.project, 10)
    assert permit.limit is not None

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)

    with pytest.raises(TooLarge):
        await receive.store(permit, "a.bin", "application/octet-stream", endless())
    assert await house.check() == set()
    assert house.leftovers() == []


async def test_the_store_is_full(house: House) -> None:
    """A full store is told as such, and costs nothing that was there."""
    kept = (await house.upload(Faults())).id
    full = Faults(2, only="put.block", error=lambda: StoreFull("The store is full."))
    with pytest.raises(StoreFull):
        await house.upload(full)
    assert full.fired
    assert await house.check() == {kept}
    assert house.leftovers() == []


async def test_the_store_lies_about_the_length(house: House) -> None:
    """What a store claims is compared with what it was given."""
    liar = CheckedStore(FailingStore(house.store, Faults(1, only="put", mode="lie")))
    house.store, honest = liar, house.store
    with pytest.raises(CellaError):
        await house.upload(Faults())
    house.store = honest
    await house.restart()
    assert await house.check() == set()


async def test_the_project_goes_away_meanwhile(house: House) -> None:
    """A project that was deleted while the bytes came gets no file."""
    receive = house.receive(Faults())
    permit = await receive.admit(
        Actor(user=house.user, roles=frozenset({"admin"})), house.project, None
    )

    async def body() -> AsyncIterator[bytes]:
        yield BODY
        house.db.write_now(lambda tx: tx.execute(sa.text("UPDATE projects SET deleted = 1")))

    with pytest.raises(CellaError, match="does not exist"):
        await receive.store(permit, "a.bin", "application/octet-stream", body())
    house.db.write_now(lambda tx: tx.execute(sa.text("UPDATE projects SET deleted = NULL")))
    assert await house.check() == set()
    assert house.leftovers() == []


async def test_a_picture_and_its_job_commit_together(house: House) -> None:
    """There is a row with its job, or neither."""
    for faults in each_step(only="write"):
        with contextlib.suppress(StoreUnavailable):
            await house.upload(faults, PNG)
        ids = await house.check()
        rows = house.db.read_now(lambda tx: tx.execute(sa.select(jobs.c.subject)).scalars().all())
        assert set(rows) == ids
    assert ids


async def test_cancelled_while_the_commit_is_under_way(house: House) -> None:
    """A commit that cannot be stopped any more is not taken for one that failed."""
    inserting, go_on = threading.Event(), threading.Event()

    def hold(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("INSERT INTO files"):
            inserting.set()
            go_on.wait(30)

    sa.event.listen(house.db.engine, "before_cursor_execute", hold)
    upload = asyncio.ensure_future(house.upload(Faults()))
    await asyncio.to_thread(inserting.wait, 30)
    upload.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await upload
    sa.event.remove(house.db.engine, "before_cursor_execute", hold)
    assert len(await house.check()) == 1
    assert house.leftovers() == []


async def test_a_start_that_cannot_put_things_right(house: House) -> None:
    """What dead processes left is kept until a start can see to it."""
    key = f"{house.project}/_/{'0' * 32}.bin"
    await Intents(house.db, {}, house.scratch).begin("local", key)
    await house.store.put(key, chunks(BODY))
    house.scratch.close()
    house.scratch = Scratch(house.folder)
    house.scratch.open()
    away = Intents(house.db, {}, house.scratch)
    assert await away.adopt() == 0
    failing = FailingStore(house.store, Faults(1, lasting=True))
    assert await Intents(house.db, {"local": failing}, house.scratch).adopt() == 0
    assert await Intents(house.db, {"local": house.store}, house.scratch).adopt() == 1
    assert await house.check() == set()
