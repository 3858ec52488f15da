"""What films are made into, decided without a film: sizes, filters, arguments, playlists."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cella.media.config import EncodingConfig
from cella.media.film import Picture, Probe, Sound
from cella.media.reasons import Kind, reason
from cella.media.video import arguments, graph, hls
from cella.media.video.encode import bounded
from cella.media.video.ladder import ladder
from cella.media.video.names import size_descriptor
from cella.media.video.outputs import MOST_LIST_BYTES
from cella.media.video.progress import latest
from cella.media.video.sprites import sheets, sprites, vtt

GOLDEN = Path(__file__).parents[1] / "golden" / "ffmpeg"


@pytest.mark.parametrize(
    ("width", "height", "name"),
    [
        (640, 480, "480p"),
        (640, 360, "480p"),
        (720, 576, "576p"),
        (1280, 720, "720p"),
        (1920, 1080, "1080p"),
        (1920, 804, "1080p"),
        (2048, 858, "2k"),
        (3840, 2160, "UHD"),
        (4096, 2160, "4k"),
        (1080, 1920, "1920p"),
        (854, 480, "480p"),
        (7680, 4320, "4320p"),
    ],
)
def test_sizes_have_the_names_of_the_contract(width: int, height: int, name: str) -> None:
    assert size_descriptor(width, height) == name


@pytest.mark.parametrize(
    ("width", "height", "wanted"),
    [
        (3840, 2160, [("1080p", 1920, 1080), ("720p", 1280, 720), ("360p", 640, 360)]),
        (1920, 1080, [("1080p", 1920, 1080), ("720p", 1280, 720), ("360p", 640, 360)]),
        (1920, 800, [("1080p", 1920, 800), ("720p", 1728, 720), ("360p", 864, 360)]),
        (4096, 1716, [("1080p", 1920, 804), ("720p", 1718, 720), ("360p", 858, 360)]),
        (1080, 1920, [("1920p", 1080, 1920), ("720p", 720, 1280), ("360p", 360, 640)]),
        (2160, 3840, [("1920p", 1080, 1920), ("720p", 720, 1280), ("360p", 360, 640)]),
        (1280, 720, [("720p", 1280, 720), ("360p", 640, 360)]),
        (1280, 1024, [("720p", 1280, 1024), ("360p", 450, 360)]),
        (640, 360, [("480p", 640, 360)]),
        (321, 181, [("180p", 320, 180)]),
        (1, 1, [("2p", 2, 2)]),
        (10000, 1, [("1080p", 1920, 2)]),
    ],
)
def test_the_sizes_of_a_film(width: int, height: int, wanted: list[tuple[str, int, int]]) -> None:
    assert [rung[:3] for rung in ladder(width, height)] == wanted


@given(st.integers(1, 1 << 16), st.integers(1, 1 << 16))
def test_sizes_are_even_smaller_and_have_names_of_their_own(width: int, height: int) -> None:
    rungs = ladder(width, height)
    assert len({rung.name for rung in rungs}) == len(rungs)
    for rung in rungs:
        assert rung.width % 2 == rung.height % 2 == 0
        assert 2 <= rung.width <= max(2, width)
        assert 2 <= rung.height <= max(2, height)
        assert max(rung.width, rung.height) <= 1920
        assert min(rung.width, rung.height) <= 1080
    assert [rung.kbit for rung in rungs] == sorted((rung.kbit for rung in rungs), reverse=True)


@given(st.floats(0, 7 * 24 * 3600), st.integers(1, 5000), st.integers(1, 5000))
def test_sprites_are_not_too_many(seconds: float, width: int, height: int) -> None:
    plan = sprites(seconds, width, height)
    assert seconds / plan.interval <= 500
    assert plan.width == 160
    assert 2 <= plan.height <= 320
    assert plan.height % 2 == 0
    assert seconds / plan.interval <= plan.most <= 2000


@given(st.integers(1, 2000))
def test_sheets_hold_all_tiles(tiles: int) -> None:
    found = sheets(tiles)
    assert sum(sheet.tiles for sheet in found) == tiles
    assert [sheet.number for sheet in found] == list(range(1, len(found) + 1))
    assert all(sheet.across * sheet.down >= sheet.tiles for sheet in found)


def test_the_text_of_the_sprites() -> None:
    plan = sprites(610, 1920, 1080)
    assert plan.interval == 2
    text = vtt(plan, 305, 609.5)
    cues = text.split("\n\n")
    assert cues[0] == "WEBVTT"
    assert cues[1] == "00:00:00.000 --> 00:00:02.000\nsprites-1.jpg#xywh=0,0,160,90"
    assert cues[12] == "00:00:22.000 --> 00:00:24.000\nsprites-1.jpg#xywh=160,90,160,90"
    assert cues[101] == "00:03:20.000 --> 00:03:22.000\nsprites-2.jpg#xywh=0,0,160,90"
    assert cues[305] == "00:10:08.000 --> 00:10:09.500\nsprites-4.jpg#xywh=640,0,160,90\n"
    assert len(cues) == 306


def test_sprites_of_the_beginning_only_do_not_stand_for_the_rest() -> None:
    plan = sprites(10, 1920, 1080)
    cues = vtt(plan, plan.most, 7 * 3600).split("\n\n")
    assert cues[-1].startswith("00:00:19.000 --> 00:00:20.000\n")


# Golden: what ffmpeg is told. CELLA_WRITE_GOLDEN=1 writes it anew, to be read before it is kept.

SOUND = Sound(index=1, codec="aac", channels=2, sample_rate=48000)
PICTURE = Picture(
    index=0,
    codec="h264",
    width=1920,
    height=1080,
    time_base="1/24000",
    frame_rate="24000/1001",
)
FILMS: dict[str, Probe] = {
    "plain": Probe(container="mov,mp4,m4a,3gp,3g2,mj2", seconds=10, picture=PICTURE, sound=SOUND),
    "varying_upright_silent": Probe(
        container="matroska,webm",
        seconds=4000,
        picture=Picture(
            index=2,
            codec="vp9",
            width=720,
            height=1280,
            rotation=90,
            time_base="1/1000",
            frame_rate="2997/125",
            variable=True,
            matrix="bt601",
        ),
    ),
    "interlaced": Probe(
        container="mpegts",
        seconds=60,
        picture=Picture(
            index=0,
            codec="mpeg2video",
            width=1024,
            height=576,
            time_base="1/90000",
            frame_rate="25/1",
            interlaced=True,
            matrix="bt601",
        ),
        sound=SOUND,
    ),
    "hdr": Probe(
        container="mov,mp4,m4a,3gp,3g2,mj2",
        seconds=10,
        picture=Picture(
            index=0,
            codec="hevc",
            width=3840,
            height=2160,
            time_base="1/600",
            frame_rate="30/1",
            hdr="hlg",
            matrix="bt2020",
        ),
        sound=SOUND,
    ),
}


def told(film: Probe) -> list[str]:
    """What ffmpeg is told of a film, in the order in which it is asked."""
    picture = film.picture
    assert picture is not None
    rungs = ladder(picture.width, picture.height)
    tiles = sprites(film.seconds, picture.width, picture.height)
    source, folder = Path("/room/original"), Path("/room/out")
    limits: Any = {"max_pixels": 1 << 26, "maps_tones": True}
    poster = arguments.still(
        source, film, picture, (2048, 1152), folder / "poster.jpg", at=1.0, bright=True, **limits
    )
    encoding = arguments.encoding(source, film, picture, rungs, tiles, folder, **limits)
    streaming = arguments.streaming(rungs, folder, 1 << 26)
    return [*poster, "", *encoding, "", *streaming]


@pytest.mark.parametrize("name", FILMS)
def test_what_ffmpeg_is_told(name: str) -> None:
    text = "\n".join(told(FILMS[name])) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("CELLA_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.is_file(), "CELLA_WRITE_GOLDEN=1 makes it"
    assert text == path.read_text()


def test_ffmpeg_is_never_told_to_read_anything_but_the_file() -> None:
    for film in FILMS.values():
        words = told(film)
        inputs = [words[at + 1] for at, word in enumerate(words) if word == "-i"]
        assert inputs
        assert all(path.startswith("file:/room/") for path in inputs)
        count = len(inputs)
        for option in ("-protocol_whitelist", "-format_whitelist", "-max_pixels"):
            assert words.count(option) == count
        allowed = words[words.index("-format_whitelist") + 1].split(",")
        leading = {"hls", "dash", "concat", "image2", "lavfi", "tty", "applehttp", "mpjpeg", "sdp"}
        assert leading.isdisjoint(allowed)


def test_without_tone_mapping_colours_are_kept_as_well_as_can_be() -> None:
    picture = FILMS["hdr"].picture
    assert picture is not None
    rungs, tiles = ladder(3840, 2160), sprites(10, 3840, 2160)
    text = graph.film(picture, rungs, tiles, maps_tones=False)
    assert "zscale" not in text
    assert "in_color_matrix=bt2020:out_color_matrix=bt709" in text


@pytest.mark.parametrize(
    ("seconds", "wall"), [(0.0, 21_600), (0.5, 700), (10.0, 2600), (105.0, 21_600), (1e5, 21_600)]
)
def test_a_short_film_gets_less_time(seconds: float, wall: float) -> None:
    limits = EncodingConfig().limits
    found = bounded(limits, seconds)
    assert found == msgspec.structs.replace(limits, wall_seconds=wall)


# Playlists, progress, reasons

LIST = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:6
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="720p.m4s",BYTERANGE="800@0"
#EXTINF:6.006000,
#EXT-X-BYTERANGE:60060@800
720p.m4s
#EXTINF:2.002000,
#EXT-X-BYTERANGE:40040@60860
720p.m4s
#EXT-X-ENDLIST
"""


