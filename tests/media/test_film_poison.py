"""Films that lie, are broken, or want to lead us to other files: a reason, and nothing else."""

import contextlib
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.media.films import PROGRAMS, film, run

from cella.errors import CannotDecode, MediaError, OverLimit
from cella.media import ffmpeg
from cella.media.config import EncodingConfig
from cella.media.film import Picture, Probe
from cella.media.previews import preview
from cella.media.probe import probe
from cella.media.reasons import NO_INDEX
from cella.media.sandbox import Sandbox
from cella.media.video.encode import encode

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = EncodingConfig().limits
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody who waits for calls."""
    with socket.create_server(("127.0.0.1", 0)) as waiting:
        waiting.setblocking(False)
        yield waiting


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A film of somebody else's, as good as any."""
    path = film(tmp_path / "canary.ts", 24, "24", *H264)
    os.utime(path, (1, 1))
    return path


def hls(leads_to: str) -> bytes:
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-PLAYLIST-TYPE:VOD\n"
    return f"{head}#EXTINF:1.0,\n{leads_to}\n#EXT-X-ENDLIST\n".encode()


def hls_in_avi(leads_to: str) -> bytes:
    """A playlist in the clothes of an AVI with subtitles, as published in 2016."""
    playlist = b"GAB2\x00\x02\x00" + b"\x00" * 10 + hls(leads_to)
    chunk = b"01wb" + struct.pack("<I", len(playlist)) + playlist
    lists = b"LIST" + struct.pack("<I", len(chunk) + 4) + b"movi" + chunk
    return b"RIFF" + struct.pack("<I", len(lists) + 4) + b"AVI " + lists


def dash(leads_to: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="1" bandwidth="1"><BaseURL>{leads_to}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    ).encode()


def concat(leads_to: str) -> bytes:
    return f"ffconcat version 1.0\nfile '{leads_to}'\n".encode()


def asx(leads_to: str) -> bytes:
    return f'<asx version="3.0"><entry><ref href="{leads_to}"/></entry></asx>'.encode()


def sdp(leads_to: str) -> bytes:
    port = leads_to.rpartition(":")[2].partition("/")[0] or "9"
    return (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=video {port} RTP/AVP 96\n"
    ).encode()


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + kind + body


def mov(leads_to: str) -> bytes:
    """A QuickTime film whose track lies in another file: an alias of `dref`, with its path."""
    path = leads_to.removeprefix("file://").encode()
    alias = bytes(150) + struct.pack(">hh", 18, len(path)) + path + b"\0" * (len(path) % 2)
    alias += struct.pack(">hh", -1, 0)
    dref = box(b"dref", struct.pack(">II", 0, 1), box(b"alis", struct.pack(">I", 0), alias))
    entry = struct.pack(">6xH16xHH14x", 1, 320, 180).ljust(78, b"\0")
    stsd = box(b"stsd", struct.pack(">II", 0, 1), box(b"jpeg", entry))
    table = box(
        b"stbl",
        stsd,
        box(b"stts", struct.pack(">IIII", 0, 1, 1, 1000)),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1)),
        box(b"stsz", struct.pack(">III", 0, 4096, 1)),
        box(b"stco", struct.pack(">III", 0, 1, 0)),
    )
    minf = box(b"minf", box(b"vmhd", bytes(12)), box(b"dinf", dref), table)
    mdhd = box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 1000, 1000, 0, 0))
    hdlr = box(b"hdlr", struct.pack(">I4s4s12xB", 0, b"mhlr", b"vide", 0))
    tkhd = box(b"tkhd", struct.pack(">IIIII60xII", 7, 0, 0, 1, 0, 320 << 16, 180 << 16))
    mvhd = box(b"mvhd", struct.pack(">IIIII80x", 0, 0, 0, 1000, 1000))
    moov = box(b"moov", mvhd, box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf)))
    return box(b"ftyp", b"qt  ", bytes(4), b"qt  ") + moov


DISGUISES: dict[str, Callable[[str], bytes]] = {
    "hls": hls,
    "hls in avi": hls_in_avi,
    "dash": dash,
    "concat": concat,
    "asx": asx,
    "sdp": sdp,
    "mov": mov,
}


@pytest.mark.parametrize("ending", ["mp4", "avi", "mov"])
@pytest.mark.parametrize("kind", DISGUISES)
async def test_nothing_is_read_and_nobody_is_called(
    sandbox: Sandbox,
    tmp_path: Path,
    canary: Path,
    listener: socket.socket,
    kind: str,
    ending: str,
) -> None:
    host, port = listener.getsockname()
    for leads_to in (f"file://{canary}", f"http://{host}:{port}/a.ts", str(canary)):
        source = tmp_path / f"disguised.{ending}"
        source.write_bytes(DISGUISES[kind](leads_to))
        for attempt in (probing, previewing, encoding):
            folder = tmp_path / "out"
            folder.mkdir(exist_ok=True)
            with pytest.raises(CannotDecode) as raised:
                await attempt(sandbox, source, folder)
            assert str(tmp_path) not in raised.value.message
            assert "/" not in raised.value.message.replace("video/", "")
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert canary.stat().st_atime == 1


