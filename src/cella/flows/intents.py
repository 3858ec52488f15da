"""Blobs that may be left without a row, and how each of them is put right.

A blob is put before its row. Whatever comes between, an error, a cancelled request, a commit
whose answer was lost, a kill -9, the same question settles it: does the catalogue know the key?
If so the row stands and the blob stays, else the blob goes.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress

from cella.catalog import files, uploads
from cella.db import Database, Tx
from cella.errors import CellaError, StoreFull
from cella.scratch import Scratch
from cella.store.contract import Store

_log = logging.getLogger("cella.intents")


class Intents:
    """The intents of this process, and those that dead processes left."""

    def __init__(self, db: Database, stores: Mapping[str, Store], scratch: Scratch) -> None:
        self._db = db
        self._stores = stores
        self._scratch = scratch

    async def begin(self, backend: str, key: str) -> None:
        """Note that a blob is about to be put under a fresh key. Raises `StoreFull`."""
        try:
            self._scratch.intend(backend, key)
        except OSError:
            raise StoreFull("The disk of the server is full; nothing was stored.") from None

    async def fulfil(self, backend: str, key: str) -> None:
        """The row is committed. An intent that cannot be crossed out now does no harm later."""
        with suppress(OSError):
            self._scratch.settle(backend, key)

    async def reconcile(self, backend: str, key: str) -> None:
        """Delete the blob unless the catalogue knows it.

        Where that cannot be done now, the intent stays and the next start does it.
        """
        try:
            await self._reconcile(backend, key)
        except Exception as error:
            _log.warning("blob %s is left for the next start: %s", key, type(error).__name__)
            return
        await self.fulfil(backend, key)

    async def adopt(self) -> int:
        """Put right what dead processes left; how many blobs were looked at.

        What cannot be done now is kept for the next start, and does not keep this one back.
        """
        try:
            with self._scratch.orphans() as orphans:
                for backend, key in orphans:
                    await self._reconcile(backend, key)
                return len(orphans)
        except Exception as error:
            _log.warning("dead processes' blobs are left for the next start: %r", error)
            return 0

    async def _reconcile(self, backend: str, key: str) -> None:
        if backend not in self._stores:
            raise CellaError(f"The backend {backend} is not configured.")
        if not await self._db.read(lambda tx: _is_known(tx, key)):
            await self._stores[backend].delete(key)


def _is_known(tx: Tx, key: str) -> bool:
    return bool(files.known_keys(tx, [key]) or uploads.known_keys(tx, [key]))
