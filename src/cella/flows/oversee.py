"""Oversee: how much the place holds, for who runs it."""

import asyncio

import msgspec

from cella.catalog import totals
from cella.catalog.totals import InBackend, InProject
from cella.clock import Clock
from cella.db import Database, Tx

_MOST_PROJECTS = 200
_KEPT_SECONDS = 30.0


class Holdings(msgspec.Struct, frozen=True):
    """What lies where; `told` is when that was counted, in seconds since the epoch."""

    told: float
    backends: list[InBackend]
    projects: list[InProject]


class Oversee:
    """Counts, which takes long where there is much, so that it is done now and then at most."""

    def __init__(self, *, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._counting = asyncio.Lock()
        self._counted: Holdings | None = None

    async def holdings(self) -> Holdings:
        """What lies where, as it was half a minute ago at most.

        Raises `BadRequest` where counting takes longer than `database_search_seconds`.
        """
        async with self._counting:
            now = self._clock.now()
            if self._counted is None or not 0 <= now - self._counted.told < _KEPT_SECONDS:
                self._counted = await self._db.search(lambda tx: _count(tx, now))
            return self._counted


def _count(tx: Tx, now: float) -> Holdings:
    return Holdings(now, totals.by_backend(tx), totals.largest_projects(tx, _MOST_PROJECTS))
