"""The jobs that bring uploads to their end: how they are tried again, taken over and given up."""

import asyncio
import contextlib

import pytest
from tests.flows.hall import BODY, DAY, LEASE, Hall, catalogue, hall
from tests.support.stores import listed_keys

from cella.errors import (
    BlobMissing,
    CellaError,
    Conflict,
    Corrupt,
    LeaseLost,
    NotFound,
    StoreUnavailable,
)
from cella.flows.config import JOIN
from cella.flows.tend import Tend
from cella.jobs.queue import CANCELLED, Progress
from cella.model import Upload
from cella.store.failing import FailingStore, Faults

__all__ = ["catalogue", "hall"]


def tend(hall: Hall) -> Tend:
    """Jobs as people mind them by hand."""
    return Tend(db=hall.db, handlers={JOIN: hall.join()}, clock=hall.clock, attempts=2)


async def given_up(hall: Hall) -> Upload:
    """An upload of which all has come, and of which a store makes no file."""
    upload = await hall.begun(len(BODY))
    while (job := hall.claim()) is not None:
        with pytest.raises(StoreUnavailable):
            await hall.work(job, hall.join(Faults(1, only="put", lasting=True)))
    return hall.now(upload)


async def test_a_worker_that_is_thought_dead_changes_nothing(hall: Hall) -> None:
    """Wherever it hangs: its successor's file is the only one, and stays whole."""
    lost = 0
    for faults in hall.each_step("stall"):
        upload = await hall.begun(len(BODY))
        first = hall.claim()
        assert first is not None
        late = asyncio.ensure_future(hall.work(first, hall.join(faults)))
        hung = asyncio.ensure_future(faults.stalled.wait())
        await asyncio.wait({late, hung}, return_when=asyncio.FIRST_COMPLETED)
        hung.cancel()
        hall.clock.advance(LEASE)
        await hall.work_off()
        faults.release()
        try:
            await late
        except LeaseLost:
            lost += 1
        assert await hall.check() == {hall.now(upload).file}
        assert hall.leftovers() == []
        assert len(await hall.check_nothing_is_left()) == 1
        await hall.clear()
    assert lost > 0


async def test_its_successor_is_still_at_it(hall: Hall) -> None:
    """The file is the successor's, however soon the older attempt comes to its end."""
    upload = await hall.begun(len(BODY))
    plans = [Faults(1, only="put", mode="stall") for _ in range(2)]
    attempts = []
    for faults in plans:
        job = hall.claim()
        assert job is not None
        attempts.append(asyncio.ensure_future(hall.work(job, hall.join(faults))))
        await faults.stalled.wait()
        hall.clock.advance(LEASE)
    first, second = attempts
    plans[0].release()
    with pytest.raises(LeaseLost):
        await first
    assert hall.now(upload).state == "storing"
    await hall.check()
    plans[1].release()
    await second
    assert await hall.check() == {hall.now(upload).file}
    assert hall.leftovers() == []


async def test_its_successor_fails_and_it_does_not(hall: Hall) -> None:
    """What the older attempt brings does not count, and the newer one's verdict stands."""
    upload = await hall.begun(len(BODY))
    faults = Faults(1, only="put", mode="stall")
    first = hall.claim()
    assert first is not None
    late = asyncio.ensure_future(hall.work(first, hall.join(faults)))
    await faults.stalled.wait()
    hall.clock.advance(LEASE)
    while (job := hall.claim()) is not None:
        with pytest.raises(StoreUnavailable):
            await hall.work(job, hall.join(Faults(1, only="get", lasting=True)))
    faults.release()
    with pytest.raises(LeaseLost):
        await late
    assert hall.now(upload).state == "failed"
    assert await hall.check() == set()
    assert hall.leftovers() == []


async def test_one_that_failed_is_tried_again_by_hand(hall: Hall) -> None:
    failed = await given_up(hall)
    assert (failed.state, failed.reason) == (
        "failed",
        "The store did not answer: a drill is going on.",
    )
    with pytest.raises(Conflict, match="drill"):
        await hall.send(failed)
    await hall.check()
    hall.clock.advance(6 * DAY)
    await hall.drop_expired()

    assert tend(hall).retry_all(JOIN) == 1

    again = hall.now(failed)
    assert (again.state, again.reason) == ("storing", None)
    hall.clock.advance(6 * DAY)
    await hall.drop_expired()
    await hall.work_off()
    assert await hall.check() == {hall.now(failed).file}


async def test_one_that_failed_goes_with_its_job_when_its_time_is_over(hall: Hall) -> None:
    failed = await given_up(hall)
    assert [job.state for job in hall.facts().jobs] == ["dead"]
    assert failed.expires == int(hall.clock.now() + 7 * DAY)
    hall.clock.advance(7 * DAY)
    with pytest.raises(NotFound):
        await hall.gather().look(hall.actor, hall.project, failed.id)
    await hall.drop_expired()
    facts = hall.facts()
    assert (facts.uploads, facts.jobs) == ({}, [])
    assert await hall.check() == set()


