"""Opens a picture, looks at its header, and decodes it once, no larger than needed."""

from pathlib import Path
from typing import BinaryIO, NamedTuple

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
_SCAN = 0xDA
_JPEG_END = b"\xff\xd9"
_BLOCK = 1 << 20
_MOST_FRAMES = 20_000


class Header(NamedTuple):
    """The sides of a picture in pixels as it is displayed, and whether that turns them round."""

    width: int
    height: int
    sideways: bool


def read_header(source: Path, format: Format) -> Header:
    """What the picture's header tells; nothing is decoded.

    Raises `CannotDecode` for what only looks like one of ours, `OverLimit` for a film of too many
    frames. Orientation is Exif's (CIPA DC-008, tag 274): 5 to 8 lie on their side.
    """
    if format.loader == "webpload":
        _refuse_too_many_frames(source)
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

    Raises `pyvips.Error` where the file is broken, that or `CannotDecode` where it is cut off:
    there is no half picture.
    """
    if header.sideways:
        width, height = height, width
    if format.loader != "jpegload":
        return _decode(source, format, header, width, height, "error")
    _refuse_without_end(source)
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


def _refuse_without_end(source: Path) -> None:
    """Raise `CannotDecode` for a JPEG without an end marker behind the start of its pixels.

    A download that broke off may leave zeros for what never came. Baseline decoders take them
    for pixels, so nothing else tells that the picture is cut off.
    """
    with source.open("rb") as file:
        file.seek(_start_of_pixels(file))
        last = b""
        while block := file.read(_BLOCK):
            if _JPEG_END in last + block:
                return
            last = block[-1:]
    raise CannotDecode("This JPEG file is cut off: it ends before the picture does.")


def _start_of_pixels(file: BinaryIO) -> int:
    """Where the first scan begins (ITU-T T.81, B.1.1); 0 where the segments do not lead there.

    Before it lies, among other things, the whole JPEG of a thumbnail.
    """
    file.seek(2)
    while len(head := file.read(4)) == 4 and head[0] == 0xFF:
        if head[1] == _SCAN:
            return file.tell()
        file.seek(int.from_bytes(head[2:], "big") - 2, 1)
    return 0


def _refuse_too_many_frames(source: Path) -> None:
    """Raise `OverLimit` for a WebP of so many frames that reading its header takes seconds.

    libwebp looks for each frame among all of them.
    """
    frames = 0
    with source.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            frames += head.startswith(b"ANMF")
            length = int.from_bytes(head[4:], "little")
            file.seek(length + length % 2, 1)
    if frames > _MOST_FRAMES:
        raise OverLimit(
            f"This WebP file has too many frames: {frames}, "
            f"where at most {_MOST_FRAMES} can be decoded."
        )


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
