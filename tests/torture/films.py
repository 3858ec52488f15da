"""Films and sounds made to harm, and such that came to harm."""

import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg
from tests.media.make import SAMPLES
from tests.torture.case import Maker, Traps
from tests.torture.pictures import png_header

LONG = 1_000_000_000
"""Seconds, a second or frames: a number that nobody means."""

_PICTURE = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1")
_TONE = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=1")
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


# What films are made from


@cache
def encoded(suffix: str, *arguments: str) -> bytes:
    """What ffmpeg makes of these arguments; the same each time."""
    with tempfile.TemporaryDirectory(prefix="cella-seed-") as folder:
        target = Path(folder) / f"seed.{suffix}"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y"]
        bare = ("-fflags", "+bitexact", "-map_metadata", "-1", "-threads", "1")
        subprocess.run(
            [*command, *arguments, *bare, str(target)], check=True, timeout=60, cwd=folder
        )
        return target.read_bytes()


def film(suffix: str = "mp4", *options: str) -> bytes:
    """A second of a test picture and a tone, 64 × 48 pixels."""
    return encoded(suffix, *_PICTURE, *_TONE, *_H264, "-shortest", *options)


def silent(suffix: str = "mp4", *options: str) -> bytes:
    """The same without sound."""
    return encoded(suffix, *_PICTURE, *_H264, *options)


def sized(width: int, height: int, *options: str) -> bytes:
    """A silent film of other sides, which may be odd."""
    picture = f"testsrc=size={width}x{height}:rate=10:duration=1"
    codec = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p")
    return encoded("mp4", "-f", "lavfi", "-i", picture, *codec, *options)


def sound(suffix: str, *options: str) -> bytes:
    """A second of a tone."""
    return encoded(suffix, *_TONE, *options)


def made_for(content: Callable[[Traps], bytes]) -> Maker:
    """Makes a file that wants to get at the traps."""
    return lambda path, traps: path.write_bytes(content(traps))


# MP4 and QuickTime: boxes, ISO/IEC 14496-12


class Box(NamedTuple):
    """A box: its name, and its content or the boxes in it."""

    kind: bytes
    content: bytes
    boxes: tuple["Box", ...] = ()

    def __bytes__(self) -> bytes:
        inside = self.content + b"".join(map(bytes, self.boxes))
        return struct.pack(">I", len(inside) + 8) + self.kind + inside


_HOLDERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"edts", b"udta"})
_COUNTED = {b"stsd": 8, b"dref": 8}


def boxes(content: bytes) -> tuple[Box, ...]:
    """The boxes that lie one behind the other."""
    found = []
    at = 0
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + length]
        head = 0 if kind in _HOLDERS else _COUNTED.get(kind, len(body))
        found.append(Box(kind, body[:head], boxes(body[head:])))
        at += length
    return tuple(found)


def joined(parts: Iterable[Box]) -> bytes:
    """The boxes one behind the other."""
    return b"".join(map(bytes, parts))


def changed(tree: tuple[Box, ...], kind: bytes, change: Callable[[Box], Box]) -> tuple[Box, ...]:
    """The boxes with all of a kind changed, at any depth."""
    return tuple(
        change(box) if box.kind == kind else box._replace(boxes=changed(box.boxes, kind, change))
        for box in tree
    )


def written(at: int, form: str, *values: int) -> Callable[[Box], Box]:
    """A change that writes these numbers into the content."""

    def change(box: Box) -> Box:
        content = bytearray(box.content)
        struct.pack_into(form, content, at, *values)
        return box._replace(content=bytes(content))

    return change


def patched(source: bytes, *changes: tuple[bytes, Callable[[Box], Box]]) -> bytes:
    """A film whose boxes are changed; its media data stay where they are."""
    tree = boxes(source)
    for kind, change in changes:
        tree = changed(tree, kind, change)
    return joined(tree)