async def probing(sandbox: Sandbox, source: Path, folder: Path) -> None:
    await probe(sandbox, source)


async def previewing(sandbox: Sandbox, source: Path, folder: Path) -> None:
    program = next(iter(PROGRAMS.values()))
    await preview(sandbox, program, source, folder, "video/mp4")


async def encoding(sandbox: Sandbox, source: Path, folder: Path) -> None:
    """As if the probe had been deceived already."""
    picture = Picture(index=0, codec="h264", width=320, height=180, time_base="1/90000")
    container = "mov,mp4,m4a,3gp,3g2,mj2" if source.read_bytes()[4:8] == b"ftyp" else "hls"
    found = Probe(container=container, seconds=1.0, picture=picture)
    program = next(iter(PROGRAMS.values()))
    await encode(sandbox, program, source, folder, found, LIMITS, lambda share: None)


@pytest.mark.parametrize("kind", DISGUISES)
async def test_the_lists_of_what_is_allowed_suffice(
    sandbox: Sandbox, tmp_path: Path, canary: Path, kind: str
) -> None:
    """Where a machine has no Landlock, the canary lies open to the child."""
    source, folder = tmp_path / "disguised.mp4", tmp_path / "out"
    folder.mkdir()
    source.write_bytes(DISGUISES[kind](f"file://{canary}"))
    with pytest.raises(CannotDecode):
        await sandbox.run("probe", {"sources": [str(source)]}, reads=[tmp_path])
    words = [*ffmpeg.reading(source, "mov," if kind == "mov" else kind, 1 << 24), "-c", "copy"]
    for program in PROGRAMS.values():
        copy = folder / "copy.mkv"
        with contextlib.suppress(CannotDecode):
            # What a track of another file becomes is as many bytes of this one.
            await ffmpeg.run(
                sandbox, program, [*words, str(copy)], reads=[tmp_path], writes=[folder]
            )
            assert kind == "mov"
            assert canary.read_bytes()[200:232] not in copy.read_bytes()
    os.utime(canary, (1, 1))
    assert canary.stat().st_atime == 1


async def test_the_canary_could_be_read(sandbox: Sandbox, canary: Path) -> None:
    assert (await probe(sandbox, canary)).media.frames == 24


def whole(tmp_path: Path) -> bytes:
    return film(tmp_path / "whole.mp4", 24, "24", *H264).read_bytes()


def patched(content: bytes, kind: bytes, offset: int, value: int) -> bytes:
    """The file with four bytes after the name of a box changed."""
    at = content.index(kind) + 4 + offset
    return content[:at] + struct.pack(">I", value) + content[at + 4 :]


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "one byte": lambda content: content[:1],
    "no index": lambda content: content[: content.index(b"moov") - 4],
    "head only": lambda content: content[:40],
    "zeros": lambda content: content[:40] + bytes(len(content)),
    "index of zeros": lambda content: patched(content, b"stsz", 8, 0xFFFFFFF),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_broken_films_have_a_reason(sandbox: Sandbox, tmp_path: Path, what: str) -> None:
    source = tmp_path / "film.mp4"
    source.write_bytes(BROKEN[what](whole(tmp_path)))
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises((CannotDecode, OverLimit)) as raised:
        await previewing(sandbox, source, folder)
    assert raised.value.message.endswith(".")
    is_cut_off = what in {"no index", "head only"}
    assert (raised.value.message == NO_INDEX) == is_cut_off, raised.value.message


def claims_to_last(source: Path, milliseconds: float) -> None:
    """Have a film in Matroska say that it lasts so long."""
    content = source.read_bytes()
    at = content.index(b"\x44\x89\x88") + 3  # Duration of RFC 9559, in milliseconds
    source.write_bytes(content[:at] + struct.pack(">d", milliseconds) + content[at + 8 :])


async def test_a_film_that_claims_to_last_for_years(sandbox: Sandbox, tmp_path: Path) -> None:
    source = film(tmp_path / "film.mkv", 24, "24", *H264)
    claims_to_last(source, 1e12)
    with pytest.raises(OverLimit, match="claims to last"):
        await probe(sandbox, source)


