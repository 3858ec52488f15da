"""A sound as a picture: a PNG that can lie on light pages and on dark ones. Pure."""

import struct
import zlib
from collections.abc import Sequence

from cella.media.audio.peaks import Peaks

WAVEFORM = "waveform.png"
WIDTH, HEIGHT = 1800, 280
_COLOUR = (62, 142, 208)
_MIDDLE = HEIGHT / 2
_REACH = _MIDDLE - 6
_THINNEST = 1.0
_LEVELS = 15


def waveform(peaks: Peaks) -> bytes:
    """The picture, `WIDTH` × `HEIGHT`: one colour, more or less of it, on nothing."""
    columns = b"".join(_column(low, high) for low, high in _spread([*peaks.pairs]))
    rows = b"".join(b"\0" + columns[row::HEIGHT] for row in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)
    opacity = bytes(255 * level // _LEVELS for level in range(_LEVELS + 1))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", bytes(_COLOUR) * (_LEVELS + 1)),
            _chunk(b"tRNS", opacity),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _spread(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """A pair for each column: the extremes of those that fall into it, or the nearest one."""
    count = len(pairs)
    spread = []
    for column in range(WIDTH):
        first = column * count // WIDTH
        part = pairs[first : max(first + 1, (column + 1) * count // WIDTH)]
        spread.append((min(low for low, _ in part), max(high for _, high in part)))
    return spread


def _column(low: int, high: int) -> bytes:
    """The levels of one column from top to bottom; its ends are as strong as they reach in."""
    top = _MIDDLE - max(_THINNEST, high / 127 * _REACH)
    bottom = _MIDDLE + max(_THINNEST, -low / 128 * _REACH)
    first, last = int(top), int(bottom)
    head = round((first + 1 - top) * _LEVELS)
    tail = round((bottom - last) * _LEVELS)
    inside = bytes([head]) + bytes([_LEVELS]) * (last - first - 1) + bytes([tail])
    return bytes(first) + inside + bytes(HEIGHT - first - len(inside))


def _chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
