"""Health: whether this process can do its work. Cheap enough to be asked every second."""

import asyncio

from cella.db import Database
from cella.errors import BlobMissing
from cella.store.contract import Store

_PATIENCE = 5.0
_PROBE = f"{'0' * 24}/_/probe"


class Health:
    """Asks the database and the store for a sign of life."""

    def __init__(self, *, db: Database, store: Store) -> None:
        self._db = db
        self._store = store

    async def ready(self) -> dict[str, str]:
        """What is wrong, by name of the part; empty when all is well."""
        wrong = {}
        for name, look in (("database", self._db.ask), ("store", self._look_at_store)):
            try:
                async with asyncio.timeout(_PATIENCE):
                    await look()
            except Exception as error:
                wrong[name] = type(error).__name__
        return wrong

    async def _look_at_store(self) -> None:
        try:
            await self._store.head(_PROBE)
        except BlobMissing:
            return
