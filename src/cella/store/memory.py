"""Blobs in memory: for tests and demos. Keeps every promise but to outlive the process."""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import NamedTuple

from cella.clock import Clock, SystemClock
from cella.digest import Digester, Digests
from cella.store import browsing, keys
from cella.store.blocks import check_range, gathered
from cella.store.browsing import Entries
from cella.store.contract import BLOCK, PLAIN, Entry, Label, Stat
from cella.store.problems import exists, missing


class _Blob(NamedTuple):
    content: bytes
    modified: float


class MemoryStore:
    """A store in a dict. Closing it forgets nothing."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._blobs: dict[str, _Blob] = {}

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def put(
        self,
        key: str,
        body: AsyncIterable[bytes],
        *,
        label: Label = PLAIN,  # noqa: ARG002 - hands out nothing
        replace: bool = False,
    ) -> Digests:
        """Store all of `body`; see `cella.store.contract.Put`."""
        keys.check(key)
        content = bytearray()
        digester = Digester()
        async for block in gathered(body):
            content += block
            digester.update(block)
        self._keep(key, bytes(content), replace=replace)
        return digester.digests()

    async def get(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read a range; see `cella.store.contract.Get`."""
        check_range(start, stop)
        content = self._find(key).content
        end = len(content) if stop is None else min(stop, len(content))
        for offset in range(start, end, BLOCK):
            yield content[offset : min(offset + BLOCK, end)]

    async def head(self, key: str) -> Stat:
        """What there is under `key`; raises `BlobMissing`."""
        return _stat(key, self._find(key))

    async def list(self, prefix: str = "", after: str = "") -> AsyncGenerator[Stat, None]:
        """Blobs in order of keys; see `cella.store.contract.List`."""
        for key in sorted(self._blobs):
            blob = self._blobs.get(key)
            if blob is not None and key.startswith(prefix) and key > after:
                yield _stat(key, blob)

    async def delete(self, key: str) -> bool:
        """Remove the blob; true where there was one."""
        keys.check(key)
        return self._blobs.pop(key, None) is not None

    async def copy(self, source: str, target: str, *, replace: bool = False) -> Stat:
        """Store the bytes of `source` under `target` too; see `cella.store.contract.Copy`."""
        keys.check(target)
        return _stat(target, self._keep(target, self._find(source).content, replace=replace))

    async def browse(self, bucket: str, path: str, after: str, most: int) -> Entries:
        """The entries of a folder; see `cella.store.contract.CanBrowse`."""
        return await browsing.browse(self, bucket, path, after, most)

    async def find(self, bucket: str, path: str) -> Entry:
        """The blob at a path; raises `BlobMissing`."""
        return await browsing.find(self, bucket, path)

    def _find(self, key: str) -> _Blob:
        keys.check(key)
        blob = self._blobs.get(key)
        if blob is None:
            raise missing(key)
        return blob

    def _keep(self, key: str, content: bytes, *, replace: bool) -> _Blob:
        if key in self._blobs and not replace:
            raise exists(key)
        self._blobs[key] = blob = _Blob(content, self._clock.now())
        return blob


def _stat(key: str, blob: _Blob) -> Stat:
    return Stat(key, len(blob.content), blob.modified)
