"""Previews of whatever has some: what the flows call."""

from pathlib import Path

import msgspec

from cella.media import ffmpeg
from cella.media.audio.draw import draw
from cella.media.film import Picture
from cella.media.image.render import render
from cella.media.kinds import MediaKind, kind_of
from cella.media.probe import probe
from cella.media.rendered import RenderedVariation
from cella.media.sandbox import Sandbox
from cella.media.video.poster import poster
from cella.media.wire import Limits
from cella.model.media import Media


class Previewed(msgspec.Struct, kw_only=True, frozen=True):
    """What a file shows of itself: sides in pixels as displayed, `duration` in whole seconds.

    `media` tells the tracks of films and sounds.
    """

    variations: tuple[RenderedVariation, ...]
    width: int | None = None
    height: int | None = None
    duration: int | None = None
    media: Media | None = None


async def preview(
    sandbox: Sandbox,
    program: Path | None,
    source: Path,
    folder: Path,
    content_type: str,
    limits: Limits | None = None,
) -> Previewed:
    """Write the previews of `source` into the existing, empty `folder`.

    `program` is the ffmpeg, which films need. Raises `CannotDecode` with a sentence for who sent
    the file, `OverLimit` where it would take too much, `DecoderCrashed` where another try may do
    better; what lies in the folder then means nothing.
    """
    kind = kind_of(content_type)
    if kind in ("film", "sound"):
        return await _of_tracks(sandbox, program, source, folder, kind, limits)
    rendered = await render(sandbox, source, folder, limits)
    return Previewed(variations=rendered.variations, width=rendered.width, height=rendered.height)


async def _of_tracks(
    sandbox: Sandbox,
    program: Path | None,
    source: Path,
    folder: Path,
    kind: MediaKind,
    limits: Limits | None,
) -> Previewed:
    """Films show a picture of themselves, sounds and films without a picture their waveform."""
    limits = limits or sandbox.config.limits
    found = await probe(sandbox, source, limits)
    wants_picture = kind == "film" or found.sound is None
    if found.picture is not None and wants_picture:
        picture: Picture | None = found.picture
        made = await poster(
            sandbox, ffmpeg.needed(program), source, folder, found, found.picture, limits
        )
        variations: tuple[RenderedVariation, ...] = (made,)
    else:
        picture = None
        variations = await draw(sandbox, source, folder, limits)
    thumbnails = await render(sandbox, variations[-1].path, folder, limits)
    return Previewed(
        variations=(*variations, *thumbnails.variations),
        width=picture.width if picture else None,
        height=picture.height if picture else None,
        duration=found.duration,
        media=found.media,
    )
