"""Types from the first bytes: hand-made beginnings, real files, and noise."""

import gzip
import io
import struct
import subprocess
import tarfile
import zipfile
from pathlib import Path

import imageio_ffmpeg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.media.make import SAMPLES

from cella.media.sniff import RECOGNISED, sniff


def ftyp(brand: bytes, *compatible: bytes) -> bytes:
    rest = brand + bytes(4) + b"".join(compatible)
    return struct.pack(">I", 8 + len(rest)) + b"ftyp" + rest + bytes(64)


def riff(form: bytes, container: bytes = b"RIFF") -> bytes:
    return container + bytes(4) + form + bytes(16)


def ebml(kind: bytes) -> bytes:
    return b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82" + bytes([0x80 + len(kind)]) + kind


def ogg(packet: bytes) -> bytes:
    return b"OggS\x00\x02" + bytes(20) + b"\x01\x1e" + packet


def tiff(*tags: tuple[int, int], order: str = "<") -> bytes:
    magic = b"II*\x00" if order == "<" else b"MM\x00*"
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
    return magic + struct.pack(f"{order}IH", 8, len(tags)) + entries + bytes(4)


MP3_FRAME = b"\xff\xfb\x90\x64" + bytes(413)  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz
MP3_LOW_FRAME = b"\xff\xf3\x48\xc4" + bytes(140)  # MPEG-2, 32 kbit/s, 16 kHz

BEGINNINGS: list[tuple[bytes, str | None]] = [
    (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n\x00", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (riff(b"WEBP"), "image/webp"),
    (ftyp(b"avif", b"mif1"), "image/avif"),
    (ftyp(b"avis"), "image/avif"),
    (ftyp(b"mif1", b"mif1", b"avif"), "image/avif"),
    (ftyp(b"heic", b"mif1"), "image/heic"),
    (ftyp(b"mif1", b"heic"), "image/heic"),
    (ftyp(b"mif1"), "image/heif"),
    (ftyp(b"crx "), "image/x-canon-cr3"),
    (tiff((256, 4), (257, 4)), "image/tiff"),
    (tiff((256, 4), (257, 4), order=">"), "image/tiff"),
    (b"II+\x00\x08\x00\x00\x00" + bytes(8), "image/tiff"),
    (b"II*\x00\x00\x00\x01\x00", "image/tiff"),
    (b"II*\x00\x10\x00\x00\x00CR\x02\x00" + bytes(8), "image/x-canon-cr2"),
    (tiff((254, 1), (271, 0), (50706, 0x0401)), "image/x-adobe-dng"),
    (tiff((254, 1), (271, 0), (330, 0), order=">"), "image/x-dcraw"),
    (tiff((254, 0), (271, 0)), "image/tiff"),
    (b"BM" + bytes(12) + struct.pack("<I", 40), "image/bmp"),
    (b"BM is only two letters, after all", None),
    (b"8BPS\x00\x01", "image/vnd.adobe.photoshop"),
    (b"8BPS\x00\x02", "image/vnd.adobe.photoshop"),
    (b"v/1\x01\x02\x00\x00\x00", "application/x-exr"),
    (b"#?RADIANCE\n", "application/x-radiance-hdr"),
    (b"#?RGBE\n", "application/x-radiance-hdr"),
    (b"SDPX" + bytes(4), "image/x-dpx"),
    (b"XPDS" + bytes(4), "image/x-dpx"),
    (b"\xff\x0a\xfa\x7f", "image/jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\xff\x4f\xff\x51\x00\x2f", "image/jp2"),
    (b"\xabKTX 11\xbb\r\n\x1a\n", "image/ktx"),
    (b"\xabKTX 20\xbb\r\n\x1a\n", "image/ktx2"),
    (b"DDS \x7c\x00\x00\x00", "image/vnd-ms.dds"),
    (ftyp(b"isom", b"avc1"), "video/mp4"),
    (ftyp(b"mp42"), "video/mp4"),
    (ftyp(b"qt  "), "video/quicktime"),
    (b"\x00\x00\x00\x08wide\x00\x00\x01\x00mdat", "video/quicktime"),
    (b"\x00\x00\x10\x00moov" + bytes(8), "video/quicktime"),
    (ftyp(b"M4A "), "audio/mp4"),
    (ftyp(b"M4V "), "video/x-m4v"),
    (ftyp(b"3gp5"), "video/3gpp"),
    (ebml(b"matroska"), "video/x-matroska"),
    (ebml(b"webm"), "video/webm"),
    (riff(b"AVI "), "video/x-msvideo"),
    (riff(b"WAVE"), "audio/wav"),
    (riff(b"WAVE", b"RF64"), "audio/wav"),
    (riff(b"ACON"), None),
    ((b"\x47" + bytes(187)) * 4, "video/mp2t"),
    ((bytes(4) + b"\x47" + bytes(187)) * 4, "video/mp2t"),
    (b"G" + bytes(400), None),
    (b"G", None),
    (ogg(b"\x01vorbis"), "audio/ogg"),
    (ogg(b"OpusHead"), "audio/ogg"),
    (ogg(b"\x80theora"), "video/ogg"),
    (ogg(b"unknown"), "application/ogg"),
    (b"FLV\x01\x05", "video/x-flv"),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02", "application/mxf"),
    (b"\x00\x00\x01\xba\x44", "video/mpeg"),
    (b"ID3\x04\x00", "audio/mpeg"),
    (MP3_FRAME * 2, "audio/mpeg"),
    (MP3_LOW_FRAME * 2, "audio/mpeg"),
    (MP3_FRAME, None),
    (b"\xff\xfb\x90\x64" + b"no second frame" * 40, None),
    (b"fLaC\x00", "audio/flac"),
    (b"FORM\x00\x00\x00\x00AIFF", "audio/aiff"),
    (b"FORM\x00\x00\x00\x00AIFC", "audio/aiff"),
    (b"FORM\x00\x00\x00\x00ILBM", None),
    (b"%PDF-1.7", "application/pdf"),
    (b"BLENDER-v404", "application/x-blender"),
    (b"BLENDER17-01v0500", "application/x-blender"),
    (b"\x28\xb5\x2f\xfd\x00", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c\x00\x04", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07\x01\x00", "application/vnd.rar"),
    (b"\xfd7zXZ\x00\x00", "application/x-xz"),
    (b"BZh91AY&SY", "application/x-bzip2"),
    (b"BZh is how this text begins", None),
    (b"glTF\x02\x00\x00\x00", "model/gltf-binary"),
    (b"PXR-USDC\x00\x08", "model/vnd.usdc"),
    (b"Ogawa\xff\x00\x01", "application/x-alembic"),
    (b" BDV\x00\x00\x00\x00\xe0", "application/x-openvdb"),
    (b"Kaydara FBX Binary  \x00\x1a\x00", "application/x-fbx"),
    (b"PK\x05\x06" + bytes(18), "application/zip"),
    (b"", None),
    (b"\xff", None),
    (b"II", None),
    (b"II*\x00", "image/tiff"),
    (b"<!DOCTYPE html><html>", None),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
    (b"#EXTM3U\n", None),
    (b"#usda 1.0\n", None),
]


@pytest.mark.parametrize(("head", "expected"), BEGINNINGS)
def test_beginnings(head: bytes, expected: str | None) -> None:
    assert sniff(head) == expected


def test_every_type_has_a_beginning_here() -> None:
    shown = {expected for _, expected in BEGINNINGS} | {"application/gzip"}
    assert shown - {None} == RECOGNISED


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain.jpg", "image/jpeg"),
        ("marked.png", "image/png"),
        ("animated.gif", "image/gif"),
        ("photo.webp", "image/webp"),
        ("photo.avif", "image/avif"),
        ("sixteen.tif", "image/tiff"),
    ],
)
def test_real_pictures(name: str, expected: str) -> None:
    assert sniff((SAMPLES / name).read_bytes()) == expected