def test_a_list_is_read_and_written_anew() -> None:
    stream = hls.read(LIST)
    assert stream.length == 100_900
    assert (stream.peak, stream.average) == (160_000, 100_000)
    again = hls.media(stream, "720p.m4s")
    assert hls.read(again) == stream
    assert "#EXT-X-TARGETDURATION:7\n" in again
    rendition = hls.Rendition("720p", stream, 1280, 720, "avc1.64001f,mp4a.40.2", 24000 / 1001)
    assert hls.master([rendition]) == (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=160000,AVERAGE-BANDWIDTH=100000,RESOLUTION=1280x720,"
        'CODECS="avc1.64001f,mp4a.40.2",FRAME-RATE=23.976\n720p.m3u8\n'
    )


@pytest.mark.parametrize(
    "change",
    [
        ("#EXT-X-MAP", "#EXT-X-NONE"),
        ("800@0", "800@7"),
        ("#EXTINF:6.006000,", "#EXTINF:0,"),
        ("#EXTINF:6.006000,", "#EXTINF:-6,"),
        ("#EXTINF:6.006000,", "#EXTINF:nan,"),
        ("60060@800", "60060"),
        ("60060@800", "-1@800"),
    ],
)
def test_a_list_that_is_none_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r"the list|a segment"):
        hls.read(LIST.replace(*change))


