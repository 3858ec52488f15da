"""In which sizes a film is encoded. Pure."""

import math
from typing import NamedTuple

from cella.media.video.names import size_descriptor

_LONG, _SHORT = 1920, 1080
_LOWER = (720, 360)
_MOST_KBIT = 8000
_LEAST_KBIT = 400


class Rung(NamedTuple):
    """One size of a film, in pixels, and the most that a second of it may take."""

    name: str
    width: int
    height: int
    kbit: int


def ladder(width: int, height: int) -> tuple[Rung, ...]:
    """The sizes for a film that is displayed at `width` × `height`, the largest first.

    The first fits into 1920 × 1080, upright ones into 1080 × 1920. Those after it are smaller:
    their short side has 720 and 360 lines. None is larger than the film itself, but for a side of
    one pixel. All sides are even, as H.264 has them in 4:2:0.
    """
    long, short = max(width, height), min(width, height)
    numerator, denominator = min((1, 1), (_LONG, long), (_SHORT, short), key=lambda f: f[0] / f[1])
    largest = _rung(width, height, numerator, denominator)
    rungs = [largest._replace(name=size_descriptor(largest.width, largest.height))]
    for lines in _LOWER:
        if lines < min(largest.width, largest.height):
            rungs.append(_rung(width, height, lines, short)._replace(name=f"{lines}p"))
    return tuple(
        rung for at, rung in enumerate(rungs) if rung.name not in {r.name for r in rungs[:at]}
    )


def _rung(width: int, height: int, numerator: int, denominator: int) -> Rung:
    sides = (_even(side * numerator, denominator) for side in (width, height))
    across, down = sides
    return Rung("", across, down, _kbit(across * down))


def _even(numerator: int, denominator: int) -> int:
    """The even number next to the fraction from below, two at least."""
    return max(2, numerator // denominator // 2 * 2)


def _kbit(pixels: int) -> int:
    """As much as a film of this size may take in its busiest seconds.

    It grows with the power 3/4 of the pixels: neighbours in a larger picture are more alike.
    """
    share = math.pow(pixels / (_LONG * _SHORT), 0.75)
    return max(_LEAST_KBIT, min(_MOST_KBIT, round(_MOST_KBIT * share / 100) * 100))
