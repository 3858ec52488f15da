"""Films of all kinds become what browsers play, and show a picture of themselves."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import av
import msgspec
import numpy as np
import pytest
from PIL import Image
from tests.media.films import PROGRAMS, again, film, number_in, run

from cella.errors import CannotDecode, DecoderCrashed, OverLimit, StoreFull
from cella.media.config import EncodingConfig
from cella.media.previews import preview
from cella.media.probe import probe
from cella.media.rendered import RenderedVariation
from cella.media.sandbox import Sandbox
from cella.media.video import outputs
from cella.media.video.encode import encode
from cella.media.video.ladder import ladder
from cella.media.video.sprites import sprites
from cella.media.wire import Limits

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = EncodingConfig().limits
PATIENCE = 30.0
FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
THUMBNAILS = ["s", "b", "t", "m", "l", "h"]


@pytest.fixture(params=PROGRAMS.values(), ids=["found", "bundled"][: len(PROGRAMS)])
def program(request: pytest.FixtureRequest) -> Path:
    """Each ffmpeg in turn."""
    path: Path = request.param
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where what is made goes."""
    path = tmp_path / "out"
    path.mkdir()
    return path


def limits(**changes: Any) -> Limits:
    return msgspec.structs.replace(LIMITS, **changes)


async def encoded(
    sandbox: Sandbox, program: Path, source: Path, folder: Path
) -> tuple[RenderedVariation, ...]:
    """All that is made of the film; told lengths and sides are those of the files."""
    found = await probe(sandbox, source)
    made = await encode(sandbox, program, source, folder, found, LIMITS, lambda share: None)
    for each in made:
        assert each.length == each.path.stat().st_size
        assert each.path.parent == folder
        if each.format == "mp4":
            again = await probe(sandbox, each.path)
            assert again.picture is not None
            assert (again.picture.width, again.picture.height) == (each.width, each.height)
            assert again.picture.codec == "h264"
            assert each.duration == again.duration
    assert len({each.path.name for each in made}) == len(made)
    return made


def colourful(path: Path, size: str, *arguments: str, seconds: float = 0.5) -> Path:
    """A colourful film."""
    source = f"testsrc=s={size}:r=24:d={seconds}"
    run("-f", "lavfi", "-i", source, *arguments, str(path))
    return path


