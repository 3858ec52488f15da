"""Peaks and a picture of a sound, made in the sandbox."""

import asyncio
from pathlib import Path

import msgspec

from cella.errors import DecoderCrashed
from cella.media.audio.peaks import MOST, PEAKS, Peaks
from cella.media.audio.waveform import HEIGHT, WAVEFORM, WIDTH
from cella.media.rendered import RenderedVariation, length_of
from cella.media.sandbox import Sandbox, absolute
from cella.media.wire import Limits

_MOST_BYTES = 64 * 1024


async def draw(
    sandbox: Sandbox, source: Path, folder: Path, limits: Limits
) -> tuple[RenderedVariation, ...]:
    """Write `peaks.json` and `waveform.png` of the sound that is heard in `source`.

    Raises `CannotDecode` with a sentence for who sent the file, `OverLimit` where it takes too
    much, `DecoderCrashed` where another try may do better.
    """
    await sandbox.run(
        "draw_sound",
        {"source": absolute(source), "folder": absolute(folder)},
        limits,
        reads=[source],
        writes=[folder],
    )
    return await asyncio.to_thread(_collect, folder)


def _collect(folder: Path) -> tuple[RenderedVariation, ...]:
    """What lies in the folder. The child may have been taken over, so its numbers are read."""
    peaks, picture = folder / PEAKS, folder / WAVEFORM
    try:
        if not 0 < length_of(peaks) <= _MOST_BYTES or not length_of(picture):
            raise ValueError("files are missing")
        found = msgspec.json.decode(peaks.read_bytes(), type=Peaks)
        if not 0 < found.length <= MOST or len(found.data) != 2 * found.length:
            raise ValueError(f"{found.length} pairs")
    except (ValueError, OSError) as error:
        raise DecoderCrashed("The decoder gave a wrong answer. Try again.") from error
    return (
        RenderedVariation(
            size="peaks",
            path=peaks,
            content_type="application/json",
            length=length_of(peaks),
            format="json",
        ),
        RenderedVariation(
            size="waveform",
            path=picture,
            content_type="image/png",
            length=length_of(picture),
            format="png",
            width=WIDTH,
            height=HEIGHT,
        ),
    )
