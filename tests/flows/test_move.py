"""Moving files between stores, with each step failing, and with others changing the files."""

import asyncio
import contextlib
import hashlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.databases import sqlite
from tests.support.faults import FailingDatabase
from tests.support.stores import FACTORIES, body, read
from tests.support.yard import HERE, NOW, THERE, Yard

from cella.catalog.tables import blobs
from cella.catalog.tables import links as kept_links
from cella.db import Database, Tx
from cella.errors import BadRequest, NotFound, StoreUnavailable
from cella.flows.config import DIGEST, DROP_BLOBS, PROCESS
from cella.flows.move import DropBlobs, Move, Outcome, Selection
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.jobs.retry import JobsConfig
from cella.jobs.runner import Runner
from cella.links.token import Signer
from cella.links.urls import Linked, LocalLinks, Speller
from cella.links.validity import Window, window
from cella.model import File
from cella.store.checked import CheckedStore
from cella.store.contract import BLOCK, Store
from cella.store.failing import FailingStore, Faults, Mode, each_step

PATIENCE = 30.0
WEEK = 7 * 24 * 3600.0
VALIDITY = 4 * 3600
QUICK = JobsConfig(poll_seconds=0.02, retry_base_seconds=0.01, slots=2, max_attempts=5)
ALL = Selection(backend=HERE)
LOCAL = LocalLinks("", Signer(("a key that is long enough for tests",)), VALIDITY)
PLAIN = [name for name in FACTORIES if "-" not in name]


class Direct:
    """Links that lead to the store itself."""

    is_slow = False

    def window(self, now: float) -> Window:
        return window(now, VALIDITY)

    def signed(self, bucket: str, blobs: Sequence[Linked], window: Window) -> list[str]:
        raise AssertionError("moving signs nothing")

    def public(self, bucket: str, name: str) -> str:
        raise AssertionError("moving spells nothing")


def failing(yard: Yard, faults: Faults) -> dict[str, Store]:
    """The stores, going wrong after the plan."""
    return {name: CheckedStore(FailingStore(store, faults)) for name, store in yard.stores.items()}


def mover(
    yard: Yard, faults: Faults | None = None, speller: Speller = LOCAL, batch: int = 200
) -> Move:
    """The flow, with whatever it touches going wrong after the plan."""
    faults = faults or Faults()
    return Move(
        db=FailingDatabase(yard.db, faults),
        stores=failing(yard, faults),
        spellers={HERE: speller, THERE: speller},
        clock=yard.clock,
        attempts=QUICK.max_attempts,
        batch=batch,
    )


async def moved(
    yard: Yard,
    selection: Selection = ALL,
    target: str = THERE,
    *,
    faults: Faults | None = None,
    delete_source: bool = False,
    speller: Speller = LOCAL,
    batch: int = 200,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Outcome]:
    """One run; what became of each file."""
    outcomes: list[Outcome] = []
    await mover(yard, faults, speller, batch).run(
        selection,
        target,
        delete_source=delete_source,
        told=outcomes.append,
        advance=advance,
    )
    return outcomes


def states(outcomes: list[Outcome]) -> Counter[str]:
    return Counter(outcome.state for outcome in outcomes)


async def drop_what_is_due(yard: Yard, faults: Faults | None = None) -> None:
    """A worker does what is due by the yard's clock."""
    handlers = {DROP_BLOBS: DropBlobs(db=yard.db, stores=failing(yard, faults or Faults()))}
    stop = asyncio.Event()
    runner = Runner(yard.db, handlers, QUICK, yard.clock, Bell(), "test")
    work = asyncio.create_task(runner.run(stop))
    try:
        async with asyncio.timeout(PATIENCE):
            # What is tried again is due later, on a clock that stands still.
            while any(
                job.run_at <= yard.clock.now() + 60 for job in yard.jobs() if job.state != "dead"
            ):
                yard.clock.advance(0.05)
                await asyncio.sleep(0.01)
    finally:
        stop.set()
        await work