def mean(path: Path) -> tuple[float, ...]:
    """The mean red, green and blue of the first frame of a film, or of a picture."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    return tuple(frame.to_ndarray(format="rgb24").reshape(-1, 3).mean(axis=0))


# All sizes and lists


async def test_what_a_film_becomes(
    sandbox: Sandbox, program: Path, tmp_path: Path, folder: Path
) -> None:
    source = film(
        tmp_path / "film.mp4",
        60,
        "24",
        *FAST,
        width=1292,
        height=726,
        sound=("-f", "lavfi", "-i", "sine=d=2.5"),
    )
    made = await encoded(sandbox, program, source, folder)
    assert [(each.size, each.format, each.content_type) for each in made] == [
        ("726p", "mp4", "video/mp4"),
        ("720p", "mp4", "video/mp4"),
        ("360p", "mp4", "video/mp4"),
        ("hls", "m3u8", "application/vnd.apple.mpegurl"),
        ("726p", "m3u8", "application/vnd.apple.mpegurl"),
        ("726p", "m4s", "video/iso.segment"),
        ("720p", "m3u8", "application/vnd.apple.mpegurl"),
        ("720p", "m4s", "video/iso.segment"),
        ("360p", "m3u8", "application/vnd.apple.mpegurl"),
        ("360p", "m4s", "video/iso.segment"),
        ("sprites-1", "jpg", "image/jpeg"),
        ("sprites", "vtt", "text/vtt"),
    ]
    assert [(each.width, each.height) for each in made[:3]] == [
        (1292, 726),
        (1280, 720),
        (640, 360),
    ]
    assert {each.duration for each in made if each.format == "mp4"} == {2}
    assert (folder / "726p.mp4").read_bytes().find(b"moov") < 100
    check_lists(folder, ["726p", "720p", "360p"])
    assert keys(folder / "726p.mp4") == keys(folder / "720p.mp4") == keys(folder / "360p.mp4")
    assert len(keys(folder / "726p.mp4")) == 2


def check_lists(folder: Path, names: Sequence[str]) -> None:
    """The master playlist names the others, and they the bytes of their files."""
    master = (folder / "hls.m3u8").read_text()
    assert re.findall(r"^(?!#)(.+)$", master, flags=re.MULTILINE) == [f"{n}.m3u8" for n in names]
    told = re.findall(
        r"^#EXT-X-STREAM-INF:BANDWIDTH=(\d+),AVERAGE-BANDWIDTH=(\d+),RESOLUTION=(\d+)x(\d+),"
        r'CODECS="avc1\.64[0-9a-f]{4},mp4a\.40\.2",FRAME-RATE=24\.000$',
        master,
        flags=re.MULTILINE,
    )
    assert len(told) == len(names)
    peaks = [int(peak) for peak, *_ in told]
    assert peaks == sorted(peaks, reverse=True)
    for name, (peak, average, _, _) in zip(names, told, strict=True):
        length = (folder / f"{name}.m4s").stat().st_size
        assert 0 < int(average) <= int(peak) <= 8 * length
        media = (folder / f"{name}.m3u8").read_text()
        assert set(re.findall(r"^(?!#)(.+)$", media, flags=re.MULTILINE)) == {f"{name}.m4s"}
        assert f'URI="{name}.m4s"' in media
        ranges = re.findall(r'BYTERANGE[:=]"?(\d+)@(\d+)', media)
        assert sum(int(size) for size, _ in ranges) == length


def keys(path: Path) -> list[float]:
    """When key frames are displayed."""
    with av.open(str(path)) as container:
        packets = [*container.demux(video=0)]
        return [float(p.pts * p.time_base) for p in packets if p.is_keyframe and p.pts is not None]


async def test_sprites_show_what_is_displayed_then(
    sandbox: Sandbox, program: Path, tmp_path: Path, folder: Path
) -> None:
    source = film(tmp_path / "film.mkv", 105, "25", *FAST)
    made = await encoded(sandbox, program, source, folder)
    sheet = next(each for each in made if each.size == "sprites-1")
    assert (sheet.width, sheet.height) == (5 * 160, 90)
    text = (folder / "sprites.vtt").read_text()
    cues = re.findall(r"^(\S+) --> (\S+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$", text, re.MULTILINE)
    assert len(cues) == 5
    assert [begin for begin, *_ in cues] == [f"00:00:0{second}.000" for second in range(5)]
    assert cues[-1][1] == "00:00:04.200"
    with Image.open(folder / "sprites-1.jpg") as picture:
        grey = np.asarray(picture.convert("L"))
    for second, (_, _, file, *place) in enumerate(cues):
        assert file == "sprites-1.jpg"
        x, y, width, height = map(int, place)
        assert number_in(grey[y : y + height, x : x + width]) == 25 * second


# Films of all kinds


class Kind(NamedTuple):
    """A film, and the sides that it becomes."""

    name: str
    size: str
    arguments: tuple[str, ...]
    sides: tuple[int, int]
    shown: tuple[int, int] | None = None


KINDS = (
    Kind("silent.mp4", "320x180", FAST, (320, 180)),
    Kind("odd.mkv", "321x181", ("-c:v", "ffv1"), (320, 180), (321, 181)),
    Kind("tiny.mkv", "3x3", ("-c:v", "ffv1"), (2, 2), (3, 3)),
    Kind("flat.mkv", "640x2", ("-c:v", "ffv1"), (640, 2)),
    Kind("anamorphic.mkv", "360x288", ("-vf", "setsar=16/11", *FAST), (524, 288), (524, 288)),
    Kind("alpha.mov", "320x180", ("-c:v", "prores_ks", "-pix_fmt", "yuva444p10le"), (320, 180)),
    Kind("deep.mkv", "320x180", ("-c:v", "ffv1", "-pix_fmt", "gbrp12le"), (320, 180)),
    Kind("grey.mkv", "320x180", ("-c:v", "ffv1", "-pix_fmt", "gray16le"), (320, 180)),
    Kind("indexed.mov", "320x180", ("-c:v", "png", "-pix_fmt", "rgba"), (320, 180)),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_films_of_all_kinds(
    sandbox: Sandbox, program: Path, tmp_path: Path, folder: Path, kind: Kind
) -> None:
    source = colourful(tmp_path / kind.name, kind.size, *kind.arguments)
    shown = await preview(sandbox, program, source, folder, "video/mp4")
    assert (shown.width, shown.height) == (kind.shown or kind.sides)
    assert [each.size for each in shown.variations] == ["poster", *THUMBNAILS]
    made = await encoded(sandbox, program, source, folder)
    assert (made[0].width, made[0].height) == kind.sides
    if kind.sides == (2, 2):
        return  # of so few pixels everybody makes other colours
    wanted = mean(source)
    for path in (folder / "poster.jpg", made[0].path):
        assert np.allclose(mean(path), wanted, atol=12), path.name


@pytest.mark.parametrize("degrees", [90, 180, 270])
async def test_phones_turn_their_films(
    sandbox: Sandbox, program: Path, tmp_path: Path, folder: Path, degrees: int
) -> None:
    lying, source = tmp_path / "lying.mp4", tmp_path / "turned.mp4"
    colourful(lying, "320x180", "-vf", "drawbox=w=160:h=90:c=red:t=fill", *FAST)
    run("-display_rotation", str(-degrees), "-i", str(lying), "-c", "copy", str(source))
    shown = await preview(sandbox, program, source, folder, "video/mp4")
    assert shown.media is not None
    assert shown.media.rotation == degrees
    made = await encoded(sandbox, program, source, folder)
    sides = (320, 180) if degrees == 180 else (180, 320)
    assert (shown.width, shown.height) == (made[0].width, made[0].height) == sides
    # The red corner was above on the left.
    for path in (folder / "poster.jpg", made[0].path):
        with av.open(str(path)) as container:
            picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
        x, y = {90: (-20, 20), 180: (-20, -20), 270: (20, -20)}[degrees]
        red, green, blue = picture[y, x]
        assert red > 180 > 90 > max(green, blue), path.name


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
async def test_high_dynamic_range_is_brought_down(
    sandbox: Sandbox, program: Path, tmp_path: Path, folder: Path, transfer: str
) -> None:
    source = tmp_path / "hdr.mov"
    colours = "color=c=0xC04040:s=320x180:r=24:d=0.25"
    made_so = f"zscale=tin=709:pin=709:min=709:t={transfer}:p=2020:m=2020_ncl:npl=203"
    tags = ("-color_trc", transfer, "-color_primaries", "bt2020", "-colorspace", "bt2020nc")
    run(
        *("-f", "lavfi", "-i", colours, "-vf", f"format=yuv444p10le,{made_so}"),
        *("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le", *tags, str(source)),
    )
    shown = await preview(sandbox, program, source, folder, "video/quicktime")
    assert shown.media is not None
    assert shown.media.hdr == ("pq" if transfer == "smpte2084" else "hlg")
    made = await encoded(sandbox, program, source, folder)
    for path in (folder / "poster.jpg", made[0].path):
        red, green, blue = mean(path)
        assert 150 < red < 230, path.name
        assert 40 < green < 100, path.name
        assert 40 < blue < 100, path.name
    again = await probe(sandbox, made[0].path)
    assert again.picture is not None
    assert (again.picture.hdr, again.picture.matrix) == (None, "bt709")


async def test_a_poster_is_not_black(
    sandbox: Sandbox, program: Path, tmp_path: Path, folder: Path
) -> None:
    dark = "color=black:s=320x180:r=24:d=2[a];testsrc=s=320x180:r=24:d=2[b];[a][b]concat"
    source = tmp_path / "dark.mp4"
    run("-filter_complex", dark, *FAST, "-g", "12", str(source))
    await preview(sandbox, program, source, folder, "video/mp4")
    assert sum(mean(folder / "poster.jpg")) > 200


async def test_a_black_film_has_a_black_poster(
    sandbox: Sandbox, program: Path, tmp_path: Path, folder: Path
) -> None:
    source = tmp_path / "dark.mp4"
    run("-f", "lavfi", "-i", "color=black:s=320x180:r=24:d=1", *FAST, str(source))
    await preview(sandbox, program, source, folder, "video/mp4")
    assert sum(mean(folder / "poster.jpg")) < 10


# Sound of films


@pytest.mark.parametrize(
    ("layout", "coding"),
    [("mono", ("-c:a", "aac")), ("5.1", ("-c:a", "ac3")), ("7.1", ("-c:a", "flac"))],
)
async def test_sound_becomes_stereo(
    sandbox: Sandbox,
    program: Path,
    tmp_path: Path,
    folder: Path,
    layout: str,
    coding: tuple[str, ...],
) -> None:
    source = tmp_path / "film.mkv"
    sound = f"sine=d=1:r=32000,aformat=channel_layouts={layout}"
    run(
        *("-f", "lavfi", "-i", "testsrc=s=320x180:r=24:d=1", "-f", "lavfi", "-i", sound),
        *(*FAST, *coding, str(source)),
    )
    made = await encoded(sandbox, program, source, folder)
    found = await probe(sandbox, made[0].path)
    assert found.sound is not None
    assert (found.sound.codec, found.sound.channels, found.audio_tracks) == ("aac", 2, 1)
    assert "mp4a.40.2" in (folder / "hls.m3u8").read_text()
    assert abs(pitch(made[0].path) - 440) < 20


async def test_the_default_track_is_heard(
    sandbox: Sandbox, program: Path, tmp_path: Path, folder: Path
) -> None:
    source = tmp_path / "film.mkv"
    run(
        *("-f", "lavfi", "-i", "testsrc=s=320x180:r=24:d=1"),
        *("-f", "lavfi", "-i", "sine=d=1:f=300", "-f", "lavfi", "-i", "sine=d=1:f=900"),
        *("-map", "0", "-map", "1", "-map", "2", *FAST, "-c:a", "aac"),
        *("-disposition:a:0", "0", "-disposition:a:1", "default", str(source)),
    )
    found = await probe(sandbox, source)
    assert found.media.audio_tracks == 2
    made = await encoded(sandbox, program, source, folder)
    assert abs(pitch(made[0].path) - 900) < 20
    assert (await probe(sandbox, made[0].path)).audio_tracks == 1


async def test_a_sound_that_begins_later_stays_there(
    sandbox: Sandbox, program: Path, tmp_path: Path, folder: Path
) -> None:
    source = tmp_path / "film.mkv"
    run(
        *("-f", "lavfi", "-i", "testsrc=s=320x180:r=24:d=2"),
        *("-itsoffset", "1", "-f", "lavfi", "-i", "sine=d=1"),
        *("-map", "0", "-map", "1", *FAST, "-c:a", "aac", str(source)),
    )
    made = await encoded(sandbox, program, source, folder)
    samples = heard(made[0].path)
    assert np.abs(samples[: 48000 * 9 // 10]).max() < 100
    assert np.abs(samples[48000 * 11 // 10 :]).max() > 1000


def heard(path: Path) -> np.ndarray[Any, np.dtype[np.int16]]:
    """What is heard of a film, in one channel at 48 000 hertz."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=48000)
    with av.open(str(path)) as container:
        mixed = [m for frame in container.decode(audio=0) for m in resampler.resample(frame)]
        return np.concatenate([each.to_ndarray()[0] for each in mixed])


