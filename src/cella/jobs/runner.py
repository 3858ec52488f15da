"""The loop of a worker: claims jobs, has them done, and records how each attempt ended.

Every attempt ends in exactly one of five ways (`Outcome`), and all but `lost` are one
transaction that is fenced by the attempt's number:

* finished: the handler's effect and the end of the job are one commit;
* retried: it failed and runs again after a pause;
* buried: it failed for good, or too often, and the reason is kept;
* released: the worker stops and hands the job back, as if it had not been claimed;
* lost: somebody else has the job, or the database could not be told; nothing of it counts.

A worker that dies says nothing: its leases end and any other worker takes the jobs over. So a
handler must bear being run again after it was cut off anywhere, even beside a forgotten attempt
that still goes on. It must also leave the event loop free (long work belongs in a thread or a
child process), because the leases are renewed there.
"""

import asyncio
import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import CellaError, LeaseLost
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.jobs.queue import Job
from cella.jobs.retry import JobsConfig, pause

UNEXPECTED = "Something unexpected went wrong on the server while working on it."
"""The public reason where only the log may know more."""

Effect = Callable[[Tx], None]
"""What an attempt has to write. It may be called more than once, each time in a new transaction."""

Outcome = Literal["finished", "retried", "buried", "released", "lost"]

_FIRST_HICCUP_SECONDS = 0.1
_HICCUP_SECONDS = 1.0
_LEAST_PAUSE_SECONDS = 0.02
_RENEWALS_PER_LEASE = 3

_log = logging.getLogger("cella.jobs")


class Handler(Protocol):
    """Does one kind of job."""

    async def work(self, job: Job) -> Effect:
        """Do the job and return what is to be written in the transaction that ends it.

        A `CellaError` that is not retriable buries the job at once, with its message as the
        reason; anything else that is raised, here or by the effect, has the job tried again
        while it has attempts left. Cancelled when the lease is lost or the worker stops.
        """
        ...

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """Note that the job will be tried again, in the transaction that says so."""
        ...

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """Note that the job is given up, in the transaction that says so."""
        ...


class Runner:
    """Works on the jobs of the kinds in `handlers`, up to `config.slots` at once.

    `worker_name` tells people which process holds a job. `outcomes` counts how the attempts of
    this runner ended.
    """

    def __init__(
        self,
        db: Database,
        handlers: Mapping[str, Handler],
        config: JobsConfig,
        clock: Clock,
        bell: Bell,
        worker_name: str,
    ) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self._db = db
        self._handlers = dict(handlers)
        self._kinds = tuple(self._handlers)
        self._config = config
        self._clock = clock
        self._bell = bell
        self._worker_name = worker_name
        self._slots = config.slots or os.cpu_count() or 1
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
        free = self._slots - len(self._attempts)
        if free == 0:
            return self._config.poll_seconds
        now = self._clock.now()
        claimed = await self._db.write(
            lambda tx: queue.claim(
                tx,
                kinds=self._kinds,
                worker=self._worker_name,
                now=now,
                lease_seconds=self._config.lease_seconds,
                limit=free,
            )
        )
        for job in claimed:
            attempt = _Attempt(job, self._handlers[job.kind])
            self._attempts.add(attempt)
            attempt.whole = asyncio.create_task(self._see_through(attempt))
        if len(claimed) == free:
            return self._config.poll_seconds
        due = await self._db.read(
            lambda tx: queue.next_due(tx, kinds=self._kinds, now=self._clock.now())
        )
        if due is None:
            return self._config.poll_seconds
        until_due = max(due - self._clock.now(), _LEAST_PAUSE_SECONDS)
        return min(until_due, self._config.poll_seconds)

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
        if error is not None and attempt.is_handed_back:
            return await self._release(attempt.job)
        if error is None:
            try:
                return await self._finish(attempt.job, attempt.work.result())
            except _EffectError as failure:
                error = failure.reason
            except Exception as failure:
                error = failure
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

        return "finished" if await self._commit(job, end) else "lost"

    async def _release(self, job: Job) -> Outcome:
        now = self._clock.now()
        released = await self._commit(job, lambda tx: queue.release(tx, job, now=now))
        return "released" if released else "lost"

    async def _fail(self, attempt: "_Attempt", error: BaseException) -> Outcome:
        job, handler = attempt.job, attempt.handler
        reason, may_recover = _verdict(job, error)
        if may_recover and not job.is_last_attempt:
            chance = random.random()  # noqa: S311 - spreads the load, guards nothing
            run_at = self._clock.now() + pause(self._config, job.attempts, chance)

            def again(tx: Tx) -> None:
                queue.retry(tx, job, run_at=run_at, error=reason)
                _tell(handler.retrying, tx, job, reason)

            return "retried" if await self._commit(job, again) else "lost"

        def give_up(tx: Tx) -> None:
            queue.bury(tx, job, error=reason)
            _tell(handler.failed, tx, job, reason)

        return "buried" if await self._commit(job, give_up) else "lost"

    async def _commit(self, job: Job, end: Effect) -> bool:
        """Write the end of an attempt, again and again for one lease; False where it is lost."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._config.lease_seconds
        wait = _FIRST_HICCUP_SECONDS
        while True:
            try:
                await self._db.write(end)
            except LeaseLost:
                _log.info("job %s was taken over from attempt %d", job.id, job.attempts)
                return False
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
                return True

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._config.lease_seconds / _RENEWALS_PER_LEASE)
            for duty in (self._renew, self._reap):
                try:
                    await duty()
                except Exception:
                    _log.warning("cannot look after leases; will try again", exc_info=True)

    async def _renew(self) -> None:
        """Renew all leases that this worker holds; an attempt that has lost its own is ended."""
        attempts = tuple(self._attempts)
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

    async def _reap(self) -> None:
        """Bury the jobs whose worker died in their last attempt."""
        now = self._clock.now()

        def reap(tx: Tx) -> list[Job]:
            dead = queue.exhausted(tx, kinds=self._kinds, now=now)
            for job in dead:
                reason = f"The worker died while working on it, {_times(job.attempts)}."
                queue.bury(tx, job, error=reason)
                _tell(self._handlers[job.kind].failed, tx, job, reason)
            return dead

        for job in await self._db.write(reap):
            _log.warning("job %s (%s) is dead: its workers died", job.id, job.kind)
            self._bell.ring(job.subject)

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

    async def _work(self) -> Effect:
        return await self.handler.work(self.job)

    def lose(self) -> None:
        self.is_lost = True
        self.work.cancel()

    def hand_back(self) -> None:
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


def _tell(hook: Callable[[Tx, Job, str], None], tx: Tx, job: Job, reason: str) -> None:
    """Call a handler's hook; its mistakes must not keep the job from its end."""
    try:
        with tx.begin_nested():
            hook(tx, job, reason)
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
