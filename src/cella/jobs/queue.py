"""Durable jobs: put, claimed under a lease, renewed, ended. Plain functions in a transaction.

A job is put in the transaction that writes the row it is for, so both are there or neither. Who
claims it holds it until its lease ends, and renews the lease while working. Afterwards anybody
may claim it again. Every claim has a number of its own (`Job.attempts`), and whatever ends or
renews an attempt is fenced by it: with an older number it raises `LeaseLost` and changes
nothing, so of several attempts at a job exactly one can end it.

The promises hold between processes and machines on one database, and are tested on SQLite and
PostgreSQL by `tests/contracts/test_jobs.py`. All instants are seconds since the epoch and come
from the callers, whose clocks may differ by much less than a lease.

Claiming costs the same however many jobs wait for their time, and grows with the number of
different priorities and with the due jobs of kinds that the claimer does not want.
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from cella.db import Tx
from cella.errors import LeaseLost
from cella.ids import new_id
from cella.jobs import statements
from cella.jobs.retry import MAX_ATTEMPTS

BELL = "jobs"
"""The topic that who has put a job may ring once it is committed; a worker beside it looks."""


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
    job_id = new_id()
    tx.execute(
        statements.PUT,
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
        },
    )
    return job_id


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

    First those whose lease has ended and that have an attempt left (see `exhausted` for the
    others), then the due ones by priority, age and id. No two claimers get the same attempt.
    Claimers do not wait for each other, so there may be fewer than there are.
    """
    given = {
        "kinds": tuple(kinds),
        "now": now,
        "holder": worker,
        "until": now + lease_seconds,
    }
    claimable = tx.execute(statements.CLAIMABLE, given).all()
    claimed: list[Job] = []
    if any(level is None for _, level in claimable):
        claimed += _take(tx, statements.TAKE_EXPIRED, {**given, "limit": limit})
    for level in sorted(level for _, level in claimable if level is not None):
        if len(claimed) >= limit:
            break
        rest = {"level": level, "limit": limit - len(claimed)}
        claimed += _take(tx, statements.TAKE_DUE, {**given, **rest})
    return claimed


def exhausted(tx: Tx, *, kinds: Collection[str], now: float, limit: int = 100) -> list[Job]:
    """Jobs whose worker died in the last attempt that they had; for `bury`.

    They stay as they are, locked against other callers until the transaction ends.
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


def next_due(tx: Tx, *, kinds: Collection[str], now: float) -> float | None:
    """When there will be something to claim, `now` at the earliest; None where nothing waits."""
    row = tx.execute(statements.NEXT_DUE, {"kinds": tuple(kinds)}).one()
    instants = [instant for instant in row if instant is not None]
    return max(now, min(instants)) if instants else None


def counts(tx: Tx) -> Counts:
    """How many jobs there are in each state."""
    return Counts(**{row.state: row.number for row in tx.execute(statements.COUNTS)})


def _encode(payload: Mapping[str, Any]) -> str:
    return msgspec.json.encode(payload).decode()


def _take(tx: Tx, statement: sa.UpdateBase, given: Mapping[str, Any]) -> list[Job]:
    taken = [_job(row) for row in tx.execute(statement, given).mappings()]
    return sorted(taken, key=lambda job: (job.priority, job.run_at, job.id))


def _job(row: sa.RowMapping) -> Job:
    # SQLite answers RETURNING with a whole number where the column holds a real one.
    instants = {"run_at": float(row["run_at"]), "created": float(row["created"])}
    return Job(**{**row, **instants, "payload": msgspec.json.decode(row["payload"])})


def _fenced(tx: Tx, statement: sa.UpdateBase, job: Job, given: Mapping[str, Any]) -> None:
    result = tx.execute(statement, {"job_id": job.id, "attempt": job.attempts, **given})
    if result.rowcount != 1:
        raise LeaseLost("Another worker has taken this job over.")
