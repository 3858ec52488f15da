"""Blobs as plain files in a local folder.

A blob lies at `<root>/<bucket[:2]>/<bucket>/<name[:2]>/<name>`, so no folder gets very large
and the folders' order is that of the keys. It is written to a temporary file on the same file
system, synced, and then appears in one step: by link(2), which refuses an existing name, or by
rename(2), which replaces it. Temporary files lie in a scratch folder of the process; the next
start of any process removes those of processes that have died, and of no other.
"""

import asyncio
import itertools
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from cella.digest import Digests
from cella.errors import BadKey, BlobMissing
from cella.scratch import Scratch
from cella.store import keys
from cella.store.blocks import check_range, gathered
from cella.store.contract import BLOCK, Stat
from cella.store.incoming import Folders, Incoming, translated
from cella.store.problems import missing
from cella.store.threads import Threads, ended, outcome

_PAGE = 500
_COPY_STEP = 64 << 20
_BEYOND_ANY_FILE = 1 << 62


class DiskStore:
    """A store in the folder `root`, which `open` makes.

    Reading has threads of its own, so it does not wait behind uploads that are being synced;
    `threads` is how many there are for each.
    """

    def __init__(self, root: Path, *, threads: int = 8) -> None:
        self._root = root
        self._folders = Folders(root)
        self._writers = Threads(threads, "cella-store-write")
        self._readers = Threads(threads, "cella-store-read")
        self._scratch: Scratch | None = None
        self._numbers = itertools.count()

    async def open(self) -> None:
        """Make the root, remove what dead processes left, and start. May be called again."""
        if self._scratch is not None:
            return
        self._scratch = await asyncio.to_thread(self._make_ready)
        self._writers.open()
        self._readers.open()

    async def close(self) -> None:
        """Wait for what the threads are doing, and remove this process's temporary files."""
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            await asyncio.to_thread(self._shut, scratch)

    def path(self, key: str) -> Path:
        """Where the blob is, for reading only. The file may be missing or vanish."""
        bucket, name = keys.split(key)
        return self._root / bucket[:2] / bucket / name[:2] / name

    async def put(
        self,
        key: str,
        body: AsyncIterable[bytes],
        *,
        content_type: str = "application/octet-stream",  # noqa: ARG002 - a disk hands out nothing
        replace: bool = False,
    ) -> Digests:
        """Store all of `body`; see `cella.store.contract.Put`.

        A block is written and hashed while the next one is received. A blob that is smaller
        than a block takes one hop to a thread altogether.
        """
        writing: asyncio.Future[None] | None = None
        async with self._landing(key) as incoming, aclosing(gathered(body)) as blocks:
            try:
                async for block in blocks:
                    if writing is not None:
                        await outcome(writing)
                    if len(block) < BLOCK:
                        return await self._writers.run(incoming.finish, block, replace)
                    writing = self._writers.start(incoming.write, block)
            finally:
                if writing is not None:
                    await ended(writing)
        raise AssertionError("unreachable: a shorter block always ends the body")

    async def get(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read a range; see `cella.store.contract.Get`. Up to a block it is one hop."""
        check_range(start, stop)
        reading = _Reading(self.path(key), key, start, stop)
        try:
            while not reading.ended:
                block = await self._readers.run(reading.next)
                if block:
                    yield block
        finally:
            reading.close()

    async def head(self, key: str) -> Stat:
        """What there is under `key`; raises `BlobMissing`."""
        return await self._readers.run(_stat, self.path(key), key)

    async def list(self, prefix: str = "", after: str = "") -> AsyncGenerator[Stat, None]:
        """Blobs in order of keys; see `cella.store.contract.List`.

        Holds one folder's names at a time, and enters none that cannot have what is wanted.
        """
        blobs = _walk(self._root, prefix, after)
        while page := await self._readers.run(_take, blobs):
            for blob in page:
                yield blob

    async def delete(self, key: str) -> bool:
        """Remove the blob; true where there was one.

        Not synced: after a power cut the blob may be back, and removing it again is no error.
        """
        return await self._writers.run(_unlink, self.path(key))

    async def copy(self, source: str, target: str, *, replace: bool = False) -> Stat:
        """Store the bytes of `source` under `target` too; see `cella.store.contract.Copy`.

        Copied inside the kernel; on file systems with reflinks the bytes are shared.
        """
        reading = _Reading(self.path(source), source)
        try:
            async with self._landing(target) as incoming:
                fd = await self._readers.run(reading.open)
                while await self._writers.run(incoming.copy_from, fd, _COPY_STEP):
                    pass
                found = await self._writers.run(incoming.publish, replace)
        finally:
            reading.close()
        return Stat(target, found.st_size, found.st_mtime)

    @asynccontextmanager
    async def _landing(self, key: str) -> AsyncIterator[Incoming]:
        """A blob to be written. Whatever is raised in the block leaves nothing behind."""
        target = self.path(key)
        if self._scratch is None:
            raise RuntimeError("the store is not open")
        temporary = self._scratch.path / str(next(self._numbers))
        incoming = Incoming(self._folders, key, temporary, target)
        try:
            yield incoming
        except BaseException:
            await ended(self._writers.start(incoming.withdraw))
            raise
        if incoming.keeps_replaced:
            # Nobody waits for it: cancelling from here on could not bring the old blob back.
            self._writers.start(incoming.forget_replaced)

    def _make_ready(self) -> Scratch:
        with translated():
            self._folders.make_root()
            scratch = Scratch(self._root / ".incoming")
            with scratch.orphans():
                pass
            scratch.open()
        return scratch

    def _shut(self, scratch: Scratch) -> None:
        self._writers.close()
        self._readers.close()
        with translated():
            scratch.close()


class _Reading:
    """A range of one file, read block by block. Blocking; holds the file open until its end."""

    def __init__(self, path: Path, key: str, start: int = 0, stop: int | None = None) -> None:
        self._path = path
        self._key = key
        self._position = min(start, _BEYOND_ANY_FILE)
        self._stop = _BEYOND_ANY_FILE if stop is None else min(stop, _BEYOND_ANY_FILE)
        self._fd: int | None = None
        self.ended = False

    def open(self) -> int:
        """Open the file, once, and return its descriptor."""
        if self._fd is None:
            with translated():
                try:
                    self._fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                except FileNotFoundError:
                    raise missing(self._key) from None
        return self._fd

    def next(self) -> bytes:
        """The next block; `ended` tells whether it was the last."""
        fd = self.open()
        wanted = max(0, min(BLOCK, self._stop - self._position))
        with translated():
            block = os.pread(fd, wanted, self._position)
        self._position += len(block)
        if len(block) < wanted or self._position >= self._stop:
            self.ended = True
            self.close()
        return block

    def close(self) -> None:
        """Close the file; may be called again."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _stat(path: Path, key: str) -> Stat:
    with translated():
        try:
            found = path.lstat()
        except FileNotFoundError:
            raise missing(key) from None
    if not stat.S_ISREG(found.st_mode):
        raise missing(key)
    return Stat(key, found.st_size, found.st_mtime)


def _unlink(path: Path) -> bool:
    with translated():
        try:
            path.unlink()
        except FileNotFoundError:
            return False
    return True


def _take(blobs: Iterator[Stat]) -> list[Stat]:
    with translated():
        return list(itertools.islice(blobs, _PAGE))


def _walk(root: Path, prefix: str, after: str) -> Iterator[Stat]:
    """Every blob below `root` that is wanted, in order of keys.

    The order of folders is that of the keys in them: a bucket has a fixed length, and a shard
    is the beginning of the names in it.
    """

    def wanted(stem: str) -> bool:
        """Whether a key that begins with `stem` may be wanted."""
        fits = stem.startswith(prefix) or prefix.startswith(stem)
        return fits and (stem >= after or after.startswith(stem))

    for fan in _names(root):
        if not wanted(fan):
            continue
        for bucket in _names(root / fan):
            if bucket[:2] != fan or not wanted(f"{bucket}/_/"):
                continue
            for shard in _names(root / fan / bucket):
                if wanted(f"{bucket}/_/{shard}"):
                    yield from _blobs(root / fan / bucket / shard, bucket, prefix, after)


def _blobs(folder: Path, bucket: str, prefix: str, after: str) -> Iterator[Stat]:
    for name in _names(folder):
        key = f"{bucket}/_/{name}"
        if not key.startswith(prefix) or key <= after or name[:2] != folder.name:
            continue
        try:
            keys.check(key)
            blob = _stat(folder / name, key)
        except (BadKey, BlobMissing):
            continue
        yield blob


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
