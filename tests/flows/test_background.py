"""The background flows, previews, digests and forgetting, with each of their steps failing."""

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from tests.flows.test_receive_faults import House, chunks, house
from tests.support.faults import FailingDatabase

from cella.aio import uninterrupted
from cella.catalog import files as catalog_files
from cella.catalog.tables import blobs, files
from cella.clock import ManualClock, SystemClock
from cella.db import Tx
from cella.digest import MD5_WHILE_RECEIVING, Digests
from cella.errors import CannotDecode, DecoderCrashed, LeaseLost, NotFound
from cella.flows.config import DIGEST, ENCODE, FORGET, PROCESS, FlowsConfig
from cella.flows.discard import Discard, Forget
from cella.flows.encode import Encode
from cella.flows.process import Digest, Process
from cella.flows.workshop import Workshop, judging_crashes
from cella.ids import new_id
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.jobs.queue import Counts
from cella.jobs.retry import JobsConfig
from cella.jobs.runner import Handler, Runner
from cella.jobs.tables import jobs
from cella.media import ffmpeg
from cella.media.config import EncodingConfig
from cella.media.sandbox import Sandbox, SandboxConfig
from cella.model import Actor, File
from cella.store.contract import PLAIN, Label, Store
from cella.store.failing import FailingStore, Faults, Mode, each_step

__all__ = ["house"]

PHOTO = (Path(__file__).parents[1] / "media" / "samples" / "marked.png").read_bytes()
QUICK = JobsConfig(poll_seconds=0.05, retry_base_seconds=0.01, slots=2, max_attempts=5)
PATIENCE = 30.0
FFMPEG = ffmpeg.find("")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """An open sandbox."""
    sandbox = Sandbox(SandboxConfig())
    await sandbox.open()
    yield sandbox
    await sandbox.close()


def handlers(
    house: House,
    faults: Faults,
    sandbox: Sandbox,
    kept_in: Mapping[str, Store] | None = None,
) -> dict[str, Handler]:
    """The handlers, with whatever they touch going wrong after the plan.

    `kept_in` are other stores, which variations are kept in.
    """
    db = FailingDatabase(house.db, faults)
    stores = {"local": FailingStore(house.store, faults)}
    clock = SystemClock()
    workshop = Workshop(stores=kept_in or stores, clock=clock)
    return {
        PROCESS: Process(
            db=db,
            workshop=workshop,
            sandbox=sandbox,
            ffmpeg=FFMPEG,
            scratch=house.scratch,
            clock=clock,
            encoder="local",
            attempts=QUICK.max_attempts,
        ),
        ENCODE: Encode(
            db=db,
            workshop=workshop,
            sandbox=sandbox,
            ffmpeg=FFMPEG,
            scratch=house.scratch,
            config=EncodingConfig(),
        ),
        DIGEST: Digest(db=db, stores=stores, clock=clock),
        FORGET: Forget(db=db, stores=stores),
    }


@asynccontextmanager
async def at_work(
    house: House, handlers: dict[str, Handler], bell: Bell | None = None
) -> AsyncIterator[Runner]:
    """A worker that does the house's jobs while the block runs."""
    stop = asyncio.Event()
    runner = Runner(house.db, handlers, QUICK, SystemClock(), bell or Bell(), "test")
    work = asyncio.create_task(runner.run(stop))
    try:
        yield runner
    finally:
        stop.set()
        await work


async def all_done(house: House) -> None:
    """Wait until no job is waiting or running."""
    waiting = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state != "dead")
    async with asyncio.timeout(PATIENCE):
        while await house.db.read(lambda tx: tx.execute(waiting).scalar_one()):
            await asyncio.sleep(0.02)


async def forgetting_was_tried(house: House, file: File) -> None:
    """Wait until a worker has claimed the job that forgets the file, and let go of it again."""
    state = sa.select(jobs.c.state, jobs.c.attempts).where(
        jobs.c.kind == FORGET, jobs.c.subject == file.id
    )
    async with asyncio.timeout(PATIENCE):
        while True:
            job = await house.db.read(lambda tx: tx.execute(state).one_or_none())
            if job is None or (job.state == "ready" and job.attempts > 0):
                return
            await asyncio.sleep(0.01)


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


@pytest.mark.parametrize("mode", ["before", pytest.param("after", marks=pytest.mark.drill)])
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


class Stubborn(FailingStore):
    """A store that ends what it has begun to put, as one far away may."""

    async def put(
        self,
        key: str,
        body: AsyncIterable[bytes],
        *,
        label: Label = PLAIN,
        replace: bool = False,
    ) -> Digests:
        """Put the blob, also where the caller is cancelled meanwhile."""
        put = super().put(key, body, label=label, replace=replace)
        return await uninterrupted(put)


