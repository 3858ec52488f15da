"""Parts that fail on demand, beside `cella.store.failing`: the database and the intents."""

from typing import TypeVar

from cella.db import Database
from cella.db.engine import Work
from cella.flows.intents import Intents
from cella.store.failing import Faults

T = TypeVar("T")


class FailingDatabase(Database):
    """An open database whose transactions are steps: `read` and `write`."""

    def __init__(self, inner: Database, faults: Faults) -> None:
        self.__dict__.update(inner.__dict__)
        self._faults = faults

    async def read(self, work: Work[T]) -> T:
        """One step."""
        async with self._faults.step("read"):
            return await super().read(work)

    async def write(self, work: Work[T]) -> T:
        """One step; failing `after` is a commit whose answer was lost."""
        async with self._faults.step("write"):
            return await super().write(work)


class FailingIntents(Intents):
    """Intents whose notes on disk are steps: `intend` and `settle`."""

    faults = Faults()

    async def begin(self, backend: str, key: str) -> None:
        """One step."""
        async with self.faults.step("intend"):
            await super().begin(backend, key)

    async def fulfil(self, backend: str, key: str) -> None:
        """One step."""
        async with self.faults.step("settle"):
            await super().fulfil(backend, key)
