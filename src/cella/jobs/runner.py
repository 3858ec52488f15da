"""The loop of a worker: claims jobs, has them done, and records how each attempt ended.

Every attempt ends in exactly one way (`Outcome`), and all but `lost` are one transaction that is
fenced by the attempt's number:

* finished: the handler's effect and the end of the job are one commit;
* retried: it failed and runs again after a pause;
* buried: it failed for good, or too often, and the reason is kept;
* postponed: the handler raised `Later`, which costs no attempt;
* cancelled: somebody wanted it stopped, and it goes away or to the dead;
* released: the worker stops and hands the job back, as if it had not been claimed;
* lost: somebody else has the job, or the database could not be told; nothing of it counts.

A worker that dies says nothing: its leases end and any other worker takes the jobs over. So a
handler must bear being run again after it was cut off anywhere, even beside a forgotten attempt
that still goes on. It must also leave the event loop free (long work belongs in a thread or a
child process), because the leases are renewed there.

Kinds with a limit have a *lane* of their own: so many places, apart from the slots that all other
kinds share. So neither can starve the other.
"""

import asyncio
import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol

from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import CellaError, LeaseLost
from cella.jobs import periodic, queue
from cella.jobs.bell import Bell
from cella.jobs.periodic import Period
from cella.jobs.queue import Job, Progress
from cella.jobs.retry import JobsConfig, pause

UNEXPECTED = "Something unexpected went wrong on the server while working on it."
"""The public reason where only the log may know more."""

Effect = Callable[[Tx], None]
"""What an attempt has to write. It may be called more than once, each time in a new transaction."""

Report = Callable[[Progress], None]
"""Where an attempt says how far it is.

It costs next to nothing and may be called any number of times, from the event loop. What was
said last is written down about twice a second; it ends with the attempt.
"""

Outcome = Literal["finished", "retried", "buried", "postponed", "cancelled", "released", "lost"]

_GLANCE_SECONDS = 0.4
_FIRST_HICCUP_SECONDS = 0.1
_HICCUP_SECONDS = 1.0
_LEAST_PAUSE_SECONDS = 0.02
_RENEWALS_PER_LEASE = 3

_log = logging.getLogger("cella.jobs")