def pitch(path: Path) -> float:
    """The loudest frequency of a film, in hertz."""
    samples = heard(path)
    return float(np.abs(np.fft.rfft(samples)).argmax() * 48000 / len(samples))


# What goes wrong, limits, cancelling


async def test_what_is_no_film_is_not_encoded(
    sandbox: Sandbox, program: Path, tmp_path: Path, folder: Path
) -> None:
    source = tmp_path / "sound.mp4"
    run("-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", str(source))
    found = await probe(sandbox, source)
    with pytest.raises(CannotDecode, match="no moving picture"):
        await encode(sandbox, program, source, folder, found, LIMITS, lambda share: None)
    with pytest.raises(DecoderCrashed, match="no ffmpeg"):
        await encode(sandbox, None, source, folder, found, LIMITS, lambda share: None)


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that takes some seconds to encode."""
    folder = tmp_path_factory.mktemp("long")
    part = colourful(folder / "part.mkv", "1280x720", *FAST, seconds=2)
    return again(part, folder / "film.mkv", 10)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cpu_seconds": 1}, "more than 1 seconds of processor time"),
        ({"wall_seconds": 0.5}, "more than 0.5 seconds"),
        # Whichever sees it first: the program itself, or who watches its folder.
        ({"output_bytes": 20_000}, "would write more than|takes more than"),
        ({"memory_bytes": 300 << 20}, "memory"),
        ({"max_pixels": 300_000}, "larger than what is taken"),
    ],
)
async def test_limits_are_said_in_words(
    sandbox: Sandbox, long_film: Path, folder: Path, changes: dict[str, Any], words: str
) -> None:
    found = await probe(sandbox, long_film)
    program = next(iter(PROGRAMS.values()))
    with pytest.raises(OverLimit, match=words) as raised:
        await encode(
            sandbox, program, long_film, folder, found, limits(**changes), lambda share: None
        )
    assert "/" not in raised.value.message


async def test_all_files_of_a_film_together_have_a_limit(
    sandbox: Sandbox, program: Path, tmp_path: Path, folder: Path
) -> None:
    source = tmp_path / "film.mkv"
    colourful(source, "640x480", "-vf", "noise=alls=50:allf=t", *FAST)
    found = await probe(sandbox, source)
    made = await encode(sandbox, program, source, folder, found, LIMITS, lambda share: None)
    assert not (folder / "tiles.rgb").exists()
    most = 2 * max(each.length for each in made)
    assert most < sum(each.length for each in made)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(OverLimit, match=r"^Making this film playable takes more than .* MiB of"):
        await encode(
            sandbox,
            program,
            source,
            folder,
            found,
            limits(output_bytes=most),
            lambda share: None,
        )


async def test_some_of_the_disk_stays_free(
    sandbox: Sandbox, program: Path, tmp_path: Path, folder: Path
) -> None:
    source = colourful(tmp_path / "film.mkv", "64x48", *FAST)
    found = await probe(sandbox, source)
    with pytest.raises(StoreFull, match=r"no room left .* Try again later\.$"):
        await encode(
            sandbox,
            program,
            source,
            folder,
            found,
            LIMITS,
            lambda share: None,
            reserve_bytes=1 << 62,
        )
    assert list(folder.iterdir()) == []


async def test_a_list_without_end_is_not_read(
    sandbox: Sandbox, tmp_path: Path, folder: Path
) -> None:
    source = colourful(tmp_path / "film.mkv", "64x48", *FAST)
    await encoded(sandbox, next(iter(PROGRAMS.values())), source, folder)
    rungs, plan = ladder(64, 48), sprites(0.5, 64, 48)
    with (folder / f"{rungs[0].name}.m3u8").open("a") as text:
        text.writelines("#\n" for _ in range(5 << 20))
    (folder / "tiles.rgb").write_bytes(bytes(3 * plan.width * plan.height))
    with pytest.raises(DecoderCrashed, match="wrong answer"):
        await outputs.collect(sandbox, folder, rungs, plan, LIMITS)


async def test_progress_is_told_and_cancelling_kills(
    sandbox: Sandbox, program: Path, long_film: Path, folder: Path
) -> None:
    found = await probe(sandbox, long_film)
    shares: asyncio.Queue[float] = asyncio.Queue()
    work = encode(sandbox, program, long_film, folder, found, LIMITS, shares.put_nowait)
    running = asyncio.ensure_future(work)
    async with asyncio.timeout(PATIENCE):
        first = await shares.get()
        while await shares.get() <= first:
            pass
    assert 0 <= first < 1
    assert processes(folder)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not processes(folder)


def processes(folder: Path) -> list[str]:
    """The processes that were told of the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found
