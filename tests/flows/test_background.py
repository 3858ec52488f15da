"""The background flows, previews, digests and forgetting, with each of their steps failing."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from tests.flows.test_receive_faults import House, chunks, house
from tests.support.faults import FailingDatabase

from cella.catalog import files as catalog_files
from cella.catalog.tables import blobs, files
from cella.clock import ManualClock, SystemClock
from cella.digest import MD5_WHILE_RECEIVING
from cella.errors import NotFound
from cella.flows.config import FlowsConfig
from cella.flows.discard import FORGET, Discard, Forget
from cella.flows.process import Digest, Process
from cella.flows.receive import DIGEST, PROCESS
from cella.jobs.bell import Bell
from cella.jobs.retry import JobsConfig
from cella.jobs.runner import Handler, Runner
from cella.jobs.tables import jobs
from cella.media.sandbox import Sandbox, SandboxConfig
from cella.model import Actor, File
from cella.store.failing import FailingStore, Faults, Mode, each_step

__all__ = ["house"]

PHOTO = (Path(__file__).parents[1] / "media" / "samples" / "marked.png").read_bytes()
QUICK = JobsConfig(poll_seconds=0.05, retry_base_seconds=0.01, slots=2, max_attempts=5)
PATIENCE = 30.0


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """An open sandbox."""
    sandbox = Sandbox(SandboxConfig())
    await sandbox.open()
    yield sandbox
    await sandbox.close()


def handlers(house: House, faults: Faults, sandbox: Sandbox) -> dict[str, Handler]:
    """The handlers, with whatever they touch going wrong after the plan."""
    db = FailingDatabase(house.db, faults)
    stores = {"local": FailingStore(house.store, faults)}
    clock = SystemClock()
    return {
        PROCESS: Process(db=db, stores=stores, sandbox=sandbox, scratch=house.scratch, clock=clock),
        DIGEST: Digest(db=db, stores=stores, clock=clock),
        FORGET: Forget(db=db, stores=stores),
    }


@asynccontextmanager
async def at_work(house: House, handlers: dict[str, Handler]) -> AsyncIterator[None]:
    """A worker that does the house's jobs while the block runs."""
    stop = asyncio.Event()
    runner = Runner(house.db, handlers, QUICK, SystemClock(), Bell(), "test")
    work = asyncio.create_task(runner.run(stop))
    try:
        yield
    finally:
        stop.set()
        await work


async def all_done(house: House) -> None:
    """Wait until no job is waiting or running."""
    waiting = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state != "dead")
    async with asyncio.timeout(PATIENCE):
        while await house.db.read(lambda tx: tx.execute(waiting).scalar_one()):
            await asyncio.sleep(0.02)


async def upload(house: House, body: bytes, name: str = "marked.png") -> File:
    """One upload where nothing goes wrong."""
    receive = house.receive(Faults())
    actor = Actor(user=house.user, roles=frozenset({"admin"}))
    permit = await receive.admit(actor, house.project, None)
    return await receive.store(permit, name, "application/octet-stream", chunks(body))


async def now(house: House, file: File) -> File:
    """The file as it is now."""
    return await house.db.read(lambda tx: catalog_files.get(tx, file.id, deleted=True))


async def stored(house: House) -> set[str]:
    """The keys of all blobs."""
    return {stat.key async for stat in house.store.list()}


async def known(house: House) -> set[str]:
    """The keys that the catalogue knows."""
    keys = sa.select(blobs.c.key)
    return set(await house.db.read(lambda tx: tx.execute(keys).scalars().all()))


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_previews_come_whatever_step_fails(
    house: House, sandbox: Sandbox, mode: Mode
) -> None:
    """One failure of any step costs a retry, and the previews are there in the end."""
    failed = 0
    for faults in each_step(mode=mode):
        file = await upload(house, PHOTO)
        async with at_work(house, handlers(house, faults, sandbox)):
            await all_done(house)
        done = await now(house, file)
        assert done.status == "complete"
        assert [variation.size for variation in done.variations] == list("sbtmlh")
        assert done.processing is None
        assert (done.width, done.height) == (300, 200)
        assert await stored(house) == await known(house)
        failed += faults.fired
    assert failed >= 6


