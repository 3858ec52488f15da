"""Whether an MP4 has its index, told from the headers of its outermost boxes."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cella.media.boxes import is_boxed, lacks_index


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def long_box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content


def endless_box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 0, kind) + content


HEAD = box(b"ftyp", b"isom\0\0\0\0isom")
DATA = box(b"mdat", b"moov" * 10)
INDEX = box(b"moov", bytes(100))


def lacks(content: bytes) -> bool:
    return lacks_index(io.BytesIO(content), len(content))


@pytest.mark.parametrize(
    ("content", "lacking"),
    [
        (HEAD + INDEX + DATA, False),
        (HEAD + DATA + INDEX, False),
        (HEAD + long_box(b"mdat", bytes(50)) + INDEX, False),
        (HEAD + DATA + INDEX[:20], False),
        (HEAD + DATA + endless_box(b"moov"), False),
        (INDEX, False),
        (HEAD + DATA, True),
        (HEAD, True),
        (HEAD[:10], True),
        (HEAD + DATA[:20], True),
        (HEAD + box(b"mdat", bytes(1 << 16))[:40], True),
        (HEAD + endless_box(b"mdat", INDEX), True),
        (HEAD + long_box(b"mdat", bytes(50))[:12], True),
        (HEAD + long_box(b"mdat", bytes(50))[:30], True),
        (HEAD + struct.pack(">I4s", 7, b"free") + DATA, False),
        (HEAD + bytes(100), False),
        (HEAD + b"\xff" * 100, False),
        (HEAD + struct.pack(">I4sQ", 1, b"free", 3) + DATA, False),
        (box(b"free") * 20_000 + INDEX, False),
        (box(b"free") * 20_000, False),
        (b"", True),
    ],
)
def test_the_index_is_looked_for(content: bytes, lacking: bool) -> None:
    assert lacks(content) == lacking


@given(st.binary(max_size=200))
def test_anything_has_an_answer(content: bytes) -> None:
    assert lacks(content) in {True, False}
    assert lacks(HEAD + content) in {True, False}


def test_what_is_boxed() -> None:
    assert is_boxed(HEAD)
    assert is_boxed(DATA)
    assert not is_boxed(b"RIFF\0\0\0\0AVI ")
    assert not is_boxed(b"")
