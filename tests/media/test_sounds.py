"""Sounds show their waveform, in the same memory for hours as for seconds."""

import io
import math
from array import array
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.media.films import PROGRAMS, run
from tests.torture.films import wav

from cella.errors import CannotDecode, OverLimit
from cella.media.audio.peaks import MOST, Meter, Peaks
from cella.media.audio.waveform import waveform
from cella.media.previews import preview
from cella.media.sandbox import Sandbox, SandboxConfig

PROGRAM = next(iter(PROGRAMS.values()))
TONE = "sine=f=440:d=2:r=44100,volume='8*between(t,0.5,1)':eval=frame"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where what is made goes."""
    path = tmp_path / "out"
    path.mkdir()
    return path


SOUNDS: dict[str, tuple[str, ...]] = {
    "tone.wav": (),
    "tone.mp3": ("-c:a", "libmp3lame"),
    "tone.flac": (),
    "tone.ogg": ("-c:a", "libvorbis"),
    "tone.opus": ("-c:a", "libopus", "-ar", "48000"),
    "tone.m4a": ("-c:a", "aac"),
    "tone.aiff": (),
    "float.wav": ("-c:a", "pcm_f32le"),
    "round.wav": ("-ac", "6"),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", SOUNDS)
async def test_what_a_sound_shows(
    sandbox: Sandbox, tmp_path: Path, folder: Path, name: str
) -> None:
    source = tmp_path / name
    run("-f", "lavfi", "-i", TONE, *SOUNDS[name], str(source))
    shown = await preview(sandbox, PROGRAM, source, folder, "audio/mpeg")
    assert (shown.width, shown.height, shown.duration) == (None, None, 2)
    assert shown.media is not None
    assert shown.media.audio_tracks == 1
    assert shown.media.channels == (6 if name == "round.wav" else 1)
    made = {each.size: each for each in shown.variations}
    assert [*made] == ["peaks", "waveform", "s", "b", "t", "m", "l", "h"]
    assert all(each.length == each.path.stat().st_size for each in made.values())
    with Image.open(made["waveform"].path) as picture:
        assert picture.size == (made["waveform"].width, made["waveform"].height) == (1800, 280)
    peaks = msgspec.json.decode(made["peaks"].path.read_bytes(), type=Peaks)
    assert (peaks.version, peaks.channels, peaks.bits) == (2, 1, 8)
    assert len(peaks.data) == 2 * peaks.length
    seconds = peaks.length * peaks.samples_per_pixel / peaks.sample_rate
    assert abs(seconds - 2) < 0.1
    highest = np.array(peaks.data[1::2])
    loud = np.flatnonzero(highest > 8) * peaks.samples_per_pixel / peaks.sample_rate
    assert abs(loud.min() - 0.5) < 0.1
    assert abs(loud.max() - 1) < 0.1


@pytest.mark.asyncio(loop_scope="module")
async def test_a_film_without_pictures_shows_its_sound(
    sandbox: Sandbox, tmp_path: Path, folder: Path
) -> None:
    source = tmp_path / "film.mp4"
    run("-f", "lavfi", "-i", TONE, "-c:a", "aac", str(source))
    shown = await preview(sandbox, None, source, folder, "video/mp4")
    assert shown.variations[1].size == "waveform"


@pytest.mark.asyncio(loop_scope="module")
async def test_half_an_hour_takes_no_more_memory_than_a_second(
    sandbox: Sandbox, tmp_path: Path, folder: Path
) -> None:
    source = tmp_path / "long.wav"
    run("-f", "lavfi", "-i", "sine=d=1800:r=8000", "-c:a", "pcm_u8", str(source))
    limits = msgspec.structs.replace(SandboxConfig().limits, memory_bytes=400 << 20)
    shown = await preview(sandbox, None, source, folder, "audio/x-wav", limits)
    assert shown.duration == 1800
    peaks = msgspec.json.decode((folder / "peaks.json").read_bytes(), type=Peaks)
    assert MOST / 2 < peaks.length <= MOST


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("content", [b"", b"RIFF", b"ID3" + bytes(3000), b"fLaC" + bytes(64)])
async def test_what_is_broken_has_a_reason(
    sandbox: Sandbox, tmp_path: Path, folder: Path, content: bytes
) -> None:
    source = tmp_path / "sound.mp3"
    source.write_bytes(content)
    with pytest.raises((CannotDecode, OverLimit)) as raised:
        await preview(sandbox, PROGRAM, source, folder, "audio/mpeg")
    assert raised.value.message.endswith(".")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("rate", [1_000_000_000, (1 << 24) + 1])
async def test_a_sound_with_too_many_samples_a_second(
    sandbox: Sandbox, tmp_path: Path, folder: Path, rate: int
) -> None:
    source = tmp_path / "sound.wav"
    source.write_bytes(wav(1, rate, 88_200))
    with pytest.raises(CannotDecode, match="neither a picture nor a sound"):
        await preview(sandbox, PROGRAM, source, folder, "audio/x-wav")


@given(st.lists(st.lists(st.integers(-32768, 32767), max_size=2000), max_size=20))
def test_peaks_are_those_of_the_samples(pieces: list[list[int]]) -> None:
    meter = Meter(48000)
    for piece in pieces:
        meter.take(memoryview(array("h", piece)).cast("B"))
    peaks = meter.peaks()
    samples = [sample >> 8 for piece in pieces for sample in piece]
    step = peaks.samples_per_pixel
    assert peaks.length == math.ceil(len(samples) / step)
    for number, (low, high) in enumerate(peaks.pairs):
        part = samples[number * step : (number + 1) * step]
        assert (low, high) == (min(part), max(part))


def test_peaks_are_few_however_long_it_lasts() -> None:
    meter = Meter(48000)
    loud = memoryview(array("h", [0] * 999 + [32767])).cast("B")
    silence = memoryview(array("h", [0] * 100_000)).cast("B")
    for _ in range(200):
        meter.take(silence)
        meter.take(loud)
    peaks = meter.peaks()
    assert MOST / 2 < peaks.length <= MOST
    assert sum(high == 127 for _, high in peaks.pairs) >= 195


def test_the_picture_shows_the_sound() -> None:
    data = [value for number in range(1000) for value in (-number // 8, number // 8)]
    peaks = Peaks(sample_rate=8000, samples_per_pixel=256, length=1000, data=data)
    with Image.open(io.BytesIO(waveform(peaks))) as picture:
        opacity = np.asarray(picture.convert("RGBA"))[:, :, 3]
    assert opacity.shape == (280, 1800)
    heights = (opacity > 127).sum(axis=0)
    assert heights[0] <= 3
    assert heights[-1] > 250
    assert (np.diff(heights.astype(int)) >= -1).all()
    assert np.abs(opacity.astype(int) - opacity[::-1]).mean() < 8


def test_one_sample_is_a_picture_too() -> None:
    peaks = Peaks(sample_rate=8000, samples_per_pixel=256, length=1, data=[-128, 127])
    with Image.open(io.BytesIO(waveform(peaks))) as picture:
        assert picture.size == (1800, 280)