async def test_a_poison_picture_fails_with_its_reason(house: House, sandbox: Sandbox) -> None:
    """The document says why in plain words, and the original stays as it was."""
    cut = PHOTO[: len(PHOTO) // 2]
    file = await upload(house, cut)
    async with at_work(house, handlers(house, Faults(), sandbox)):
        await all_done(house)
    done = await now(house, file)
    assert done.status == "failed"
    assert done.processing is not None
    assert done.processing.error is not None
    assert "cut off" in done.processing.error
    assert done.variations == ()
    content = b"".join([block async for block in house.store.get(next(iter(await known(house))))])
    assert content == cut
    assert await stored(house) == await known(house)


async def test_a_store_that_stays_away_ends_in_failed(house: House, sandbox: Sandbox) -> None:
    """After the last try the document is `failed`, and says that the store was at fault."""
    file = await upload(house, PHOTO)
    away = Faults(1, only="put", lasting=True)
    async with at_work(house, handlers(house, away, sandbox)):
        await all_done(house)
    done = await now(house, file)
    assert done.status == "failed"
    assert done.processing is not None
    assert done.processing.error == "The store did not answer: a drill is going on."


async def test_a_file_deleted_while_it_is_processed(house: House, sandbox: Sandbox) -> None:
    """It stays deleted, and what was rendered meanwhile goes when it is forgotten."""
    file = await upload(house, PHOTO)
    stalled = Faults(1, only="put", mode="stall")
    async with at_work(house, handlers(house, stalled, sandbox)):
        await stalled.stalled.wait()
        await delete(house, file, grace=0)
        stalled.release()
        await all_done(house)
    with pytest.raises(NotFound):
        await now(house, file)
    assert await stored(house) == set()
    assert await known(house) == set()


async def test_md5_of_a_large_file_comes_later(house: House, sandbox: Sandbox) -> None:
    """It is complete at once; its MD5 is filled in whatever step fails, and is right."""
    body = bytes(range(256)) * (MD5_WHILE_RECEIVING // 256 + 1)
    for faults in each_step():
        file = await upload(house, body, "cache.bin")
        assert (file.status, file.md5) == ("complete", "")
        async with at_work(house, handlers(house, faults, sandbox)):
            await all_done(house)
        assert (await now(house, file)).md5 == hashlib.md5(body).hexdigest()


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_forgetting_whatever_step_fails(house: House, sandbox: Sandbox, mode: Mode) -> None:
    """Rows before bytes: in the end both are gone, and other files are untouched."""
    kept = await upload(house, b"kept", "kept.bin")
    for faults in each_step(mode=mode):
        file = await upload(house, b"gone", "gone.bin")
        await delete(house, file, grace=0)
        async with at_work(house, handlers(house, faults, sandbox)):
            await all_done(house)
        assert await house.check() == {kept.id}


async def test_deleted_bytes_are_kept_for_the_grace(house: House, sandbox: Sandbox) -> None:
    """Nothing is forgotten before its time."""
    file = await upload(house, b"kept for a while", "a.bin")
    clock = ManualClock(SystemClock().now())
    await delete(house, file, grace=3600, clock=clock)
    stop = asyncio.Event()
    runner = Runner(house.db, handlers(house, Faults(), sandbox), QUICK, clock, Bell(), "test")
    work = asyncio.create_task(runner.run(stop))
    clock.advance(3590)
    await asyncio.sleep(0.3)
    assert len(await stored(house)) == 1
    assert (await now(house, file)).deleted is not None
    clock.advance(20)
    await all_done(house)
    stop.set()
    await work
    assert await stored(house) == set()
    rows = await house.db.read(lambda tx: tx.execute(sa.select(files.c.id)).all())
    assert rows == []


async def delete(
    house: House, file: File, *, grace: float, clock: ManualClock | SystemClock | None = None
) -> None:
    """Delete the file as an administrator does."""
    config = msgspec.structs.replace(FlowsConfig(), discard_grace=grace)
    discard = Discard(db=house.db, clock=clock or SystemClock(), config=config, attempts=5)
    actor = Actor(user=house.user, roles=frozenset({"admin"}))
    await discard.delete(actor, file.id, lambda _: None)
