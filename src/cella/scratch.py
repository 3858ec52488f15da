"""A folder of a process's own, and what it was about to do when it died.

Each process that receives or processes files owns one folder below a common root. The folder
lives as long as the process: a lock file beside it is held with flock(2), which the kernel
releases however the process ends. Whoever opens a scratch later finds the folders of the dead,
and takes them over.

An *intent* is an empty file in that folder, named after a blob key: "I am putting this blob and
no row points at it yet". It is written before the bytes and removed after the row was committed
or the blob was deleted again. So after a kill -9 the next start knows exactly which blobs may
have been left without a row, without reading the whole store. An intent is not fsynced: what a
power cut makes of it is left to the sweep of the whole store.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote


class Scratch:
    """The scratch folder of this process below `root`. `open` makes it, `close` removes it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock: int | None = None
        self._folder: Path | None = None

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
            (folder / "intents").mkdir(parents=True)
            (folder / "work").mkdir()
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
        shutil.rmtree(folder / "work", ignore_errors=True)
        if not any((folder / "intents").iterdir()):
            shutil.rmtree(folder, ignore_errors=True)
            _lock_path(folder).unlink(missing_ok=True)
        os.close(lock)

    @contextmanager
    def room(self) -> Iterator[Path]:
        """An empty folder for one piece of work, gone afterwards."""
        room = Path(tempfile.mkdtemp(dir=self.path / "work"))
        try:
            yield room
        finally:
            shutil.rmtree(room, ignore_errors=True)

    def intend(self, backend: str, key: str) -> None:
        """Note that the blob `key` is about to be put and has no row yet."""
        os.close(os.open(self._intent(backend, key), os.O_CREAT | os.O_WRONLY, 0o600))

    def settle(self, backend: str, key: str) -> None:
        """Forget the intent: the row stands, or the blob is gone."""
        self._intent(backend, key).unlink(missing_ok=True)

    def _intent(self, backend: str, key: str) -> Path:
        return self.path / "intents" / quote(f"{backend}:{key}", safe="")

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
            yield [
                _parse_intent(intent.name)
                for folder, _ in dead
                if (folder / "intents").is_dir()
                for intent in sorted((folder / "intents").iterdir())
            ]
            for folder, _ in dead:
                shutil.rmtree(folder, ignore_errors=True)
                _lock_path(folder).unlink(missing_ok=True)
        finally:
            for _, lock in dead:
                os.close(lock)


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


def _parse_intent(name: str) -> tuple[str, str]:
    backend, _, key = unquote(name).partition(":")
    return backend, key
