"""The queue's statements, built once: building one takes longer than running it.

Each works on SQLite and on PostgreSQL. SQLite has no row locks (`FOR UPDATE SKIP LOCKED` is not
written there) and needs none, as it has one writer at a time.
"""

from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import bindparam

from cella.jobs.tables import jobs

READY = "ready"
RUNNING = "running"
DEAD = "dead"

Statement = TypeVar("Statement", sa.Update, sa.Delete)

_JOB = (
    jobs.c.id,
    jobs.c.kind,
    jobs.c.subject,
    jobs.c.payload,
    jobs.c.priority,
    jobs.c.run_at,
    jobs.c.attempts,
    jobs.c.max_attempts,
    jobs.c.created,
    jobs.c.error,
)
_NOW = bindparam("now", type_=sa.Double)
_LIMIT = bindparam("limit", type_=sa.Integer)
_IS_WANTED = jobs.c.kind.in_(bindparam("kinds", expanding=True))
_IS_DUE = sa.and_(jobs.c.state == READY, jobs.c.run_at <= _NOW, _IS_WANTED)
_IS_EXPIRED = sa.and_(jobs.c.state == RUNNING, jobs.c.lease_until <= _NOW, _IS_WANTED)
_HAS_ATTEMPTS_LEFT = jobs.c.attempts < jobs.c.max_attempts


def _priorities() -> sa.CTE:
    # Steps from one priority to the next through the index, instead of reading all that wait.
    lowest = sa.select(sa.func.min(jobs.c.priority).label("priority")).where(jobs.c.state == READY)
    levels = lowest.cte("levels", recursive=True)
    above = jobs.alias("above")
    following = (
        sa.select(sa.func.min(above.c.priority))
        .where(above.c.state == READY, above.c.priority > levels.c.priority)
        .scalar_subquery()
    )
    return levels.union_all(sa.select(following).where(levels.c.priority.is_not(None)))


def _claimable() -> sa.CompoundSelect[str, int]:
    levels = _priorities()
    # Not EXISTS: PostgreSQL makes a join of that and reads all that are due.
    oldest = (
        sa.select(jobs.c.run_at)
        .where(jobs.c.priority == levels.c.priority, _IS_DUE)
        .order_by(jobs.c.run_at)
        .limit(1)
        .scalar_subquery()
    )
    due = sa.select(sa.literal(READY).label("state"), levels.c.priority).where(oldest.is_not(None))
    expired = sa.select(sa.literal(RUNNING), sa.null()).where(
        sa.exists().where(_IS_EXPIRED, _HAS_ATTEMPTS_LEFT)
    )
    return due.union_all(expired)


def _next_due() -> sa.Select[float | None, float | None]:
    levels = _priorities()
    first = (
        sa.select(sa.func.min(jobs.c.run_at))
        .where(jobs.c.state == READY, jobs.c.priority == levels.c.priority, _IS_WANTED)
        .scalar_subquery()
    )
    ready = sa.select(sa.func.min(first)).select_from(levels).scalar_subquery()
    running = (
        sa.select(sa.func.min(jobs.c.lease_until))
        .where(jobs.c.lease_until.is_not(None), _HAS_ATTEMPTS_LEFT, _IS_WANTED)
        .scalar_subquery()
    )
    return sa.select(ready, running)


def _take(*which: sa.ColumnElement[bool]) -> sa.UpdateBase:
    # As a CTE the choice is made once; as a plain subquery PostgreSQL may repeat it per row
    # and then takes more than the limit.
    chosen = (
        sa.select(jobs.c.id)
        .where(*which)
        .order_by(jobs.c.priority, jobs.c.run_at, jobs.c.id)
        .limit(_LIMIT)
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )
    return (
        sa.update(jobs)
        .where(jobs.c.id.in_(sa.select(chosen.c.id)))
        .values(
            state=RUNNING,
            attempts=jobs.c.attempts + 1,
            worker=bindparam("holder", type_=sa.Text),
            lease_until=bindparam("until", type_=sa.Double),
        )
        .returning(*_JOB)
    )


def _held(statement: Statement) -> Statement:
    """Fence `statement`: it touches the job only as long as the attempt holds it."""
    return statement.where(
        jobs.c.id == bindparam("job_id"),
        jobs.c.attempts == bindparam("attempt"),
        jobs.c.state == RUNNING,
    )


_LET_GO = _held(sa.update(jobs)).values(lease_until=None, worker=None)
_REASON = bindparam("reason", type_=sa.Text)

PUT = sa.insert(jobs)

CLAIMABLE = _claimable()
"""What there is to take: pairs of state and priority, the latter None where it is expired."""

TAKE_EXPIRED = _take(_IS_EXPIRED, _HAS_ATTEMPTS_LEFT)
TAKE_DUE = _take(jobs.c.priority == bindparam("level"), _IS_DUE)

EXHAUSTED = (
    sa.select(*_JOB)
    .where(_IS_EXPIRED, sa.not_(_HAS_ATTEMPTS_LEFT))
    .order_by(jobs.c.lease_until, jobs.c.id)
    .limit(_LIMIT)
    .with_for_update(skip_locked=True)
)

NEXT_DUE = _next_due()
"""When the next job becomes due, and when the next lease ends."""

RENEW = _held(sa.update(jobs)).values(lease_until=bindparam("until", type_=sa.Double))
KEEP = _held(sa.update(jobs)).values(payload=bindparam("kept", type_=sa.Text))
FINISH = _held(sa.delete(jobs))
RETRY = _LET_GO.values(state=READY, run_at=bindparam("at", type_=sa.Double), error=_REASON)
BURY = _LET_GO.values(state=DEAD, error=_REASON)
RELEASE = _LET_GO.values(
    state=READY,
    run_at=sa.case((jobs.c.run_at > _NOW, _NOW), else_=jobs.c.run_at),
    max_attempts=jobs.c.max_attempts + 1,
)

COUNTS = sa.select(jobs.c.state, sa.func.count().label("number")).group_by(jobs.c.state)