@pytest.fixture
async def yard(database: Database, tmp_path: Path) -> AsyncIterator[Yard]:
    """Two stores, in one order on one database, in the other order on the other."""
    names = ("disk", "memory") if database.is_sqlite else ("memory", "disk")
    here, there = (FACTORIES[name](tmp_path / name) for name in names)
    async with contextlib.AsyncExitStack() as stack:
        for store in (here, there):
            await store.open()
            stack.push_async_callback(store.close)
        yield Yard(database, here, there)


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Yard]:
    """One yard, for what neither the database nor the stores matter to."""
    here, there = (FACTORIES["memory"](tmp_path) for _ in range(2))
    with sqlite(tmp_path) as database:
        yield Yard(database, here, there)


# --- there and back


@pytest.mark.parametrize("pair", [*itertools.permutations(PLAIN, 2)], ids="-to-".join)
async def test_there_and_back_again(pair: tuple[str, str], tmp_path: Path) -> None:
    """Between any two stores, bit for bit; copies that are there are not sent again."""
    here, there = (FACTORIES[name](tmp_path / name) for name in pair)
    with sqlite(tmp_path) as database:
        for store in (here, there):
            await store.open()
        yard = Yard(database, here, there)
        files = [await yard.add(length) for length in (0, 1, 3 * BLOCK + 7)]
        assert states(await moved(yard)) == {"moved": 3}
        assert await yard.check(copies_in=HERE) == {HERE: 0, THERE: 3}
        assert await yard.keys(HERE) == await yard.keys(THERE)
        assert yard.jobs() == []
        for file in files:
            there_now = yard.now(file)
            assert (there_now.backend, there_now.file_path) == (THERE, file.file_path)
            assert there_now.etag != file.etag
            assert there_now.updated >= file.updated

        back = Faults()
        outcomes = await moved(
            yard, Selection(backend=THERE), HERE, faults=back, delete_source=True
        )
        assert states(outcomes) == {"moved": 3}
        assert "put" not in back.steps
        assert await yard.check() == {HERE: 3, THERE: 0}
        yard.clock.advance(3600)
        await drop_what_is_due(yard)
        assert await yard.keys(THERE) == set()
        assert await yard.check() == {HERE: 3, THERE: 0}
        for store in (here, there):
            await store.close()


async def test_what_is_moved_is_told_before(plain: Yard) -> None:
    first, second = await plain.add(100), await plain.add(200)
    gone = await plain.add(300, deleted=int(NOW))
    survey = await mover(plain).survey(ALL, THERE)
    assert survey == (2, first.length_aggregate + second.length_aggregate, 1)
    assert await mover(plain).survey(Selection(project=plain.project), THERE) == survey
    named = Selection(files=(second.id, gone.id, "nonsense"))
    assert await mover(plain).survey(named, THERE) == (1, second.length_aggregate, 0)
    await moved(plain, named)
    assert (await mover(plain).survey(ALL, THERE)).files == 1


async def test_only_what_was_named_is_moved(plain: Yard) -> None:
    wanted, other = await plain.add(), await plain.add()
    own = await plain.add(project=None, file_path=None, variations=())
    assert states(await moved(plain, Selection(files=(wanted.id, own.id)))) == {
        "moved": 1,
        "nothing": 1,
    }
    assert plain.now(other).backend == HERE
    both = Selection(project=plain.project, backend=HERE)
    assert [outcome.file_id for outcome in await moved(plain, both)] == [other.id]


async def test_what_makes_no_sense_is_refused(plain: Yard) -> None:
    await plain.add()
    for selection, target in (
        (ALL, "nowhere"),
        (Selection(backend="nowhere"), THERE),
        (Selection(backend=THERE), THERE),
    ):
        with pytest.raises(BadRequest):
            await moved(plain, selection, target)
    with pytest.raises(NotFound):
        await mover(plain).survey(Selection(project="0" * 24), THERE)


async def test_more_files_than_a_page(plain: Yard) -> None:
    for _ in range(5):
        await plain.add(1)
    assert states(await moved(plain, batch=2)) == {"moved": 5}
    assert await plain.check(copies_in=HERE) == {HERE: 0, THERE: 5}


