"""Small pictures of a whole film, many to a sheet, and the text that says where each one is.

Players show them while somebody looks for a place in the film. Pure.
"""

import math
from typing import NamedTuple

_TILE_WIDTH = 160
_TILE_MOST_HEIGHT = 320
_ACROSS, _DOWN = 10, 10
_WANTED = 500
_MOST = 2000
_SPARE = 10
"""Tiles of a film that lasts a little longer than it says."""

_UNKNOWN = 3600.0
_INTERVALS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1800)
_CHANNELS = 3


class Sprites(NamedTuple):
    """How they are made: a tile every `interval` seconds, of `width` × `height` pixels.

    There are `most` tiles at most. A film that lasts much longer than it says, or has long gaps
    that it does not tell of, has sprites of its beginning only.
    """

    interval: int
    width: int
    height: int
    most: int

    def tiles(self, length: int) -> int:
        """How many tiles `length` bytes are, of three bytes a pixel; of very many the first."""
        return min(self.most, length // (self.width * self.height * _CHANNELS))


class Sheet(NamedTuple):
    """One picture of many tiles: so many `across`, of `tiles` in all, rows below one another."""

    number: int
    across: int
    tiles: int

    @property
    def name(self) -> str:
        """Its size as documents call it, and its file's name without the end."""
        return f"sprites-{self.number}"

    @property
    def down(self) -> int:
        """How many rows it has; the last may be short."""
        return math.ceil(self.tiles / self.across)


def sprites(seconds: float, width: int, height: int) -> Sprites:
    """The sprites of a film that lasts so long and is displayed at `width` × `height`.

    Tile k shows what is displayed k intervals after the beginning. There are about 500 at most.
    One that does not say how long it lasts has a tile as often as one of an hour, and 2000 at
    most.
    """
    lasts = seconds or _UNKNOWN
    longest = _INTERVALS[-1]
    interval = next((each for each in _INTERVALS if lasts / each <= _WANTED), longest)
    planned = math.ceil(seconds / interval) + _SPARE if seconds else _MOST
    tall = round(_TILE_WIDTH * height / width / 2) * 2
    return Sprites(
        interval=interval,
        width=_TILE_WIDTH,
        height=min(_TILE_MOST_HEIGHT, max(2, tall)),
        most=min(_MOST, planned),
    )


def sheets(tiles: int) -> tuple[Sheet, ...]:
    """The sheets that so many tiles fill."""
    full = _ACROSS * _DOWN
    return tuple(
        Sheet(number, min(_ACROSS, tiles), min(full, tiles - first))
        for number, first in enumerate(range(0, tiles, full), start=1)
    )


def vtt(plan: Sprites, tiles: int, seconds: float) -> str:
    """The sprites of a film of `seconds` as WebVTT: a cue for each tile, with sheet and place."""
    cues = ["WEBVTT\n"]
    for sheet in sheets(tiles):
        for place in range(sheet.tiles):
            row, column = divmod(place, sheet.across)
            number = (sheet.number - 1) * _ACROSS * _DOWN + place
            begin = number * plan.interval
            is_last = number == tiles - 1 and tiles < plan.most
            end = max(begin + 0.001, seconds) if is_last else begin + plan.interval
            x, y = column * plan.width, row * plan.height
            cues.append(
                f"{_clock(begin)} --> {_clock(end)}\n"
                f"{sheet.name}.jpg#xywh={x},{y},{plan.width},{plan.height}\n"
            )
    return "\n".join(cues)


def _clock(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"