def test_real_archives() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("a", "b")
    assert sniff(archive.getvalue()) == "application/zip"
    assert sniff(gzip.compress(b"x")) == "application/gzip"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:bz2"):
        pass
    assert sniff(packed.getvalue()) == "application/x-bzip2"


@pytest.mark.parametrize(
    ("suffix", "codecs", "expected"),
    [
        ("mp4", ["-c:v", "mpeg4"], "video/mp4"),
        ("mov", ["-c:v", "mpeg4"], "video/quicktime"),
        ("mkv", ["-c:v", "mpeg4"], "video/x-matroska"),
        ("webm", ["-c:v", "libvpx"], "video/webm"),
        ("avi", ["-c:v", "mpeg4"], "video/x-msvideo"),
        ("ts", ["-c:v", "mpeg2video"], "video/mp2t"),
        ("mxf", ["-c:v", "mpeg2video", "-ar", "48000"], "application/mxf"),
        ("flv", ["-c:v", "flv1"], "video/x-flv"),
        ("ogv", ["-c:v", "libtheora"], "video/ogg"),
        ("m4a", ["-vn", "-c:a", "aac"], "audio/mp4"),
        ("mp3", ["-vn", "-id3v2_version", "0", "-write_xing", "0"], "audio/mpeg"),
        ("wav", ["-vn"], "audio/wav"),
        ("flac", ["-vn"], "audio/flac"),
        ("aiff", ["-vn"], "audio/aiff"),
        ("opus", ["-vn", "-ar", "48000", "-c:a", "libopus"], "audio/ogg"),
    ],
)
def test_what_ffmpeg_writes(tmp_path: Path, suffix: str, codecs: list[str], expected: str) -> None:
    film = tmp_path / f"film.{suffix}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin"]
    command += ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=25:duration=1"]
    command += ["-f", "lavfi", "-i", "sine=frequency=440:duration=1"]
    subprocess.run([*command, *codecs, str(film)], check=True, timeout=60)
    assert sniff(film.read_bytes()) == expected


def test_what_pillow_writes() -> None:
    picture = Image.new("RGB", (20, 10), "teal")
    for format, expected in (("BMP", "image/bmp"), ("DDS", "image/vnd-ms.dds")):
        written = io.BytesIO()
        picture.save(written, format)
        assert sniff(written.getvalue()) == expected


def test_only_the_first_64_kib_count() -> None:
    late = struct.pack("<4sI", b"II*\x00", 70_000) + bytes(70_000)
    directory = struct.pack("<HHHII", 1, 50706, 4, 1, 0)
    assert sniff(late[:70_000] + directory) == "image/tiff"


@given(st.binary(max_size=2000))
def test_noise_never_fails(noise: bytes) -> None:
    assert sniff(noise) in RECOGNISED | {None}


@given(st.sampled_from([head for head, _ in BEGINNINGS]), st.binary(max_size=600))
def test_a_known_beginning_with_noise_never_fails(head: bytes, noise: bytes) -> None:
    assert sniff(head + noise) in RECOGNISED | {None}
    assert sniff(head[: len(head) // 2] + noise) in RECOGNISED | {None}
