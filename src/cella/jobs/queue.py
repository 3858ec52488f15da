"""Durable jobs: put, claimed under a lease, renewed, ended. Plain functions in a transaction.

A job is put in the transaction that writes the row it is for, so both are there or neither. Who
claims it holds it until its lease ends, and renews the lease while working. Afterwards anybody
may claim it again. Every claim has a number of its own (`Job.attempts`), and whatever ends or
renews an attempt is fenced by it: with an older number it raises `LeaseLost` and changes
nothing, so of several attempts at a job exactly one can end it.

A job that is cancelled while somebody works on it is flagged, and goes away, or to the dead, when
the attempt has stopped (`cancellation`, `stop`); until then it counts as running.

The promises hold between processes and machines on one database, and are tested on SQLite and
PostgreSQL by `tests/contracts/test_jobs.py`. All instants are seconds since the epoch and come
from the callers, whose clocks may differ by much less than a lease.

Claiming costs the same however many jobs wait, and grows with the number of different kinds and
priorities.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from cella.db import Tx
from cella.errors import Conflict, LeaseLost, NotFound
from cella.ids import new_id
from cella.jobs import statements
from cella.jobs.retry import MAX_ATTEMPTS
from cella.jobs.tables import jobs

BELL = "jobs"
"""The topic that who has put a job may ring once it is committed; a worker beside it looks."""

CANCELLATIONS = "cancelled jobs"
"""The topic that who has flagged running jobs may ring; a worker beside it looks at its own."""

CANCELLED = "It was cancelled."
"""The reason of a job that somebody cancelled by hand."""


_TAKEN_OVER = "Another worker has taken this job over."


class Job(msgspec.Struct, kw_only=True, frozen=True):
    """A job that was claimed. `attempts` is the number of this attempt, from 1.

    `error` is what the attempt before it failed with, or None.
    """

    id: str
    kind: str
    subject: str
    payload: dict[str, Any]
    priority: int
    run_at: float
    attempts: int
    max_attempts: int
    created: float
    error: str | None

    @property
    def is_last_attempt(self) -> bool:
        """Whether no attempt is left after this one."""
        return self.attempts >= self.max_attempts


class Progress(msgspec.Struct, kw_only=True, frozen=True):
    """How far an attempt is: 0 to 100 percent, what is being done, and seconds left if known."""

    percent: int
    step: str
    seconds_left: int | None = None


State = Literal["ready", "running", "dead"]

Cancellation = Literal["keep", "drop"]
"""What becomes of a cancelled job that was running: it stays as dead, or nothing stays."""


class Entry(Job, kw_only=True, frozen=True):
    """A job as it stands in the queue, for people to look at.

    `worker`, `lease_until`, `started` and `progress` are those of the attempt that goes on;
    `is_cancelled` tells that it is about to be stopped.
    """

    state: State
    worker: str | None = None
    lease_until: float | None = None
    started: float | None = None
    progress: Progress | None = None
    is_cancelled: bool = False


class Counts(msgspec.Struct, kw_only=True, frozen=True):
    """How many jobs wait, are worked on, and are given up."""

    ready: int = 0
    running: int = 0
    dead: int = 0


def put(
    tx: Tx,
    *,
    kind: str,
    subject: str,
    payload: Mapping[str, Any] | None = None,
    priority: int = 0,
    run_at: float | None = None,
    max_attempts: int = MAX_ATTEMPTS,
    now: float,
) -> str:
    """Add a job that becomes due at `run_at` (at once where None) and return its id.

    `subject` is the id of what the job is about; `payload` is anything that JSON can hold. Of
    two due jobs the one with the smaller `priority` goes first.
    """
    (job_id,) = put_all(
        tx,
        kind=kind,
        subjects=[subject],
        payload=payload,
        priority=priority,
        run_at=run_at,
        max_attempts=max_attempts,
        now=now,
    )
    return job_id


def put_all(
    tx: Tx,
    *,
    kind: str,
    subjects: Sequence[str],
    payload: Mapping[str, Any] | None = None,
    priority: int = 0,
    run_at: float | None = None,
    max_attempts: int = MAX_ATTEMPTS,
    now: float,
) -> list[str]:
    """Add a job for each of the subjects, otherwise like `put`; their ids in order."""
    ids = [new_id() for _ in subjects]
    rows = [
        {
            "id": job_id,
            "kind": kind,
            "subject": subject,
            "payload": _encode(payload or {}),
            "state": statements.READY,
            "priority": priority,
            "run_at": now if run_at is None else run_at,
            "attempts": 0,
            "max_attempts": max_attempts,
            "created": now,
        }
        for job_id, subject in zip(ids, subjects, strict=True)
    ]
    if rows:
        tx.execute(statements.PUT, rows)
    return ids


def claim(
    tx: Tx,
    *,
    kinds: Collection[str],
    worker: str,
    now: float,
    lease_seconds: float,
    limit: int = 1,
) -> list[Job]:
    """Take up to `limit` jobs for `worker` until `now + lease_seconds`.

    First those whose lease has ended and that are to go on (see `exhausted` for the others),
    then the due ones by priority, age and id; of several kinds of one priority the kind that
    waits longest comes first. No two claimers get the same attempt. Claimers do not wait for
    each other, so there may be fewer than there are.
    """
    given = {"now": now, "holder": worker, "until": now + lease_seconds}
    wanted = {"kinds": tuple(kinds)}
    claimable = tx.execute(statements.CLAIMABLE, {"now": now, **wanted}).all()
    claimed: list[Job] = []
    if any(row.kind is None for row in claimable):
        claimed += _take(tx, statements.TAKE_EXPIRED, {**given, **wanted, "limit": limit})
    levels = [row for row in claimable if row.kind is not None]
    for level in sorted(levels, key=lambda row: (row.priority, row.oldest)):
        if len(claimed) >= limit:
            break
        rest = {"wanted": level.kind, "level": level.priority, "limit": limit - len(claimed)}
        claimed += _take(tx, statements.TAKE_DUE, {**given, **rest})
    return claimed


def exhausted(tx: Tx, *, kinds: Collection[str], now: float, limit: int = 100) -> list[Job]:
    """Jobs whose worker died in the last attempt that they had, or after they were cancelled.

    They are for `bury` and `stop`. They stay as they are, locked against other callers until the
    transaction ends.
    """
    given = {"kinds": tuple(kinds), "now": now, "limit": limit}
    return [_job(row) for row in tx.execute(statements.EXHAUSTED, given).mappings()]


def renew(tx: Tx, job: Job, *, now: float, lease_seconds: float) -> None:
    """Hold the job until `now + lease_seconds`; raises `LeaseLost`.

    A lease that has ended may be renewed as long as nobody else has claimed the job.
    """
    _fenced(tx, statements.RENEW, job, {"until": now + lease_seconds})


def keep(tx: Tx, job: Job, payload: Mapping[str, Any]) -> None:
    """Replace the job's payload, for the attempts that may follow. Raises `LeaseLost`."""
    _fenced(tx, statements.KEEP, job, {"kept": _encode(payload)})