def test_a_list_cannot_lead_elsewhere() -> None:
    forged = LIST.replace("720p.m4s", "https://example.org/x")
    assert "example" not in hls.media(hls.read(forged), "720p.m4s")


def test_the_list_of_a_week_is_not_too_long() -> None:
    length = 6 * 8_160_000 // 8
    each = (hls.Segment(6.006, length, 800 + at * length) for at in range(7 * 24 * 600))
    text = hls.media(hls.Stream(800, tuple(each)), "1080p.m4s")
    assert len(text) < MOST_LIST_BYTES < 2 * len(text)


def test_progress_is_the_last_complete_line() -> None:
    assert latest("out_time_us=1500000\nout_time_us=2500000\nout_time_us=99") == 2.5
    assert latest("out_time_us=N/A\n") is None
    assert latest("") is None


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("[mov @ 0x1] moov atom not found\n/room/x: Invalid data", Kind.FILE, "cut off"),
        ("[hls @ 0x1] Format not on whitelist 'mov'", Kind.FILE, "leads to other files"),
        ("Cannot allocate memory", Kind.LIMIT, "memory"),
        ("av_interleaved_write_frame(): No space left on device", Kind.DISK, "no room"),
        ("/room/out/720p.mp4: Disk quota exceeded", Kind.DISK, "Try again later"),
        ("av_interleaved_write_frame(): Input/output error", Kind.MACHINE, "disk"),
        ("Unknown encoder 'libx264'", Kind.MACHINE, "cella doctor"),
        ("whatever /room/x", Kind.FILE, "broken"),
        ("", Kind.FILE, "broken"),
    ],
)
def test_reasons_are_in_plain_words(said: str, kind: Kind, words: str) -> None:
    found, sentence = reason(said)
    assert found == kind
    assert words in sentence
    assert "/" not in sentence
    assert sentence.endswith(".")


def test_rates_are_fractions() -> None:
    assert Fraction(FILMS["plain"].media.frame_rate or "0") == Fraction(24000, 1001)
