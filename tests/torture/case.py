"""What a file of the torture set is: how it is made and sent, and how it must end."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["picture", "film", "sound", "other"]
"""What is tried on a file: previews, encoding, a waveform, or nothing."""

Status = Literal["complete", "failed"]

COMPLETE = frozenset[Status]({"complete"})
FAILED = frozenset[Status]({"failed"})
EITHER = COMPLETE | FAILED
"""Where a decoder may make something of it, and may as well refuse it."""


class Traps(NamedTuple):
    """What nothing may touch: a film of somebody else's, and a port that somebody listens on."""

    film: Path
    port: int

    @property
    def url(self) -> str:
        """Where the listener would be asked for a film."""
        return f"http://127.0.0.1:{self.port}/film.mp4"


Maker = Callable[[Path, Traps], object]
"""Writes the file to the path."""


class Case(NamedTuple):
    """One file. `says` is part of the reason, in small letters, where it fails.

    Slow ones take seconds, and are left to the drills.
    """

    name: str
    file: str
    kind: Kind
    make: Maker
    expected: frozenset[Status]
    says: str | None = None
    slow: bool = False

    @property
    def declared(self) -> str:
        """The content type that the sender gives: that of the file's name."""
        return TYPES[self.file.rpartition(".")[2]]


TYPES: dict[str, str] = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "tif": "image/tiff",
    "bmp": "image/bmp",
    "svg": "image/svg+xml",
    "exr": "image/x-exr",
    "psd": "image/vnd.adobe.photoshop",
    "dpx": "image/x-dpx",
    "hdr": "image/vnd.radiance",
    "tga": "image/x-tga",
    "jp2": "image/jp2",
    "jxl": "image/jxl",
    "ktx": "image/ktx",
    "dds": "image/vnd-ms.dds",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "m4v": "video/x-m4v",
    "3gp": "video/3gpp",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
    "mxf": "application/mxf",
    "ts": "video/mp2t",
    "flv": "video/x-flv",
    "ogv": "video/ogg",
    "mp3": "audio/mpeg",
    "wav": "audio/x-wav",
    "flac": "audio/flac",
    "aiff": "audio/aiff",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "blend": "application/x-blender",
    "pdf": "application/pdf",
    "zip": "application/zip",
    "gz": "application/gzip",
}
"""The types that files come with, by their extensions."""


def holding(content: bytes) -> Maker:
    """Makes a file of these bytes."""
    return lambda path, _: path.write_bytes(content)


def lazily(content: Callable[[], bytes]) -> Maker:
    """Makes a file of the bytes that `content` gives, which it is asked for no sooner."""
    return lambda path, _: path.write_bytes(content())
