"""A foreign sound into peaks and a picture. Runs in a child of the sandbox, never elsewhere."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
import msgspec
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer

from cella.errors import CannotDecode
from cella.media.audio.peaks import PEAKS, Meter
from cella.media.audio.waveform import WAVEFORM, waveform
from cella.media.tracks import find_sound, opened


def draw_sound(source: Path, folder: Path) -> None:
    """Write `PEAKS` and `WAVEFORM` into `folder`, in the same memory for hours as for seconds.

    Raises `CannotDecode` where there is no sound, or nothing of it can be decoded.
    """
    with opened(source) as container:
        sound = find_sound(container)
        if sound is None:
            raise CannotDecode("There is no sound in this file.")
        meter = Meter(sound.sample_rate)
        for samples in _samples(container, sound.index, sound.sample_rate):
            meter.take(samples)
    peaks = meter.peaks()
    if not peaks.length:
        raise CannotDecode("This sound is broken: nothing of it can be decoded.")
    (folder / PEAKS).write_bytes(msgspec.json.encode(peaks))
    (folder / WAVEFORM).write_bytes(waveform(peaks))


def _samples(container: InputContainer, index: int, sample_rate: int) -> Iterator[memoryview]:
    """The track in one channel of 16 bits; packets that cannot be decoded are left out."""
    resampler = AudioResampler(format="s16", layout="mono", rate=sample_rate)
    track = container.streams[index]
    track.codec_context.thread_count = 1
    for packet in container.demux(track):
        frames: list[AudioFrame] = []
        with suppress(av.error.InvalidDataError, av.error.PatchWelcomeError):
            frames = [frame for frame in packet.decode() if isinstance(frame, AudioFrame)]
        for frame in frames:
            for mixed in resampler.resample(frame):
                yield memoryview(mixed.planes[0])[: 2 * mixed.samples]
    for mixed in resampler.resample(None):
        yield memoryview(mixed.planes[0])[: 2 * mixed.samples]
