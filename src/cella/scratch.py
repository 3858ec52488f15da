"""A folder of a process's own, and what it was about to do when it died.

Each process that receives or processes files owns one folder below a common root. The folder
lives as long as the process: a lock file beside it is held with flock(2), which the kernel
releases however the process ends. Whoever opens a scratch later finds the folders of the dead,
and takes them over.

An *intent* is a line in a journal in that folder: "I am putting this blob and no row points at it
yet". It is written before the bytes, and crossed out by another line after the row was committed
or the blob was deleted again. So after a kill -9 the next start knows exactly which blobs may
have been left without a row, without reading the whole store. The journal is not fsynced, so a
line costs microseconds: what a power cut makes of it is left to a sweep of the whole store.
"""

import asyncio
import errno
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from cella.aio import uninterrupted

_JOURNAL = "intents"
_JOURNAL_BYTES = 64 << 10


class Abandoned(NamedTuple):
    """A folder of a process that has died: its bytes, its last change, and its open intents.

    `modified` is in seconds since the epoch; an intent is (backend, key).
    """

    name: str
    length: int
    modified: float
    intents: frozenset[tuple[str, str]]


class Scratch:
    """The scratch folder of this process below `root`. `open` makes it, `close` removes it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock: int | None = None
        self._folder: Path | None = None
        self._journal: int | None = None
        self._journal_size = 0
        self._unsettled: set[tuple[str, str]] = set()

    @property
    def path(self) -> Path:
        """The folder; only between `open` and `close`."""
        if self._folder is None:
            raise RuntimeError("the scratch is not open")
        return self._folder

    def open(self) -> None:
        """Make the folder and hold its lock.

        The lock is taken before the folder exists, so a folder whose lock is free is a dead
        process's beyond doubt.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        lock = None
        while lock is None:
            folder = self._root / secrets.token_hex(8)
            lock = _try_lock(_lock_path(folder))
        try:
            (folder / "work").mkdir(parents=True)
        except OSError:
            os.close(lock)
            raise
        self._folder, self._lock = folder, lock

    def close(self) -> None:
        """Remove the folder and give up its lock; an intent that is still open is kept."""
        folder, lock = self._folder, self._lock
        if folder is None or lock is None:
            return
        self._folder = self._lock = None
        if self._journal is not None:
            os.close(self._journal)
            self._journal, self._journal_size = None, 0
        shutil.rmtree(folder / "work", ignore_errors=True)
        if not self._unsettled:
            shutil.rmtree(folder, ignore_errors=True)
            _lock_path(folder).unlink(missing_ok=True)
        os.close(lock)

    @asynccontextmanager
    async def room(self) -> AsyncIterator[Path]:
        """An empty folder for one piece of work, gone afterwards.

        It may hold many GB by then, whose removal takes seconds: a thread does it.
        """
        room = Path(tempfile.mkdtemp(dir=self.path / "work"))
        try:
            yield room
        finally:
            await uninterrupted(asyncio.to_thread(shutil.rmtree, room, ignore_errors=True))

    def intend(self, backend: str, key: str) -> None:
        """Note that the blob `key` is about to be put and has no row yet. Raises `OSError`."""
        self._write(f"+{backend}:{key}\n")
        self._unsettled.add((backend, key))

    def settle(self, backend: str, key: str) -> None:
        """Forget the intent: the row stands, or the blob is gone. Raises `OSError`."""
        self._write(f"-{backend}:{key}\n")
        self._unsettled.discard((backend, key))
        if not self._unsettled and self._journal_size > _JOURNAL_BYTES:
            os.ftruncate(self._open_journal(), 0)
            self._journal_size = 0

    @property
    def unsettled(self) -> frozenset[tuple[str, str]]:
        """This process's own open intents, as (backend, key)."""
        return frozenset(self._unsettled)

    def _write(self, line: str) -> None:
        content = line.encode()
        journal = self._open_journal()
        written = os.write(journal, content)
        if written < len(content):
            # What a disk that just filled up took of it would spoil the next line.
            os.ftruncate(journal, self._journal_size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._journal_size += written

    def _open_journal(self) -> int:
        if self._journal is None:
            flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
            self._journal = os.open(self.path / _JOURNAL, flags, 0o600)
        return self._journal

    def abandoned(self) -> list[Abandoned]:
        """The folders of processes that have died, which the next one to start takes over."""
        return abandoned(self._root)

    @contextmanager
    def orphans(self) -> Iterator[list[tuple[str, str]]]:
        """The intents of dead processes as (backend, key).

        Their folders are removed when the block ends well, and kept for the next try when it
        raises.
        """
        dead: list[tuple[Path, int]] = []
        try:
            for lock_path in sorted(self._root.glob("*.lock")):
                if self._folder is not None and lock_path == _lock_path(self._folder):
                    continue
                lock = _try_lock(lock_path)
                if lock is not None:
                    dead.append((lock_path.with_suffix(""), lock))
            for folder, _ in dead:
                # The journal waits until it is settled; half-made films need not.
                shutil.rmtree(folder / "work", ignore_errors=True)
            yield sorted(intent for folder, _ in dead for intent in _open_intents(folder))
            for folder, _ in dead:
                shutil.rmtree(folder, ignore_errors=True)
                _lock_path(folder).unlink(missing_ok=True)
        finally:
            for _, lock in dead:
                os.close(lock)


def abandoned(root: Path) -> list[Abandoned]:
    """The folders below `root` of processes that have died, by name. Only looks."""
    return [
        _abandoned(lock_path.with_suffix(""))
        for lock_path in sorted(root.glob("*.lock"))
        if _is_free(lock_path)
    ]


def _abandoned(folder: Path) -> Abandoned:
    length, modified = 0, 0.0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                found = Path(place, name).lstat()
                length += found.st_size
                modified = max(modified, found.st_mtime)
    return Abandoned(folder.name, length, modified, frozenset(_open_intents(folder)))


def _is_free(lock_path: Path) -> bool:
    """Whether nobody holds the lock. It is not made where it has just been removed."""
    try:
        fd = os.open(lock_path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who look at once do not take each other for the owner.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _lock_path(folder: Path) -> Path:
    return folder.with_suffix(".lock")


def _try_lock(path: Path) -> int | None:
    """Lock the file, or None where somebody else holds it or has just removed it."""
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    if os.fstat(fd).st_nlink == 0:
        os.close(fd)
        return None
    return fd


def _open_intents(folder: Path) -> set[tuple[str, str]]:
    """The lines of a dead process's journal that are not crossed out.

    A last line that is torn was never finished, so what it intended has not begun.
    """
    found: set[tuple[str, str]] = set()
    with suppress(FileNotFoundError):
        text = (folder / _JOURNAL).read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines(keepends=True):
            if line.endswith("\n"):
                backend, _, key = line[1:-1].partition(":")
                (found.add if line[0] == "+" else found.discard)((backend, key))
    return found
