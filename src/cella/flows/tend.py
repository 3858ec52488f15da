"""Tend: jobs as people look at them, try them again, and cancel them by hand."""

from collections.abc import Mapping, Sequence
from functools import partial

from cella.clock import Clock
from cella.db import Database, Tx
from cella.flows.config import SOON
from cella.jobs import periodic, queue
from cella.jobs.queue import Counts, Entry, State
from cella.jobs.runner import Handler

BY_HAND = "It is tried again by hand."
"""What the document of a job says that somebody has tried again."""

_BATCH = 200


class Tend:
    """Shows jobs and changes their course; what they are for is told in the same transaction.

    `attempts` is how many a job has that is tried again.
    """

    def __init__(
        self, *, db: Database, handlers: Mapping[str, Handler], clock: Clock, attempts: int
    ) -> None:
        self._db = db
        self._handlers = handlers
        self._clock = clock
        self._attempts = attempts

    def counts(self) -> dict[str, Counts]:
        """How many jobs of each kind there are in each state."""
        return self._db.read_now(queue.counts_by_kind)

    def listing(
        self, *, state: State | None, kind: str | None, limit: int, after: str | None = None
    ) -> list[Entry]:
        """Up to `limit` jobs, the oldest first; of one state or kind where that is given.

        Those after the job with the id `after`, where that is given.
        """
        return self._db.read_now(
            lambda tx: queue.listing(tx, state=state, kind=kind, limit=limit, after=after)
        )

    def show(self, job_id: str) -> Entry:
        """One job; raises `NotFound`."""
        return self._db.read_now(lambda tx: queue.get(tx, job_id))

    def begin(self, kind: str) -> None:
        """Have a job of a periodic kind done now, unless one waits or runs already."""
        self._db.write_now(
            lambda tx: periodic.put_now(
                tx, kind=kind, priority=SOON, max_attempts=self._attempts, now=self._clock.now()
            )
        )

    def retry(self, job_ids: Sequence[str]) -> list[Entry]:
        """Have dead jobs tried again.

        Raises `NotFound`, and `Conflict` for one that is not dead; none is tried again then.
        """
        return self._db.write_now(lambda tx: [self._retry(tx, job_id) for job_id in job_ids])

    def retry_all(self, kind: str | None) -> int:
        """Have all dead jobs tried again, or all of one kind; how many."""
        retried, after = 0, ""
        while batch := self._db.write_now(partial(self._retry_some, kind=kind, after=after)):
            retried += len(batch)
            after = batch[-1].id
        return retried

    def cancel(self, job_ids: Sequence[str]) -> list[Entry]:
        """Cancel jobs; those that run are stopped soon by who holds them.

        Raises `NotFound`, and `Conflict` for one that is dead; none is cancelled then.
        """
        return self._db.write_now(lambda tx: [self._cancel(tx, job_id) for job_id in job_ids])

    def _retry_some(self, tx: Tx, kind: str | None, after: str) -> list[Entry]:
        dead = queue.listing(tx, state="dead", kind=kind, limit=_BATCH, after=after)
        return [self._retry(tx, job.id) for job in dead]

    def _retry(self, tx: Tx, job_id: str) -> Entry:
        job = queue.revive(tx, job_id, attempts=self._attempts, now=self._clock.now())
        if job.kind in self._handlers:
            self._handlers[job.kind].retrying(tx, job, BY_HAND)
        return job

    def _cancel(self, tx: Tx, job_id: str) -> Entry:
        job = queue.cancel(tx, job_id)
        if job.state == "dead" and job.kind in self._handlers:
            self._handlers[job.kind].cancelled(tx, job)
        return job
