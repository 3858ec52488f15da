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
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from cella.digest import Digests
from cella.errors import BadKey, BlobMissing, StoreUnavailable
from cella.scratch import Abandoned, Scratch, abandoned
from cella.store import browsing, keys
from cella.store.blocks import check_range, gathered
from cella.store.browsing import Entries
from cella.store.contract import BLOCK, PLAIN, Entry, Label, Stat
from cella.store.incoming import Folders, Incoming, translated
from cella.store.problems import missing
from cella.store.threads import Threads, ended, outcome

_INCOMING = ".incoming"
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
        label: Label = PLAIN,  # noqa: ARG002 - a disk hands out nothing
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
        try:
            return await self._readers.run(stat_of, self.path(key), key)
        except BlobMissing:
            await self._readers.run(self._check_root)
            raise

    async def list(self, prefix: str = "", after: str = "") -> AsyncGenerator[Stat, None]:
        """Blobs in order of keys; see `cella.store.contract.List`.

        Holds one folder's names at a time, and enters none that cannot have what is wanted.
        """
        blobs = _walk(self._root, prefix, after)
        while page := await self._readers.run(_take, blobs):
            for blob in page:
                yield blob

    async def unfinished(self) -> AsyncGenerator[Stat, None]:
        """What processes that died were putting; see `cella.store.contract.ShowsUnfinished`.

        The next process that opens the store removes it as well.
        """
        for dead in await self._readers.run(self._abandoned):
            yield Stat(f"{_INCOMING}/{dead.name}", dead.length, dead.modified)

    async def drop_unfinished(self) -> int:
        """Remove it; see `cella.store.contract.ShowsUnfinished`."""
        return await self._writers.run(self._drop_abandoned)

    async def delete(self, key: str) -> bool:
        """Remove the blob; true where there was one.

        Not synced: after a power cut the blob may be back, and removing it again is no error.
        """
        return await self._writers.run(_unlink, self.path(key))

    async def copy(self, source: str, target: str, *, replace: bool = False) -> Stat:
        """Store the bytes of `source` under `target` too; see `cella.store.contract.Copy`.

        Copied inside the kernel; on file systems with reflinks the bytes are shared.
        """
        reading = Reading(self.path(source), source)
        try:
            async with self._landing(target) as incoming:
                fd = await self._readers.run(reading.open)
                while await self._writers.run(incoming.copy_from, fd, _COPY_STEP):
                    pass
                found = await self._writers.run(incoming.publish, replace)
        finally:
            reading.close()
        return Stat(target, found.st_size, found.st_mtime)

    async def browse(self, bucket: str, path: str, after: str, most: int) -> Entries:
        """The entries of a folder; see `cella.store.contract.CanBrowse`."""
        return await browsing.browse(self, bucket, path, after, most)

    async def find(self, bucket: str, path: str) -> Entry:
        """The blob at a path; raises `BlobMissing`."""
        return await browsing.find(self, bucket, path)

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
            scratch = Scratch(self._root / _INCOMING)
            with scratch.orphans():
                pass
            scratch.open()
        return scratch

    def _abandoned(self) -> Sequence[Abandoned]:
        with translated():
            return abandoned(self._root / _INCOMING)

    def _drop_abandoned(self) -> int:
        dropped = len(self._abandoned())
        with translated(), Scratch(self._root / _INCOMING).orphans():
            return dropped

    def _check_root(self) -> None:
        """What `open` made is gone where a disk was taken away; then nothing can be said."""
        if not (self._root / _INCOMING).is_dir():
            raise StoreUnavailable("The store's folder is not there. Is its disk mounted?")

    def _shut(self, scratch: Scratch) -> None:
        self._writers.close()
        self._readers.close()
        with translated():
            scratch.close()


class Reading:
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


def stat_of(path: Path, key: str) -> Stat:
    """What lies at the path, as the blob under `key`; raises `BlobMissing`."""
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
            blob = stat_of(folder / name, key)
        except (BadKey, BlobMissing):
            continue
        yield blob


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
