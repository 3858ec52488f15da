"""Failed sign-ins, counted in the database, so that all processes count together.

What is counted is named by a key that tells nothing of it, an HMAC. A count begins with the first
attempt and is void `window` seconds later, or when the clock turns out to have been far ahead.
"""

from typing import NamedTuple

import sqlalchemy as sa

from cella.catalog.tables import attempts
from cella.db import Tx

_SWEPT = 100
# SQLAlchemy spells this clause for each database apart; it reads the same on both.
_COUNT = sa.text(
    "INSERT INTO attempts (key, count, since) VALUES (:key, 1, :now)"
    " ON CONFLICT (key) DO UPDATE SET count = attempts.count + 1 WHERE attempts.count < :most"
)


class Budget(NamedTuple):
    """So many attempts (`most`) are counted under `key` within `window` seconds, and no more."""

    key: str
    most: int
    window: int


def count(tx: Tx, budget: Budget, now: int) -> bool:
    """Count one attempt; whether there was one left."""
    since = attempts.c.since
    is_void = (since <= now - budget.window) | (since > now + budget.window)
    tx.execute(attempts.delete().where(attempts.c.key == budget.key, is_void))
    counted = {"key": budget.key, "most": budget.most, "now": now}
    return tx.execute(_COUNT, counted).rowcount == 1


def wait(tx: Tx, budget: Budget, now: int) -> int:
    """Seconds until there is an attempt left, 1 at least."""
    since = tx.execute(sa.select(attempts.c.since).where(attempts.c.key == budget.key)).scalar()
    return 1 if since is None else max(1, since + budget.window - now)


def take_back(tx: Tx, key: str) -> None:
    """Have the last attempt that was counted under the key not count."""
    one_less = attempts.update().values(count=attempts.c.count - 1)
    tx.execute(one_less.where(attempts.c.key == key, attempts.c.count > 0))


def clear(tx: Tx, key: str) -> None:
    """Forget all attempts that were counted under the key."""
    tx.execute(attempts.delete().where(attempts.c.key == key))


def sweep(tx: Tx, before: int) -> None:
    """Drop some of the counts that began before that time, but none that is being changed."""
    old = (
        sa.select(attempts.c.key)
        .where(attempts.c.since < before)
        .order_by(attempts.c.since)
        .limit(_SWEPT)
        .with_for_update(skip_locked=True)
    )
    tx.execute(attempts.delete().where(attempts.c.key.in_(old)))
