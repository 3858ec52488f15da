"""How far those have come who go through a whole store, and what they found the last time."""

import sqlalchemy as sa

from cella.catalog.tables import checkpoints
from cella.db import Tx

# SQLAlchemy spells this clause for each database apart; it reads the same on both.
_PUT = sa.text(
    "INSERT INTO checkpoints (name, value, updated) VALUES (:name, :value, :now)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated = excluded.updated"
)


def get(tx: Tx, name: str) -> str | None:
    """What was written under `name` last."""
    return tx.execute(sa.select(checkpoints.c.value).where(checkpoints.c.name == name)).scalar()


def put(tx: Tx, name: str, value: str, now: float) -> None:
    """Write `value` under `name`, which has 64 characters at most."""
    tx.execute(_PUT, {"name": name, "value": value, "now": int(now)})
