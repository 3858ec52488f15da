"""The runner with real tasks, on each database."""

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from tests.jobs.waiting import until
from tests.support.databases import address

from cella.clock import Clock, ManualClock, SystemClock
from cella.db import Database, DatabaseConfig, Tx, Work
from cella.errors import CannotDecode, Conflict, LeaseLost, StoreUnavailable
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.jobs.periodic import Period
from cella.jobs.queue import CANCELLED, Counts, Job, Progress
from cella.jobs.retry import JobsConfig
from cella.jobs.runner import UNEXPECTED, Effect, Later, Outcome, Report, Runner
from cella.jobs.tables import jobs

T = TypeVar("T")

KIND = "film"
CONFIG = JobsConfig(
    lease_seconds=60, poll_seconds=0.02, slots=3, retry_base_seconds=0, stop_seconds=10
)

notes = sa.Table(
    "notes",
    sa.MetaData(),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)


def note(tx: Tx, what: str, subject: str, reason: str = "") -> None:
    tx.execute(sa.insert(notes), {"what": what, "subject": subject, "reason": reason})


class Doer:
    """A handler that writes down what it is told; `act` is what it does meanwhile."""

    def __init__(self) -> None:
        self.begun: list[Job] = []
        self.reports: dict[str, Report] = {}
        self.stopped: list[Job] = []
        self.at_once = 0
        self.most_at_once = 0

    async def act(self, job: Job) -> None:
        """Nothing, unless a test says otherwise."""

    def effect(self, tx: Tx, job: Job) -> None:
        note(tx, "done", job.subject)

    async def work(self, job: Job, report: Report) -> Effect:
        self.begun.append(job)
        self.reports[job.subject] = report
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.act(job)
        except asyncio.CancelledError:
            self.stopped.append(job)
            raise
        finally:
            self.at_once -= 1
        return lambda tx: self.effect(tx, job)

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        note(tx, "retrying", job.subject, reason)

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        note(tx, "failed", job.subject, reason)

    def cancelled(self, tx: Tx, job: Job) -> None:
        note(tx, "cancelled", job.subject)


class Blocked(Doer):
    """Works until `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def act(self, job: Job) -> None:
        await self.go.wait()


class Tidy(Blocked):
    """Works until it is cancelled, and then tidies up until `go` is set."""

    is_tidying = False

    async def act(self, job: Job) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.is_tidying = True
            await self.go.wait()


class Failing(Doer):
    """Raises `error`, at first or always."""

    def __init__(self, error: Exception, times: int = 1000) -> None:
        super().__init__()
        self.error = error
        self.times = times

    async def act(self, job: Job) -> None:
        if len(self.begun) <= self.times:
            raise self.error


class Place:
    """What a worker needs, and what can be seen of its work."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db = db
        self.clock = clock
        self.bell = Bell()

    def put(self, subject: str = "reel", *, max_attempts: int = 3, kind: str = KIND) -> str:
        now = self.clock.now()
        return self.db.write_now(
            lambda tx: queue.put(tx, kind=kind, subject=subject, max_attempts=max_attempts, now=now)
        )

    def claim(self, worker: str, now: float, lease_seconds: float = 60) -> list[Job]:
        return self.db.write_now(
            lambda tx: queue.claim(
                tx, kinds=[KIND], worker=worker, now=now, lease_seconds=lease_seconds
            )
        )

    def runner(
        self,
        handler: Doer,
        *,
        db: Database | None = None,
        name: str = "one",
        others: Mapping[str, Doer] | None = None,
        limits: Mapping[str, int] | None = None,
        bell: Bell | None = None,
        periods: Sequence[Period] = (),
        **changes: float,
    ) -> Runner:
        config = msgspec.structs.replace(CONFIG, **changes, limits=dict(limits or {}))
        handlers = {KIND: handler, **(others or {})}
        return Runner(db or self.db, handlers, config, self.clock, bell or self.bell, name, periods)

    def cancel(self, job_id: str) -> None:
        self.db.write_now(lambda tx: queue.cancel(tx, job_id))

    def cancel_subject(self, subject: str = "reel", kind: str = KIND) -> None:
        self.db.write_now(lambda tx: queue.cancel_subject(tx, subject, [kind]))

    def progress(self, subject: str = "reel") -> Progress | None:
        return self.db.read_now(lambda tx: queue.progress_of(tx, [subject])).get(subject)

    def counts(self) -> Counts:
        return self.db.read_now(queue.counts)

    def idle(self) -> bool:
        counts = self.counts()
        return counts.ready == counts.running == 0

    def notes(self) -> list[tuple[str, str, str]]:
        statement = sa.select(notes.c.what, notes.c.subject, notes.c.reason)
        rows = self.db.read_now(lambda tx: tx.execute(statement.order_by(notes.c.number)).all())
        return [(row.what, row.subject, row.reason) for row in rows]

    def column(self, name: str) -> object:
        """What the only job has in the column."""
        return self.db.read_now(lambda tx: tx.execute(sa.select(jobs.c[name])).scalar_one())