async def test_links_that_were_kept_go(plain: Yard) -> None:
    """A link that stands in the catalogue leads to the old place."""
    file, other = await plain.add(), await plain.add()
    rows = [
        {"file_id": each.id, "expires": 1, "original": "x", "variations": "{}"}
        for each in (file, other)
    ]
    plain.db.write_now(lambda tx: tx.execute(kept_links.insert(), rows))
    await moved(plain, Selection(files=(file.id,)))
    left = plain.db.read_now(lambda tx: tx.execute(kept_links.select()).all())
    assert [row.file_id for row in left] == [other.id]


# --- bytes that are not what they should be


async def test_bytes_that_are_missing_or_wrong_keep_their_file(yard: Yard) -> None:
    """It stays where it was, and says why; others go. Nothing wrong lies in the target."""
    missing, cut, flipped, whole = [await yard.add(BLOCK + 9) for _ in range(4)]
    here = yard.stores[HERE]
    await here.delete(f"{yard.project}/_/{missing.variations[0].file_path}")
    key = f"{yard.project}/_/{cut.file_path}"
    await here.put(key, body((await read(here, key))[:-1]), replace=True)
    key = f"{yard.project}/_/{flipped.file_path}"
    await here.put(key, body((await read(here, key))[:-1] + b"?"), replace=True)

    outcomes = {outcome.file_id: outcome for outcome in await moved(yard)}

    assert states(list(outcomes.values())) == {"moved": 1, "failed": 3}
    assert outcomes[whole.id].state == "moved"
    assert "has no blob" in outcomes[missing.id].reason
    assert f"{BLOCK + 8} bytes instead of {BLOCK + 9}" in outcomes[cut.id].reason
    assert "SHA-256" in outcomes[flipped.id].reason
    for file in (missing, cut, flipped):
        assert yard.now(file) == file
        assert f"{yard.project}/_/{file.file_path}" not in await yard.keys(THERE) - {
            f"{yard.project}/_/{missing.file_path}"
        }


async def test_a_wrong_copy_in_the_target_is_replaced(yard: Yard) -> None:
    file = await yard.add()
    there = yard.stores[THERE]
    await there.put(f"{yard.project}/_/{file.file_path}", body(b"x" * file.length))
    await there.put(f"{yard.project}/_/{file.variations[0].file_path}", body(b"too short"))
    assert states(await moved(yard)) == {"moved": 1}
    assert await yard.check(copies_in=HERE) == {HERE: 0, THERE: 1}


async def test_digests_that_a_document_has_not_are_found(yard: Yard) -> None:
    file = await yard.add(BLOCK + 1, digests=False)
    content = await read(yard.stores[HERE], f"{yard.project}/_/{file.file_path}")
    assert states(await moved(yard)) == {"moved": 1}
    now = yard.now(file)
    assert now.sha256 == hashlib.sha256(content).hexdigest()
    assert now.md5 == hashlib.md5(content).hexdigest()
    assert all(each.sha256 and each.md5 for each in now.variations)
    assert await yard.check(copies_in=HERE) == {HERE: 0, THERE: 1}


async def test_without_a_digest_the_length_has_to_be_right(plain: Yard) -> None:
    file = await plain.add(digests=False)
    await plain.stores[HERE].put(
        f"{plain.project}/_/{file.file_path}", body(b"short"), replace=True
    )
    (outcome,) = await moved(plain)
    assert outcome.state == "failed"
    assert "5 bytes instead of 500" in outcome.reason


async def test_a_variation_that_never_came_is_no_obstacle(plain: Yard) -> None:
    """What stands for an encode that failed has no bytes."""
    file = await plain.add()

    def forget_one(tx: Tx) -> None:
        key = f"{plain.project}/_/{file.variations[1].file_path}"
        tx.execute(blobs.delete().where(blobs.c.key == key))

    plain.db.write_now(forget_one)
    await plain.stores[HERE].delete(f"{plain.project}/_/{file.variations[1].file_path}")
    assert states(await moved(plain)) == {"moved": 1}
    assert len(await plain.keys(THERE)) == 2


async def test_a_store_that_is_not_configured_keeps_its_files(plain: Yard) -> None:
    file = await plain.add(backend="pillar")
    (outcome,) = await moved(plain, Selection(project=plain.project))
    assert (outcome.state, outcome.reason) == ("failed", "Its store pillar is not configured.")
    assert plain.now(file).backend == "pillar"


# --- faults