async def test_a_file_deleted_while_it_is_processed(house: House, sandbox: Sandbox) -> None:
    """It stays deleted, and is forgotten when what was done to it has stopped, not before.

    The worker turns to forgetting it while a preview is still on its way to the store.
    """
    file = await upload(house, PHOTO)
    stalled = Faults(1, only="put", mode="stall")
    stubborn: dict[str, Store] = {"local": Stubborn(house.store, stalled)}
    working = handlers(house, Faults(), sandbox, stubborn)
    async with at_work(house, working):
        await stalled.stalled.wait()
        await delete(house, file, grace=0)
        await forgetting_was_tried(house, file)
        stalled.release()
        await all_done(house)
    with pytest.raises(NotFound):
        await now(house, file)
    assert await stored(house) == set()
    assert await known(house) == set()
    assert house.db.read_now(queue.counts) == Counts()


@pytest.mark.parametrize("rings", [True, False])
async def test_deleting_a_file_stops_what_is_done_to_it(
    house: House, sandbox: Sandbox, *, rings: bool
) -> None:
    """Whether the worker is told by the bell, or has to look, as in another process."""
    file = await upload(house, PHOTO)
    stalled = Faults(1, only="put", mode="stall")
    bell = Bell()
    async with at_work(house, handlers(house, stalled, sandbox), bell) as runner:
        await stalled.stalled.wait()
        await delete(house, file, grace=3600, bell=bell if rings else None)
        async with asyncio.timeout(PATIENCE):
            while runner.outcomes != {"cancelled": 1}:
                await asyncio.sleep(0.01)
    assert (await now(house, file)).processing is None, "a deleted file is not told"
    entries = house.db.read_now(lambda tx: queue.listing(tx, limit=10))
    assert [entry.kind for entry in entries] == [FORGET]


@pytest.mark.parametrize("kind", [PROCESS, ENCODE])
async def test_who_was_overtaken_before_it_began_changes_nothing(
    house: House, sandbox: Sandbox, kind: str
) -> None:
    """A worker that stood still after its claim wakes when another one has done the job."""
    file = await upload(house, PHOTO)
    async with at_work(house, handlers(house, Faults(), sandbox)):
        await all_done(house)
    done = await now(house, file)

    def claim(tx: Tx) -> queue.Job:
        queue.put(tx, kind=kind, subject=file.id, now=0)
        (job,) = queue.claim(tx, kinds=[kind], worker="slow", now=0, lease_seconds=1)
        (other,) = queue.claim(tx, kinds=[kind], worker="quick", now=2, lease_seconds=1)
        queue.finish(tx, other)
        return job

    overtaken = await house.db.write(claim)
    working = handlers(house, Faults(), sandbox)[kind]
    with pytest.raises(LeaseLost):
        await working.work(overtaken, lambda _: None)
    assert await now(house, file) == done


def test_a_crash_that_comes_twice_is_the_files_fault() -> None:
    first = queue.Job(
        id="",
        kind=PROCESS,
        subject="",
        payload={},
        priority=0,
        run_at=0,
        attempts=1,
        max_attempts=8,
        created=0,
        error=None,
    )
    crash = DecoderCrashed("The decoder crashed on this file. Try again.")
    other = msgspec.structs.replace(first, error="The store did not answer.")
    for job in (first, other):
        with pytest.raises(DecoderCrashed), judging_crashes(job):
            raise crash
    again = msgspec.structs.replace(first, error=crash.message)
    with pytest.raises(CannotDecode, match="It did so twice"), judging_crashes(again):
        raise crash


async def test_dead_jobs_go_with_their_file(house: House, sandbox: Sandbox) -> None:
    """Deleting a file leaves no job behind that could be tried again."""
    file = await upload(house, PHOTO[: len(PHOTO) // 2])
    async with at_work(house, handlers(house, Faults(), sandbox)):
        await all_done(house)
        assert house.db.read_now(queue.counts) == Counts(dead=1)
        await delete(house, file, grace=0)
        await all_done(house)
    assert house.db.read_now(queue.counts) == Counts()


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


async def test_bytes_that_are_somebody_s_again_are_not_forgotten(
    house: House, sandbox: Sandbox
) -> None:
    """A job that was given up and is tried again later finds its keys in another's hands."""
    kept = await upload(house, b"kept", "kept.bin")
    (key,) = await known(house)
    payload = {"backend": "local", "keys": [key], "root": key[: key.index("/_/") + 35]}
    now_ = SystemClock().now()
    house.db.write_now(
        lambda tx: queue.put(tx, kind=FORGET, subject=new_id(), payload=payload, now=now_)
    )
    async with at_work(house, handlers(house, Faults(), sandbox)):
        await all_done(house)
    assert await house.check() == {kept.id}
    assert await stored(house) == {key}


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
    house: House,
    file: File,
    *,
    grace: float,
    clock: ManualClock | SystemClock | None = None,
    bell: Bell | None = None,
) -> None:
    """Delete the file as an administrator does."""
    config = msgspec.structs.replace(FlowsConfig(), discard_grace=grace)
    discard = Discard(
        db=house.db, clock=clock or SystemClock(), bell=bell or Bell(), config=config, attempts=5
    )
    actor = Actor(user=house.user, roles=frozenset({"admin"}))
    await discard.delete(actor, file.id, lambda _: None)
