"""The folder that Pillar kept files in, for reading only.

The blob `<bucket>/_/<name>` is the file `<folder>/<name[:2]>/<name>`: the folder knows no buckets,
so a name means the same file in all of them. Nothing in it is ever changed. What it holds besides
is not known here, so it lists nothing.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from pathlib import Path

from cella.digest import Digests
from cella.errors import StoreError
from cella.store import keys
from cella.store.blocks import check_range
from cella.store.contract import PLAIN, Label, Stat
from cella.store.disk import Reading, stat_of
from cella.store.threads import Threads

_READ_ONLY = "The folder of Pillar is for reading only."


class PillarStore:
    """A store that gives what lies in `folder`, and takes nothing."""

    def __init__(self, folder: Path, *, threads: int = 4) -> None:
        self._folder = folder
        self._readers = Threads(threads, "cella-pillar-read")

    async def open(self) -> None:
        """Start. May be called again."""
        self._readers.open()

    async def close(self) -> None:
        """Wait for what the threads are doing."""
        self._readers.close()

    def path(self, key: str) -> Path:
        """Where the file is, for reading only. It may be missing or vanish."""
        _, name = keys.split(key)
        return self._folder / name[:2] / name

    async def put(
        self,
        key: str,  # noqa: ARG002
        body: AsyncIterable[bytes],  # noqa: ARG002
        *,
        label: Label = PLAIN,  # noqa: ARG002
        replace: bool = False,  # noqa: ARG002
    ) -> Digests:
        """Nothing is taken: raises `StoreError`."""
        raise StoreError(_READ_ONLY)

    async def get(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read a range; see `cella.store.contract.Get`."""
        check_range(start, stop)
        reading = Reading(self.path(key), key, start, stop)
        try:
            while not reading.ended:
                block = await self._readers.run(reading.next)
                if block:
                    yield block
        finally:
            reading.close()

    async def head(self, key: str) -> Stat:
        """What there is under `key`; raises `BlobMissing`."""
        return await self._readers.run(stat_of, self.path(key), key)

    async def list(
        self,
        prefix: str = "",  # noqa: ARG002
        after: str = "",  # noqa: ARG002
    ) -> AsyncGenerator[Stat, None]:
        """Nothing: nobody tells which bucket a file is in."""
        nothing: tuple[Stat, ...] = ()
        for stat in nothing:
            yield stat

    async def delete(self, key: str) -> bool:
        """Nothing is removed."""
        keys.check(key)
        return False

    async def copy(
        self,
        source: str,  # noqa: ARG002
        target: str,  # noqa: ARG002
        *,
        replace: bool = False,  # noqa: ARG002
    ) -> Stat:
        """Nothing is taken: raises `StoreError`."""
        raise StoreError(_READ_ONLY)
