"""Opens a picture, looks at its header, and decodes it once, no larger than needed."""

from pathlib import Path
from typing import NamedTuple

import pyvips

from cella.errors import CannotDecode, OverLimit
from cella.media.image.colour import flattened, to_srgb
from cella.media.image.formats import Format
from cella.media.image.vips import Picture

_JPEG_SHRINKS = (8, 4, 2)
_HARMLESS_JPEG_WARNINGS = (
    "extraneous bytes",
    "inconsistent progression",
    "invalid sos parameters",
    "unknown adobe",
    "unknown jfif",
    "bad icc",
)
_SIDEWAYS = frozenset({5, 6, 7, 8})


class Header(NamedTuple):
    """The sides of a picture in pixels as it is displayed, and whether that turns them round."""

    width: int
    height: int
    sideways: bool


def read_header(source: Path, format: Format) -> Header:
    """What the picture's header tells; nothing is decoded.

    Orientation is Exif's (CIPA DC-008, tag 274): 5 to 8 lie on their side.
    """
    picture = _open(source, format)
    if format.loader == "heifload" and picture.get("heif-compression") != "av1":
        raise CannotDecode("This file is not an AVIF picture: it is coded otherwise than AV1.")
    orientation = picture.get("orientation") if picture.get_typeof("orientation") else 1
    if orientation in _SIDEWAYS:
        return Header(picture.height, picture.width, sideways=True)
    return Header(picture.width, picture.height, sideways=False)


def refuse_too_large(header: Header, max_pixels: int) -> None:
    """Raise `OverLimit` for a picture of more than `max_pixels` pixels."""
    if header.width * header.height > max_pixels:
        raise OverLimit(
            f"This picture is too large: {header.width} × {header.height} pixels, "
            f"where at most {max_pixels // 1_000_000} million can be decoded."
        )


def decode(source: Path, format: Format, header: Header, width: int, height: int) -> Picture:
    """The whole picture in memory, upright, in sRGB, at exactly `width` × `height` pixels.

    Raises `pyvips.Error` where the file is broken or cut off: there is no half picture.
    """
    if header.sideways:
        width, height = height, width
    if format.loader != "jpegload":
        return _decode(source, format, header, width, height, "error")
    # libjpeg fills up a picture whose data ends too early, and only warns. But it also warns of
    # oddities that harm nothing.
    try:
        return _decode(source, format, header, width, height, "warning")
    except pyvips.Error as error:
        if not any(words in str(error).lower() for words in _HARMLESS_JPEG_WARNINGS):
            raise
        return _decode(source, format, header, width, height, "error")


def _decode(
    source: Path, format: Format, header: Header, width: int, height: int, fail_on: str
) -> Picture:
    full_width, full_height = _stored(header)
    scale = max(width / full_width, height / full_height)
    shrink = _shrink_on_load(format, scale)
    picture = flattened(_open(source, format, fail_on=fail_on, **shrink))
    if (picture.width, picture.height) != (width, height):
        picture = picture.resize(width / picture.width, vscale=height / picture.height)
    # The file is read from top to bottom, once; turning needs the pixels in any order.
    return to_srgb(picture).copy_memory().autorot()


def _stored(header: Header) -> tuple[int, int]:
    return (header.height, header.width) if header.sideways else (header.width, header.height)


def _open(source: Path, format: Format, *, fail_on: str = "error", **options: object) -> Picture:
    """The first frame or page, which fails rather than being filled up where data is missing."""
    load = getattr(pyvips.Image, format.loader)
    return load(str(source), access="sequential", fail_on=fail_on, **options)


def _shrink_on_load(format: Format, scale: float) -> dict[str, object]:
    """How the decoder itself makes the picture smaller, but not smaller than `scale`."""
    if format.loader == "jpegload":
        fitting = (shrink for shrink in _JPEG_SHRINKS if shrink * scale <= 1)
        return {"shrink": next(fitting, 1)}
    if format.loader == "webpload" and scale < 0.5:
        # Its filter is a plain average, so the last halving is left to a better one.
        return {"scale": 2 * scale}
    return {}
