"""Which previews are made of a picture, and how large each one is. Pure."""

from typing import Literal, NamedTuple

Fit = Literal["fit", "crop"]

PREVIEW_TYPE = "image/jpeg"
"""The content type of every preview."""


class Size(NamedTuple):
    """A kind of preview: its name, the side of its square box in pixels, how it fills it."""

    name: str
    box: int
    fit: Fit
    is_public: bool = False


SIZES: tuple[Size, ...] = (
    Size("s", 90, "crop"),
    Size("b", 160, "crop"),
    Size("t", 160, "fit", is_public=True),
    Size("m", 320, "fit"),
    Size("l", 1024, "fit"),
    Size("h", 2048, "fit"),
)
"""The sizes that clients know (contract.md, section 4.5), in the order documents list them."""


class Wanted(NamedTuple):
    """A preview to make: exactly `width` × `height` pixels."""

    size: str
    width: int
    height: int
    fit: Fit
    is_public: bool


def plan(width: int, height: int) -> tuple[Wanted, ...]:
    """The previews of a picture of `width` × `height` pixels, one for each of `SIZES`.

    "fit" keeps the aspect, rounds down but never below one pixel, and never enlarges. "crop"
    fills its box exactly, enlarging where it must. Raises ValueError for a picture without
    pixels.
    """
    if width < 1 or height < 1:
        raise ValueError(f"a picture has at least one pixel, not {width}×{height}")
    return tuple(_wanted(size, width, height) for size in SIZES)


def _wanted(size: Size, width: int, height: int) -> Wanted:
    if size.fit == "crop":
        return Wanted(size.name, size.box, size.box, size.fit, size.is_public)
    longest = max(width, height, size.box)
    return Wanted(
        size.name,
        max(1, width * size.box // longest),
        max(1, height * size.box // longest),
        size.fit,
        size.is_public,
    )