def finish(tx: Tx, job: Job) -> None:
    """The job is done: forget it. Raises `LeaseLost`."""
    _fenced(tx, statements.FINISH, job, {})


def retry(tx: Tx, job: Job, *, run_at: float, error: str) -> None:
    """This attempt failed with `error`; try again at `run_at`. Raises `LeaseLost`."""
    _fenced(tx, statements.RETRY, job, {"at": run_at, "reason": error})


def bury(tx: Tx, job: Job, *, error: str) -> None:
    """The job cannot be done, because of `error`: keep it as dead. Raises `LeaseLost`."""
    _fenced(tx, statements.BURY, job, {"reason": error})


def release(tx: Tx, job: Job, *, now: float) -> None:
    """Hand the job back, due at once; another attempt is allowed in place of this one.

    The attempt's number is not given out again, lest its late end pass the fence. Raises
    `LeaseLost`.
    """
    _fenced(tx, statements.RELEASE, job, {"now": now})


def postpone(tx: Tx, job: Job, *, run_at: float) -> None:
    """Put the job off until `run_at`; otherwise like `release`. Raises `LeaseLost`."""
    _fenced(tx, statements.POSTPONE, job, {"at": run_at})


def write_progress(tx: Tx, newest: Sequence[tuple[Job, Progress]]) -> None:
    """Note how far attempts are; one that does not hold its job any more changes nothing."""
    rows = [
        {"job_id": job.id, "attempt": job.attempts, "reported": _encode(progress)}
        for job, progress in newest
    ]
    if rows:
        tx.execute(statements.REPORT, rows)


