"""What ffmpeg has made of a film: looked at as if a stranger had sent it, listed, and told.

A film may have taken ffmpeg over, so what it says of its work is not believed: each file that
must be there is looked for and measured in the sandbox, and the playlists are written by us.
"""

import asyncio
import errno
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import msgspec

from cella.errors import CannotDecode, DecoderCrashed, OverLimit, StoreFull
from cella.media.film import Picture, Probe
from cella.media.probe import probe_all
from cella.media.reasons import NO_ROOM
from cella.media.rendered import RenderedVariation, length_of
from cella.media.sandbox import Sandbox, absolute
from cella.media.video import arguments, hls
from cella.media.video.ladder import Rung
from cella.media.video.sprites import Sprites, sheets, vtt
from cella.media.wire import Limits

MOST_LIST_BYTES = 8 << 20
"""More than ffmpeg's list of a week has, the longest that a film may last."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_AAC = "mp4a.40.2"
_TYPES = {
    "mp4": "video/mp4",
    "m3u8": "application/vnd.apple.mpegurl",
    "m4s": "video/iso.segment",
    "jpg": "image/jpeg",
    "vtt": "text/vtt",
}


class _Made(msgspec.Struct, frozen=True):
    """One size of the film: what was wanted, what came of it, and its stream."""

    rung: Rung
    film: Probe
    picture: Picture
    stream: hls.Stream


async def collect(
    sandbox: Sandbox, folder: Path, rungs: Sequence[Rung], plan: Sprites, limits: Limits
) -> tuple[RenderedVariation, ...]:
    """Measure what lies in `folder`, write the playlists and the text of the sprites.

    Raises `CannotDecode` where nothing of the film could be decoded, `StoreFull` where the disk
    is full, `DecoderCrashed` where something is missing or is not as it must be.
    """
    try:
        films = await _films(sandbox, folder, rungs, limits)
        tiles = await _join(sandbox, folder, plan, limits)
        return await asyncio.to_thread(_listed, folder, rungs, films, plan, tiles)
    except (ValueError, OSError, OverLimit) as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise StoreFull(NO_ROOM) from error
        raise DecoderCrashed("The encoder gave a wrong answer. Try again.") from error


async def _films(
    sandbox: Sandbox, folder: Path, rungs: Sequence[Rung], limits: Limits
) -> tuple[Probe, ...]:
    """What our own films are. Raises ValueError where one has not the size it must have."""
    found = await probe_all(sandbox, [folder / f"{rung.name}.mp4" for rung in rungs], limits)
    for rung, film in zip(rungs, found, strict=True):
        if film.picture is None:
            raise CannotDecode("This film is broken: none of its pictures can be decoded.")
        if (film.picture.width, film.picture.height) != (rung.width, rung.height):
            raise ValueError(f"{film.picture.width} × {film.picture.height} pixels")
    return found


async def _join(sandbox: Sandbox, folder: Path, plan: Sprites, limits: Limits) -> int:
    """Make sheets of the sprites, which go; the result is how many sprites there are."""
    raw = folder / arguments.TILES
    tiles = plan.tiles(await asyncio.to_thread(length_of, raw))
    if not tiles:
        raise ValueError("there are no sprites")
    wanted = {
        "raw": absolute(raw),
        "folder": absolute(folder),
        "width": plan.width,
        "height": plan.height,
        "sheets": [(sheet.name, sheet.across, sheet.tiles) for sheet in sheets(tiles)],
    }
    await sandbox.run("join_tiles", wanted, limits, reads=[raw], writes=[folder])
    await asyncio.to_thread(raw.unlink)
    return tiles


def _listed(
    folder: Path,
    rungs: Sequence[Rung],
    films: Sequence[Probe],
    plan: Sprites,
    tiles: int,
) -> tuple[RenderedVariation, ...]:
    """Write the lists and the text. Raises ValueError or OSError where files do not fit."""
    made = [
        _Made(rung, film, film.picture, _stream(folder, rung))
        for rung, film in zip(rungs, films, strict=True)
        if film.picture is not None
    ]
    seconds = made[0].picture.seconds
    (folder / "hls.m3u8").write_text(hls.master([*map(_rendition, made)]), encoding="utf-8")
    (folder / "sprites.vtt").write_text(vtt(plan, tiles, seconds), encoding="utf-8")
    return tuple(_variations(folder, made, plan, tiles))


def _stream(folder: Path, rung: Rung) -> hls.Stream:
    """Read what ffmpeg says of the rung's segments, and write the list that players get."""
    path = folder / f"{rung.name}.m3u8"
    if not 0 < length_of(path) <= MOST_LIST_BYTES:
        raise ValueError("a playlist is missing")
    stream = hls.read(path.read_text(encoding="utf-8"))
    file = f"{rung.name}.m4s"
    if stream.length != length_of(folder / file):
        raise ValueError("a playlist does not fit its file")
    path.write_text(hls.media(stream, file), encoding="utf-8")
    return stream


def _rendition(made: _Made) -> hls.Rendition:
    picture = made.picture
    if picture.codec_tag is None:
        raise ValueError(f"{picture.codec} instead of H.264")
    return hls.Rendition(
        name=made.rung.name,
        stream=made.stream,
        width=picture.width,
        height=picture.height,
        codecs=picture.codec_tag if made.film.sound is None else f"{picture.codec_tag},{_AAC}",
        frame_rate=float(Fraction(picture.frame_rate)) if picture.frame_rate else None,
    )


def _variations(
    folder: Path, made: Sequence[_Made], plan: Sprites, tiles: int
) -> Iterator[RenderedVariation]:
    for each in made:
        yield _variation(folder, each.rung.name, "mp4", each)
    yield _variation(folder, "hls", "m3u8", made[0])
    for each in made:
        yield _variation(folder, each.rung.name, "m3u8", each)
        yield _variation(folder, each.rung.name, "m4s", each)
    for sheet in sheets(tiles):
        width, height = sheet.across * plan.width, sheet.down * plan.height
        plain = _variation(folder, sheet.name, "jpg")
        yield msgspec.structs.replace(plain, width=width, height=height)
    yield _variation(folder, "sprites", "vtt")


def _variation(
    folder: Path, size: str, format: str, made: _Made | None = None
) -> RenderedVariation:
    path = folder / f"{size}.{format}"
    length = length_of(path)
    if not length:
        raise ValueError(f"{path.name} is missing")
    return RenderedVariation(
        size=size,
        path=path,
        content_type=_TYPES[format],
        length=length,
        format=format,
        width=made.picture.width if made else None,
        height=made.picture.height if made else None,
        duration=made.film.duration if made else None,
    )