@pytest.mark.parametrize("mode", ["before", "after", "lie"])
async def test_whatever_step_fails(yard: Yard, mode: Mode) -> None:
    """The file is wholly in one place or the other, nothing strays, and another run succeeds."""
    failed = 0
    for faults in each_step(mode=mode):
        file = await yard.add()
        selection = Selection(files=(file.id,))
        with contextlib.suppress(StoreUnavailable):
            outcomes = await moved(yard, selection, faults=faults, delete_source=True)
            failed += states(outcomes)["failed"]
        await yard.check(file)
        await moved(yard, selection, delete_source=True)
        assert yard.now(file).backend == THERE
        await yard.check(file)
    assert failed >= (2 if mode == "lie" else 6)
    yard.clock.advance(WEEK + 1)
    await drop_what_is_due(yard)
    assert await yard.keys(HERE) == set()
    await yard.check()


async def test_everything_fails_from_one_step_on(yard: Yard) -> None:
    """As when the process dies: what it has copied goes by itself, also without another run."""
    for number in itertools.count(1):
        faults = Faults(number, lasting=True)
        file = await yard.add()
        with contextlib.suppress(StoreUnavailable):
            await moved(yard, Selection(files=(file.id,)), faults=faults)
        await yard.check(file, copies_in=HERE)
        if not faults.fired:
            break
    yard.clock.advance(WEEK + 1)
    await drop_what_is_due(yard)
    there = await yard.check(copies_in=HERE)
    assert len(await yard.keys(THERE)) == 3 * there[THERE]


async def test_cancelled_at_any_step(yard: Yard) -> None:
    for faults in each_step(mode="stall"):
        file = await yard.add()
        run = asyncio.ensure_future(moved(yard, Selection(files=(file.id,)), faults=faults))
        stalled = asyncio.ensure_future(faults.stalled.wait())
        await asyncio.wait({run, stalled}, return_when=asyncio.FIRST_COMPLETED)
        run.cancel()
        faults.release()
        with contextlib.suppress(asyncio.CancelledError):
            await run
        stalled.cancel()
        await yard.check(file, copies_in=HERE)
        await moved(yard, Selection(files=(file.id,)))
        assert yard.now(file).backend == THERE


async def test_a_store_that_stays_away_ends_the_run(plain: Yard) -> None:
    """Not every one of a million files is tried on it."""
    for _ in range(40):
        await plain.add(1)
    away = Faults(1, only="put", lasting=True)
    with pytest.raises(StoreUnavailable):
        await moved(plain, faults=away)
    assert away.steps.count("put") < 40 * 3
    assert await plain.check() == {HERE: 40, THERE: 0}


# --- others at work


@pytest.mark.parametrize(
    "fields", [{"status": "processing"}, {"status": "queued_for_processing"}, {}]
)
async def test_what_is_worked_on_is_passed_over(yard: Yard, fields: dict[str, Any]) -> None:
    file = await yard.add(**fields)
    if not fields:
        yard.db.write_now(partial(queue.put, kind=DIGEST, subject=file.id, now=NOW))
    assert states(await moved(yard)) == {"busy": 1}
    assert yard.now(file) == file
    assert await yard.keys(THERE) == set()
    assert yard.jobs() == []


async def test_what_was_given_up_is_no_work(plain: Yard) -> None:
    file = await plain.add(status="failed")

    def give_up(tx: Tx) -> None:
        queue.put(tx, kind=PROCESS, subject=file.id, now=0)
        (job,) = queue.claim(tx, kinds=[PROCESS], worker="w", now=1, lease_seconds=1)
        queue.bury(tx, job, error="No.")

    plain.db.write_now(give_up)
    assert states(await moved(plain)) == {"moved": 1}


async def while_it_is_copied(
    yard: Yard, file: File, meddle: object, *, delete_source: bool = False
) -> list[Outcome]:
    """A run of one file, in the middle of which something else happens."""
    stall = Faults(1, only="put", mode="stall")
    run = asyncio.ensure_future(
        moved(yard, Selection(files=(file.id,)), faults=stall, delete_source=delete_source)
    )
    await asyncio.wait_for(stall.stalled.wait(), PATIENCE)
    assert callable(meddle)
    happened = meddle()
    if asyncio.iscoroutine(happened):
        await happened
    stall.release()
    return await run


