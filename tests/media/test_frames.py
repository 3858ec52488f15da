"""Frame N of what is played is frame N of the film, whatever it is made of."""

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.media.films import PROGRAMS, film, run, timed

from cella.media.config import EncodingConfig
from cella.media.film import Probe
from cella.media.probe import probe
from cella.media.sandbox import Sandbox
from cella.media.video.encode import encode

pytestmark = pytest.mark.asyncio(loop_scope="module")

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "12", "-pix_fmt", "yuv420p")
TONE = ("-f", "lavfi", "-i", "sine=d=2")
VARYING = "settb=1/1000,setpts='(N*1.5+mod(N,3)*0.4+gt(N,20)*9)/25/TB'"
TWICE = "setpts='(N*1.5+mod(N,3)*0.9)/25/TB'"


class Case(NamedTuple):
    name: str
    rate: str
    coding: tuple[str, ...]
    sound: tuple[str, ...] = ()
    length: int = 40
    size: tuple[int, int] = (320, 180)
    variable: bool = False


CASES = (
    Case("23976.mp4", "24000/1001", H264, TONE),
    Case("24.mov", "24", ("-c:v", "prores_ks", "-profile:v", "0", "-pix_fmt", "yuv422p10le")),
    Case("25.ts", "25", ("-c:v", "mpeg2video", "-b:v", "2M", "-bf", "2"), TONE),
    Case("2997.mkv", "30000/1001", H264, TONE),
    Case("5994.mp4", "60000/1001", H264, length=90),
    Case("30.webm", "30", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")),
    Case("25.avi", "25", ("-c:v", "mjpeg", "-q:v", "3")),
    Case("24.avi", "24", ("-c:v", "mpeg4", "-b:v", "1M", "-bf", "2")),
    Case("sizes.mp4", "24", H264, TONE, size=(1292, 726), length=60),
    Case("varying.mkv", "25", ("-vf", VARYING, "-enc_time_base", "1/1000", *H264), variable=True),
    Case("varying.mp4", "25", ("-vf", VARYING, "-enc_time_base", "1/1000", *H264), variable=True),
    Case("twice.mkv", "25", ("-vf", TWICE, *H264), variable=True),
    Case("fields.ts", "25", (*H264, "-flags", "+ildct+ilme", "-x264opts", "tff=1")),
    Case("fields.mpg", "25", ("-c:v", "mpeg2video", "-b:v", "2M", "-flags", "+ildct+ilme")),
    Case("late.ts", "25", (*H264, "-output_ts_offset", "95440"), TONE),
    Case("one.mp4", "24", H264, length=1),
    Case("two.mkv", "24", H264, length=2),
)


@pytest.fixture(params=PROGRAMS.values(), ids=list(PROGRAMS))
def program(request: pytest.FixtureRequest) -> Path:
    """Each ffmpeg in turn."""
    path: Path = request.param
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_frames_keep_their_numbers(
    sandbox: Sandbox, program: Path, tmp_path: Path, case: Case
) -> None:
    width, height = case.size
    source = film(
        tmp_path / case.name,
        case.length,
        case.rate,
        *case.coding,
        width=width,
        height=height,
        sound=case.sound,
    )
    found = await probe(sandbox, source)
    assert found.media.frames == case.length
    assert found.media.variable_frame_rate == case.variable
    if not case.variable and case.length > 1:
        assert found.media.frame_rate is not None
        assert Fraction(found.media.frame_rate) == Fraction(case.rate)
    await check(sandbox, program, source, found, tmp_path)


async def test_an_edit_list_is_kept(sandbox: Sandbox, program: Path, tmp_path: Path) -> None:
    """A film that was cut without encoding still holds what comes before the cut."""
    whole = film(tmp_path / "whole.mp4", 48, "24", *H264, sound=TONE)
    source = tmp_path / "cut.mp4"
    run("-ss", "0.75", "-i", str(whole), "-c", "copy", str(source))
    found = await probe(sandbox, source)
    assert found.media.frames == 30
    await check(sandbox, program, source, found, tmp_path, first=18)


async def check(
    sandbox: Sandbox, program: Path, source: Path, found: Probe, tmp_path: Path, first: int = 0
) -> None:
    """Encode the film, and find the source's frames, at their times, in all that is played."""
    folder = tmp_path / "out"
    folder.mkdir()
    limits = EncodingConfig().limits
    made = await encode(sandbox, program, source, folder, found, limits, lambda share: None)
    wanted = timed(source)
    assert [number for number, _ in wanted] == list(range(first, first + len(wanted)))
    films_made = [each.path for each in made if each.format == "mp4"]
    lists = [each.path for each in made if each.format == "m3u8" and each.size != "hls"]
    assert len(films_made) == len(lists) > 0
    for path in (*films_made, *lists):
        played = timed(path, **({} if path in films_made else {"allowed_extensions": "ALL"}))
        assert [number for number, _ in played] == [number for number, _ in wanted], path.name
        for (_, there), (_, here) in zip(wanted, played, strict=True):
            assert abs(there - here) < Fraction(1, 500), path.name