@asynccontextmanager
async def running(runner: Runner) -> AsyncIterator[None]:
    stop = asyncio.Event()
    life = asyncio.create_task(runner.run(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await life


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000_000.0)


@pytest.fixture
def place(database: Database, clock: ManualClock) -> Place:
    notes.create(database.engine)
    return Place(database, clock)


class Unsteady(Database):
    """A database whose writes fail as told: before they begin, or after they are committed."""

    def __init__(self, url: str) -> None:
        super().__init__(DatabaseConfig(url=url), Path())
        self.failures: list[str] = []

    async def write(self, work: Work[T]) -> T:
        how = self.failures.pop(0) if self.failures else "not"
        error = OperationalError("COMMIT", {}, sqlite3.OperationalError("the line is dead"))
        if how == "before":
            raise error
        result = await super().write(work)
        if how == "after":
            raise error
        return result


@pytest.fixture
def unsteady(place: Place) -> Iterator[Unsteady]:
    db = Unsteady(address(place.db))
    db.open()
    yield db
    db.close()


def outcomes(runner: Runner, **wanted: int) -> Callable[[], bool]:
    return lambda: runner.outcomes == Counter[Outcome](wanted)  # type: ignore[arg-type]


async def test_the_effect_and_the_end_are_there_together(place: Place) -> None:
    runner = place.runner(Doer())
    for subject in ("a", "b", "c", "d", "e"):
        place.put(subject)

    async with running(runner):
        await until(outcomes(runner, finished=5))

    assert sorted(place.notes()) == [("done", subject, "") for subject in "abcde"]
    assert place.counts() == Counts()


async def test_who_listens_to_the_subject_hears_of_the_commit(place: Place) -> None:
    runner = place.runner(Doer())
    with place.bell.listen("reel") as heard:
        place.put("reel")
        async with running(runner):
            assert await heard.wait(20)
            assert place.notes() == [("done", "reel", "")]
    assert place.bell.topics == frozenset()


async def test_all_slots_and_no_more(place: Place) -> None:
    handler = Blocked()
    for number in range(8):
        place.put(f"{number}")
    runner = place.runner(handler, slots=3)

    async with running(runner):
        await until(lambda: len(handler.begun) == 3)
        assert place.counts() == Counts(ready=5, running=3)
        handler.go.set()
        await until(outcomes(runner, finished=8))

    assert handler.most_at_once == 3


async def test_a_bell_wakes_a_worker_that_would_sleep_long(place: Place) -> None:
    runner = place.runner(Doer(), poll_seconds=3600)
    async with running(runner):
        await until(lambda: queue.BELL in place.bell.topics)
        place.put()
        place.bell.ring(queue.BELL)
        await until(outcomes(runner, finished=1))


async def test_a_worker_looks_when_the_next_job_is_due(database: Database) -> None:
    notes.create(database.engine)
    place = Place(database, SystemClock())
    handler = Failing(StoreUnavailable("The store does not answer."), times=2)
    runner = place.runner(handler, poll_seconds=3600, retry_base_seconds=0.2)
    place.put()

    async with running(runner):
        await until(outcomes(runner, retried=2, finished=1))


async def test_a_permanent_error_buries_at_once(place: Place) -> None:
    runner = place.runner(Failing(CannotDecode("The picture is cut off.")))
    place.put()
    with place.bell.listen("reel") as heard:
        async with running(runner):
            await until(outcomes(runner, buried=1))
        assert await heard.wait(0)

    assert place.notes() == [("failed", "reel", "The picture is cut off.")]
    assert place.counts() == Counts(dead=1)
    assert place.column("error") == "The picture is cut off."
    assert place.column("attempts") == 1


async def test_a_passing_error_is_tried_again_and_then_buried(place: Place) -> None:
    reason = "The store does not answer."
    runner = place.runner(Failing(StoreUnavailable(reason)))
    place.put(max_attempts=3)

    async with running(runner):
        await until(outcomes(runner, retried=2, buried=1))

    assert place.notes() == [
        ("retrying", "reel", reason),
        ("retrying", "reel", reason),
        ("failed", "reel", reason),
    ]


async def test_a_retry_waits_its_pause(place: Place, clock: ManualClock) -> None:
    handler = Failing(StoreUnavailable("Not now."), times=1)
    runner = place.runner(handler, retry_base_seconds=1e6, retry_cap_seconds=1e9)
    place.put()

    async with running(runner):
        await until(outcomes(runner, retried=1))
        run_at = place.column("run_at")
        assert isinstance(run_at, float)
        assert clock.now() < run_at <= clock.now() + 1e6
        assert place.column("state") == "ready"
        clock.time = run_at
        await until(outcomes(runner, retried=1, finished=1))


async def test_the_unexpected_goes_to_the_log_only(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    runner = place.runner(Failing(ZeroDivisionError("in /srv/secret"), times=1))
    place.put()

    with caplog.at_level(logging.INFO, "cella.jobs"):
        async with running(runner):
            await until(outcomes(runner, retried=1, finished=1))

    assert place.notes() == [("retrying", "reel", UNEXPECTED), ("done", "reel", "")]
    assert "secret" not in UNEXPECTED
    assert "ZeroDivisionError: in /srv/secret" in caplog.text


async def test_a_handler_that_cancels_itself_fails(place: Place) -> None:
    class Suicidal(Doer):
        async def act(self, job: Job) -> None:
            raise asyncio.CancelledError

    runner = place.runner(Suicidal())
    place.put(max_attempts=2)
    async with running(runner):
        await until(outcomes(runner, retried=1, buried=1))


@pytest.mark.parametrize(
    ("error", "expected", "reason"),
    [
        (Conflict("There is one already."), {"buried": 1}, "There is one already."),
        (KeyError("/srv"), {"retried": 1, "buried": 1}, UNEXPECTED),
        (
            sa.exc.IntegrityError("INSERT", {}, sqlite3.IntegrityError("/srv")),
            {"retried": 1, "buried": 1},
            UNEXPECTED,
        ),
    ],
)
async def test_an_effect_that_cannot_be_written_fails_the_attempt(
    place: Place, error: Exception, expected: dict[str, int], reason: str
) -> None:
    class HalfDone(Doer):
        def effect(self, tx: Tx, job: Job) -> None:
            note(tx, "half", job.subject)
            raise error

    runner = place.runner(HalfDone())
    place.put(max_attempts=2)
    async with running(runner):
        await until(outcomes(runner, **expected))

    assert place.notes()[-1] == ("failed", "reel", reason)
    assert "half" not in [what for what, _, _ in place.notes()]


async def test_an_effect_that_the_database_never_takes_fails_after_a_lease(
    place: Place,
) -> None:
    class Unwritable(Doer):
        def effect(self, tx: Tx, job: Job) -> None:
            raise OperationalError("INSERT", {}, sqlite3.OperationalError("no such table"))

    runner = place.runner(Unwritable(), lease_seconds=0.5)
    place.put(max_attempts=1)
    async with running(runner):
        await until(outcomes(runner, buried=1))
    assert place.notes() == [("failed", "reel", UNEXPECTED)]


async def test_a_hook_that_fails_does_not_hold_the_job(place: Place) -> None:
    class Mute(Failing):
        def retrying(self, tx: Tx, job: Job, reason: str) -> None:
            note(tx, "half", job.subject)
            raise KeyError

        failed = retrying

    runner = place.runner(Mute(StoreUnavailable("Not now.")))
    place.put(max_attempts=2)
    async with running(runner):
        await until(outcomes(runner, retried=1, buried=1))

    assert place.notes() == []
    assert place.counts() == Counts(dead=1)


async def test_nothing_of_an_attempt_counts_that_was_taken_over(
    place: Place, clock: ManualClock
) -> None:
    handler = Blocked()
    runner = place.runner(handler, slots=1)
    place.put()

    async with running(runner):
        await until(lambda: len(handler.begun) == 1)
        (taken,) = place.claim("another", clock.now() + 61, lease_seconds=1e6)
        handler.go.set()
        await until(outcomes(runner, lost=1))

    assert place.notes() == []
    assert (place.column("worker"), place.column("attempts")) == ("another", taken.attempts)


async def test_a_lost_lease_ends_the_work_quietly(
    place: Place, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Blocked()
    runner = place.runner(handler, slots=1, lease_seconds=0.3)
    place.put()

    async with running(runner):
        await until(lambda: len(handler.begun) == 1)
        place.claim("another", clock.now() + 1e6, lease_seconds=1e6)
        await until(outcomes(runner, lost=1))

    assert [record for record in caplog.records if record.name == "cella.jobs"] == []
    assert len(handler.stopped) == 1
    assert place.column("worker") == "another"


async def test_a_lease_is_renewed_while_work_goes_on(place: Place, clock: ManualClock) -> None:
    handler = Blocked()
    runner = place.runner(handler, lease_seconds=0.3)
    place.put()

    async with running(runner):
        await until(lambda: len(handler.begun) == 1)
        for _ in range(3):
            clock.advance(0.25)
            await until(lambda: place.column("lease_until") == clock.now() + 0.3)
        handler.go.set()
        await until(outcomes(runner, finished=1))

    assert [job.attempts for job in handler.begun] == [1]


async def test_the_jobs_of_the_dead_are_taken_over(place: Place, clock: ManualClock) -> None:
    runner = place.runner(Doer())
    place.put()
    place.claim("dead", clock.now())

    async with running(runner):
        await until(lambda: queue.BELL in place.bell.topics)
        assert place.column("worker") == "dead"
        clock.advance(60)
        await until(outcomes(runner, finished=1))


@pytest.mark.parametrize(("deaths", "times"), [(1, "once"), (3, "3 times")])
async def test_a_job_that_killed_all_its_workers_is_buried(
    place: Place, clock: ManualClock, deaths: int, times: str
) -> None:
    place.put(max_attempts=deaths)
    for _ in range(deaths):
        assert place.claim("dead", clock.now())
        clock.advance(60)
    runner = place.runner(Doer(), lease_seconds=0.1)

    with place.bell.listen("reel") as heard:
        async with running(runner):
            assert await heard.wait(20)

    reason = f"The worker died while working on it, {times}."
    assert place.notes() == [("failed", "reel", reason)]
    assert place.column("error") == reason
    assert place.counts() == Counts(dead=1)


async def test_stopping_lets_work_finish(place: Place) -> None:
    handler = Blocked()
    runner = place.runner(handler, slots=2)
    for number in range(5):
        place.put(f"{number}")
    stop = asyncio.Event()
    life = asyncio.create_task(runner.run(stop))
    await until(lambda: len(handler.begun) == 2)

    stop.set()
    await asyncio.sleep(0)
    handler.go.set()
    await asyncio.wait_for(life, 20)

    assert runner.outcomes == {"finished": 2}
    assert place.counts() == Counts(ready=3)


async def test_stopping_hands_back_what_takes_too_long(place: Place) -> None:
    handler = Blocked()
    runner = place.runner(handler, stop_seconds=0.05)
    place.put(max_attempts=1)
    async with running(runner):
        await until(lambda: len(handler.begun) == 1)

    assert runner.outcomes == {"released": 1}
    assert len(handler.stopped) == 1
    assert place.counts() == Counts(ready=1)
    assert place.notes() == []

    successor = place.runner(Doer(), name="two")
    async with running(successor):
        await until(outcomes(successor, finished=1))


async def test_cancelling_hands_back_at_once(place: Place) -> None:
    handler = Blocked()
    runner = place.runner(handler, stop_seconds=3600)
    for number in range(3):
        place.put(f"{number}")
    life = asyncio.create_task(runner.run(asyncio.Event()))
    await until(lambda: len(handler.begun) == 3)

    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(life, 20)

    assert runner.outcomes == {"released": 3}
    assert place.counts() == Counts(ready=3)


async def test_cancelling_in_the_middle_of_a_claim_leaves_nothing_claimed(
    place: Place,
) -> None:
    class Cancelling(Database):
        async def write(self, work: Work[T]) -> T:
            result = await super().write(work)
            life.cancel()
            await asyncio.sleep(0)
            return result

    db = Cancelling(DatabaseConfig(url=address(place.db)), Path())
    db.open()
    place.put()
    runner = place.runner(Blocked(), db=db)
    life = asyncio.create_task(runner.run(asyncio.Event()))

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(life, 20)
    db.close()

    assert runner.outcomes == {"released": 1}
    assert place.counts() == Counts(ready=1)


async def test_a_worker_that_was_stopped_before_does_nothing(place: Place) -> None:
    stop = asyncio.Event()
    stop.set()
    place.put()
    await asyncio.wait_for(place.runner(Doer()).run(stop), 20)

    assert place.counts() == Counts(ready=1)


async def test_claims_that_fail_are_tried_again(place: Place, unsteady: Unsteady) -> None:
    runner = place.runner(Doer(), db=unsteady)
    unsteady.failures = ["before", "before"]
    place.put()
    async with running(runner):
        await until(outcomes(runner, finished=1))


async def test_a_claim_without_an_answer_comes_back_with_its_lease(
    place: Place, unsteady: Unsteady, clock: ManualClock
) -> None:
    runner = place.runner(Doer(), db=unsteady)
    unsteady.failures = ["after"]
    place.put()
    async with running(runner):
        await until(lambda: place.column("attempts") == 1)
        clock.advance(60)
        await until(outcomes(runner, finished=1))


async def test_an_end_that_could_not_be_written_is_written_again(
    place: Place, unsteady: Unsteady
) -> None:
    handler = Blocked()
    runner = place.runner(handler, db=unsteady, slots=1)
    place.put()
    async with running(runner):
        await until(lambda: len(handler.begun) == 1)
        unsteady.failures = ["before", "before"]
        handler.go.set()
        await until(outcomes(runner, finished=1))

    assert place.notes() == [("done", "reel", "")]


async def test_an_end_without_an_answer_is_not_written_twice(
    place: Place, unsteady: Unsteady
) -> None:
    handler = Blocked()
    runner = place.runner(handler, db=unsteady, slots=1)
    place.put()
    async with running(runner):
        await until(lambda: len(handler.begun) == 1)
        unsteady.failures = ["after"]
        handler.go.set()
        await until(outcomes(runner, lost=1))

    assert place.notes() == [("done", "reel", "")]
    assert place.counts() == Counts()


async def test_renewals_that_fail_are_tried_again(
    place: Place, unsteady: Unsteady, clock: ManualClock
) -> None:
    handler = Blocked()
    runner = place.runner(handler, db=unsteady, slots=1, lease_seconds=0.2)
    place.put()
    async with running(runner):
        await until(lambda: len(handler.begun) == 1)
        unsteady.failures = ["before"] * 3
        clock.advance(0.1)
        await until(lambda: place.column("lease_until") == clock.now() + 0.2)
        handler.go.set()
        await until(outcomes(runner, finished=1))


async def test_a_handler_that_lost_its_lease_does_not_bury_anothers_job(
    place: Place, clock: ManualClock
) -> None:
    class Keeping(Doer):
        async def act(self, job: Job) -> None:
            place.claim("another", clock.now() + 61, lease_seconds=1e6)
            with pytest.raises(LeaseLost):
                await place.db.write(lambda tx: queue.keep(tx, job, {"step": 1}))
            raise LeaseLost("Another worker has taken this job over.")

    runner = place.runner(Keeping(), slots=1)
    place.put()
    async with running(runner):
        await until(outcomes(runner, lost=1))

    assert (place.column("state"), place.column("worker")) == ("running", "another")
    assert place.notes() == []


async def test_two_runners_share_the_work(place: Place, unsteady: Unsteady) -> None:
    class Brief(Doer):
        async def act(self, job: Job) -> None:
            await asyncio.sleep(0.001)

    handlers = [Brief(), Brief()]
    subjects = [f"{number}" for number in range(60)]
    for subject in subjects:
        place.put(subject)
    one, two = place.runner(handlers[0]), place.runner(handlers[1], db=unsteady, name="two")
    async with running(one), running(two):
        await until(place.idle)

    assert Counter(place.notes()) == Counter(("done", subject, "") for subject in subjects)
    assert one.outcomes["finished"] + two.outcomes["finished"] == 60


async def test_jobs_of_other_kinds_are_left(place: Place) -> None:
    runner = place.runner(Doer())
    place.put(kind="sound")
    place.put()
    async with running(runner):
        await until(outcomes(runner, finished=1))

    assert place.column("kind") == "sound"
    assert place.counts() == Counts(ready=1)


# Progress


async def test_the_newest_progress_is_told_until_the_attempt_ends(place: Place) -> None:
    handler = Blocked()
    runner = place.runner(handler)
    place.put()
    async with running(runner):
        await until(lambda: len(handler.begun) == 1)
        assert place.progress() is None
        for percent in range(1, 51):
            handler.reports["reel"](Progress(percent=percent, step="Encoding", seconds_left=60))
        await until(lambda: place.progress() is not None)
        assert place.progress() == Progress(percent=50, step="Encoding", seconds_left=60)
        handler.reports["reel"](Progress(percent=60, step="Packing"))
        await until(lambda: place.progress() == Progress(percent=60, step="Packing"))
        handler.go.set()
        await until(outcomes(runner, finished=1))
    assert place.progress() is None


async def test_who_listens_to_the_subject_hears_of_progress(place: Place) -> None:
    handler = Blocked()
    runner = place.runner(handler)
    place.put()
    async with running(runner):
        await until(lambda: len(handler.begun) == 1)
        with place.bell.listen("reel") as heard:
            handler.reports["reel"](Progress(percent=1, step="Encoding"))
            assert await heard.wait(20)
            assert place.progress() == Progress(percent=1, step="Encoding")
        handler.go.set()
        await until(outcomes(runner, finished=1))


async def test_progress_of_several_attempts_is_one_write(place: Place) -> None:
    handler = Blocked()
    db = Counting(address(place.db))
    runner = place.runner(handler, db=db, poll_seconds=3600)
    for number in range(3):
        place.put(f"{number}")
    db.open()
    async with running(runner):
        await until(lambda: len(handler.begun) == 3)
        writes = db.writes
        for percent in range(1, 101):
            for report in handler.reports.values():
                report(Progress(percent=percent, step="Encoding"))
        whole = Progress(percent=100, step="Encoding")
        await until(lambda: all(place.progress(f"{number}") == whole for number in range(3)))
        assert db.writes == writes + 1
        handler.go.set()
        await until(outcomes(runner, finished=3))
    db.close()


# Cancelling


@pytest.mark.parametrize("rings", [True, False])
async def test_a_cancelled_subject_stops_its_attempt(place: Place, *, rings: bool) -> None:
    handler = Blocked()
    runner = place.runner(handler)
    place.put()
    place.put("other")
    async with running(runner):
        await until(lambda: len(handler.begun) == 2)
        with place.bell.listen("reel") as heard:
            place.cancel_subject()
            if rings:
                place.bell.ring(queue.CANCELLATIONS)
            await until(outcomes(runner, cancelled=1))
            assert await heard.wait(0)
        assert [job.subject for job in handler.stopped] == ["reel"]
        assert place.notes() == [("cancelled", "reel", "")]
        assert place.counts() == Counts(running=1)
        handler.go.set()


async def test_a_job_that_is_cancelled_by_hand_rests_and_can_be_tried_again(place: Place) -> None:
    handler = Blocked()
    runner = place.runner(handler)
    job_id = place.put()
    async with running(runner):
        await until(lambda: len(handler.begun) == 1)
        place.cancel(job_id)
        await until(outcomes(runner, cancelled=1))
        assert place.counts() == Counts(dead=1)
        assert place.column("error") == CANCELLED
        handler.go.set()
        place.db.write_now(lambda tx: queue.revive(tx, job_id, attempts=1, now=place.clock.now()))
        await until(outcomes(runner, cancelled=1, finished=1))
    assert place.notes() == [("cancelled", "reel", ""), ("done", "reel", "")]


async def test_a_cancelled_attempt_that_fails_is_not_tried_again(place: Place) -> None:
    class Stuck(Doer):
        async def act(self, job: Job) -> None:
            place.cancel_subject()
            raise StoreUnavailable("Not now.")

    runner = place.runner(Stuck())
    place.put()
    async with running(runner):
        await until(outcomes(runner, cancelled=1))
    assert place.notes() == [("cancelled", "reel", "")]
    assert place.counts() == Counts()


async def test_what_was_done_before_it_could_be_stopped_is_done(place: Place) -> None:
    class Quick(Doer):
        async def act(self, job: Job) -> None:
            place.cancel_subject()

    runner = place.runner(Quick())
    place.put()
    async with running(runner):
        await until(outcomes(runner, finished=1))
    assert place.notes() == [("done", "reel", "")]


async def test_a_cancelled_job_whose_worker_died_ends_with_its_lease(
    place: Place, clock: ManualClock
) -> None:
    place.put()
    assert place.claim("dead", clock.now())
    place.cancel_subject()
    clock.advance(60)
    runner = place.runner(Doer(), lease_seconds=0.1)
    async with running(runner):
        await until(lambda: place.counts() == Counts())
    assert place.notes() == [("cancelled", "reel", "")]
    assert runner.outcomes == {}


async def test_a_cancelled_job_runs_until_its_attempt_has_tidied_up(place: Place) -> None:
    handler = Tidy()
    runner = place.runner(handler)
    place.put()
    async with running(runner):
        await until(lambda: len(handler.begun) == 1)
        place.cancel_subject()
        await until(lambda: handler.is_tidying)
        assert place.counts() == Counts(running=1)
        handler.go.set()
        await until(outcomes(runner, cancelled=1))
    assert place.counts() == Counts()


async def test_stopping_waits_for_a_cancelled_attempt_to_tidy_up(place: Place) -> None:
    handler = Tidy()
    runner = place.runner(handler, stop_seconds=0)
    place.put()
    stop = asyncio.Event()
    life = asyncio.create_task(runner.run(stop))
    await until(lambda: len(handler.begun) == 1)
    place.cancel_subject()
    await until(lambda: handler.is_tidying)
    stop.set()
    await until(lambda: queue.BELL not in place.bell.topics)
    handler.go.set()
    await asyncio.wait_for(life, 20)

    assert runner.outcomes == {"cancelled": 1}
    assert place.counts() == Counts()


async def test_a_job_that_comes_too_early_is_put_off_and_loses_no_attempt(
    place: Place, clock: ManualClock
) -> None:
    class Early(Doer):
        async def act(self, job: Job) -> None:
            if len(self.begun) <= 3:
                raise Later(100)

    handler = Early()
    runner = place.runner(handler)
    place.put(max_attempts=1)
    async with running(runner):
        for times in (1, 2, 3):
            await until(outcomes(runner, postponed=times))
            assert place.column("run_at") == clock.now() + 100
            clock.advance(100)
        await until(outcomes(runner, postponed=3, finished=1))
    assert place.notes() == [("done", "reel", "")]


# Lanes


class Counting(Database):
    """A database that counts what is asked of it."""

    def __init__(self, url: str) -> None:
        super().__init__(DatabaseConfig(url=url), Path())
        self.writes = 0
        self.reads = 0

    async def read(self, work: Work[T]) -> T:
        self.reads += 1
        return await super().read(work)

    async def write(self, work: Work[T]) -> T:
        self.writes += 1
        return await super().write(work)


async def test_neither_lane_starves_the_other(place: Place) -> None:
    films, encodes = Blocked(), Blocked()
    for number in range(4):
        place.put(f"film {number}")
        place.put(f"encode {number}", kind="encode")
    runner = place.runner(films, others={"encode": encodes}, limits={"encode": 1}, slots=2)
    async with running(runner):
        await until(lambda: len(films.begun) == 2)
        await until(lambda: len(encodes.begun) == 1)
        films.go.set()
        await until(outcomes(runner, finished=4))
        assert len(encodes.begun) == 1
        for number in range(4):
            place.put(f"later film {number}")
        films.go.clear()
        await until(lambda: len(films.begun) == 6)
        encodes.go.set()
        await until(outcomes(runner, finished=8))
        assert (films.at_once, films.most_at_once, encodes.most_at_once) == (2, 2, 1)
        films.go.set()


async def test_a_kind_without_a_place_is_left_to_other_workers(place: Place) -> None:
    encodes = Doer()
    place.put(kind="encode")
    place.put()
    runner = place.runner(Doer(), others={"encode": encodes}, limits={"encode": 0})
    async with running(runner):
        await until(outcomes(runner, finished=1))
    assert place.column("kind") == "encode"
    assert encodes.begun == []


async def test_a_worker_with_a_full_lane_does_not_look_without_end(place: Place) -> None:
    encodes = Blocked()
    for number in range(3):
        place.put(f"{number}", kind="encode")
    db = Counting(address(place.db))
    db.open()
    runner = place.runner(
        Doer(), db=db, others={"encode": encodes}, limits={"encode": 1}, poll_seconds=3600
    )
    async with running(runner):
        await until(lambda: len(encodes.begun) == 1)
        reads = db.reads
        await until(lambda: db.reads >= reads + 3)
        assert db.writes == 1, "one claim; what is read are the wishes to cancel"
        encodes.go.set()
        await until(outcomes(runner, finished=3))
    db.close()


async def test_stopping_hands_back_the_jobs_of_all_lanes(place: Place) -> None:
    films, encodes = Blocked(), Blocked()
    for _ in range(2):
        place.put()
        place.put(kind="encode")
    runner = place.runner(
        films, others={"encode": encodes}, limits={"encode": 2}, slots=2, stop_seconds=0
    )
    async with running(runner):
        await until(lambda: len(films.begun) == len(encodes.begun) == 2)
    assert runner.outcomes == {"released": 4}
    assert place.counts() == Counts(ready=4)


# Periods


async def test_periodic_jobs_are_done_once_by_any_number_of_workers(
    place: Place, unsteady: Unsteady, clock: ManualClock
) -> None:
    periods = [Period(kind=KIND, seconds=60)]
    runners = [
        place.runner(Doer(), lease_seconds=0.1, periods=periods),
        place.runner(Doer(), lease_seconds=0.1, periods=periods, db=unsteady, name="two"),
    ]
    async with running(runners[0]), running(runners[1]):
        for times in (1, 2, 3):
            await until(lambda times=times: len(place.notes()) == times)  # type: ignore[misc]
            clock.advance(60)
        await until(lambda: len(place.notes()) == 4)
    assert sum((runner.outcomes for runner in runners), Counter()) == {"finished": 4}
    assert set(place.notes()) == {("done", KIND, "")}
