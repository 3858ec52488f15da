"""Films with a number burnt into each frame, and the reading of it."""

import subprocess
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from cella.media import ffmpeg

PROGRAMS = {str(path): path for path in (ffmpeg.find(), ffmpeg.bundled()) if path is not None}
"""The ffmpeg that would be used here, and the one of the wheel where that is another."""

_ACROSS, _DOWN = 4, 3
_BLACK, _WHITE = 32, 224
_MAKER = next(reversed(PROGRAMS.values()))


def frames(numbers: Iterable[int], width: int, height: int) -> Iterable[bytes]:
    """Grey pictures of twelve fields, each black or white for a bit of the number."""
    rows = np.arange(height) * _DOWN // height
    columns = np.arange(width) * _ACROSS // width
    field = rows[:, None] * _ACROSS + columns[None, :]
    for number in numbers:
        yield np.where(number >> field & 1, _WHITE, _BLACK).astype(np.uint8).tobytes()


def film(
    path: Path,
    count: int,
    rate: str,
    *coding: str,
    width: int = 320,
    height: int = 180,
    sound: Sequence[str] = (),
) -> Path:
    """A film of frames 0 to `count` - 1 in the container that the name of `path` tells.

    `coding` are arguments of ffmpeg for the output, `sound` for an input of sound, if any.
    """
    made = b"".join(frames(range(count), width, height))
    raw = ("-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}", "-r", rate, "-i", "-")
    run(*raw, *sound, "-fps_mode", "passthrough", *coding, str(path), feed=made)
    return path


def run(*arguments: str, feed: bytes = b"") -> None:
    """Run the ffmpeg that makes the films of the tests."""
    words = [str(_MAKER), "-hide_banner", "-loglevel", "error", "-y", *arguments]
    subprocess.run(words, input=feed, check=True)


def again(source: Path, path: Path, times: int) -> Path:
    """The same film so many times on end: it takes as long to encode, but not to make."""
    run("-stream_loop", str(times - 1), "-i", str(source), "-c", "copy", str(path))
    return path


def numbers(path: Path, **options: str) -> list[int]:
    """The numbers of all frames, in the order in which they are displayed."""
    return [number for number, _ in timed(path, **options)]


def timed(path: Path, **options: str) -> list[tuple[int, Fraction]]:
    """The number of each frame, and when it begins, in seconds after the first one."""
    found = []
    with av.open(str(path), options=options) as container:
        track = container.streams.video[0]
        for frame in container.decode(track):
            assert frame.pts is not None
            assert track.time_base is not None
            found.append(
                (
                    number_in(np.asarray(frame.to_ndarray(format="gray"), np.uint8)),
                    frame.pts * track.time_base,
                )
            )
    return [(number, at - found[0][1]) for number, at in found]


def number_in(grey: "npt.NDArray[np.uint8]") -> int:
    """The number that a picture shows."""
    height, width = grey.shape
    number = 0
    for bit in range(_ACROSS * _DOWN):
        row, column = divmod(bit, _ACROSS)
        y, x = (2 * row + 1) * height // (2 * _DOWN), (2 * column + 1) * width // (2 * _ACROSS)
        around = grey[max(0, y - 3) : y + 3, max(0, x - 3) : x + 3]
        number |= int(around.mean() > (_BLACK + _WHITE) / 2) << bit
    return number
