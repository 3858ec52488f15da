"""Raw tiles into sheets. Runs in a child of the sandbox, never elsewhere."""

from collections.abc import Sequence
from pathlib import Path

import pyvips

_QUALITY = 75
_CHANNELS = 3


def join_tiles(
    raw: Path, folder: Path, width: int, height: int, sheets: Sequence[tuple[str, int, int]]
) -> None:
    """Write `<name>.jpg` into `folder` for each sheet: its name, tiles across, tiles in all.

    `raw` holds the tiles one after the other, `width` × `height` pixels of red, green and blue.
    What of a sheet has no tile is black.
    """
    with raw.open("rb") as file:
        for name, across, tiles in sheets:
            down = -(-tiles // across)
            length = width * height * _CHANNELS
            pixels = file.read(tiles * length).ljust(across * down * length, b"\0")
            column = pyvips.Image.new_from_memory(
                pixels, width, height * across * down, _CHANNELS, "uchar"
            )
            sheet = column.grid(height, across, down).copy(interpretation="srgb")
            (folder / f"{name}.jpg").write_bytes(sheet.jpegsave_buffer(Q=_QUALITY))
