"""A film into what browsers play, made in the sandbox: what the flows call."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import msgspec

from cella.errors import CannotDecode
from cella.media import ffmpeg
from cella.media.film import Picture, Probe
from cella.media.rendered import RenderedVariation
from cella.media.sandbox import Sandbox
from cella.media.video import arguments, outputs
from cella.media.video.ladder import ladder
from cella.media.video.progress import follow
from cella.media.video.room import Room, within
from cella.media.video.sprites import sprites
from cella.media.wire import Limits

_NICE = 10
_SHARE_OF_ENCODING = 0.98
_LEAST_WALL_SECONDS = 600.0
_WALL_SECONDS_EACH = 200.0
"""More than a slow machine needs for a second of the largest film."""


async def encode(
    sandbox: Sandbox,
    program: Path | None,
    source: Path,
    folder: Path,
    probe: Probe,
    limits: Limits,
    report: Callable[[float], None],
    *,
    reserve_bytes: int = 0,
) -> tuple[RenderedVariation, ...]:
    """Write all that players need of the film `source` into the existing, empty `folder`.

    In this order: the film as MP4, the same in smaller sizes, the playlist `hls.m3u8`, a playlist
    and a file of segments for each size, the sheets of sprites and the text that tells of them.
    `program` is the ffmpeg, `probe` what was found out about `source`; `report` is called now and
    then with the share that is done. All files together have `limits.output_bytes` at most, and
    `reserve_bytes` of the disk stay free.

    Raises `CannotDecode` with a sentence for who sent the file, `OverLimit` where it would take
    too much, `StoreFull` where the disk has too little room, `DecoderCrashed` where another try
    may do better; what lies in the folder then means nothing. Cancelling kills ffmpeg at once.
    """
    program, picture = ffmpeg.needed(program), _picture(probe)
    rungs = ladder(picture.width, picture.height)
    limits = bounded(limits, max(probe.seconds, picture.seconds))
    tiles = sprites(picture.seconds, picture.width, picture.height)
    room = Room(folder, limits.output_bytes, reserve_bytes)
    await asyncio.to_thread(room.check)
    words = arguments.encoding(
        source,
        probe,
        picture,
        rungs,
        tiles,
        folder,
        max_pixels=limits.max_pixels,
        maps_tones=not picture.hdr or await ffmpeg.maps_tones(program),
    )
    run = partial(ffmpeg.run, sandbox, program, limits=limits, writes=[folder], nice=_NICE)
    async with _followed(folder, picture.seconds, report):
        await within(room, run(words, reads=[source]))
    words = arguments.streaming(rungs, folder, limits.max_pixels)
    await within(room, run(words, reads=[folder]))
    made = await outputs.collect(sandbox, folder, rungs, tiles, limits)
    report(1.0)
    return made


def bounded(limits: Limits, seconds: float) -> Limits:
    """The limits for a film that says that it lasts so long, or 0 where it does not say.

    A short one gets less time than the longest, so that one that never ends is found out.
    """
    if not seconds:
        return limits
    wall = _LEAST_WALL_SECONDS + _WALL_SECONDS_EACH * seconds
    return msgspec.structs.replace(limits, wall_seconds=min(limits.wall_seconds, wall))


def _picture(probe: Probe) -> Picture:
    if probe.picture is None:
        raise CannotDecode("There is no moving picture in this file.")
    return probe.picture


@contextlib.asynccontextmanager
async def _followed(
    folder: Path, seconds: float, report: Callable[[float], None]
) -> AsyncIterator[None]:
    """What goes on inside the block is reported while it does."""

    def tell(share: float) -> None:
        report(share * _SHARE_OF_ENCODING)

    following = asyncio.create_task(follow(folder / arguments.PROGRESS, seconds, tell))
    try:
        yield
    finally:
        following.cancel()
        await asyncio.wait([following])
