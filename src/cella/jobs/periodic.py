"""Periodic jobs: put once each time they are due, however many workers there are.

When a kind is due next stands in a row. Of all who see that it is due, one moves the instant on,
and puts an ordinary job in the same transaction. Periods during which nobody worked are left
out; so is one whose job before it still waits or runs.
"""

from collections.abc import Collection
from typing import Annotated

import msgspec

from cella.db import Tx
from cella.jobs import queue, statements
from cella.jobs.retry import MAX_ATTEMPTS
from cella.settings import SomeSeconds


class Period(msgspec.Struct, kw_only=True, frozen=True):
    """A job of this kind every so many seconds. Its subject is its kind."""

    kind: Annotated[str, msgspec.Meta(max_length=64)]
    seconds: SomeSeconds
    priority: int = 0
    max_attempts: int = MAX_ATTEMPTS


def due(tx: Tx, known: Collection[Period], *, now: float) -> list[Period]:
    """Which of the periods are due. Only reads."""
    names = tuple(period.kind for period in known)
    instants = {row.name: row.due for row in tx.execute(statements.PERIODS, {"names": names})}
    return [
        period for period in known if not now < instants.get(period.kind, now) <= _far(period, now)
    ]


def put(tx: Tx, period: Period, *, now: float) -> str | None:
    """Put the job of a period where it is due; its id, or None where there was nothing to do.

    The first one is due at once. A dead one makes way for its successor.
    """
    tx.execute(statements.BEGIN, {"period": period.kind, "now": now})
    given = {
        "period": period.kind,
        "now": now,
        "far": _far(period, now),
        "next": now + period.seconds,
    }
    if tx.execute(statements.CALL, given).rowcount != 1:
        return None
    return put_now(
        tx,
        kind=period.kind,
        priority=period.priority,
        max_attempts=period.max_attempts,
        now=now,
    )


def put_now(
    tx: Tx, *, kind: str, priority: int = 0, max_attempts: int = MAX_ATTEMPTS, now: float
) -> str | None:
    """Put a job of a periodic kind, due or not; its id, or None where one waits or runs.

    A dead one makes way for it. When the next is due stays as it was. Two who do this at the same
    time may both put one.
    """
    if tx.execute(statements.UNDER_WAY, {"period": kind}).first() is not None:
        return None
    tx.execute(statements.DROP_DEAD, {"period": kind})
    return queue.put(
        tx, kind=kind, subject=kind, priority=priority, max_attempts=max_attempts, now=now
    )


def _far(period: Period, now: float) -> float:
    """No instant after this one was noted for this period; it was a longer one then.

    One period more than needed, as the clocks of the workers differ.
    """
    return now + 2 * period.seconds