async def test_a_file_that_is_edited_meanwhile_stays(yard: Yard) -> None:
    """The edit counts, and the next run moves the file."""
    file = await yard.add()
    outcomes = await while_it_is_copied(yard, file, lambda: yard.edit(file, description="new"))
    assert states(outcomes) == {"busy": 1}
    now = yard.now(file)
    assert (now.backend, now.description) == (HERE, "new")
    await yard.check()
    assert states(await moved(yard)) == {"moved": 1}
    assert yard.now(file).description == "new"
    assert await yard.check(copies_in=HERE) == {HERE: 0, THERE: 1}


async def test_a_file_that_is_deleted_meanwhile_stays(yard: Yard) -> None:
    file = await yard.add()
    outcomes = await while_it_is_copied(yard, file, lambda: yard.edit(file, deleted=int(NOW)))
    assert states(outcomes) == {"busy": 1}
    assert yard.now(file).backend == HERE
    assert await yard.check() == {HERE: 1, THERE: 0}
    assert states(await moved(yard)) == {}
    assert states(await moved(yard, Selection(files=(file.id,)))) == {"failed": 1}
    yard.clock.advance(WEEK + 1)
    await drop_what_is_due(yard)
    assert await yard.keys(THERE) == set()


async def test_a_file_that_gets_work_meanwhile_stays(yard: Yard) -> None:
    file = await yard.add()

    def give_work() -> None:
        yard.db.write_now(partial(queue.put, kind=PROCESS, subject=file.id, now=NOW))

    assert states(await while_it_is_copied(yard, file, give_work)) == {"busy": 1}
    assert yard.now(file) == file


async def test_of_two_moves_the_later_one_wins(yard: Yard) -> None:
    file = await yard.add()
    second: list[Outcome] = []

    async def another() -> None:
        second.extend(await moved(yard, Selection(files=(file.id,))))

    assert states(await while_it_is_copied(yard, file, another)) == {"busy": 1}
    assert states(second) == {"moved": 1}
    assert await yard.check(copies_in=HERE) == {HERE: 0, THERE: 1}
    assert yard.jobs() == []


async def test_a_move_that_took_too_long_does_not_count(yard: Yard) -> None:
    """Its copies may be gone already when it comes to its end."""
    file = await yard.add()

    async def a_week_passes() -> None:
        yard.clock.advance(WEEK + 1)
        await drop_what_is_due(yard)

    assert states(await while_it_is_copied(yard, file, a_week_passes)) == {"busy": 1}
    assert yard.now(file) == file


# --- the old bytes


async def test_old_bytes_go_when_no_link_leads_there(yard: Yard) -> None:
    """Links that a store signs lead there until they end; nobody knows who has one."""
    file = await yard.add()
    attempt = f"{yard.project}/_/{file.name.removesuffix('.bin')}-b.jpg"
    await yard.stores[HERE].put(attempt, body(b"left by an attempt"))
    await moved(yard, delete_source=True, speller=Direct())
    (job,) = yard.jobs()
    assert job.run_at >= NOW + VALIDITY * 3 / 4
    assert job.run_at >= Direct().window(NOW).expires
    yard.clock.time = job.run_at - 100
    await drop_what_is_due(yard)
    assert len(await yard.keys(HERE)) == 4
    yard.clock.time = job.run_at + 1
    await drop_what_is_due(yard)
    assert await yard.keys(HERE) == set()
    assert yard.jobs() == []
    assert await yard.check() == {HERE: 0, THERE: 1}


async def test_the_last_copy_of_a_blob_is_never_dropped(yard: Yard) -> None:
    """Whatever has become of the other one: it may have been swept, or have rotted."""
    file = await yard.add()
    await moved(yard, delete_source=True)
    key = f"{yard.project}/_/{file.file_path}"
    await yard.stores[THERE].delete(key)
    yard.clock.advance(1 << 30)
    await drop_what_is_due(yard)
    assert key in await yard.keys(HERE)
    (job,) = yard.jobs()
    assert job.state == "dead"
    assert job.error is not None
    assert "stays" in job.error