async def test_one_that_failed_is_ended(hall: Hall) -> None:
    await hall.end(await given_up(hall))
    await hall.work_off()
    facts = hall.facts()
    assert (facts.uploads, facts.jobs) == ({}, [])
    assert await hall.check() == set()


async def test_a_job_that_is_cancelled_by_hand(hall: Hall) -> None:
    """It has not failed for good: somebody may have it tried again."""
    upload = await hall.begun(len(BODY))
    by_hand = tend(hall)
    (job,) = hall.facts().jobs
    by_hand.cancel([job.id])
    assert (hall.now(upload).state, hall.now(upload).reason) == ("failed", CANCELLED)
    await hall.check()
    by_hand.retry([job.id])
    await hall.work_off()
    assert len(await hall.check()) == 1


async def test_a_piece_that_is_gone_or_cut(hall: Hall) -> None:
    """No file is made of the rest."""
    for damage in (Faults(1, only="get.block", mode="lie"), None):
        await hall.begun(len(BODY))
        job = hall.claim()
        assert job is not None
        honest = hall.stores["local"]
        if damage is not None:
            hall.stores["local"] = FailingStore(honest, damage)
        else:
            key, *_ = await listed_keys(honest)
            await honest.delete(key)
        with pytest.raises((Corrupt, BlobMissing)):
            await hall.work(job, hall.join())
        hall.stores["local"] = honest
        facts = hall.facts()
        assert (facts.files, facts.keys, hall.leftovers()) == ([], set(), [])
        await hall.clear()


async def test_it_tells_how_far_it_is(hall: Hall) -> None:
    await hall.begun(len(BODY))
    job = hall.claim()
    assert job is not None
    told: list[Progress] = []
    await hall.join().work(job, told.append)
    assert [each.percent for each in told] == [38, 76, 100]


# Dropping


async def test_dropping_fails_at_each_step(hall: Hall) -> None:
    """The next run goes on with it."""
    for mode in ("before", "after"):
        for faults in hall.each_step(mode):
            upload = await hall.begun(1700)
            hall.clock.advance(7 * DAY)
            with contextlib.suppress(StoreUnavailable):
                await hall.drop_expired(faults)
            with pytest.raises(NotFound):
                await hall.gather().look(hall.actor, hall.project, upload.id)
            await hall.check()
            await hall.drop_expired()
            assert hall.facts().uploads == {}
            assert await hall.check() == set()


async def test_one_that_cannot_be_dropped_does_not_keep_back_others(hall: Hall) -> None:
    for stop in (1700, 900, 1200):
        await hall.begun(stop)
    hall.clock.advance(7 * DAY)
    with pytest.raises(StoreUnavailable):
        await hall.drop_expired(Faults(1, only="delete"))
    ((left, _),) = hall.facts().uploads.values()
    assert (left.state, left.received) == ("ended", 1700)
    await hall.drop_expired()
    assert hall.facts().uploads == {}
    assert await hall.check() == set()


async def test_only_those_go_whose_time_is_over(hall: Hall) -> None:
    """Each byte that comes gives it time; the clock may go wrong meanwhile."""
    old = await hall.begun(1700)
    hall.clock.advance(4 * DAY)
    new = await hall.begin()
    gone_on = await hall.send(hall.now(old), stop=1800)
    assert gone_on.expires == new.expires == int(hall.clock.now() + 7 * DAY)
    hall.clock.advance(4 * DAY)
    await hall.drop_expired()
    hall.clock.advance(-90 * DAY)
    await hall.drop_expired()
    assert set(hall.facts().uploads) == {old.id, new.id}
    assert hall.now(old).received == 1800
    hall.clock.advance(90 * DAY + 3 * DAY)
    await hall.drop_expired()
    assert hall.facts().uploads == {}


async def test_what_has_become_of_it_can_be_asked_for_a_day(hall: Hall) -> None:
    upload = await hall.begun(len(BODY))
    await hall.work_off()
    hall.clock.advance(DAY - 1)
    await hall.drop_expired()
    found = await hall.gather().look(hall.actor, hall.project, upload.id)
    assert {found.file} == await hall.check()
    hall.clock.advance(1)
    await hall.drop_expired()
    assert hall.facts().uploads == {}
    assert await hall.check() == {found.file}


async def test_pieces_of_a_file_go_at_last_where_its_job_was_given_up(hall: Hall) -> None:
    upload = await hall.begun(len(BODY))
    while (job := hall.claim()) is not None:
        with pytest.raises(CellaError):
            await hall.work(job, hall.join(Faults(1, only="delete", lasting=True)))
    assert hall.now(upload).state == "complete"
    assert len(await listed_keys(hall.stores["local"])) == 4
    hall.clock.advance(DAY)
    await hall.drop_expired()
    facts = hall.facts()
    assert (facts.uploads, facts.jobs) == ({}, [])
    assert len(await hall.check()) == 1
