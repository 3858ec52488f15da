"""What is handed back by everything that renders."""

import stat
from pathlib import Path

import msgspec


class RenderedVariation(msgspec.Struct, kw_only=True, frozen=True):
    """Bytes that were derived from a file, on disk.

    Sides are in pixels, `length` in bytes, `duration` in whole seconds; None where there is no
    such thing. The name of `path` is unique among the variations of a file, and how playlists
    that lie beside it refer to it.
    """

    size: str
    path: Path
    content_type: str
    length: int
    format: str | None = None
    width: int | None = None
    height: int | None = None
    duration: int | None = None
    is_public: bool = False


def length_of(path: Path) -> int:
    """The bytes of the plain file `path`; 0 where there is none, or something else."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