async def test_what_is_swept_away_while_the_rest_is_copied_is_missed(yard: Yard) -> None:
    """A copy that lay there already is no blob of the file before the row says so."""
    file = await yard.add()
    await moved(yard)
    await moved(yard, Selection(), HERE)
    first, *_, last = sorted(await yard.keys(THERE))
    await yard.stores[THERE].delete(last)
    stalled = Faults(1, only="put", mode="stall")
    there: list[int] = []
    moving = asyncio.create_task(moved(yard, faults=stalled, advance=there.append))
    await stalled.stalled.wait()
    while len(there) < 2:
        await asyncio.sleep(0.001)
    await yard.stores[THERE].delete(first)
    stalled.release()
    assert states(await moving) == {"busy": 1}
    assert yard.now(file).backend == HERE
    assert states(await moved(yard)) == {"moved": 1}
    assert yard.now(file).backend == THERE
    assert await yard.keys(THERE) == await yard.keys(HERE)


async def test_bytes_that_are_served_here_stay_for_some_minutes(plain: Yard) -> None:
    """Our own links follow the file at once; a download may still be under way."""
    await plain.add()
    await moved(plain, delete_source=True)
    (job,) = plain.jobs()
    assert NOW + 300 <= job.run_at <= NOW + 3600


async def test_whatever_step_of_dropping_fails(yard: Yard) -> None:
    for faults in each_step(mode="after"):
        file = await yard.add()
        await moved(yard, Selection(files=(file.id,)), delete_source=True)
        yard.clock.advance(3600)
        await drop_what_is_due(yard, faults)
        assert await yard.keys(HERE) == set()
        await yard.check()


async def test_bytes_that_have_gone_already_are_no_error(plain: Yard) -> None:
    file = await plain.add()
    await moved(plain, delete_source=True)
    await plain.stores[HERE].delete(f"{plain.project}/_/{file.file_path}")
    plain.clock.advance(3600)
    await drop_what_is_due(plain)
    assert plain.jobs() == []


async def test_a_file_that_was_moved_back_keeps_its_bytes(yard: Yard) -> None:
    """The move back takes the job away that would have dropped them."""
    await yard.add()
    await moved(yard, delete_source=True)
    await moved(yard, Selection(backend=THERE), HERE)
    assert yard.jobs() == []
    yard.clock.advance(WEEK)
    await drop_what_is_due(yard)
    assert await yard.check(copies_in=THERE) == {HERE: 1, THERE: 0}


async def test_what_is_being_dropped_is_not_moved_back(yard: Yard) -> None:
    """The move waits for the job to end, and copies everything anew."""
    await yard.add()
    await moved(yard, delete_source=True)
    yard.clock.advance(3600)
    stall = Faults(1, only="delete", mode="stall")
    dropping = asyncio.ensure_future(drop_what_is_due(yard, stall))
    await asyncio.wait_for(stall.stalled.wait(), PATIENCE)
    back = Selection(backend=THERE)
    assert states(await moved(yard, back, HERE)) == {"busy": 1}
    stall.release()
    await dropping
    assert states(await moved(yard, back, HERE)) == {"moved": 1}
    assert await yard.check(copies_in=THERE) == {HERE: 1, THERE: 0}


async def test_a_job_for_the_place_where_a_file_lives_drops_nothing(plain: Yard) -> None:
    file = await plain.add()
    payload = {"backend": HERE, "keys": [f"{plain.project}/_/{file.file_path}"], "root": ""}
    plain.db.write_now(
        partial(queue.put, kind=DROP_BLOBS, subject=file.id, payload=payload, now=NOW)
    )
    await drop_what_is_due(plain)
    assert plain.jobs() == []
    assert await plain.check() == {HERE: 1, THERE: 0}


async def test_a_job_for_a_store_that_is_not_configured_is_kept(plain: Yard) -> None:
    file = await plain.add()
    payload = {"backend": "gone", "keys": [], "root": ""}
    plain.db.write_now(
        partial(queue.put, kind=DROP_BLOBS, subject=file.id, payload=payload, now=NOW)
    )
    await drop_what_is_due(plain)
    (job,) = plain.jobs()
    assert job.state == "dead"
    assert job.error == "The store gone is not configured; its copies stay."
