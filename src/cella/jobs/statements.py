"""The queue's statements, built once: building one takes longer than running it.

Each works on SQLite and on PostgreSQL. SQLite has no row locks (`FOR UPDATE SKIP LOCKED` is not
written there) and needs none, as it has one writer at a time.
"""

from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import bindparam

from cella.jobs.tables import jobs, periods

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
_SEEN = (
    *_JOB,
    jobs.c.state,
    jobs.c.worker,
    jobs.c.lease_until,
    jobs.c.started,
    jobs.c.progress,
    jobs.c.cancelled,
)
_NOW = bindparam("now", type_=sa.Double)
_LIMIT = bindparam("limit", type_=sa.Integer)
_IS_WANTED = jobs.c.kind.in_(bindparam("kinds", expanding=True))
_IS_EXPIRED = sa.and_(jobs.c.state == RUNNING, jobs.c.lease_until <= _NOW, _IS_WANTED)
_IS_HELD = sa.and_(
    jobs.c.id == bindparam("job_id"),
    jobs.c.attempts == bindparam("attempt"),
    jobs.c.state == RUNNING,
)
_IS_TO_GO_ON = sa.and_(jobs.c.attempts < jobs.c.max_attempts, jobs.c.cancelled.is_(None))


def _levels() -> sa.CTE:
    # Steps from one kind and priority to the next through the index, instead of reading all
    # that wait: of some kinds there may be many that are not wanted.
    is_ready = jobs.c.state == READY
    kinds = (
        sa.select(sa.func.min(jobs.c.kind).label("kind"))
        .where(is_ready)
        .cte("kinds", recursive=True)
    )
    later = sa.select(sa.func.min(jobs.c.kind)).where(is_ready, jobs.c.kind > kinds.c.kind)
    kinds = kinds.union_all(sa.select(later.scalar_subquery()).where(kinds.c.kind.is_not(None)))
    first = sa.select(sa.func.min(jobs.c.priority)).where(is_ready, jobs.c.kind == kinds.c.kind)
    wanted = kinds.c.kind.in_(bindparam("kinds", expanding=True))
    levels = (
        sa.select(kinds.c.kind, first.scalar_subquery().label("priority"))
        .where(wanted)
        .cte("levels", recursive=True)
    )
    following = sa.select(sa.func.min(jobs.c.priority)).where(
        is_ready, jobs.c.kind == levels.c.kind, jobs.c.priority > levels.c.priority
    )
    return levels.union_all(
        sa.select(levels.c.kind, following.scalar_subquery()).where(levels.c.priority.is_not(None))
    )


def _claimable() -> sa.CompoundSelect[str | None, int | None, float | None]:
    levels = _levels()
    # Not EXISTS: PostgreSQL makes a join of that and reads all that are due.
    oldest = (
        sa.select(jobs.c.run_at)
        .where(
            jobs.c.state == READY,
            jobs.c.kind == levels.c.kind,
            jobs.c.priority == levels.c.priority,
            jobs.c.run_at <= _NOW,
        )
        .order_by(jobs.c.run_at)
        .limit(1)
        .scalar_subquery()
    )
    due = sa.select(levels.c.kind, levels.c.priority, oldest.label("oldest")).where(
        oldest.is_not(None)
    )
    expired = sa.select(sa.null(), sa.null(), sa.null()).where(
        sa.exists().where(_IS_EXPIRED, _IS_TO_GO_ON)
    )
    return due.union_all(expired)


def _next_due() -> sa.Select[float | None, float | None]:
    levels = _levels()
    first = (
        sa.select(sa.func.min(jobs.c.run_at))
        .where(
            jobs.c.state == READY,
            jobs.c.kind == levels.c.kind,
            jobs.c.priority == levels.c.priority,
        )
        .scalar_subquery()
    )
    ready = sa.select(sa.func.min(first)).select_from(levels).scalar_subquery()
    running = (
        sa.select(sa.func.min(jobs.c.lease_until))
        .where(jobs.c.lease_until.is_not(None), _IS_TO_GO_ON, _IS_WANTED)
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
            started=_NOW,
            progress=None,
        )
        .returning(*_JOB)
    )


def _held(statement: Statement) -> Statement:
    """Fence `statement`: it touches the job only as long as the attempt holds it."""
    return statement.where(_IS_HELD)


_NOBODY_HOLDS_IT: dict[str, None] = dict.fromkeys(
    ("lease_until", "worker", "started", "progress", "cancelled")
)
_LET_GO = _held(sa.update(jobs)).values(_NOBODY_HOLDS_IT)
_REASON = bindparam("reason", type_=sa.Text)

PUT = sa.insert(jobs)

CLAIMABLE = _claimable()
"""What there is to take: kind, priority, and since when; all None where some is expired."""

TAKE_EXPIRED = _take(_IS_EXPIRED, _IS_TO_GO_ON)
TAKE_DUE = _take(
    jobs.c.state == READY,
    jobs.c.kind == bindparam("wanted"),
    jobs.c.priority == bindparam("level"),
    jobs.c.run_at <= _NOW,
)