def progress_of(tx: Tx, subjects: Collection[str]) -> dict[str, Progress]:
    """How far the running jobs of these subjects are, where they have said so.

    Where several are at work on one subject it is the progress of the most urgent.
    """
    if not subjects:
        return {}
    rows = tx.execute(statements.PROGRESS_OF, {"subjects": tuple(subjects)})
    return {row.subject: _progress(row.progress) for row in rows}


def cancel_subject(tx: Tx, subject: str, kinds: Collection[str]) -> int:
    """Have no job of these kinds for the subject any more; how many still run.

    What waits or is dead is removed. What runs is flagged: it is stopped soon, and goes then.
    """
    return cancel_subjects(tx, [subject], kinds)


def cancel_subjects(tx: Tx, subjects: Collection[str], kinds: Collection[str]) -> int:
    """Like `cancel_subject` for all of the subjects."""
    given = {"subjects": tuple(subjects), "kinds": tuple(kinds)}
    found = tx.execute(statements.LOCK_SUBJECTS, given).all()
    running = [row.id for row in found if row.state == statements.RUNNING]
    others = [row.id for row in found if row.state != statements.RUNNING]
    if others:
        tx.execute(statements.REMOVE, {"ids": others})
    if running:
        tx.execute(statements.FLAG, {"ids": running, "wish": "drop"})
    return len(running)


def dead_of(tx: Tx, subject: str, kinds: Collection[str]) -> list[str]:
    """The ids of the dead jobs of these kinds for the subject, the oldest first.

    All of its jobs of these kinds stay as they are until the transaction ends.
    """
    given = {"subjects": (subject,), "kinds": tuple(kinds)}
    found = tx.execute(statements.LOCK_SUBJECTS, given).all()
    return sorted(row.id for row in found if row.state == statements.DEAD)


def of_subjects(tx: Tx, subjects: Collection[str], kinds: Collection[str]) -> list[Entry]:
    """The jobs of these kinds for the subjects, the oldest first.

    Nobody else claims, ends or removes them until the transaction ends.
    """
    given = {"subjects": tuple(subjects), "kinds": tuple(kinds)}
    return [_entry(row) for row in tx.execute(statements.SEEN_OF, given).mappings()]


def remove(tx: Tx, job_ids: Collection[str]) -> None:
    """Have these jobs no more, whatever their state; an attempt at one raises `LeaseLost`."""
    if job_ids:
        tx.execute(statements.REMOVE, {"ids": tuple(job_ids)})


def cancel(tx: Tx, job_id: str) -> Entry:
    """Cancel one job, and return it as it is then: dead, or running and flagged to be stopped.

    It stays as dead, with `CANCELLED` as its reason, and can be revived. Raises `NotFound`, and
    `Conflict` for one that is dead already.
    """
    entry = _locked(tx, job_id)
    if entry.state == statements.DEAD:
        raise Conflict(f"Job {job_id} was given up already.")
    if entry.state == statements.READY:
        tx.execute(statements.GIVE_UP, {"job_id": job_id, "reason": CANCELLED})
    elif not entry.is_cancelled:
        tx.execute(statements.FLAG, {"ids": [job_id], "wish": "keep"})
    return get(tx, job_id)


def flagged(tx: Tx, job_ids: Collection[str]) -> set[str]:
    """Which of these jobs are to be stopped."""
    return set(tx.execute(statements.FLAGGED, {"ids": tuple(job_ids)}).scalars())


def cancellation(tx: Tx, job: Job) -> Cancellation | None:
    """Whether the attempt is to be stopped, and what becomes of the job then.

    The answer holds until the transaction ends. Raises `LeaseLost`.
    """
    row = tx.execute(statements.CANCELLATION, _fence(job)).one_or_none()
    if row is None:
        raise LeaseLost(_TAKEN_OVER)
    wish: Cancellation | None = row.cancelled
    return wish


def check(tx: Tx, job: Job) -> None:
    """See that the attempt still holds the job, without locking it. Raises `LeaseLost`."""
    if tx.execute(statements.HELD, _fence(job)).one_or_none() is None:
        raise LeaseLost(_TAKEN_OVER)


def stop(tx: Tx, job: Job, wish: Cancellation) -> None:
    """The attempt was stopped because the job was cancelled. Raises `LeaseLost`."""
    if wish == "drop":
        finish(tx, job)
    else:
        bury(tx, job, error=CANCELLED)


