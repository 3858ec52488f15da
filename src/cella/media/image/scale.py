"""Every preview from the next larger one, so that only the first is made from many pixels."""

import math
from collections.abc import Iterable, Iterator

from cella.media.image.vips import Picture
from cella.media.plan import Wanted


def base_size(width: int, height: int, wanted: Iterable[Wanted]) -> tuple[int, int]:
    """The smallest picture, never an enlarged one, that all of `wanted` can be made from.

    For most pictures that is the largest one wanted. A long strip is needed larger, because a
    crop takes a small square from its middle.
    """
    needs = [_needed(width, height, preview) for preview in wanted]
    return max(needs, key=lambda size: size[0] * size[1])


def chain(base: Picture, wanted: Iterable[Wanted]) -> Iterator[tuple[Wanted, Picture]]:
    """Each of `wanted` at exactly its size, the largest first."""
    made = [base]
    for preview in sorted(wanted, key=lambda preview: (preview.fit == "crop", -_area(preview))):
        # Sorted by falling size, so the last one that is large enough is the nearest.
        source = [base, *(picture for picture in made if _covers(picture, preview))][-1]
        if preview.fit == "crop":
            yield preview, _resized(_middle_square(source), preview)
        else:
            made.append(_resized(source, preview))
            yield preview, made[-1]


def _needed(width: int, height: int, preview: Wanted) -> tuple[int, int]:
    if preview.fit == "fit":
        return preview.width, preview.height
    scale = min(1.0, max(preview.width / width, preview.height / height))
    return math.ceil(width * scale), math.ceil(height * scale)


def _area(preview: Wanted) -> int:
    return preview.width * preview.height


def _covers(picture: Picture, preview: Wanted) -> bool:
    return bool(picture.width >= preview.width and picture.height >= preview.height)


def _middle_square(picture: Picture) -> Picture:
    side = min(picture.width, picture.height)
    return picture.crop((picture.width - side) // 2, (picture.height - side) // 2, side, side)


def _resized(picture: Picture, preview: Wanted) -> Picture:
    if (picture.width, picture.height) == (preview.width, preview.height):
        return picture
    resized = picture.resize(preview.width / picture.width, vscale=preview.height / picture.height)
    return resized.copy_memory()
