"""Films of the family of MP4, as far as their outermost boxes (ISO/IEC 14496-12). Pure."""

import struct
from typing import BinaryIO

_MOST_BOXES = 10_000
_HEADER = 8
_FIRST = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"pnot"})


def is_boxed(head: bytes) -> bool:
    """Whether a file that begins with `head` is of this family, as far as its first box tells."""
    return head[4:8] in _FIRST


def lacks_index(file: BinaryIO, length: int) -> bool:
    """Whether the file of `length` bytes, seen from its beginning, has no box `moov`.

    Box after box is passed over, and only headers are read. False where there is no telling,
    because a header makes no sense or there are very many.
    """
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        header = file.read(2 * _HEADER)
        if len(header) < _HEADER:
            return True
        size, kind = struct.unpack_from(">I4s", header)
        if kind == b"moov" or not (kind.isascii() and kind.decode().isprintable()):
            return False
        if size == 1:
            if len(header) < 2 * _HEADER:
                return True
            (size,) = struct.unpack_from(">Q", header, _HEADER)
        # The last box may reach to the end without saying how long it is: 0.
        if 0 < size < _HEADER:
            return False
        if not size or at + size >= length:
            return True
        at += size
    return False
