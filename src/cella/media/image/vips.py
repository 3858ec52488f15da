"""libvips, opened no wider than needed, and its complaints in plain words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyvips

from cella.errors import CannotDecode, OverLimit
from cella.media.image.formats import Format

Picture = Any
"""A `pyvips.Image`. It is a recipe until its pixels are asked for."""

_LOADERS = (
    "VipsForeignLoadJpeg",
    "VipsForeignLoadPng",
    "VipsForeignLoadNsgif",
    "VipsForeignLoadWebp",
    "VipsForeignLoadHeif",
    "VipsForeignLoadTiff",
)

_NO_MEMORY = ("out of memory", "allocat", "insufficient memory", "not enough memory")
_NO_MEMORY_FOR_NOTHING = "(0 elements"  # libtiff, of an empty directory
_NOT_ALLOWED = "security limit"  # libheif, which calls it a failed allocation
_CUT_OFF = (
    "premature end of jpeg",
    "unexpected end",
    "cannot read full",
    "file size too small",
    "seek error",
    "not enough data",
)
_PNG_END = b"IEND"
_TAIL = 64 * 1024


def prepare() -> None:
    """Set libvips up for one file: no cache, and no loader but those of our formats.

    The cache is keyed by file name, and would bring back the picture that had the name before.
    """
    pyvips.cache_set_max(0)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in _LOADERS:
        pyvips.operation_block_set(loader, False)


@contextmanager
def plain_words(source: Path, format: Format) -> Iterator[None]:
    """Turn a complaint of libvips about the file into an error of ours, or into `MemoryError`.

    Ours are `CannotDecode`, and `OverLimit` where a decoder has a limit of its own.

    What libvips says holds paths, and means little to who sent the file.
    """
    try:
        yield
    except pyvips.Error as error:
        complaint = str(error).lower()
        if _NOT_ALLOWED in complaint:
            raise OverLimit(
                f"This {format.name} file is larger, or in more parts, than can be decoded."
            ) from error
        lacking = any(words in complaint for words in _NO_MEMORY)
        if lacking and _NO_MEMORY_FOR_NOTHING not in complaint:
            raise MemoryError from error
        if any(words in complaint for words in _CUT_OFF) or _lacks_its_end(source, format):
            raise CannotDecode(
                f"This {format.name} file is cut off: it ends before the picture does."
            ) from error
        raise CannotDecode(
            f"This {format.name} file is broken, or needs something that we cannot read."
        ) from error


def _lacks_its_end(source: Path, format: Format) -> bool:
    """Whether a PNG or WebP is cut off, which their decoders call broken like all else."""
    length = source.stat().st_size
    with source.open("rb") as file:
        if format.loader == "webpload":
            return int.from_bytes(file.read(8)[4:], "little") + 8 > length
        file.seek(max(0, length - _TAIL))
        return format.loader == "pngload" and _PNG_END not in file.read()
