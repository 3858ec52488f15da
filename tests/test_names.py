"""File names: what is kept of them, and how a URL spells them."""

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cella.errors import BadRequest
from cella.names import (
    MAX_LENGTH,
    clean_filename,
    decode_path_name,
    readable,
    split_extension,
)

any_text = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    "name",
    [
        "a.txt",
        "../../etc/pass wd.txt",
        "C:\\x\\name.txt",
        ".hidden",
        "..",
        " spaces ",
        'quo"te%22.txt',
        "CON",
        "김치 – ½.txt",
        "e\u0301.txt",
        "😀.png",
        "a\u00a0b",
        "x" * MAX_LENGTH,
    ],
)
def test_names_are_kept_as_given(name: str) -> None:
    assert clean_filename(name) == name


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("", "unnamed"),
        ("   ", "unnamed"),
        ("\x00\r\n\t", "unnamed"),
        ("\u202e\u200f", "unnamed"),
        ("a\x00b\x1f\x7f\x85.txt", "ab.txt"),
        ("a\r\nSet-Cookie: b", "aSet-Cookie: b"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("\u061c\u200e\u2066x\u2067\u2068\u2069.txt", "x.txt"),
        ("lone\udc80.txt", "lone\ufffd.txt"),
        ("x" * 300, "x" * 255),
        ("x" * 300 + ".blend", "x" * 249 + ".blend"),
        ("x" * 250 + ".blend", "x" * 249 + ".blend"),
        ("😀" * 300 + ".png", "😀" * 251 + ".png"),
        ("x." + "y" * 300, "x." + "y" * 253),
        ("x" * 300 + ". y", "x" * 255),
        ("d.ir/" + "x" * 300, "d.ir/" + "x" * 250),
    ],
)
def test_clean_filename(raw: str, clean: str) -> None:
    assert clean_filename(raw) == clean


@settings(deadline=None, max_examples=1000)
@given(any_text)
@example("\x00" * 300 + "a")
@example("x" * 400 + ".abc")
def test_any_string_gives_a_sound_name(raw: str) -> None:
    name = clean_filename(raw)
    assert name.strip()
    assert len(name) <= MAX_LENGTH
    assert name.encode().decode() == name
    assert not [char for char in name if unicodedata.category(char) == "Cc"]
    assert not [char for char in name if unicodedata.bidirectional(char) in BIDI_CONTROLS]
    assert clean_filename(name) == name
    assert len(readable(raw)) <= len(raw)


BIDI_CONTROLS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@pytest.mark.parametrize(
    ("name", "stem", "extension"),
    [
        ("a.txt", "a", ".txt"),
        ("a.tar.gz", "a.tar", ".gz"),
        ("a", "a", ""),
        (".hidden", ".hidden", ""),
        ("..a", "..a", ""),
        ("a.", "a.", ""),
        ("d.ir/name", "d.ir/name", ""),
        ("d/.x", "d/.x", ""),
        ("d\\.x", "d\\.x", ""),
        ("a.b c", "a.b c", ""),
        ("a." + "x" * 32, "a", "." + "x" * 32),
        ("a." + "x" * 33, "a." + "x" * 33, ""),
        ("", "", ""),
    ],
)
def test_split_extension(name: str, stem: str, extension: str) -> None:
    assert split_extension(name) == (stem, extension)


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        (b"a.txt", "a.txt"),
        (b"a%20b+c.txt", "a b+c.txt"),
        (b"%2e%2e%2fx", "../x"),
        (b"%252e%252e", "%2e%2e"),
        (b"%E2%82%AC.txt", "€.txt"),
        ("€.txt".encode(), "€.txt"),
        (b"100%.txt", "100%.txt"),
        (b"%zz%4", "%zz%4"),
        (b"%00", "\x00"),
        (b"", ""),
    ],
)
def test_decode_path_name(segment: bytes, name: str) -> None:
    assert decode_path_name(segment) == name


@pytest.mark.parametrize("segment", [b"caf%e9.txt", b"caf\xe9.txt", b"%ed%a0%80", b"%c0%af"])
def test_names_that_are_not_utf_8(segment: bytes) -> None:
    with pytest.raises(BadRequest, match="not UTF-8"):
        decode_path_name(segment)


@settings(deadline=None)
@given(st.text())
def test_any_name_survives_a_url(name: str) -> None:
    assert decode_path_name(quote(name, safe="").encode()) == name
    assert decode_path_name(quote(quote(name, safe=""), safe="").encode()) == quote(name, safe="")
