"""Blobs that no row knows of, and since when that is known. Their bytes stay where they are."""

from collections.abc import Collection, Sequence

import msgspec
import sqlalchemy as sa

from cella.catalog.tables import quarantine
from cella.db import Tx

# SQLAlchemy spells this clause for each database apart; it reads the same on both.
_NOTE = sa.text(
    "INSERT INTO quarantine (backend, key, length, modified, found)"
    " VALUES (:backend, :key, :length, :modified, :found)"
    " ON CONFLICT (backend, key) DO UPDATE SET"
    " length = excluded.length, modified = excluded.modified, found = excluded.found"
)
_COLUMNS = (quarantine.c.key, quarantine.c.length, quarantine.c.modified, quarantine.c.found)


class Suspect(msgspec.Struct, frozen=True):
    """A blob as it was when it was `found`; it counts only as long as it has not changed since.

    `length` is in bytes, times are seconds since the epoch: `modified` by the store's clock,
    `found` by ours.
    """

    key: str
    length: int
    modified: float
    found: int


def page(tx: Tx, backend: str, *, after: str, most: int) -> list[Suspect]:
    """Up to `most` of a backend in order of keys, from beyond `after`."""
    query = (
        sa.select(*_COLUMNS)
        .where(quarantine.c.backend == backend, quarantine.c.key > after)
        .order_by(quarantine.c.key)
        .limit(most)
    )
    return [Suspect(*row) for row in tx.execute(query)]


def by_keys(tx: Tx, backend: str, keys: Collection[str]) -> dict[str, Suspect]:
    """Those of `keys` that are in quarantine."""
    query = sa.select(*_COLUMNS).where(
        quarantine.c.backend == backend, quarantine.c.key.in_(list(keys))
    )
    return {row.key: Suspect(*row) for row in tx.execute(query)}


def note(tx: Tx, backend: str, suspects: Sequence[Suspect]) -> None:
    """Put them into quarantine, over what was noted of their keys before.

    They come in order of their keys, so that two who do this at once do not block each other.
    """
    if suspects:
        tx.execute(_NOTE, [{"backend": backend} | msgspec.structs.asdict(s) for s in suspects])


def release(tx: Tx, backend: str, keys: Collection[str]) -> int:
    """Take them out of quarantine; how many were in it."""
    ours = quarantine.c.backend == backend
    return tx.execute(quarantine.delete().where(ours, quarantine.c.key.in_(list(keys)))).rowcount
