"""No name that a user thinks up gets into a key."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cella.errors import BadKey
from cella.ids import new_blob_root, new_id
from cella.store import keys

BUCKET = "5f0123456789abcdef012345"
ROOT = "0123456789abcdef0123456789abcdef"
SAFE_ORIGINAL = re.compile(r"[0-9a-f]{32}(\.[a-z0-9]{1,12})?")

HOSTILE = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "..\\..\\boot.ini",
    "a.png/../../b",
    "a.\0png",
    "a.png\0",
    "a.png\r\nSet-Cookie: x=y",
    "a.png\n",
    'a."png"',
    "a.p'g",
    "photo.gnp\u202ejpg",
    "\u202egnp.exe",
    "a.ｐｎｇ",
    "a.\u212aa",
    "a.ÖÄÜ",
    "a.\u0661\u0662",
    "CON",
    "nul.txt.",
    "aux. ",
    "x" * 300,
    "x." + "y" * 300,
    ".htaccess",
    "a.%2e%2e%2f",
    "a.png;.exe",
    "a.png?x",
    "a.<svg>",
    "\ud800.png",
]
HARMLESS_AS_KEY = {"CON", "nul.txt."}
"""Device names mean something to Windows only; `original_name` lets none through anyway."""


def test_a_key_is_made_of_bucket_and_name() -> None:
    key = keys.blob_key(BUCKET, f"{ROOT}.png")
    assert key == f"{BUCKET}/_/{ROOT}.png"
    assert keys.split(key) == (BUCKET, f"{ROOT}.png")


def test_keys_of_real_ids_are_good() -> None:
    keys.check(keys.blob_key(new_id(), keys.original_name(new_blob_root(), "shot.exr")))


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("photo.PNG", f"{ROOT}.png"),
        ("archive.tar.gz", f"{ROOT}.gz"),
        ("scene.v002.blend1", f"{ROOT}.blend1"),
        ("김치.txt", f"{ROOT}.txt"),
        ("no extension", ROOT),
        (".bashrc", ROOT),
        ("ends.", ROOT),
        ("a.twelveletter", f"{ROOT}.twelveletter"),
        ("a.thirteenchars", ROOT),
        ("a.\u212aa", ROOT),
    ],
)
def test_an_original_keeps_a_safe_extension_only(filename: str, name: str) -> None:
    assert keys.original_name(ROOT, filename) == name


@pytest.mark.parametrize("filename", HOSTILE)
def test_hostile_names_leave_no_trace_but_letters_and_digits(filename: str) -> None:
    name = keys.original_name(ROOT, filename)
    assert SAFE_ORIGINAL.fullmatch(name)
    keys.check(keys.blob_key(BUCKET, name))


@given(st.text() | st.text(alphabet="./\\\0\r\n\"'a\u202e"))
def test_any_name_makes_a_safe_key(filename: str) -> None:
    name = keys.original_name(ROOT, filename)
    assert SAFE_ORIGINAL.fullmatch(name)
    assert keys.split(keys.blob_key(BUCKET, name)) == (BUCKET, name)


@given(st.text(), st.text())
@example(BUCKET, "..")
@example(f"{BUCKET}/_/a", "b")
@example(BUCKET, "a\n")
@example(f"{BUCKET}\n", "a")
@example("٠" * 24, "a")
def test_whatever_is_accepted_is_what_the_rule_says(bucket: str, name: str) -> None:
    try:
        key = keys.blob_key(bucket, name)
    except BadKey:
        return
    assert re.fullmatch(r"[0-9a-f]{24}", bucket)
    assert 1 <= len(name) <= 200
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    assert not name.startswith(".")
    assert ".." not in name
    assert keys.split(key) == (bucket, name)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in HARMLESS_AS_KEY])
def test_hostile_names_are_refused_as_names(name: str) -> None:
    with pytest.raises(BadKey):
        keys.blob_key(BUCKET, name)


def test_a_refusal_does_not_repeat_what_was_refused() -> None:
    with pytest.raises(BadKey) as refusal:
        keys.check("<script>")
    assert "script" not in refusal.value.message


@pytest.mark.parametrize("root", ["", "abc", ROOT.upper(), ROOT + "0", ROOT + "\n", "../" + ROOT])
def test_the_root_of_an_original_is_ours(root: str) -> None:
    with pytest.raises(BadKey):
        keys.original_name(root, "a.png")


def test_a_variation_is_named_after_its_original() -> None:
    assert keys.variation_name(f"{ROOT}.exr", "t", "jpg") == f"{ROOT}-t.jpg"
    assert keys.variation_name(ROOT, "1080p", "mp4") == f"{ROOT}-1080p.mp4"


@pytest.mark.parametrize(
    ("original", "size", "extension"),
    [
        ("", "t", "jpg"),
        (".exr", "t", "jpg"),
        ("a/b.exr", "t", "jpg"),
        (f"{ROOT}.exr", "", "jpg"),
        (f"{ROOT}.exr", "../t", "jpg"),
        (f"{ROOT}.exr", "t\n", "jpg"),
        (f"{ROOT}.exr", "t", ""),
        (f"{ROOT}.exr", "t", "j/g"),
        (f"{ROOT}.exr", "t", "tar.gz"),
        ("x" * 200, "t", "jpg"),
    ],
)
def test_parts_that_make_no_name_are_refused(original: str, size: str, extension: str) -> None:
    with pytest.raises(BadKey):
        keys.variation_name(original, size, extension)