EXHAUSTED = (
    sa.select(*_JOB)
    .where(_IS_EXPIRED, sa.not_(_IS_TO_GO_ON))
    .order_by(jobs.c.lease_until, jobs.c.id)
    .limit(_LIMIT)
    .with_for_update(skip_locked=True)
)

NEXT_DUE = _next_due()
"""When the next job becomes due, and when the next lease ends."""

RENEW = _held(sa.update(jobs)).values(lease_until=bindparam("until", type_=sa.Double))
KEEP = _held(sa.update(jobs)).values(payload=bindparam("kept", type_=sa.Text))
FINISH = _held(sa.delete(jobs))
REPORT = _held(sa.update(jobs)).values(progress=bindparam("reported", type_=sa.Text))
RETRY = _LET_GO.values(state=READY, run_at=bindparam("at", type_=sa.Double), error=_REASON)
BURY = _LET_GO.values(state=DEAD, error=_REASON)
RELEASE = _LET_GO.values(
    state=READY,
    run_at=sa.case((jobs.c.run_at > _NOW, _NOW), else_=jobs.c.run_at),
    max_attempts=jobs.c.max_attempts + 1,
)
POSTPONE = _LET_GO.values(
    state=READY, run_at=bindparam("at", type_=sa.Double), max_attempts=jobs.c.max_attempts + 1
)

PROGRESS_OF = (
    sa.select(jobs.c.subject, jobs.c.progress)
    .where(
        jobs.c.subject.in_(bindparam("subjects", expanding=True)),
        jobs.c.progress.is_not(None),
        jobs.c.state == RUNNING,
    )
    .order_by(jobs.c.priority.desc(), jobs.c.id.desc())
)
"""The most urgent job of each subject comes last."""

FLAGGED = sa.select(jobs.c.id).where(
    jobs.c.id.in_(bindparam("ids", expanding=True)), jobs.c.cancelled.is_not(None)
)
CANCELLATION = sa.select(jobs.c.cancelled).where(_IS_HELD).with_for_update()

HELD = sa.select(jobs.c.id).where(_IS_HELD)

LOCK_SUBJECTS = (
    sa.select(jobs.c.id, jobs.c.state)
    .where(
        jobs.c.subject.in_(bindparam("subjects", expanding=True)),
        jobs.c.kind.in_(bindparam("kinds", expanding=True)),
    )
    .order_by(jobs.c.id)
    .with_for_update()
)
"""Locked, so that none changes its state before it is removed or flagged."""

REMOVE = sa.delete(jobs).where(jobs.c.id.in_(bindparam("ids", expanding=True)))
FLAG = (
    sa.update(jobs)
    .where(jobs.c.id.in_(bindparam("ids", expanding=True)), jobs.c.state == RUNNING)
    .values(cancelled=bindparam("wish", type_=sa.Text))
)

SEEN = sa.select(*_SEEN).where(jobs.c.id == bindparam("job_id"))
LOCK = SEEN.with_for_update()
SEEN_OF = (
    sa.select(*_SEEN)
    .where(
        jobs.c.subject.in_(bindparam("subjects", expanding=True)),
        jobs.c.kind.in_(bindparam("kinds", expanding=True)),
    )
    .order_by(jobs.c.id)
    .with_for_update()
)
LISTING = sa.select(*_SEEN).order_by(jobs.c.id).limit(_LIMIT)
REVIVE = (
    sa.update(jobs)
    .where(jobs.c.id == bindparam("job_id"), jobs.c.state == DEAD)
    .values(
        state=READY,
        run_at=_NOW,
        max_attempts=jobs.c.attempts + bindparam("fresh", type_=sa.Integer),
    )
)
GIVE_UP = (
    sa.update(jobs)
    .where(jobs.c.id == bindparam("job_id"), jobs.c.state == READY)
    .values(state=DEAD, error=_REASON)
)

COUNTS = sa.select(jobs.c.kind, jobs.c.state, sa.func.count().label("number")).group_by(
    jobs.c.state, jobs.c.kind
)

PERIODS = sa.select(periods.c.name, periods.c.due).where(
    periods.c.name.in_(bindparam("names", expanding=True))
)
# SQLAlchemy spells this clause for each database apart; it reads the same on both.
BEGIN = sa.text(
    "INSERT INTO periods (name, due) VALUES (:period, :now) ON CONFLICT (name) DO NOTHING"
)
CALL = (
    sa.update(periods)
    .where(
        periods.c.name == bindparam("period"),
        sa.or_(periods.c.due <= _NOW, periods.c.due > bindparam("far", type_=sa.Double)),
    )
    .values(due=bindparam("next", type_=sa.Double))
)
"""Of several who see that a period is due, one changes the row."""

UNDER_WAY = (
    sa.select(jobs.c.id)
    .where(
        jobs.c.subject == bindparam("period"),
        jobs.c.kind == bindparam("period"),
        jobs.c.state != DEAD,
    )
    .limit(1)
)
DROP_DEAD = sa.delete(jobs).where(
    jobs.c.subject == bindparam("period"), jobs.c.kind == bindparam("period"), jobs.c.state == DEAD
)
