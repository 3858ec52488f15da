"""Which type a file gets: every example of contract.md 4.3, and what the bytes change in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cella.errors import BadRequest
from cella.media.sniff import RECOGNISED
from cella.media.types import decide_type, format_of

BLENDER = "application/x-blender"
OCTETS = "application/octet-stream"


@pytest.mark.parametrize(
    ("filename", "declared", "expected"),
    [
        # the contract's own examples
        ("x.blend", OCTETS, BLENDER),
        ("x.blend", "text/plain", BLENDER),
        ("x.blend", None, BLENDER),
        ("blend.mp3", OCTETS, "audio/mpeg"),
        ("blend.mp3", "audio/mp3", "audio/mp3"),
        ("mp3.mkv", OCTETS, "video/x-matroska"),
        ("a.b.mp4", OCTETS, "video/mp4"),
        ("t.html", "text/plain", "text/html"),
        ("t.tar.gz", OCTETS, "application/x-tar"),
        ("x.png", None, "image/png"),
        ("x.unknown", "application/awesome-type", "application/awesome-type"),
        ("t.exr", "image/x-exr", "application/x-exr"),
        ("t.foo", "image/x-exr", "application/x-exr"),
        ("t.exr", "image/exr", "image/exr"),
        ("t.hdr", OCTETS, "application/x-radiance-hdr"),
        # how the declared type is read
        ("x", "Image/PNG", "image/png"),
        ("x", "text/plain; charset=utf-8", "text/plain"),
        ("x", " video/mp4 ;q=1", "video/mp4"),
        ("x.png", "nonsense", "image/png"),
        ("x.png", "image/", "image/png"),
        ("x.png", "image/png\r\nX-Evil: 1", "image/png"),
        ("x.png", "", "image/png"),
        # names that are not URLs, and not paths either
        ("data:text/html,x.png", None, "image/png"),
        ("http://example.org/a.png?b=c.mp4", None, "video/mp4"),
        ("C:\\fakepath\\photo.JPG", None, "image/jpeg"),
        ("../../etc/pass wd.txt", None, "text/plain"),
        ("Ünïcode 🎬.MOV", OCTETS, "video/quicktime"),
        ("a.svgz", None, "image/svg+xml"),
    ],
)
def test_name_and_sender(filename: str, declared: str | None, expected: str) -> None:
    assert decide_type(filename, declared, None) == expected


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        ("avif", "image/avif"),
        ("webp", "image/webp"),
        ("heic", "image/heic"),
        ("exr", "application/x-exr"),
        ("hdr", "application/x-radiance-hdr"),
        ("psd", "image/vnd.adobe.photoshop"),
        ("tif", "image/tiff"),
        ("dng", "image/x-adobe-dng"),
        ("mkv", "video/x-matroska"),
        ("webm", "video/webm"),
        ("mov", "video/quicktime"),
        ("m4v", "video/x-m4v"),
        ("avi", "video/x-msvideo"),
        ("mp3", "audio/mpeg"),
        ("wav", "audio/x-wav"),
        ("flac", "audio/flac"),
        ("ogg", "audio/ogg"),
        ("blend", BLENDER),
        ("glb", "model/gltf-binary"),
        ("gltf", "model/gltf+json"),
        ("usd", "model/vnd.usd"),
        ("usda", "model/vnd.usda"),
        ("usdc", "model/vnd.usdc"),
        ("usdz", "model/vnd.usdz+zip"),
        ("abc", "application/x-alembic"),
        ("vdb", "application/x-openvdb"),
        ("fbx", "application/x-fbx"),
        ("md", "text/markdown"),
        ("json", "application/json"),
        ("pdf", "application/pdf"),
        ("zip", "application/zip"),
        ("py", "text/x-python"),
    ],
)
def test_names(suffix: str, expected: str) -> None:
    assert decide_type(f"file.{suffix}", None, None) == expected
    assert decide_type(f"FILE.{suffix.upper()}", OCTETS, None) == expected


@pytest.mark.parametrize("declared", [None, "", "nonsense", "/", "a/", "/b", ";charset=utf-8"])
@pytest.mark.parametrize("filename", ["", "x", "x.unknownsuffix", ".png", "png"])
def test_nothing_known_is_refused(filename: str, declared: str | None) -> None:
    with pytest.raises(BadRequest, match=r"^Missing content type\. "):
        decide_type(filename, declared, None)


@pytest.mark.parametrize(
    ("filename", "declared", "sniffed", "expected"),
    [
        # bytes win where they contradict
        ("x.png", "image/png", "image/jpeg", "image/jpeg"),
        ("page.html", "text/html", "image/png", "image/png"),
        ("x.jpg", None, "application/pdf", "application/pdf"),
        ("clip.mp4", "video/mp4", "video/x-matroska", "video/x-matroska"),
        ("x", None, "image/png", "image/png"),
        ("x", "nonsense", "image/png", "image/png"),
        ("x", OCTETS, "image/png", "image/png"),
        ("photo.heic", None, "image/avif", "image/avif"),
        # another name of the same thing stays
        ("blend.mp3", "audio/mp3", "audio/mpeg", "audio/mp3"),
        ("x", "image/pjpeg", "image/jpeg", "image/pjpeg"),
        ("x.wav", None, "audio/wav", "audio/x-wav"),
        ("x.mov", None, "video/mp4", "video/quicktime"),
        ("x.m4v", "video/x-m4v", "video/mp4", "video/x-m4v"),
        ("x.m4a", "audio/x-m4a", "audio/mp4", "audio/x-m4a"),
        ("x.3gp", None, "video/mp4", "video/3gpp"),
        ("x.webm", None, "video/x-matroska", "video/webm"),
        ("x.nef", None, "image/x-dcraw", "image/x-nikon-nef"),
        ("x.cr2", None, "image/x-canon-cr2", "image/x-canon-cr2"),
        ("x.arw", None, "image/tiff", "image/x-sony-arw"),
        ("t.exr", "image/exr", "application/x-exr", "image/exr"),
        ("x", "application/ogg", "video/ogg", "application/ogg"),
        ("x.usd", None, "model/vnd.usdc", "model/vnd.usd"),
        # built upon a zip or a stream of compressed bytes
        ("x.usdz", None, "application/zip", "model/vnd.usdz+zip"),
        ("x.kra", OCTETS, "application/zip", "application/x-krita"),
        ("x.epub", None, "application/zip", "application/epub+zip"),
        ("x.ora", None, "application/zip", "image/openraster"),
        ("x.foo", "application/awesome-type", "application/zip", "application/awesome-type"),
        ("x.blend", None, "application/zstd", BLENDER),
        ("x.blend", None, "application/gzip", BLENDER),
        ("t.tar.gz", None, "application/gzip", "application/x-tar"),
        ("x", OCTETS, "application/zip", "application/zip"),
        ("x.png", "image/png", "application/zip", "application/zip"),
        ("x.pdf", "application/pdf", "application/zip", "application/zip"),
        ("x.html", None, "application/gzip", "application/gzip"),
        ("x.blend", None, "application/zip", BLENDER),
    ],
)
def test_the_bytes(filename: str, declared: str | None, sniffed: str, expected: str) -> None:
    assert decide_type(filename, declared, sniffed) == expected


def test_a_docx_stays_one() -> None:
    expected = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    assert decide_type("letter.docx", OCTETS, "application/zip") == expected


def test_the_machine_s_own_table_has_no_say(tmp_path: Path) -> None:
    table = tmp_path / "mime.types"
    table.write_text("image/wrong png\napplication/x-local localsuffix\n")
    program = (
        "import mimetypes, sys\n"
        "mimetypes.knownfiles[:] = [sys.argv[1]]\n"
        "from cella.media.types import decide_type\n"
        "print(decide_type('x.png', None, None), decide_type('x.localsuffix', 'a/b', None))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(table)],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        check=True,
        text=True,
    )
    assert said.stdout.split() == ["image/png", "a/b"]


@given(
    st.text(max_size=60),
    st.none() | st.text(max_size=60),
    st.none() | st.sampled_from(sorted(RECOGNISED)),
)
def test_the_result_is_always_a_type(
    filename: str, declared: str | None, sniffed: str | None
) -> None:
    try:
        decided = decide_type(filename, declared, sniffed)
    except BadRequest:
        assert sniffed is None
        return
    major, slash, minor = decided.partition("/")
    assert (bool(major), slash, bool(minor)) == (True, "/", True)
    assert decided == decided.lower()
    assert decided.isascii()
    assert not set(decided) & set(' ;,"\r\n\0')


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [("image/png", "png"), ("video/x-matroska", "x-matroska"), ("a/b/c", "b/c"), ("none", "")],
)
def test_format(content_type: str, expected: str) -> None:
    assert format_of(content_type) == expected