class Later(Exception):
    """Raised by a handler whose job cannot be done yet: do it so many seconds later."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"in {seconds:g} s")
        self.seconds = seconds


class Handler(Protocol):
    """Does one kind of job."""

    async def work(self, job: Job, report: Report, /) -> Effect:
        """Do the job and return what is to be written in the transaction that ends it.

        A `CellaError` that is not retriable buries the job at once, with its message as the
        reason; anything else that is raised, here or by the effect, has the job tried again
        while it has attempts left; but `Later` puts it off. Cancelled when the lease is lost, the
        worker stops, or the job is cancelled; it has ended when this has returned.
        """
        ...

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """Note that the job will be tried again, in the transaction that says so."""
        ...

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """Note that the job is given up, in the transaction that says so."""
        ...

    def cancelled(self, tx: Tx, job: Job) -> None:
        """Note that the job was cancelled, in the transaction that ends it."""
        ...


class Runner:
    """Works on the jobs of the kinds in `handlers`, as many at once as `config` has places.

    `worker_name` tells people which process holds a job. `periods` are put when they are due.
    `outcomes` counts how the attempts of this runner ended.
    """

    def __init__(
        self,
        db: Database,
        handlers: Mapping[str, Handler],
        config: JobsConfig,
        clock: Clock,
        bell: Bell,
        worker_name: str,
        periods: Sequence[Period] = (),
    ) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self._db = db
        self._handlers = dict(handlers)
        self._kinds = tuple(self._handlers)
        self._config = config
        self._clock = clock
        self._bell = bell
        self._worker_name = worker_name
        self._periods = tuple(periods)
        self._lanes = _lanes(self._kinds, config)
        self._attempts: set[_Attempt] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then end well.

        Nothing more is claimed then; what is under way has `config.stop_seconds` to finish and
        is handed back after that. Cancelling does the same at once. While the database is away
        the end may take a lease longer.
        """
        at_once = asyncio.Event()
        life = asyncio.create_task(self._live(stop, at_once))
        try:
            await asyncio.shield(life)
        except asyncio.CancelledError:
            at_once.set()
            self._bell.ring(queue.BELL)
            await life
            raise

    async def _live(self, stop: asyncio.Event, at_once: asyncio.Event) -> None:
        companions = [
            asyncio.create_task(self._ring_after(stop)),
            asyncio.create_task(self._keep()),
            asyncio.create_task(self._watch()),
        ]
        try:
            while not (stop.is_set() or at_once.is_set()):
                await self._round()
        finally:
            await self._drain(at_once)
            for companion in companions:
                companion.cancel()
            await asyncio.wait(companions)

    async def _ring_after(self, event: asyncio.Event) -> None:
        await event.wait()
        self._bell.ring(queue.BELL)

    async def _round(self) -> None:
        with self._bell.listen(queue.BELL) as heard:
            try:
                wait = await self._fill()
            except Exception:
                _log.warning("cannot claim jobs; will try again", exc_info=True)
            else:
                await heard.wait(wait)
                return
        await asyncio.sleep(min(_HICCUP_SECONDS, self._config.poll_seconds))

    async def _fill(self) -> float:
        """Claim what fits and begin with it; the seconds until it is worth looking again."""
        free = self._free()
        if not free:
            return self._config.poll_seconds
        now = self._clock.now()

        def claim(tx: Tx) -> list[Job]:
            return [
                job
                for kinds, places in free.items()
                for job in queue.claim(
                    tx,
                    kinds=kinds,
                    worker=self._worker_name,
                    now=now,
                    lease_seconds=self._config.lease_seconds,
                    limit=places,
                )
            ]

        for job in await self._db.write(claim):
            attempt = _Attempt(job, self._handlers[job.kind])
            self._attempts.add(attempt)
            attempt.whole = asyncio.create_task(self._see_through(attempt))
        kinds = [kind for lane in self._free() for kind in lane]
        if not kinds:
            return self._config.poll_seconds
        due = await self._db.read(lambda tx: queue.next_due(tx, kinds=kinds, now=self._clock.now()))
        if due is None:
            return self._config.poll_seconds
        until_due = max(due - self._clock.now(), _LEAST_PAUSE_SECONDS)
        return min(until_due, self._config.poll_seconds)

    def _free(self) -> dict[tuple[str, ...], int]:
        """The lanes that have places left, by their kinds."""
        taken = Counter(attempt.job.kind for attempt in self._attempts)
        left = {
            lane.kinds: lane.places - sum(taken[kind] for kind in lane.kinds)
            for lane in self._lanes
        }
        return {kinds: places for kinds, places in left.items() if places > 0}

    async def _see_through(self, attempt: "_Attempt") -> None:
        outcome: Outcome = "lost"
        try:
            outcome = await self._end(attempt)
        except Exception:
            _log.exception("the end of job %s cannot be recorded", attempt.job.id)
        finally:
            self.outcomes[outcome] += 1
            self._attempts.discard(attempt)
            self._bell.ring(queue.BELL)

    async def _end(self, attempt: "_Attempt") -> Outcome:
        await asyncio.wait({attempt.work})
        error = _error_of(attempt.work)
        if attempt.is_lost:
            return "lost"
        if error is None:
            try:
                return await self._finish(attempt.job, attempt.work.result())
            except _EffectError as failure:
                error = failure.reason
            except Exception as failure:
                error = failure
        if isinstance(error, Later):
            return await self._postpone(attempt, error.seconds)
        if attempt.is_handed_back or attempt.is_cancelled:
            return await self._release(attempt)
        return await self._fail(attempt, error)

    async def _finish(self, job: Job, effect: Effect) -> Outcome:
        def end(tx: Tx) -> None:
            queue.finish(tx, job)
            try:
                effect(tx)
            except Exception as error:
                if _is_hiccup(error):
                    raise
                raise _EffectError(error) from error

        return await self._commit(job, "finished", end)

    async def _release(self, attempt: "_Attempt") -> Outcome:
        job, now = attempt.job, self._clock.now()
        return await self._let_go(attempt, "released", lambda tx: queue.release(tx, job, now=now))

    async def _postpone(self, attempt: "_Attempt", seconds: float) -> Outcome:
        job, run_at = attempt.job, self._clock.now() + seconds
        return await self._let_go(
            attempt, "postponed", lambda tx: queue.postpone(tx, job, run_at=run_at)
        )

    async def _fail(self, attempt: "_Attempt", error: BaseException) -> Outcome:
        job, handler = attempt.job, attempt.handler
        reason, may_recover = _verdict(job, error)
        if may_recover and not job.is_last_attempt:
            chance = random.random()  # noqa: S311 - spreads the load, guards nothing
            run_at = self._clock.now() + pause(self._config, job.attempts, chance)

            def again(tx: Tx) -> None:
                queue.retry(tx, job, run_at=run_at, error=reason)
                _tell(job, tx, partial(handler.retrying, tx, job, reason))

            return await self._let_go(attempt, "retried", again)

        def give_up(tx: Tx) -> None:
            queue.bury(tx, job, error=reason)
            _tell(job, tx, partial(handler.failed, tx, job, reason))

        return await self._let_go(attempt, "buried", give_up)

    async def _let_go(self, attempt: "_Attempt", outcome: Outcome, end: Effect) -> Outcome:
        """End an attempt that brought nothing, unless the job was cancelled: then end that."""
        ended = outcome

        def end_or_stop(tx: Tx) -> None:
            nonlocal ended
            ended = "cancelled" if _stopped(tx, attempt.job, attempt.handler) else outcome
            if ended != "cancelled":
                end(tx)

        written = await self._commit(attempt.job, outcome, end_or_stop)
        return written if written == "lost" else ended

    async def _commit(self, job: Job, outcome: Outcome, end: Effect) -> Outcome:
        """Write the end of an attempt, again and again for one lease; `lost` where it is."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._config.lease_seconds
        wait = _FIRST_HICCUP_SECONDS
        while True:
            try:
                await self._db.write(end)
            except LeaseLost:
                _log.info("job %s was taken over from attempt %d", job.id, job.attempts)
                return "lost"
            except _EffectError:
                raise
            except Exception:
                if loop.time() + wait > give_up_at:
                    raise
                _log.warning("cannot record the end of job %s; will try again", job.id)
                await asyncio.sleep(wait)
                wait = min(_HICCUP_SECONDS, 2 * wait)
            else:
                self._bell.ring(job.subject)
                return outcome

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._config.lease_seconds / _RENEWALS_PER_LEASE)
            for duty in (self._renew, self._reap, self._put_periodic):
                try:
                    await duty()
                except Exception:
                    _log.warning("cannot look after leases; will try again", exc_info=True)

    async def _renew(self) -> None:
        """Renew all leases that this worker holds; an attempt that has lost its own is ended."""
        attempts = self._in_order()
        if not attempts:
            return
        now = self._clock.now()

        def renew(tx: Tx) -> list[_Attempt]:
            return [attempt for attempt in attempts if not self._renewed(tx, attempt.job, now)]

        for attempt in await self._db.write(renew):
            attempt.lose()

    def _renewed(self, tx: Tx, job: Job, now: float) -> bool:
        try:
            queue.renew(tx, job, now=now, lease_seconds=self._config.lease_seconds)
        except LeaseLost:
            return False
        return True

    def _in_order(self) -> "tuple[_Attempt, ...]":
        """The attempts, in the order in which everybody locks several jobs: by id."""
        return tuple(sorted(self._attempts, key=lambda attempt: attempt.job.id))

    async def _reap(self) -> None:
        """Bury the jobs whose worker died in their last attempt."""
        now = self._clock.now()

        def reap(tx: Tx) -> list[Job]:
            dead = queue.exhausted(tx, kinds=self._kinds, now=now)
            for job in dead:
                handler = self._handlers[job.kind]
                if not _stopped(tx, job, handler):
                    reason = f"The worker died while working on it, {_times(job.attempts)}."
                    queue.bury(tx, job, error=reason)
                    _tell(job, tx, partial(handler.failed, tx, job, reason))
            return dead

        for job in await self._db.write(reap):
            _log.warning("job %s (%s) is given up: its worker died", job.id, job.kind)
            self._bell.ring(job.subject)

    async def _put_periodic(self) -> None:
        """Put the periodic jobs that are due, unless another worker is quicker."""
        if not self._periods:
            return
        now = self._clock.now()
        due = await self._db.read(lambda tx: periodic.due(tx, self._periods, now=now))
        if due:
            await self._db.write(lambda tx: [periodic.put(tx, period, now=now) for period in due])
            self._bell.ring(queue.BELL)

    async def _watch(self) -> None:
        """Write down how far attempts are, and stop those whose job was cancelled."""
        with self._bell.listen(queue.CANCELLATIONS) as heard:
            while True:
                await heard.wait(_GLANCE_SECONDS)
                try:
                    await self._glance(self._in_order())
                except Exception:
                    _log.warning("cannot look after attempts; will try again", exc_info=True)

    async def _glance(self, attempts: "Sequence[_Attempt]") -> None:
        if not attempts:
            return
        news = [
            (attempt, attempt.progress)
            for attempt in attempts
            if attempt.progress is not None and attempt.progress != attempt.written
        ]
        if news:
            newest = [(attempt.job, progress) for attempt, progress in news]
            await self._db.write(lambda tx: queue.write_progress(tx, newest))
            for attempt, progress in news:
                attempt.written = progress
                self._bell.ring(attempt.job.subject)
        ids = [attempt.job.id for attempt in attempts]
        flagged = await self._db.read(lambda tx: queue.flagged(tx, ids))
        for attempt in attempts:
            if attempt.job.id in flagged:
                attempt.cancel()

    async def _drain(self, at_once: asyncio.Event) -> None:
        attempts = tuple(self._attempts)
        if not attempts:
            return
        ended = asyncio.create_task(asyncio.wait({attempt.whole for attempt in attempts}))
        hurried = asyncio.create_task(at_once.wait())
        waiting: set[asyncio.Task[Any]] = {ended, hurried}
        await asyncio.wait(
            waiting, timeout=self._config.stop_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        hurried.cancel()
        for attempt in attempts:
            attempt.hand_back()
        await asyncio.wait(waiting)


class _Lane(NamedTuple):
    """Kinds that share places."""

    kinds: tuple[str, ...]
    places: int


def _lanes(kinds: Sequence[str], config: JobsConfig) -> tuple[_Lane, ...]:
    """One lane for each kind with a limit, and one for all the others."""
    shared = tuple(kind for kind in kinds if kind not in config.limits)
    lanes = [_Lane(shared, config.slots or os.cpu_count() or 1)] if shared else []
    lanes += [_Lane((kind,), config.limits[kind]) for kind in kinds if kind in config.limits]
    return tuple(lanes)


class _Attempt:
    """A claimed job and the tasks that are busy with it.

    The handler's task may be cancelled; the whole, which also writes the end, is not.
    """

    whole: asyncio.Task[None]

    def __init__(self, job: Job, handler: Handler) -> None:
        self.job = job
        self.handler = handler
        self.work = asyncio.create_task(self._work())
        self.is_lost = False
        self.is_handed_back = False
        self.is_cancelled = False
        self.progress: Progress | None = None
        self.written: Progress | None = None

    async def _work(self) -> Effect:
        return await self.handler.work(self.job, self.report)

    def report(self, progress: Progress) -> None:
        self.progress = progress

    def lose(self) -> None:
        self.is_lost = True
        self.work.cancel()

    def cancel(self) -> None:
        # Once: a handler that takes a while to clean up is not to be disturbed at that.
        if not self.is_cancelled:
            self.is_cancelled = True
            self.work.cancel()

    def hand_back(self) -> None:
        if not self.is_cancelled:
            self.is_handed_back = self.work.cancel() or self.is_handed_back


class _EffectError(Exception):
    """What a handler wanted to write cannot be written."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _error_of(work: asyncio.Task[Effect]) -> BaseException | None:
    return asyncio.CancelledError() if work.cancelled() else work.exception()


