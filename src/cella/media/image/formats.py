"""Which pictures previews are made of, and what to say of all other files. Pure."""

from pathlib import Path
from typing import NamedTuple

from cella.errors import CannotDecode
from cella.media.describe import describe
from cella.media.sniff import HEAD, sniff


class Format(NamedTuple):
    """A format that is decoded: the name people know, and the loader of libvips for it."""

    name: str
    loader: str


FORMATS: dict[str, Format] = {
    "image/jpeg": Format("JPEG", "jpegload"),
    "image/png": Format("PNG", "pngload"),
    "image/gif": Format("GIF", "gifload"),
    "image/webp": Format("WebP", "webpload"),
    "image/avif": Format("AVIF", "heifload"),
    "image/tiff": Format("TIFF", "tiffload"),
}

DECODABLE: frozenset[str] = frozenset(FORMATS) | {
    "image/jpg",
    "image/pjpeg",
    "image/x-jpeg",
    "image/x-png",
    "image/apng",
    "image/tif",
    "image/x-tiff",
}
"""Content types of documents that previews are made for: the formats and their other names."""


def recognise(source: Path) -> Format:
    """The format of the file, by its bytes. Raises `CannotDecode` where it is not one of ours."""
    with source.open("rb") as file:
        head = file.read(HEAD)
    media_type = sniff(head)
    if media_type in FORMATS:
        return FORMATS[media_type]
    if not head:
        raise CannotDecode("This file is empty.")
    known = ", ".join(format.name for format in FORMATS.values())
    raise CannotDecode(
        f"This file is not a picture that previews are made of ({known}): {describe(head)}."
    )
