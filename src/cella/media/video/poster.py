"""One picture that stands for a film."""

import asyncio
from pathlib import Path

from cella.errors import CannotDecode
from cella.media import ffmpeg
from cella.media.film import Picture, Probe
from cella.media.rendered import RenderedVariation, length_of
from cella.media.sandbox import Sandbox
from cella.media.video import arguments
from cella.media.wire import Limits

_BOX = 2048
_FAR_IN = 300.0
_PLACES: tuple[tuple[float, bool], ...] = ((0.1, True), (0.5, True), (0.0, False))
"""Where a good picture is looked for, as a share of the film, and whether it must not be black."""


async def poster(
    sandbox: Sandbox,
    program: Path,
    source: Path,
    folder: Path,
    probe: Probe,
    picture: Picture,
    limits: Limits,
) -> RenderedVariation:
    """Write `poster.jpg`, which fits into 2048 × 2048 and is no larger than the film.

    Raises as `cella.media.ffmpeg.run` does.
    """
    target = folder / "poster.jpg"
    maps_tones = not picture.hdr or await ffmpeg.maps_tones(program)
    width, height = _fit(picture.width, picture.height)
    for share, bright in _PLACES:
        words = arguments.still(
            source,
            probe,
            picture,
            (width, height),
            target,
            at=min(_FAR_IN, probe.seconds * share),
            bright=bright,
            max_pixels=limits.max_pixels,
            maps_tones=maps_tones,
        )
        await asyncio.to_thread(target.unlink, missing_ok=True)
        try:
            await ffmpeg.run(sandbox, program, words, limits, reads=[source], writes=[folder])
        except CannotDecode:
            if bright:
                continue
            raise
        length = await asyncio.to_thread(length_of, target)
        if length:
            return RenderedVariation(
                size="poster",
                path=target,
                content_type="image/jpeg",
                length=length,
                format="jpg",
                width=width,
                height=height,
            )
    raise CannotDecode("This film is broken: none of its pictures can be decoded.")


def _fit(width: int, height: int) -> tuple[int, int]:
    longest = max(width, height, _BOX)
    return max(1, width * _BOX // longest), max(1, height * _BOX // longest)