async def test_a_film_that_claims_too_many_frames_a_second(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    source = tmp_path / "film.mkv"
    film(source, 24, "100000", "-c:v", "ffv1")
    found = await probe(sandbox, source)
    assert found.media.frame_rate is None or eval_rate(found.media.frame_rate) <= 1000
    folder = tmp_path / "out"
    folder.mkdir()
    program = next(iter(PROGRAMS.values()))
    made = await encode(sandbox, program, source, folder, found, LIMITS, lambda share: None)
    assert (await probe(sandbox, made[0].path)).media.frames == 24


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=["found", "bundled"][: len(PROGRAMS)])
async def test_gaps_that_a_film_does_not_tell_of_are_not_filled(
    sandbox: Sandbox, tmp_path: Path, program: Path
) -> None:
    source = film(tmp_path / "film.mkv", 8, "24", "-vf", "setpts=N*3600/TB", *H264)
    claims_to_last(source, 10_000)
    found = await probe(sandbox, source)
    assert found.seconds == 10
    assert found.picture is not None
    # Of a longer file nobody would have looked at all packets.
    believed = msgspec.structs.replace(found.picture, seconds=found.seconds)
    found = msgspec.structs.replace(found, picture=believed)
    folder = tmp_path / "out"
    folder.mkdir()
    made = await encode(sandbox, program, source, folder, found, LIMITS, lambda share: None)
    assert (await probe(sandbox, made[0].path)).media.frames == 8
    sheets = [each for each in made if each.size.startswith("sprites-")]
    assert [(sheet.width, sheet.height) for sheet in sheets] == [(10 * 160, 2 * 90)]
    assert (folder / "sprites.vtt").read_text().count("-->") == 20


def eval_rate(rate: str) -> float:
    numerator, denominator = map(int, rate.split("/"))
    return numerator / denominator


async def test_a_film_with_too_many_pixels(sandbox: Sandbox, tmp_path: Path) -> None:
    source = film(tmp_path / "film.mkv", 1, "24", *H264, width=1600, height=1600)
    limits: Any = LIMITS
    with pytest.raises(OverLimit, match="1600 × 1600 pixels"):
        await probe(
            sandbox,
            source,
            type(limits)(
                wall_seconds=10,
                cpu_seconds=10,
                memory_bytes=1 << 31,
                output_bytes=1 << 20,
                max_pixels=1_000_000,
            ),
        )


async def test_a_film_that_wants_to_be_very_wide(sandbox: Sandbox, tmp_path: Path) -> None:
    source = tmp_path / "film.mkv"
    film(source, 1, "24", "-vf", "setsar=19", "-c:v", "ffv1", width=4096, height=40)
    with pytest.raises(OverLimit, match="wants to be displayed at 77824 × 40 pixels"):
        await probe(sandbox, source)


async def test_a_film_cut_off_shows_what_is_there(sandbox: Sandbox, tmp_path: Path) -> None:
    source = film(tmp_path / "film.ts", 96, "24", *H264, "-g", "12")
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 2])
    folder = tmp_path / "out"
    folder.mkdir()
    found = await probe(sandbox, source)
    program = next(iter(PROGRAMS.values()))
    made = await encode(sandbox, program, source, folder, found, LIMITS, lambda share: None)
    frames = (await probe(sandbox, made[0].path)).media.frames
    assert frames is not None
    assert 24 <= frames <= 72


async def test_noise_ends_in_words(sandbox: Sandbox, tmp_path: Path) -> None:
    """Bytes of a good film changed here and there: no crash that is not told as one."""
    content = bytearray(whole(tmp_path))
    program = next(iter(PROGRAMS.values()))
    folder = tmp_path / "out"
    folder.mkdir()
    for seed in range(8):
        broken = bytearray(content)
        for step in range(1, 40):
            broken[(seed * 7919 + step * step * 104_729) % len(broken)] ^= 0xFF
        source = tmp_path / "film.mp4"
        source.write_bytes(broken)
        with contextlib.suppress(MediaError):
            found = await probe(sandbox, source)
            assert found.picture is not None
            made = await encode(sandbox, program, source, folder, found, LIMITS, lambda _: None)
            assert made[0].size == "180p"


async def test_a_record_has_a_cover_and_no_film(sandbox: Sandbox, tmp_path: Path) -> None:
    cover, source = tmp_path / "cover.png", tmp_path / "record.mp3"
    run("-f", "lavfi", "-i", "testsrc=s=64x64:d=0.04", "-frames:v", "1", str(cover))
    run(
        *("-f", "lavfi", "-i", "sine=d=1", "-i", str(cover), "-map", "0", "-map", "1"),
        *("-c:v", "copy", "-disposition:v", "attached_pic", str(source)),
    )
    found = await probe(sandbox, source)
    assert found.picture is None
    assert found.sound is not None
