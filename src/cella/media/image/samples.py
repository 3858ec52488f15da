"""Tiny pictures, one in each format that libvips can also write, to see whether it reads them."""

from pathlib import Path

import pyvips

from cella.media.image.formats import FORMATS

_SUFFIXES: dict[str, str] = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/avif": ".avif",
    "image/tiff": ".tif",
}


def write_samples(folder: Path) -> dict[str, str]:
    """Write them into `folder`; the result maps content types to file names.

    A format that cannot be written here is left out.
    """
    gradient = pyvips.Image.xyz(64, 48).bandjoin(128).cast("uchar").copy(interpretation="srgb")
    written: dict[str, str] = {}
    for content_type in FORMATS:
        name = f"sample{_SUFFIXES[content_type]}"
        try:
            (folder / name).write_bytes(gradient.write_to_buffer(_SUFFIXES[content_type]))
        except pyvips.Error:
            continue
        written[content_type] = name
    return written
