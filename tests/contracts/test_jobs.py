"""What the queue promises, on each database."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import sqlalchemy as sa
from tests.support.databases import address, opened

from cella.clock import ManualClock
from cella.db import Database, Tx
from cella.errors import LeaseLost
from cella.jobs import queue
from cella.jobs.queue import Counts, Job
from cella.jobs.tables import jobs

LEASE = 30.0


class Desk:
    """The queue as one worker sees it, at the time of a clock that the test moves."""

    def __init__(self, db: Database, clock: ManualClock, worker: str) -> None:
        self.db = db
        self.clock = clock
        self.worker = worker

    def put(
        self,
        subject: str = "s",
        *,
        in_seconds: float = 0,
        priority: int = 0,
        max_attempts: int = 5,
    ) -> str:
        now = self.clock.now()
        return self.db.write_now(
            lambda tx: queue.put(
                tx,
                kind="k",
                subject=subject,
                run_at=now + in_seconds,
                priority=priority,
                max_attempts=max_attempts,
                now=now,
            )
        )

    def claim(self, limit: int = 1, *, kinds: tuple[str, ...] = ("k",)) -> list[Job]:
        return self.db.write_now(
            lambda tx: queue.claim(
                tx,
                kinds=kinds,
                worker=self.worker,
                now=self.clock.now(),
                lease_seconds=LEASE,
                limit=limit,
            )
        )

    def claim_one(self) -> Job:
        (job,) = self.claim()
        return job

    def subjects(self, limit: int = 100) -> list[str]:
        return [job.subject for job in self.claim(limit)]

    def renew(self, job: Job) -> None:
        now = self.clock.now()
        self.db.write_now(lambda tx: queue.renew(tx, job, now=now, lease_seconds=LEASE))

    def finish(self, job: Job) -> None:
        self.db.write_now(lambda tx: queue.finish(tx, job))

    def retry(self, job: Job, in_seconds: float = 0) -> None:
        run_at = self.clock.now() + in_seconds
        self.db.write_now(lambda tx: queue.retry(tx, job, run_at=run_at, error="not yet"))

    def bury(self, job: Job) -> None:
        self.db.write_now(lambda tx: queue.bury(tx, job, error="never"))

    def release(self, job: Job) -> None:
        self.db.write_now(lambda tx: queue.release(tx, job, now=self.clock.now()))

    def keep(self, job: Job) -> None:
        self.db.write_now(lambda tx: queue.keep(tx, job, {"step": 2}))

    def exhausted(self) -> list[Job]:
        return self.db.write_now(lambda tx: queue.exhausted(tx, kinds=["k"], now=self.clock.now()))

    def next_due(self, kind: str = "k") -> float | None:
        return self.db.read_now(lambda tx: queue.next_due(tx, kinds=[kind], now=self.clock.now()))

    def counts(self) -> Counts:
        return self.db.read_now(queue.counts)

    def row(self, job_id: str) -> sa.Row[tuple[object, ...]]:
        return self.db.read_now(
            lambda tx: tx.execute(sa.select(jobs).where(jobs.c.id == job_id)).one()
        )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000_000.5)


@pytest.fixture
def desk(database: Database, clock: ManualClock) -> Desk:
    return Desk(database, clock, "one")


@pytest.fixture
def other(database: Database, clock: ManualClock) -> Iterator[Desk]:
    """Another worker, with its own connections as in a process of its own."""
    with opened(address(database)) as another:
        yield Desk(another, clock, "two")


def test_a_job_comes_out_as_it_was_put(desk: Desk) -> None:
    payload = {"text": "Zoë 🎬", "list": [1, 2.5, None], "nested": {"yes": True}}
    job_id = desk.db.write_now(
        lambda tx: queue.put(
            tx, kind="k", subject="film", payload=payload, priority=7, max_attempts=3, now=8
        )
    )

    job = desk.claim_one()

    assert job == Job(
        id=job_id,
        kind="k",
        subject="film",
        payload=payload,
        priority=7,
        run_at=8.0,
        attempts=1,
        max_attempts=3,
        created=8.0,
        error=None,
    )
    assert isinstance(job.run_at, float)
    assert isinstance(job.created, float)
    row = desk.row(job_id)
    assert (row.state, row.worker, row.lease_until) == ("running", "one", desk.clock.now() + LEASE)


def test_a_put_that_is_rolled_back_leaves_nothing(desk: Desk) -> None:
    def put_and_fail(tx: Tx) -> None:
        queue.put(tx, kind="k", subject="s", now=0)
        raise LookupError

    with pytest.raises(LookupError):
        desk.db.write_now(put_and_fail)

    assert desk.counts() == Counts()
    assert desk.claim() == []


def test_by_priority_then_age_then_id(desk: Desk, clock: ManualClock) -> None:
    desk.put("late", priority=5)
    desk.put("younger of first", in_seconds=-1, priority=1)
    desk.put("older of first", in_seconds=-2, priority=1)
    desk.put("twin 1")
    desk.put("twin 2")
    desk.put("most urgent", priority=-3)

    one_by_one = [desk.claim_one().subject for _ in range(4)]
    assert one_by_one == ["most urgent", "twin 1", "twin 2", "older of first"]
    assert desk.subjects() == ["younger of first", "late"]
    assert desk.subjects() == []


def test_nothing_is_claimed_before_its_time(desk: Desk, clock: ManualClock) -> None:
    desk.put("tomorrow", in_seconds=100, priority=-1)
    desk.put("now")

    assert desk.subjects() == ["now"]
    clock.advance(99.75)
    assert "tomorrow" not in desk.subjects()
    clock.advance(0.25)
    assert "tomorrow" in desk.subjects()


def test_only_wanted_kinds_are_claimed(desk: Desk) -> None:
    desk.put()

    assert desk.claim(kinds=("other", "another")) == []
    assert desk.claim(kinds=()) == []
    assert len(desk.claim(kinds=("other", "k"))) == 1


def test_a_limit_holds_across_priorities_and_expired_jobs(desk: Desk, clock: ManualClock) -> None:
    for number in range(4):
        desk.put(f"expired {number}", priority=9)
    desk.claim(4)
    clock.advance(LEASE)
    for priority in range(4):
        for number in range(2):
            desk.put(f"due {priority}{number}", priority=priority)

    assert desk.subjects(3) == ["expired 0", "expired 1", "expired 2"]
    assert desk.subjects(4) == ["expired 3", "due 00", "due 01", "due 10"]
    assert desk.subjects() == ["due 11", "due 20", "due 21", "due 30", "due 31"]


async def test_no_two_claimers_get_the_same_job(database: Database) -> None:
    wanted = 200
    database.write_now(
        lambda tx: [
            queue.put(tx, kind="k", subject=f"{number}", priority=number % 3, now=1)
            for number in range(wanted)
        ]
    )
    claimed: list[Job] = []

    async def claimer(db: Database, name: str) -> None:
        while len(claimed) < wanted:
            claimed.extend(
                await db.write(
                    lambda tx: queue.claim(
                        tx, kinds=["k"], worker=name, now=2, lease_seconds=LEASE, limit=3
                    )
                )
            )

    with ExitStack() as stack:
        url = address(database)
        processes = [stack.enter_context(opened(url)) for _ in range(4)]
        async with asyncio.timeout(30):
            await asyncio.gather(
                *(claimer(db, f"{db}-{number}") for db in processes for number in range(2))
            )

    assert len(claimed) == wanted
    assert len({job.id for job in claimed}) == wanted
    assert {job.attempts for job in claimed} == {1}


def test_an_uncommitted_claim_is_passed_by(desk: Desk, other: Desk) -> None:
    if desk.db.is_sqlite:
        pytest.skip("SQLite has one writer at a time")
    desk.put("first")
    desk.put("second")

    with desk.db.engine.begin() as tx:
        (job,) = queue.claim(
            tx, kinds=["k"], worker="one", now=desk.clock.now(), lease_seconds=LEASE
        )
        assert job.subject == "first"
        assert other.subjects() == ["second"]


def test_a_dead_workers_job_is_taken_over_when_its_lease_ends(
    desk: Desk, other: Desk, clock: ManualClock
) -> None:
    desk.put()
    lost = desk.claim_one()
    clock.advance(LEASE - 0.25)
    assert other.claim() == []
    clock.advance(0.25)

    taken = other.claim_one()

    assert (taken.id, taken.attempts) == (lost.id, 2)
    assert desk.row(taken.id).worker == "two"
    other.finish(taken)
    assert desk.counts() == Counts()


def test_a_renewed_lease_holds(desk: Desk, other: Desk, clock: ManualClock) -> None:
    desk.put()
    job = desk.claim_one()
    for _ in range(5):
        clock.advance(LEASE - 1)
        desk.renew(job)

    assert other.claim() == []
    clock.advance(LEASE - 0.25)
    assert other.claim() == []


def test_a_lease_that_ended_can_be_renewed_until_somebody_takes_the_job(
    desk: Desk, other: Desk, clock: ManualClock
) -> None:
    desk.put()
    job = desk.claim_one()
    clock.advance(LEASE + 1)
    desk.renew(job)
    assert other.claim() == []

    clock.advance(LEASE)
    other.claim_one()
    with pytest.raises(LeaseLost):
        desk.renew(job)


ENDS = ["renew", "keep", "finish", "retry", "bury", "release"]


@pytest.mark.parametrize("end", ENDS)
def test_a_late_end_changes_nothing(desk: Desk, other: Desk, clock: ManualClock, end: str) -> None:
    desk.put()
    old = desk.claim_one()
    clock.advance(LEASE)
    new = other.claim_one()
    before = desk.row(new.id)

    with pytest.raises(LeaseLost):
        getattr(desk, end)(old)

    assert desk.row(new.id) == before
    other.finish(new)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("first", ["finish", "retry", "bury", "release"])
def test_an_attempt_ends_once(desk: Desk, first: str, end: str) -> None:
    desk.put()
    job = desk.claim_one()
    getattr(desk, first)(job)

    with pytest.raises(LeaseLost):
        getattr(desk, end)(job)


@pytest.mark.parametrize("end", ENDS)
def test_a_released_attempt_is_not_mistaken_for_the_next(desk: Desk, other: Desk, end: str) -> None:
    desk.put()
    old = desk.claim_one()
    desk.release(old)
    new = other.claim_one()

    with pytest.raises(LeaseLost):
        getattr(desk, end)(old)

    other.finish(new)


def test_a_failed_fence_takes_the_effect_with_it(
    desk: Desk, other: Desk, clock: ManualClock
) -> None:
    desk.put()
    old = desk.claim_one()
    clock.advance(LEASE)
    other.claim_one()

    def effect_and_finish(tx: Tx) -> None:
        queue.put(tx, kind="effect", subject="s", now=0)
        queue.finish(tx, old)

    with pytest.raises(LeaseLost):
        desk.db.write_now(effect_and_finish)

    assert desk.counts() == Counts(running=1)


def test_a_retry_waits_and_carries_its_reason(desk: Desk, clock: ManualClock) -> None:
    desk.put()
    desk.retry(desk.claim_one(), in_seconds=60)

    clock.advance(59.5)
    assert desk.claim() == []
    clock.advance(0.5)
    job = desk.claim_one()
    assert (job.attempts, job.error, job.is_last_attempt) == (2, "not yet", False)
    assert job.run_at == clock.now()


def test_a_kept_payload_is_there_for_the_next_attempt(desk: Desk, clock: ManualClock) -> None:
    desk.put()
    desk.keep(desk.claim_one())
    clock.advance(LEASE)

    assert desk.claim_one().payload == {"step": 2}


def test_the_dead_rest_with_their_reason(desk: Desk, clock: ManualClock) -> None:
    job_id = desk.put()
    desk.bury(desk.claim_one())
    clock.advance(1e9)

    assert desk.claim() == []
    assert desk.exhausted() == []
    row = desk.row(job_id)
    assert (row.state, row.error, row.worker, row.lease_until) == ("dead", "never", None, None)


def test_a_released_job_is_due_at_once_and_loses_no_attempt(
    desk: Desk, other: Desk, clock: ManualClock
) -> None:
    desk.put(max_attempts=2)
    for _ in range(10):
        desk.release(desk.claim_one())
    job = other.claim_one()
    assert not job.is_last_attempt
    other.retry(job)

    assert other.claim_one().is_last_attempt


def test_a_release_by_a_slow_clock_is_due_for_that_clock(desk: Desk, clock: ManualClock) -> None:
    desk.put()
    job = desk.claim_one()
    clock.advance(-5)
    desk.release(job)

    assert desk.claim_one().id == job.id


def test_a_job_that_killed_all_its_workers_comes_out_to_be_buried(
    desk: Desk, other: Desk, clock: ManualClock
) -> None:
    desk.put(max_attempts=2)
    for _ in range(2):
        desk.claim_one()
        assert other.exhausted() == []
        clock.advance(LEASE)

    assert other.claim() == []
    (job,) = other.exhausted()
    assert job.attempts == 2
    other.bury(job)
    assert other.exhausted() == []
    assert desk.counts() == Counts(dead=1)


def test_the_exhausted_of_other_kinds_are_left(desk: Desk, clock: ManualClock) -> None:
    desk.put(max_attempts=1)
    desk.claim_one()
    clock.advance(LEASE)

    assert desk.db.write_now(lambda tx: queue.exhausted(tx, kinds=["o"], now=clock.now())) == []


def test_next_due_sees_waiting_jobs_and_leases(desk: Desk, clock: ManualClock) -> None:
    start = clock.now()
    assert desk.next_due() is None
    desk.put(in_seconds=100, priority=1)
    assert desk.next_due() == start + 100
    desk.put(in_seconds=90, priority=2)
    assert desk.next_due() == start + 90
    assert desk.next_due("other") is None
    desk.put(max_attempts=2)
    assert desk.next_due() == start
    desk.claim_one()
    assert desk.next_due() == start + LEASE
    clock.advance(40)
    assert desk.next_due() == start + 40
    desk.claim_one()
    assert desk.next_due() == start + 90, "nobody can claim a job without attempts left"


def test_counts(desk: Desk) -> None:
    for _ in range(6):
        desk.put()
    done, dead, *_ = desk.claim(3)
    desk.finish(done)
    desk.bury(dead)

    assert desk.counts() == Counts(ready=3, running=1, dead=1)
