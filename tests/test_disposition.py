"""The headers under which foreign bytes are served."""

import asyncio
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cella.disposition import (
    MAX_NAME_BYTES,
    content_disposition,
    is_shown,
    safe_name,
    serving_headers,
)

any_text = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("scene.blend", "scene.blend"),
        ("two words.tar.gz", "two words.tar.gz"),
        ("skétch.png", "skétch.png"),
        ("김치.txt", "김치.txt"),
        ("100% sure.txt", "100% sure.txt"),
        ("it's;ok,=.txt", "it's;ok,=.txt"),
        ("", "file"),
        (" ", "file"),
        (".", "file"),
        ("..", "file"),
        (". . .", "file"),
        ("\x00", "file"),
        ("\u202e", "file"),
        (".htaccess", "htaccess"),
        ("..\\..\\evil.exe", "_.._evil.exe"),
        ("../../etc/pass wd.txt", "_.._etc_pass wd.txt"),
        ("trailing. . ", "trailing"),
        ("a\r\nSet-Cookie: b=c.txt", "aSet-Cookie_ b=c.txt"),
        ('quo"te.txt', "quo_te.txt"),
        ("nul\x00byte\x7f\x9f.txt", "nulbyte.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("\u2066x\u2069\u200f.txt", "x.txt"),
        ("lone\ud800.txt", "lone\ufffd.txt"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("Com1.tar.gz", "_Com1.tar.gz"),
        ("LPT9 .x", "_LPT9 .x"),
        ("aux ", "_aux"),
        ("com¹", "_com¹"),
        ("console.txt", "console.txt"),
        ("com10.txt", "com10.txt"),
        ("C:\\x\\y.txt", "C__x_y.txt"),
        ('<>:"/\\|?*.x', "_________.x"),
        ("x" * 300 + ".blend", "x" * (MAX_NAME_BYTES - 6) + ".blend"),
        ("é" * 300 + ".txt", "é" * 118 + ".txt"),
        ("x" + "é" * 300 + ".txt", "x" + "é" * 117 + ".txt"),
        ("x" * 239 + " y", "x" * 239),
        ("." * 300, "file"),
    ],
)
def test_safe_name(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scene v2.blend", 'attachment; filename="scene v2.blend"'),
        ("", 'attachment; filename="file"'),
        ("é€.txt", "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%A9%E2%82%AC.txt"),
        ("50%41.txt", "attachment; filename=\"50_41.txt\"; filename*=UTF-8''50%2541.txt"),
        (
            "é'(1) *.txt",
            "attachment; filename=\"_'(1) _.txt\"; filename*=UTF-8''%C3%A9%27%281%29%20_.txt",
        ),
        ("😀", "attachment; filename=\"_\"; filename*=UTF-8''%F0%9F%98%80"),
    ],
)
def test_content_disposition(name: str, value: str) -> None:
    assert content_disposition("attachment", name) == value
    assert content_disposition("inline", name) == value.replace("attachment", "inline", 1)


@settings(deadline=None, max_examples=1000)
@given(any_text)
@example("\ud83d\ude00" * 300)
@example("con." + "x" * 300)
@example("a" * 238 + " .b")
def test_any_string_gives_a_sound_header(name: str) -> None:
    value = content_disposition("attachment", name)
    match = re.fullmatch(
        r"attachment; filename=\"([ -~]+)\"(?:; filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~%-]+))?",
        value,
    )
    assert match is not None
    plain, extended = match.groups()
    assert not set('"\\/%') & set(plain)
    safe = safe_name(name)
    assert safe == (plain if extended is None else unquote(extended, errors="strict"))
    assert 0 < len(safe.encode()) <= MAX_NAME_BYTES
    assert safe[0] not in ". "
    assert safe[-1] not in ". "
    assert safe_name(safe) == safe
    assert not re.search(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u202a-\u202e\u2066-\u2069]', safe)


SHOWN = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/avif",
    "video/mp4",
    "video/x-matroska",
    "audio/mpeg",
    "audio/ogg",
    "application/pdf",
    "text/plain",
]
SAVED = [
    "text/html",
    "image/svg+xml",
    "application/xhtml+xml",
    "text/xml",
    "application/xml",
    "video/evil+xml",
    "audio/evil+xml",
    "text/css",
    "text/javascript",
    "application/json",
    "application/javascript",
    "application/x-shockwave-flash",
    "application/octet-stream",
    "application/x-blender",
    "application/zip",
    "image/x-exr",
    "image/tiff",
    "multipart/x-mixed-replace",
    "message/rfc822",
]


@pytest.mark.parametrize("content_type", SHOWN)
def test_what_is_shown(content_type: str) -> None:
    assert is_shown(content_type)
    headers = serving_headers(content_type.upper() + "; x=y", "a.bin")
    assert headers["content-disposition"] == 'inline; filename="a.bin"'


@pytest.mark.parametrize("content_type", SAVED)
def test_what_is_saved(content_type: str) -> None:
    assert not is_shown(content_type)
    headers = serving_headers(content_type, "a.bin")
    assert headers["content-disposition"] == 'attachment; filename="a.bin"'
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize("content_type", SHOWN + SAVED)
def test_what_all_have(content_type: str) -> None:
    headers = serving_headers(content_type, "a")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    policy = headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    sandbox = next(directive for directive in policy if directive.startswith("sandbox"))
    assert "allow-scripts" not in sandbox
    assert not [directive for directive in policy if directive.startswith("script-src")]


@pytest.mark.parametrize(
    ("content_type", "header"),
    [
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/plain; charset=utf-7", "text/plain; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("application/pdf; x=y", "application/pdf"),
        ("application/vnd.ms-excel.sheet+x", "application/vnd.ms-excel.sheet+x"),
        ("", "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
        ("text/", "application/octet-stream"),
        ("a/b/c", "application/octet-stream"),
        ("text/html, text/plain", "application/octet-stream"),
        ("image/png\r\nSet-Cookie: a=b", "application/octet-stream"),
        ("imäge/png", "application/octet-stream"),
        ("image/" + "x" * 128, "application/octet-stream"),
        ("*/*", "application/octet-stream"),
    ],
)
def test_content_type(content_type: str, header: str) -> None:
    assert serving_headers(content_type, "a")["content-type"] == header


@settings(deadline=None, max_examples=500)
@given(any_text, any_text)
def test_no_type_or_name_breaks_the_headers(content_type: str, name: str) -> None:
    for key, value in serving_headers(content_type, name).items():
        assert re.fullmatch(r"[a-z-]+", key)
        assert re.fullmatch(r"[ -~]+", value)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("scene v2.blend", "scene v2.blend"),
        ("../../up.txt", "_.._up.txt"),
        ('q"uo\\te.txt', "q_uo_te.txt"),
        ("a;b.txt", "a;b.txt"),
        ("", "file"),
        ("é.txt", "_.txt"),
    ],
)
async def test_curl_saves_under_the_plain_name(name: str, saved: str, tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n"
        for key, value in serving_headers("application/zip", name).items():
            head += f"{key}: {value}\r\n"
        writer.write(head.encode() + b"\r\nok")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        process = await asyncio.create_subprocess_exec(
            "curl", "-sS", "--noproxy", "*", "-OJ", url, cwd=tmp_path
        )
        assert await process.wait() == 0
    assert [path.name for path in tmp_path.iterdir()] == [saved]
    assert (tmp_path / saved).read_bytes() == b"ok"
