"""A file of a dump, read once from its beginning, and the BSON documents that follow one another.

A document begins with its length, a little-endian int32, and ends with a zero byte
(https://bsonspec.org/spec.html).
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from cella.errors import DamagedDump

LARGEST = (16 << 20) + (16 << 10)
"""Bytes of the largest document: MongoDB's own 16 MiB, and what it allows itself on top
(`BSONObjMaxInternalSize`)."""

_SMALLEST = 5
_GZIP = b"\x1f\x8b"
_BUFFER = 1 << 18
_TERMINATOR = b"\xff\xff\xff\xff"


class Document(NamedTuple):
    """A document's bytes, and where they begin in the unpacked file."""

    offset: int
    raw: bytes


class Source:
    """One file, unpacked where its first bytes are those of gzip, whatever it is called."""

    def __init__(self, name: str, counted: "_Counted", unpacked: IO[bytes]) -> None:
        self.name = name
        self.offset = 0
        self._counted = counted
        self._unpacked = unpacked

    @property
    def consumed(self) -> int:
        """How many bytes of the file itself have been read."""
        return self._counted.count

    def read(self, count: int) -> bytes:
        """The next `count` bytes, fewer at the end. Raises `DamagedDump`."""
        try:
            got = self._unpacked.read(count)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise self.damaged("what was packed with gzip is cut off or damaged") from None
        self.offset += len(got)
        return got

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes. Raises `DamagedDump` where there are not as many."""
        got = self.read(count)
        if len(got) != count:
            raise self.damaged("the file ends in the middle of a document")
        return got

    def document(self) -> Document | None:
        """The next document; None at a terminator of the archive format. Raises `DamagedDump`."""
        offset = self.offset
        head = self.exactly(4)
        return None if head == _TERMINATOR else self._after(head, offset)

    def documents(self) -> Iterator[Document]:
        """The documents up to the end of the file. Raises `DamagedDump`."""
        while True:
            offset = self.offset
            head = self.read(4)
            if not head:
                return
            if len(head) < 4:
                raise self.damaged("the file ends in the middle of a document")
            yield self._after(head, offset)

    def damaged(self, what: str, offset: int | None = None) -> DamagedDump:
        """The error that tells what is wrong, in which file, and where."""
        where = self.offset if offset is None else offset
        return DamagedDump(f"{self.name}, byte {where}: {what}.")

    def _after(self, head: bytes, offset: int) -> Document:
        length = int.from_bytes(head, "little", signed=True)
        if not _SMALLEST <= length <= LARGEST:
            raise self.damaged(f"{length} is no length of a document", offset)
        raw = head + self.exactly(length - 4)
        if raw[-1]:
            raise self.damaged("the document there does not end as documents do", offset)
        return Document(offset, raw)


@contextmanager
def opened(path: Path, name: str) -> Iterator[Source]:
    """The file at `path`, called `name` in complaints. Raises `OSError`."""
    with path.open("rb", buffering=0) as raw:
        counted = _Counted(raw)
        plain = io.BufferedReader(counted, _BUFFER)
        if plain.peek(2)[:2] == _GZIP:
            with gzip.GzipFile(fileobj=plain) as packed:
                yield Source(name, counted, io.BufferedReader(packed, _BUFFER))
        else:
            yield Source(name, counted, plain)


class _Counted(io.RawIOBase):
    """Counts what is read of a file."""

    def __init__(self, raw: io.RawIOBase | io.FileIO) -> None:
        super().__init__()
        self.count = 0
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        got = self._raw.readinto(buffer) or 0
        self.count += got
        return got
