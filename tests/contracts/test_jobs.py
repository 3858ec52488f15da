"""What the queue promises, on each database."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from tests.support.databases import address, opened

from cella.clock import ManualClock
from cella.db import Database, Tx
from cella.errors import Conflict, LeaseLost, NotFound
from cella.jobs import periodic, queue
from cella.jobs.periodic import Period
from cella.jobs.queue import CANCELLED, Counts, Entry, Job, Progress
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
        kind: str = "k",
        priority: int = 0,
        max_attempts: int = 5,
    ) -> str:
        now = self.clock.now()
        return self.db.write_now(
            lambda tx: queue.put(
                tx,
                kind=kind,
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

    def postpone(self, job: Job, in_seconds: float = 0) -> None:
        run_at = self.clock.now() + in_seconds
        self.db.write_now(lambda tx: queue.postpone(tx, job, run_at=run_at))

    def cancel_subject(self, subject: str = "s", kinds: tuple[str, ...] = ("k",)) -> int:
        return self.db.write_now(lambda tx: queue.cancel_subject(tx, subject, kinds))

    def cancel(self, job_id: str) -> Entry:
        return self.db.write_now(lambda tx: queue.cancel(tx, job_id))

    def cancellation(self, job: Job) -> queue.Cancellation | None:
        return self.db.write_now(lambda tx: queue.cancellation(tx, job))

    def flagged(self, *jobs: Job) -> set[str]:
        return self.db.read_now(lambda tx: queue.flagged(tx, [job.id for job in jobs]))

    def stop(self, job: Job) -> None:
        self.db.write_now(lambda tx: queue.stop(tx, job, queue.cancellation(tx, job) or "keep"))

    def revive(self, job_id: str, attempts: int = 2) -> Entry:
        now = self.clock.now()
        return self.db.write_now(lambda tx: queue.revive(tx, job_id, attempts=attempts, now=now))

    def get(self, job_id: str) -> Entry:
        return self.db.read_now(lambda tx: queue.get(tx, job_id))

    def listing(self, **which: Any) -> list[str]:
        which = {"limit": 100, **which}
        return self.db.read_now(lambda tx: [job.id for job in queue.listing(tx, **which)])

    def report(self, job: Job, percent: int, step: str = "Encoding") -> None:
        progress = Progress(percent=percent, step=step)
        self.db.write_now(lambda tx: queue.write_progress(tx, [(job, progress)]))

    def progress(self, *subjects: str) -> dict[str, int]:
        found = self.db.read_now(lambda tx: queue.progress_of(tx, subjects))
        return {subject: progress.percent for subject, progress in found.items()}

    def put_periodic(self, seconds: float = 60) -> str | None:
        period = Period(kind="sweep", seconds=seconds, priority=7, max_attempts=3)
        now = self.clock.now()
        due = self.db.read_now(lambda tx: periodic.due(tx, [period], now=now))
        put = self.db.write_now(lambda tx: periodic.put(tx, period, now=now))
        assert due == [period] or put is None
        return put

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

    def rows(self) -> Sequence[sa.Row[tuple[object, ...]]]:
        return self.db.read_now(lambda tx: tx.execute(sa.select(jobs)).all())


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


def test_many_are_put_like_one(desk: Desk) -> None:
    subjects = [str(number) for number in range(5)]
    ids = desk.db.write_now(
        lambda tx: queue.put_all(tx, kind="k", subjects=subjects, priority=7, run_at=9, now=8)
    )

    claimed = {job.id: job for job in desk.claim(limit=10)}
    assert [claimed[job_id].subject for job_id in ids] == subjects
    assert {(job.priority, job.run_at, job.created) for job in claimed.values()} == {(7, 9, 8)}
    assert desk.db.write_now(lambda tx: queue.put_all(tx, kind="k", subjects=[], now=8)) == []


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


def test_many_of_another_kind_or_priority_do_not_hide_a_job(desk: Desk) -> None:
    for number in range(20):
        desk.put(f"unwanted {number}", kind="a", priority=number % 3)
        desk.put(f"later {number}", in_seconds=100, priority=number % 2)
    desk.put("wanted", kind="z", priority=1)
    desk.put("twin of z", kind="k", priority=1, in_seconds=-1)

    claimed = [desk.claim(kinds=("k", "z")) for _ in range(3)]
    assert [job.subject for jobs in claimed for job in jobs] == ["twin of z", "wanted"]


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


ENDS = ["renew", "keep", "finish", "retry", "bury", "release", "postpone", "cancellation", "stop"]


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


@pytest.mark.parametrize("first", ["finish", "retry", "bury", "release", "postpone", "stop"])
def test_an_attempt_ends_once(desk: Desk, first: str) -> None:
    desk.put()
    job = desk.claim_one()
    getattr(desk, first)(job)
    before = desk.rows()

    for end in ENDS:
        with pytest.raises(LeaseLost):
            getattr(desk, end)(job)
        assert desk.rows() == before, end


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


def test_counts_by_kind(desk: Desk) -> None:
    for kind in ("k", "k", "b"):
        desk.put(kind=kind)
    desk.bury(desk.claim_one())

    by_kind = desk.db.read_now(queue.counts_by_kind)
    assert list(by_kind.items()) == [("b", Counts(ready=1)), ("k", Counts(ready=1, dead=1))]


def test_a_postponed_job_comes_back_at_its_time_and_loses_no_attempt(
    desk: Desk, clock: ManualClock
) -> None:
    desk.put(max_attempts=1)
    for _ in range(5):
        desk.postpone(desk.claim_one(), in_seconds=10)
        clock.advance(9.5)
        assert desk.claim() == []
        clock.advance(0.5)
    assert desk.claim_one().is_last_attempt


# Progress


def test_progress_is_told_by_subject_until_the_attempt_ends(desk: Desk) -> None:
    for subject in ("one", "two", "three"):
        desk.put(subject)
    one, two, _ = desk.claim(3)
    desk.report(one, 10)
    desk.report(two, 20)
    desk.report(one, 30)

    assert desk.progress("one", "two", "three", "four") == {"one": 30, "two": 20}
    assert desk.progress() == {}
    desk.finish(one)
    desk.retry(two)
    assert desk.progress("one", "two") == {}


def test_progress_comes_out_as_it_was_reported(desk: Desk) -> None:
    desk.put("s")
    job = desk.claim_one()
    progress = Progress(percent=7, step="Zähle Bilder 🎬", seconds_left=90)
    desk.db.write_now(lambda tx: queue.write_progress(tx, [(job, progress)]))

    assert desk.db.read_now(lambda tx: queue.progress_of(tx, ["s"])) == {"s": progress}
    assert desk.get(job.id).progress == progress


def test_of_two_jobs_at_one_subject_the_more_urgent_tells_its_progress(desk: Desk) -> None:
    for priority in (20, 10, 30):
        desk.put(priority=priority)
    for job in desk.claim(3):
        desk.report(job, job.priority)
    assert desk.progress("s") == {"s": 10}


def test_progress_of_an_attempt_that_was_taken_over_is_not_written(
    desk: Desk, other: Desk, clock: ManualClock
) -> None:
    desk.put()
    old = desk.claim_one()
    desk.report(old, 50)
    clock.advance(LEASE)
    new = other.claim_one()
    assert desk.progress("s") == {}, "the new attempt begins anew"

    desk.report(old, 60)
    assert desk.progress("s") == {}
    other.report(new, 1)
    desk.report(old, 60)
    assert desk.progress("s") == {"s": 1}


# Cancelling


def test_cancelling_a_subject_removes_what_nobody_works_on(desk: Desk, clock: ManualClock) -> None:
    desk.put()
    desk.bury(desk.claim_one())
    desk.put(in_seconds=100)
    kept = {desk.put("other"), desk.put(kind="forget")}

    assert desk.cancel_subject() == 0
    assert set(desk.listing()) == kept


def test_a_running_job_of_a_cancelled_subject_goes_when_it_is_stopped(
    desk: Desk, other: Desk
) -> None:
    desk.put()
    desk.put("other")
    job, unmoved = desk.claim(2)

    assert other.cancel_subject() == 1
    assert desk.flagged(job, unmoved) == {job.id}
    assert desk.get(job.id).is_cancelled
    assert desk.cancellation(job) == "drop"
    assert desk.cancellation(unmoved) is None
    desk.stop(job)
    assert desk.listing() == [unmoved.id]


def test_many_subjects_are_cancelled_like_one(desk: Desk) -> None:
    for subject in ("one", "two", "three"):
        desk.put(subject)
    running = desk.claim_one()
    flagged = desk.db.write_now(lambda tx: queue.cancel_subjects(tx, ["one", "two"], ["k"]))

    assert flagged == 1
    assert desk.cancellation(running) == "drop"
    assert desk.counts() == Counts(ready=1, running=1)
    assert desk.db.write_now(lambda tx: queue.cancel_subjects(tx, [], ["k"])) == 0


def test_jobs_of_subjects_are_seen_in_every_state_and_taken_away(desk: Desk) -> None:
    """Whoever holds one of them has lost it."""
    given_up = desk.put()
    desk.cancel(given_up)
    held = desk.put()
    running = desk.claim_one()
    ready = desk.put(in_seconds=100)
    others = {desk.put("other"), desk.put(kind="forget")}

    def take_away(tx: Tx) -> list[tuple[str, str]]:
        found = queue.of_subjects(tx, ["s"], ["k"])
        queue.remove(tx, [job.id for job in found])
        return [(job.id, job.state) for job in found]

    assert desk.db.write_now(take_away) == [
        (given_up, "dead"),
        (held, "running"),
        (ready, "ready"),
    ]
    assert set(desk.listing()) == others
    with pytest.raises(LeaseLost):
        desk.finish(running)
    assert desk.db.write_now(take_away) == []


def test_a_waiting_job_that_is_cancelled_rests_with_the_dead(desk: Desk) -> None:
    job_id = desk.put()
    cancelled = desk.cancel(job_id)

    assert (cancelled.state, cancelled.error) == ("dead", CANCELLED)
    assert desk.claim() == []


def test_a_running_job_that_is_cancelled_rests_when_it_is_stopped(desk: Desk, other: Desk) -> None:
    desk.put()
    job = desk.claim_one()
    flagged = other.cancel(job.id)

    assert (flagged.state, flagged.is_cancelled) == ("running", True)
    assert desk.cancellation(job) == "keep"
    desk.stop(job)
    stopped = desk.get(job.id)
    assert (stopped.state, stopped.error) == ("dead", CANCELLED)
    assert (stopped.is_cancelled, stopped.worker) == (False, None)


def test_deleting_wins_over_cancelling_by_hand(desk: Desk) -> None:
    job_id = desk.put()
    job = desk.claim_one()
    desk.cancel(job_id)
    desk.cancel_subject()
    desk.cancel(job_id)

    assert desk.cancellation(job) == "drop"


def test_a_cancelled_job_may_still_be_finished(desk: Desk) -> None:
    desk.put()
    job = desk.claim_one()
    desk.cancel(job.id)
    desk.finish(job)
    assert desk.counts() == Counts()


def test_a_cancelled_job_whose_worker_died_is_not_done_again(
    desk: Desk, other: Desk, clock: ManualClock
) -> None:
    desk.put()
    job = desk.claim_one()
    desk.cancel_subject()
    assert other.exhausted() == []
    clock.advance(LEASE)

    assert other.claim() == []
    assert other.next_due() is None
    (found,) = other.exhausted()
    assert found.id == job.id
    other.stop(found)
    assert desk.counts() == Counts()


def test_a_dead_or_unknown_job_cannot_be_cancelled(desk: Desk) -> None:
    desk.put()
    job = desk.claim_one()
    desk.bury(job)
    with pytest.raises(Conflict):
        desk.cancel(job.id)
    with pytest.raises(NotFound):
        desk.cancel("0" * 24)


async def test_cancelling_beside_a_claim_leaves_none_unflagged(desk: Desk, other: Desk) -> None:
    """However the two meet, the job is gone or flagged in the end."""
    for _ in range(50):
        desk.put()
        claimed, _ = await asyncio.gather(
            desk.db.write(
                lambda tx: queue.claim(
                    tx, kinds=["k"], worker="one", now=desk.clock.now(), lease_seconds=LEASE
                )
            ),
            other.db.write(lambda tx: queue.cancel_subject(tx, "s", ["k"])),
        )
        for job in claimed:
            if desk.listing():
                assert desk.cancellation(job) == "drop"
                desk.stop(job)
        assert desk.counts() == Counts()


# Dead jobs tried again


def test_a_revived_job_is_due_at_once_with_new_attempts(desk: Desk, clock: ManualClock) -> None:
    job_id = desk.put(max_attempts=2)
    desk.retry(desk.claim_one())
    desk.bury(desk.claim_one())
    clock.advance(100)

    revived = desk.revive(job_id, attempts=2)

    assert (revived.state, revived.error) == ("ready", "never")
    job = desk.claim_one()
    assert (job.attempts, job.is_last_attempt, job.run_at) == (3, False, clock.now())
    desk.retry(job)
    assert desk.claim_one().is_last_attempt


def test_only_the_dead_are_revived(desk: Desk) -> None:
    job_id = desk.put()
    with pytest.raises(Conflict):
        desk.revive(job_id)
    desk.claim_one()
    with pytest.raises(Conflict):
        desk.revive(job_id)
    with pytest.raises(NotFound):
        desk.revive("0" * 24)


@pytest.mark.parametrize("end", ENDS)
def test_a_late_end_does_not_touch_a_revived_job(desk: Desk, other: Desk, end: str) -> None:
    desk.put()
    old = desk.claim_one()
    desk.bury(old)
    desk.revive(old.id)
    new = other.claim_one()

    with pytest.raises(LeaseLost):
        getattr(desk, end)(old)
    other.finish(new)


# Looking at jobs


def test_an_entry_shows_who_works_on_it(desk: Desk, clock: ManualClock) -> None:
    job_id = desk.put("film", priority=4)
    waiting = desk.get(job_id)
    assert (waiting.state, waiting.worker, waiting.started) == ("ready", None, None)

    clock.advance(5)
    job = desk.claim_one()
    desk.report(job, 40)
    entry = desk.get(job_id)

    assert (entry.state, entry.worker, entry.attempts) == ("running", "one", 1)
    assert (entry.started, entry.lease_until) == (clock.now(), clock.now() + LEASE)
    assert entry.progress == Progress(percent=40, step="Encoding")
    with pytest.raises(NotFound):
        desk.get("0" * 24)


def test_the_listing_goes_by_age_in_pages(desk: Desk) -> None:
    ids = [desk.put(kind=kind) for kind in ("k", "b", "k", "b", "k")]
    running = desk.claim_one().id

    assert desk.listing() == ids
    assert desk.listing(limit=2) == ids[:2]
    assert desk.listing(limit=2, after=ids[1]) == ids[2:4]
    assert desk.listing(kind="b") == [ids[1], ids[3]]
    assert desk.listing(state="running") == [running]
    assert desk.listing(state="ready", kind="k") == [ids[2], ids[4]]
    assert desk.listing(state="dead") == []


# Periodic jobs


def test_a_periodic_job_comes_once_in_each_period(desk: Desk, clock: ManualClock) -> None:
    first = desk.put_periodic(60)
    assert first is not None
    entry = desk.get(first)
    assert (entry.kind, entry.subject, entry.priority) == ("sweep", "sweep", 7)
    assert (entry.max_attempts, entry.run_at) == (3, clock.now())
    (job,) = desk.claim(kinds=("sweep",))
    desk.finish(job)

    clock.advance(59.5)
    assert desk.put_periodic(60) is None
    clock.advance(0.5)
    assert desk.put_periodic(60) is not None


def test_periods_that_were_missed_do_not_pile_up(desk: Desk, clock: ManualClock) -> None:
    desk.put_periodic(60)
    (job,) = desk.claim(kinds=("sweep",))
    desk.finish(job)
    clock.advance(3600)

    assert [desk.put_periodic(60) is not None for _ in range(3)] == [True, False, False]


def test_a_periodic_job_waits_for_the_one_before_it(desk: Desk, clock: ManualClock) -> None:
    desk.put_periodic(60)
    clock.advance(60)
    assert desk.put_periodic(60) is None, "it still waits"
    (job,) = desk.claim(kinds=("sweep",))
    clock.advance(60)
    assert desk.put_periodic(60) is None, "it still runs"
    desk.bury(job)
    clock.advance(60)
    assert desk.put_periodic(60) is not None
    assert desk.counts() == Counts(ready=1), "a dead one makes way"


def test_a_period_that_was_shortened_is_not_waited_for(desk: Desk, clock: ManualClock) -> None:
    desk.put_periodic(1e6)
    (job,) = desk.claim(kinds=("sweep",))
    desk.finish(job)
    clock.advance(1)
    assert desk.put_periodic(60) is not None


def test_clocks_that_differ_do_not_make_two_of_one(desk: Desk, clock: ManualClock) -> None:
    desk.put_periodic(60)
    (job,) = desk.claim(kinds=("sweep",))
    desk.finish(job)
    clock.advance(-10)
    assert desk.put_periodic(60) is None


async def test_several_workers_put_a_periodic_job_once(database: Database) -> None:
    period = Period(kind="sweep", seconds=10)
    with ExitStack() as stack:
        url = address(database)
        processes = [stack.enter_context(opened(url)) for _ in range(4)]
        for now in range(0, 100, 10):
            async with asyncio.timeout(30):
                put = await asyncio.gather(
                    *(
                        db.write(partial(periodic.put, period=period, now=now))
                        for db in processes
                        for _ in range(3)
                    )
                )
            assert len([job_id for job_id in put if job_id is not None]) == 1
            (job,) = await database.write(
                lambda tx: queue.claim(
                    tx, kinds=["sweep"], worker="one", now=1000, lease_seconds=LEASE
                )
            )
            await database.write(partial(queue.finish, job=job))
