"""One blob on its way to the disk: a temporary file until it is published in one step."""

import errno
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cella.digest import Digester, Digests
from cella.errors import StoreError, StoreFull, StoreUnavailable
from cella.store.problems import exists

_WRITE_BACK = 32 << 20
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM})
_COPY_BUFFER = 1 << 20


@contextmanager
def translated() -> Iterator[None]:
    """Make errors of the operating system ours, without the path that they tell."""
    try:
        yield
    except OSError as error:
        raise foreign(error) from error


def foreign(error: OSError) -> StoreError:
    """`StoreFull` where there is no room or no quota left, else `StoreUnavailable`."""
    if error.errno in _NO_ROOM:
        return StoreFull("The store has no room left. Free some, or give it a larger disk.")
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return StoreUnavailable(f"The store's disk did not do what was asked: {reason}.")


def sync_folder(folder: Path) -> None:
    """Make the entries of `folder` durable: fsync(2) of a file does not sync its entry."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Folders:
    """The folders of a store, made when first needed and durable before anything is put in.

    That a folder exists does not tell that its entry is durable: whoever made it may be about
    to sync it, or may have died before. So each process syncs the parent of each folder once.
    """

    _REMEMBERED = 1 << 16

    def __init__(self, root: Path) -> None:
        self._root = root
        self._durable: set[Path] = set()

    def make_root(self) -> None:
        """Make the root of the store with what is above it."""
        missing = list(
            itertools.takewhile(lambda folder: not folder.exists(), _upwards(self._root))
        )
        self._root.mkdir(parents=True, exist_ok=True, mode=0o750)
        for folder in missing:
            sync_folder(folder.parent)

    def make(self, folder: Path) -> None:
        """Make `folder`, somewhere below the root, where it is not there yet."""
        if folder == self._root or folder in self._durable:
            return
        self.make(folder.parent)
        folder.mkdir(exist_ok=True, mode=0o750)
        sync_folder(folder.parent)
        if len(self._durable) >= self._REMEMBERED:
            self._durable.clear()
        self._durable.add(folder)

    def forget(self) -> None:
        """Look at the disk again: somebody has removed folders."""
        self._durable.clear()


def _upwards(folder: Path) -> Iterator[Path]:
    return itertools.chain([folder], folder.parents)


class Incoming:
    """A blob that is being written to `temporary` and will stand at `target`.

    All methods block and are called one after the other, by whichever thread. After any of
    them raised, or to undo a `publish` that nobody wants any more, call `withdraw`.
    """

    def __init__(self, folders: Folders, key: str, temporary: Path, target: Path) -> None:
        self._folders = folders
        self._key = key
        self._temporary = temporary
        self._target = target
        self._replaced = temporary.with_suffix(".replaced")
        self._digester = Digester()
        self._fd: int | None = None
        self._length = 0
        self._under_way = 0
        self._published: os.stat_result | None = None
        self.keeps_replaced = False

    def write(self, block: bytes | bytearray) -> None:
        """Append `block`, and hash it."""
        with translated():
            _write_all(self._open(), block, self._length)
            self._digester.update(block)
            self._grown(len(block))

    def copy_from(self, source: int, count: int) -> bool:
        """Append up to `count` bytes of the open file `source`; false where it has ended.

        Shares or copies them inside the kernel where the file system can. Does not hash.
        """
        with translated():
            copied = _copy_some(source, self._open(), self._length, count)
            self._grown(copied)
            return copied > 0

    def finish(self, block: bytes | bytearray, replace: bool) -> Digests:
        """Append the last block, make all durable and publish it."""
        self.write(block)
        self.publish(replace)
        return self._digester.digests()

    def publish(self, replace: bool) -> os.stat_result:
        """Make the bytes durable, let them appear at the target, make that durable too.

        Raises `BlobExists` where there is something already and `replace` is false.
        """
        with translated():
            folder = self._target.parent
            self._published = self._make_durable()
            try:
                self._folders.make(folder)
                self._appear(replace)
            except FileNotFoundError:
                self._folders.forget()
                self._folders.make(folder)
                self._appear(replace)
            sync_folder(folder)
            return self._published

    def withdraw(self) -> None:
        """Leave nothing behind: neither a temporary file, nor what was published.

        A blob that was replaced stands again. What somebody else has put or deleted since is
        not touched. As this runs while another error is on its way, it raises none; what the
        disk does not let it remove, the next start does.
        """
        with suppress(OSError):
            self._close()
        with suppress(OSError):
            self._unpublish()
        for left in (self._temporary, self._replaced):
            with suppress(OSError):
                left.unlink(missing_ok=True)

    def forget_replaced(self) -> None:
        """Give up the blob that was replaced: there is no way back after this."""
        with suppress(OSError):
            self._replaced.unlink(missing_ok=True)

    def _open(self) -> int:
        if self._fd is None:
            self._fd = os.open(
                self._temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640
            )
        return self._fd

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _grown(self, count: int) -> None:
        """Have large blobs written back while they come in, so that the fsync is short.

        "Not needed" makes Linux start writing dirty pages without waiting for them; as they
        are still dirty it does not drop them. A blob of 1 GiB is durable 0.02 s after its last
        byte instead of 0.5 s.
        """
        self._length += count
        if self._length - self._under_way >= _WRITE_BACK:
            os.posix_fadvise(
                self._open(),
                self._under_way,
                self._length - self._under_way,
                os.POSIX_FADV_DONTNEED,
            )
            self._under_way = self._length

    def _make_durable(self) -> os.stat_result:
        fd = self._open()
        os.fsync(fd)
        found = os.fstat(fd)
        self._close()
        return found

    def _appear(self, replace: bool) -> None:
        if replace:
            with suppress(FileNotFoundError):
                os.link(self._target, self._replaced)
                self.keeps_replaced = True
            self._temporary.replace(self._target)
            return
        try:
            os.link(self._temporary, self._target)
        except FileExistsError:
            raise exists(self._key) from None
        self._temporary.unlink()

    def _unpublish(self) -> None:
        ours, self._published = self._published, None
        if ours is None or not os.path.samestat(ours, self._target.lstat()):
            return
        if self.keeps_replaced:
            self._replaced.replace(self._target)
        else:
            self._target.unlink()
        sync_folder(self._target.parent)


def _write_all(fd: int, block: bytes | bytearray, offset: int) -> None:
    view = memoryview(block)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def _copy_some(source: int, target: int, offset: int, count: int) -> int:
    try:
        return os.copy_file_range(source, target, count, offset, offset)
    except OSError as error:
        if error.errno not in _NO_COPY:
            raise
    block = os.pread(source, min(count, _COPY_BUFFER), offset)
    _write_all(target, block, offset)
    return len(block)