def _verdict(job: Job, error: BaseException) -> tuple[str, bool]:
    """The reason to tell people, and whether another attempt may do better."""
    if isinstance(error, CellaError):
        _log.info("job %s (%s), attempt %d: %s", job.id, job.kind, job.attempts, error.message)
        return error.message, error.retriable
    _log.error("job %s (%s), attempt %d failed", job.id, job.kind, job.attempts, exc_info=error)
    return UNEXPECTED, True


def _stopped(tx: Tx, job: Job, handler: Handler) -> bool:
    """End a job that was cancelled; False where it was not. Raises `LeaseLost`."""
    wish = queue.cancellation(tx, job)
    if wish is None:
        return False
    queue.stop(tx, job, wish)
    _tell(job, tx, partial(handler.cancelled, tx, job))
    return True


def _tell(job: Job, tx: Tx, hook: Callable[[], None]) -> None:
    """Call a handler's hook; its mistakes must not keep the job from its end."""
    try:
        with tx.begin_nested():
            hook()
    except Exception as error:
        if _is_hiccup(error):
            raise
        _log.exception("the end of job %s (%s) could not be noted", job.id, job.kind)


def _is_hiccup(error: Exception) -> bool:
    """Whether the database is at fault, so the same statements may succeed later."""
    return isinstance(error, SQLAlchemyError) and not isinstance(
        error, (DataError, IntegrityError, ProgrammingError)
    )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
