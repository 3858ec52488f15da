"""Jobs minded by hand: what happens to them, and what their documents say of it."""

from pathlib import Path

import pytest
from tests.flows.test_background import all_done, at_work, handlers, now, sandbox, upload
from tests.flows.test_receive_faults import House, house

from cella.clock import SystemClock
from cella.errors import Conflict, NotFound
from cella.flows.config import PROCESS
from cella.flows.tend import BY_HAND, Tend
from cella.jobs import queue
from cella.jobs.queue import CANCELLED, Counts
from cella.jobs.runner import Handler
from cella.media.sandbox import Sandbox
from cella.model import Processing
from cella.store.failing import Faults

__all__ = ["house", "sandbox"]

PHOTO = (Path(__file__).parents[1] / "media" / "samples" / "marked.png").read_bytes()


def tend(house: House, handlers: dict[str, Handler]) -> Tend:
    """The flow, with a job that is tried again having two attempts."""
    return Tend(db=house.db, handlers=handlers, clock=SystemClock(), attempts=2)


def only_id(house: House) -> str:
    """The id of the only job."""
    (job,) = house.db.read_now(lambda tx: queue.listing(tx, limit=10))
    return job.id


async def test_a_job_that_was_given_up_is_tried_again(house: House, sandbox: Sandbox) -> None:
    file = await upload(house, PHOTO)
    away = handlers(house, Faults(1, only="put", lasting=True), sandbox)
    async with at_work(house, away):
        await all_done(house)
    assert (await now(house, file)).status == "failed"
    healthy = handlers(house, Faults(), sandbox)
    by_hand = tend(house, healthy)

    (job,) = by_hand.retry([only_id(house)])

    assert (job.state, job.kind, job.max_attempts) == ("ready", PROCESS, job.attempts + 2)
    queued = await now(house, file)
    assert queued.status == "queued_for_processing"
    assert queued.processing == Processing(status="waiting", error=BY_HAND)
    async with at_work(house, healthy):
        await all_done(house)
    assert (await now(house, file)).status == "complete"
    assert by_hand.counts() == {}


async def test_a_job_that_nobody_holds_is_cancelled_at_once(house: House, sandbox: Sandbox) -> None:
    file = await upload(house, PHOTO)
    by_hand = tend(house, handlers(house, Faults(), sandbox))

    (job,) = by_hand.cancel([only_id(house)])

    assert (job.state, job.error) == ("dead", CANCELLED)
    cancelled = await now(house, file)
    assert cancelled.status == "failed"
    assert cancelled.processing == Processing(status="cancelled", error=CANCELLED)
    assert by_hand.show(job.id) == job


async def test_a_running_job_is_cancelled_by_who_holds_it(house: House, sandbox: Sandbox) -> None:
    file = await upload(house, PHOTO)
    stalled = Faults(1, only="put", mode="stall")
    working = handlers(house, stalled, sandbox)
    async with at_work(house, working):
        await stalled.stalled.wait()
        (job,) = tend(house, working).cancel([only_id(house)])
        assert (job.state, job.is_cancelled) == ("running", True)
        assert (await now(house, file)).status == "processing", "it still is"
        await all_done(house)
    cancelled = await now(house, file)
    assert cancelled.status == "failed"
    assert cancelled.processing == Processing(status="cancelled", error=CANCELLED)
    assert tend(house, working).counts() == {PROCESS: Counts(dead=1)}


async def test_all_or_none_of_those_named(house: House, sandbox: Sandbox) -> None:
    file = await upload(house, PHOTO)
    by_hand = tend(house, handlers(house, Faults(), sandbox))
    job_id = only_id(house)
    before = await now(house, file)

    for unknown in ("0" * 24, "", "?"):
        with pytest.raises(NotFound):
            by_hand.cancel([job_id, unknown])
        with pytest.raises(NotFound):
            by_hand.show(unknown)
    with pytest.raises(Conflict):
        by_hand.retry([job_id])
    assert by_hand.show(job_id).state == "ready"
    assert await now(house, file) == before


async def test_all_dead_jobs_or_those_of_a_kind_are_tried_again(
    house: House, sandbox: Sandbox
) -> None:
    by_hand = tend(house, handlers(house, Faults(), sandbox))
    for kind in ("strange", "stranger"):
        subjects = [str(number) for number in range(250)]
        ids = house.db.write_now(
            lambda tx, kind=kind, subjects=subjects: queue.put_all(  # type: ignore[misc]
                tx, kind=kind, subjects=subjects, now=0
            )
        )
        by_hand.cancel(ids[:-1])

    assert by_hand.retry_all("strange") == 249
    assert by_hand.counts() == {
        "strange": Counts(ready=250),
        "stranger": Counts(ready=1, dead=249),
    }
    assert by_hand.retry_all(None) == 249
    assert by_hand.retry_all(None) == 0
    dead = by_hand.listing(state="dead", kind=None, limit=10)
    assert dead == []