def revive(tx: Tx, job_id: str, *, attempts: int, now: float) -> Entry:
    """Have a dead job tried again from now on, up to `attempts` times.

    The numbers of its attempts go on where they were. Raises `NotFound`, and `Conflict` for a
    job that is not dead.
    """
    entry = _locked(tx, job_id)
    if entry.state != statements.DEAD:
        raise Conflict(f"Job {job_id} was not given up: it is {entry.state}.")
    tx.execute(statements.REVIVE, {"job_id": job_id, "fresh": attempts, "now": now})
    return get(tx, job_id)


def get(tx: Tx, job_id: str) -> Entry:
    """The job; raises `NotFound`. Jobs that are done are not there any more."""
    return _found(job_id, tx.execute(statements.SEEN, {"job_id": job_id}))


def listing(
    tx: Tx,
    *,
    state: State | None = None,
    kind: str | None = None,
    limit: int,
    after: str | None = None,
) -> list[Entry]:
    """Up to `limit` jobs, the oldest first; those after the one with the id `after`."""
    statement = statements.LISTING
    if state is not None:
        statement = statement.where(jobs.c.state == state)
    if kind is not None:
        statement = statement.where(jobs.c.kind == kind)
    if after is not None:
        statement = statement.where(jobs.c.id > after)
    return [_entry(row) for row in tx.execute(statement, {"limit": limit}).mappings()]


def next_due(tx: Tx, *, kinds: Collection[str], now: float) -> float | None:
    """When there will be something to claim, `now` at the earliest; None where nothing waits."""
    row = tx.execute(statements.NEXT_DUE, {"kinds": tuple(kinds)}).one()
    instants = [instant for instant in row if instant is not None]
    return max(now, min(instants)) if instants else None


def counts(tx: Tx) -> Counts:
    """How many jobs there are in each state."""
    by_kind = counts_by_kind(tx).values()
    return Counts(
        ready=sum(counts.ready for counts in by_kind),
        running=sum(counts.running for counts in by_kind),
        dead=sum(counts.dead for counts in by_kind),
    )


def counts_by_kind(tx: Tx) -> dict[str, Counts]:
    """How many jobs there are of each kind in each state, by name of the kind."""
    numbers: dict[str, dict[str, int]] = {}
    for row in tx.execute(statements.COUNTS):
        numbers.setdefault(row.kind, {})[row.state] = row.number
    return {kind: Counts(**numbers[kind]) for kind in sorted(numbers)}


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _take(tx: Tx, statement: sa.UpdateBase, given: Mapping[str, Any]) -> list[Job]:
    taken = [_job(row) for row in tx.execute(statement, given).mappings()]
    return sorted(taken, key=lambda job: (job.priority, job.run_at, job.id))


def _job(row: sa.RowMapping) -> Job:
    return Job(**_fields(row))


def _entry(row: sa.RowMapping) -> Entry:
    fields = _fields(row)
    is_cancelled = fields.pop("cancelled") is not None
    progress = fields.pop("progress")
    return Entry(
        **fields,
        progress=None if progress is None else _progress(progress),
        is_cancelled=is_cancelled,
    )


def _fields(row: sa.RowMapping) -> dict[str, Any]:
    # SQLite answers RETURNING with a whole number where the column holds a real one.
    instants = {"run_at": float(row["run_at"]), "created": float(row["created"])}
    return {**row, **instants, "payload": msgspec.json.decode(row["payload"])}


def _progress(text: str) -> Progress:
    return msgspec.json.decode(text, type=Progress)


def _locked(tx: Tx, job_id: str) -> Entry:
    return _found(job_id, tx.execute(statements.LOCK, {"job_id": job_id}))


def _found(job_id: str, result: sa.CursorResult[Any]) -> Entry:
    row = result.mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no job {job_id}; a job that is done is forgotten.")
    return _entry(row)


def _fence(job: Job) -> dict[str, Any]:
    return {"job_id": job.id, "attempt": job.attempts}


def _fenced(tx: Tx, statement: sa.UpdateBase, job: Job, given: Mapping[str, Any]) -> None:
    result = tx.execute(statement, {**_fence(job), **given})
    if result.rowcount != 1:
        raise LeaseLost(_TAKEN_OVER)