def long_film() -> bytes:
    """A film that says it lasts for 10⁹ seconds."""
    times = [(kind, written(12, ">II", 1, LONG)) for kind in (b"mvhd", b"mdhd")]
    each = (b"stts", written(12, ">I", LONG // 10))
    return patched(silent(), *times, (b"tkhd", written(20, ">I", LONG)), each, *_no_edits())


def fast_film() -> bytes:
    """A film of 10⁵ frames a second."""
    return patched(
        silent(),
        (b"mdhd", written(12, ">II", 100_000, 10)),
        (b"stts", written(4, ">III", 1, 10, 1)),
        *_no_edits(),
    )


def many_frames() -> bytes:
    """A film that says it has 10⁹ frames."""
    return patched(silent(), (b"stts", written(8, ">I", LONG)))


def many_samples() -> bytes:
    """A film of 2³² − 1 frames of the same length."""
    sizes = Box(b"stsz", struct.pack(">III", 0, 1, 0xFFFFFFFF))
    return patched(silent(), (b"stsz", lambda _: sizes))


def huge_sides(*, with_data: bool) -> bytes:
    """A film that says it is 65 535 × 65 535 pixels."""
    whole = patched(
        silent("mov", "-c:v", "rawvideo", "-pix_fmt", "rgb24"),
        (b"tkhd", written(76, ">II", 0xFFFF0000, 0xFFFF0000)),
        (b"raw ", written(24, ">HH", 65_535, 65_535)),
    )
    return whole if with_data else joined(box for box in boxes(whole) if box.kind != b"mdat")


def wild_matrix(*values: int) -> bytes:
    """A film that is turned in a way that no camera is."""
    return patched(silent(), (b"tkhd", written(40, ">9I", *values)))


def wild_aspect(across: int, down: int) -> bytes:
    """A film whose pixels have these sides, of a codec that does not say otherwise."""
    whole = bytearray(silent("mov", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-aspect", "2"))
    struct.pack_into(">II", whole, whole.index(b"pasp") + 4, across, down)
    return bytes(whole)


def elsewhere(location: str, kind: bytes) -> bytes:
    """A film whose data lie in another file, or on another machine."""
    place = location.encode()
    if kind == b"url ":
        entry = Box(kind, bytes(4) + place + b"\0")
    else:
        name = place.rpartition(b"/")[2]
        head = struct.pack(">IHH", 0, 0, 0)  # an alias of QuickTime: the path is its entry 18
        alias = head + bytes(2) + b"\0" * 28 + bytes(12) + bytes([len(name)]) + name[:63]
        alias = alias.ljust(4 + 150, b"\0")
        alias += struct.pack(">hH", 2, len(place)) + place + bytes(len(place) % 2)
        alias += struct.pack(">hH", 18, len(place)) + place + bytes(len(place) % 2)
        entry = Box(kind, alias + struct.pack(">hH", -1, 0))
    return patched(silent("mov"), (b"dref", lambda box: box._replace(boxes=(entry,))))


def referring(location: str) -> bytes:
    """A QuickTime reference movie: nothing but the place of another one."""
    data = b"url " + struct.pack(">I", len(location) + 1) + location.encode() + b"\0"
    reference = Box(b"rmda", b"", (Box(b"rdrf", bytes(4) + data),))
    return bytes(Box(b"moov", b"", (Box(b"rmra", b"", (reference,)),)))


def nested(kind: bytes, depth: int) -> bytes:
    """Boxes in boxes in boxes."""
    inside = b"".join(struct.pack(">I4s", 8 * (depth - level), kind) for level in range(depth))
    return bytes(Box(b"ftyp", b"isom\0\0\0\0isom")) + bytes(Box(b"moov", inside))


def many_tracks(count: int) -> bytes:
    """A film with the same track many times."""

    def multiply(box: Box) -> Box:
        (track,) = (inside for inside in box.boxes if inside.kind == b"trak")
        numbered = (
            changed((track,), b"tkhd", written(12, ">I", number))[0]
            for number in range(2, count + 1)
        )
        return box._replace(boxes=(*box.boxes, *numbered))

    return patched(silent(), (b"moov", multiply))


def without(kind: bytes) -> bytes:
    """A film that lacks a box."""
    return joined(box for box in boxes(film()) if box.kind != kind)


def cut(source: bytes, share: float) -> bytes:
    """The beginning of it."""
    return source[: int(len(source) * share)]


def _no_edits() -> list[tuple[bytes, Callable[[Box], Box]]]:
    return [(b"edts", lambda box: Box(b"free", bytes(8)))]


# Matroska: elements, RFC 8794 and RFC 9559


def element(number: int, content: bytes) -> bytes:
    """An element of EBML, its length in eight bytes."""
    name = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return name + (1 << 56 | len(content)).to_bytes(8, "big") + content


def matroska(*elements: bytes) -> bytes:
    """A file of these elements in one segment."""
    head = element(0x1A45DFA3, element(0x4282, b"matroska"))
    return head + element(0x18538067, b"".join(elements))


def attachments_only() -> bytes:
    """A Matroska file that is a picture's envelope."""
    attached = element(0x466E, b"photo.jpg") + element(0x4660, b"image/jpeg")
    picture = element(0x465C, (SAMPLES / "plain.jpg").read_bytes()) + element(0x46AE, b"\x01")
    return matroska(
        element(0x1549A966, element(0x2AD7B1, b"\x0f\x42\x40")),
        element(0x1941A469, element(0x61A7, attached + picture)),
    )


def subtitles_only() -> bytes:
    """A Matroska file of words."""
    with tempfile.TemporaryDirectory(prefix="cella-seed-") as folder:
        words = Path(folder) / "words.srt"
        words.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
        return encoded("mkv", "-i", str(words), "-c", "copy")


def unknown_clusters() -> bytes:
    """A Matroska film whose clusters do not tell their lengths, as in a stream."""
    return silent("mkv", "-live", "1")


def wild_times() -> bytes:
    """A Matroska film that begins after decades."""
    return silent("mkv", "-output_ts_offset", str(LONG))


def float_duration(value: float) -> bytes:
    """A Matroska film of this many milliseconds."""
    whole = bytearray(silent("mkv"))
    struct.pack_into(">d", whole, whole.index(b"\x44\x89\x88") + 3, value)
    return bytes(whole)


# Others


def indexed_avi(entries: int) -> bytes:
    """An AVI whose index names its first frame again and again."""
    whole = silent("avi", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p")
    at = whole.index(b"idx1")
    entry = whole[at + 8 : at + 24]
    body = whole[8:at] + b"idx1" + struct.pack("<I", 16 * entries) + entry * entries
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wav(channels: int, rate: int, claimed: int, seconds: bytes = bytes(88_200)) -> bytes:
    """A WAV of 16 bits a sample; `claimed` is how long its data say they are."""
    block = 2 * channels & 0xFFFF
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block & 0xFFFFFFFF, block, 16)
    head = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", claimed)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + head + seconds


def padded_mp3() -> bytes:
    """A tag of 256 MiB, of which a part is there, and no sound."""
    return b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(1 << 20)


def flac() -> bytes:
    """A FLAC of 2³⁶ − 1 samples, none of which is there."""
    info = struct.pack(">HH", 65_535, 65_535) + bytes(6)
    info += ((655_350 << 44) | (7 << 41) | (31 << 36) | ((1 << 36) - 1)).to_bytes(8, "big")
    return b"fLaC" + bytes([0x80, 0, 0, 34]) + info + bytes(16)


def ogg_head() -> bytes:
    """The first page of an Ogg of Opus, and no second one."""
    whole = sound("ogg", "-c:a", "libopus")
    return whole[: whole.index(b"OggS", 4)]


def ogg_without_sound() -> bytes:
    """An Ogg with a skeleton and nothing else."""
    packet = b"fishead\0" + bytes(72)
    page = b"OggS\0\x02" + bytes(8) + struct.pack("<III", 1, 0, 0) + bytes([1, len(packet)])
    return page + packet


def covered_mp3() -> bytes:
    """A tone whose cover is a picture of 60 000 × 60 000 pixels."""
    frame = b"\0image/png\0\x03\0" + png_header(60_000, 60_000, 8, 6)
    tagged = b"APIC" + struct.pack(">IH", len(frame), 0) + frame
    length = len(tagged)
    sevens = bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0))
    plain = sound("mp3", "-id3v2_version", "0", "-write_xing", "0")
    return b"ID3\x03\0\0" + sevens + tagged + plain


def switching() -> bytes:
    """A transport stream whose picture changes its sides, and changes them back."""
    larger = silent("ts", "-vf", "scale=128:96", "-output_ts_offset", "1")
    return silent("ts") + larger + silent("ts", "-output_ts_offset", "2")


def restarting() -> bytes:
    """A transport stream whose clock begins anew, twice."""
    return silent("ts") * 3


def changing() -> bytes:
    """A transport stream whose clock begins anew with a picture of other sides."""
    return silent("ts") + silent("ts", "-vf", "scale=128:96") + silent("ts")


def one_frame() -> bytes:
    """A film of one frame."""
    return silent("mp4", "-frames:v", "1")


# Playlists, and others that lead somewhere else


def hls(traps: Traps) -> bytes:
    """A playlist of HTTP Live Streaming, RFC 8216."""
    places = (f"file:{traps.film}", str(traps.film), traps.url)
    items = "".join(f"#EXTINF:1,\n{place}\n" for place in places)
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{items}#EXT-X-ENDLIST\n".encode()


def dash(traps: Traps) -> bytes:
    """A manifest of MPEG-DASH."""
    space = "xmlns='urn:mpeg:dash:schema:mpd:2011' profiles='urn:mpeg:dash:profile:full:2011'"
    address = f"<BaseURL>{traps.url}</BaseURL>"
    shown = f"<Representation id='1' bandwidth='1'>{address}</Representation>"
    period = f"<Period><AdaptationSet mimeType='video/mp4'>{shown}</AdaptationSet></Period>"
    duration = "mediaPresentationDuration='PT1S' type='static'"
    return f"<?xml version='1.0'?><MPD {space} {duration}>{period}</MPD>".encode()


def concat(traps: Traps) -> bytes:
    """A list for ffmpeg to join."""
    return f"ffconcat version 1.0\nfile '{traps.film}'\nfile '{traps.url}'\n".encode()


def bare_concat(traps: Traps) -> bytes:
    """The same without its first line."""
    return f"file '{traps.film}'\n".encode()


def m3u(traps: Traps) -> bytes:
    """A playlist without a heading."""
    return f"{traps.film}\n{traps.url}\n".encode()


def pls(traps: Traps) -> bytes:
    """A playlist of another sort."""
    return f"[playlist]\nFile1={traps.url}\nFile2={traps.film}\nNumberOfEntries=2\n".encode()


def sdp(traps: Traps) -> bytes:
    """The description of a stream from the network, RFC 8866."""
    lines = ("v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=x", "c=IN IP4 127.0.0.1", "t=0 0")
    return "\r\n".join([*lines, f"m=video {traps.port} RTP/AVP 96", ""]).encode()


def xspf(traps: Traps) -> bytes:
    """A playlist in XML, with an entity that is a file."""
    entity = f"<!DOCTYPE x [<!ENTITY e SYSTEM '{traps.film.as_uri()}'>]>"
    track = f"<track><location>{traps.url}</location><title>&e;</title></track>"
    tracks = f"<playlist><trackList>{track}</trackList></playlist>"
    return f"<?xml version='1.0'?>{entity}{tracks}".encode()
