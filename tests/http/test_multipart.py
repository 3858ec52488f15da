"""Uploads as forms: what real clients send, what broken and hostile ones send."""

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cella.errors import BadRequest
from cella.http.multipart import MultipartLimits, open_part

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
SIZES = (1, 2, 3, 7, 1 << 16)
PLAIN = 'form-data; name="file"; filename="a.txt"'
patient = settings(deadline=None)


class Upload(NamedTuple):
    filename: str
    content_type: str | None
    declared_length: int | None
    blocks: list[bytes]
    texts: dict[str, str]

    @property
    def content(self) -> bytes:
        return b"".join(self.blocks)


async def stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def split(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


def upload(
    chunks: Iterable[bytes],
    content_type: str = CONTENT_TYPE,
    limits: MultipartLimits = MultipartLimits(),  # noqa: B008
    texts: Collection[str] = (),
) -> Upload:
    async def run() -> Upload:
        filename, media_type, length, body, found = await open_part(
            stream(chunks), content_type, limits=limits, texts=texts
        )
        return Upload(filename, media_type, length, [block async for block in body], dict(found))

    return asyncio.run(run())


def part(
    content: bytes, disposition: str | bytes = PLAIN, *headers: str, boundary: str = BOUNDARY
) -> bytes:
    value = disposition.encode() if isinstance(disposition, str) else disposition
    lines = [b"--" + boundary.encode(), b"Content-Disposition: " + value]
    lines += [header.encode() for header in headers]
    return b"\r\n".join([*lines, b"", content, b""])


def end(boundary: str = BOUNDARY) -> bytes:
    return f"--{boundary}--\r\n".encode()


FILE = part(b"x")


# What real clients send

CONTENT = bytes(range(256)) * 40 + b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n--\r\n"


def webkit() -> tuple[str, bytes, str]:
    """Chrome and Safari: a text field, the file, raw UTF-8, quotes as %22."""
    body = part(b"42", 'form-data; name="project"')
    body += part(
        CONTENT,
        'form-data; name="file"; filename="sk\u00e9tch %22final%22; v2.blend"',
        "Content-Type: application/octet-stream",
    )
    return CONTENT_TYPE, body + end(), 'skétch "final"; v2.blend'


def firefox() -> tuple[str, bytes, str]:
    boundary = "---------------------------9051914041544843365972754266"
    body = part(
        CONTENT,
        'form-data; name="file"; filename="naïve\\name.png"',
        "Content-Type: image/png",
        boundary=boundary,
    )
    body += part(b"x", 'form-data; name="submit"', boundary=boundary)
    header = f"multipart/form-data; boundary={boundary}"
    return header, body + end(boundary), "naïve\\name.png"


def by_requests() -> tuple[str, bytes, str]:
    prepared = requests.Request(
        "POST",
        "http://127.0.0.1/",
        files={"file": ('a "b" ß.txt', CONTENT, "text/plain")},
        data={"other": "y"},
    ).prepare()
    assert isinstance(prepared.body, bytes)
    return str(prepared.headers["Content-Type"]), prepared.body, 'a "b" ß.txt'


def by_httpx() -> tuple[str, bytes, str]:
    request = httpx.Request(
        "POST",
        "http://127.0.0.1/",
        files={"file": ('a "b" \\ ß.txt', CONTENT, "text/plain")},
        data={"other": "y"},
    )
    return request.headers["content-type"], request.read(), 'a "b" \\ ß.txt'


def by_urllib3_1() -> tuple[str, bytes, str]:
    """requests of 2016 with a name that is not ASCII."""
    disposition = "form-data; name=\"file\"; filename*=utf-8''%E2%82%AC%20rates.txt"
    return CONTENT_TYPE, part(CONTENT, disposition) + end(), "€ rates.txt"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("client", [webkit, firefox, by_requests, by_httpx, by_urllib3_1])
def test_bodies_of_real_clients(client: Callable[[], tuple[str, bytes, str]], size: int) -> None:
    content_type, body, name = client()
    received = upload(split(body, size), content_type)
    assert received.filename == name
    assert received.content == CONTENT


@contextlib.asynccontextmanager
async def recorder() -> AsyncIterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server on loopback that keeps content type and raw body of each request."""
    kept: list[tuple[str, bytes]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
        body = await reader.readexactly(int(headers["content-length"]))
        content_type = re.search(r"(?im)^content-type: (.*?)\r$", head)
        assert content_type is not None
        kept.append((content_type[1], body))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", kept


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    "name",
    ["plain.png", "ünï €.png", 'quo"ted.png', "semi;colon, comma.png", "100%.png", "back\\slash"],
)
async def test_curl(name: str, tmp_path: Path) -> None:
    source = tmp_path / name
    source.write_bytes(CONTENT)
    quoted = str(source).replace("\\", "\\\\").replace('"', '\\"')
    async with recorder() as (url, kept):
        arguments = ["-sS", "--noproxy", "*", "-H", "Expect:", "-F", "before=1"]
        arguments += ["-F", f'file=@"{quoted}";type=image/png', "-F", "after=2", url]
        process = await asyncio.create_subprocess_exec("curl", *arguments)
        assert await process.wait() == 0
    content_type, body = kept[0]
    for size in SIZES:
        part = await open_part(stream(split(body, size)), content_type)
        assert part.filename == name
        assert part.content_type == "image/png"
        assert b"".join([block async for block in part.body]) == CONTENT


# Names, types, lengths


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ('filename="a.txt"', "a.txt"),
        ("filename=a.txt", "a.txt"),
        ("filename=my file.txt", "my file.txt"),
        ('FileName="a.txt"', "a.txt"),
        ('  ;; filename = "a.txt" ;', "a.txt"),
        ('filename="  spaces  "', "  spaces  "),
        ('filename="../../etc/pass wd.txt"', "../../etc/pass wd.txt"),
        ('filename="C:\\x\\name.txt"', "name.txt"),
        ('filename="c:\\\\x\\\\name.txt"', "name.txt"),
        ('filename="\\\\server\\share\\name.txt"', "name.txt"),
        ('filename="C:x.txt"', "C:x.txt"),
        ('filename="a\\b.txt"', "a\\b.txt"),
        ('filename="a\\\\b.txt"', "a\\b.txt"),
        ('filename="a\\"b.txt"', 'a"b.txt'),
        ('filename="ends in\\"', "ends in\\"),
        ('filename="a%22b.txt"', 'a"b.txt'),
        ('filename="a%0d%0Ab.txt"', "a\r\nb.txt"),
        ('filename="100%25 a%20b.txt"', "100%25 a%20b.txt"),
        ('filename="a;b=c, d.txt"', "a;b=c, d.txt"),
        ('filename="=?utf-8?q?x?=.txt"', "=?utf-8?q?x?=.txt"),
        ('filename="김치.txt"', "김치.txt"),
        ('filename="nul\x00tab\t.txt"', "nul\x00tab\t.txt"),
        ("filename=\"x\"; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ("filename*=UTF-8'en'%e2%82%ac.txt; filename=\"x\"", "€.txt"),
        ("filename*=iso-8859-1''caf%e9.txt", "café.txt"),
        ("filename*=utf-8''C%3A%5Cx%5Cname.txt", "name.txt"),
        ("filename=\"x.txt\"; filename*=UTF-8''%e2%82.txt", "x.txt"),
        ("filename=\"x.txt\"; filename*=koi8-r''%e2.txt", "x.txt"),
        ('filename="x.txt"; filename*=nonsense', "x.txt"),
        ('filename="first"; filename="second"', "first"),
        ('other="a"; filename="last.txt"', "last.txt"),
        ('\r\n\tfilename="folded.txt"', "folded.txt"),
    ],
)
def test_filename(parameters: str, name: str) -> None:
    body = part(b"x", f'form-data; name="file";{parameters}') + end()
    assert upload([body]).filename == name


def test_filename_in_latin_1() -> None:
    body = part(b"x", 'form-data; name="file"; filename="café.txt"'.encode("latin-1")) + end()
    assert upload([body]).filename == "café.txt"


@pytest.mark.parametrize(
    ("headers", "content_type", "length"),
    [
        ((), None, None),
        (("Content-Type: image/png",), "image/png", None),
        (("CONTENT-TYPE:text/plain; charset=utf-8 ",), "text/plain; charset=utf-8", None),
        (("Content-Type: ",), None, None),
        (("Content-Type: image/\x01png",), None, None),
        (("Content-Length: 12",), None, 12),
        (("Content-Length: -12",), None, None),
        (("Content-Length: 1_2",), None, None),
        (("Content-Length: ١٢",), None, None),
        (("X-Other: 1", "Content-Length: 0", "Content-Type: a"), "a", 0),
    ],
)
def test_type_and_length(
    headers: tuple[str, ...], content_type: str | None, length: int | None
) -> None:
    received = upload([part(b"x", PLAIN, *headers) + end()])
    assert (received.content_type, received.declared_length) == (content_type, length)


def test_headers_may_come_in_any_order() -> None:
    body = f"--{BOUNDARY}\r\ncontent-type: image/png\r\nCONTENT-DISPOSITION: {PLAIN}\r\n\r\nx\r\n"
    assert upload([body.encode() + end()])[:2] == ("a.txt", "image/png")


@pytest.mark.parametrize("encoding", ["binary", "8BIT", "7bit"])
def test_transfer_encodings_that_change_nothing(encoding: str) -> None:
    body = part(b"x", PLAIN, f"Content-Transfer-Encoding: {encoding}") + end()
    assert upload([body]).content == b"x"


# The form around the file


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=b",
        "Multipart/Form-Data;boundary=b",
        'multipart/form-data; charset=utf-8; boundary="b"',
        "multipart/form-data; BOUNDARY=b; other=1",
    ],
)
def test_content_type_is_read_leniently(content_type: str) -> None:
    assert upload([part(b"x", boundary="b") + end("b")], content_type).content == b"x"


@pytest.mark.parametrize("boundary", ["a" * 70, "0'()+_,-./:=?z", "with space", "=_gulp"])
def test_every_boundary_that_rfc_2046_allows(boundary: str) -> None:
    content_type = f'multipart/form-data; boundary="{boundary}"'
    assert upload([part(b"x", boundary=boundary) + end(boundary)], content_type).content == b"x"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b"A preamble\r\nfor old mail programs\r\n", b"and an epilogue"),
        (part(b"--\r\n\r\n", 'form-data; name="files"'), part(b"", 'form-data; name="z"')),
        (part(b"x", 'attachment; name="file"; filename="not a field"'), b""),
        (f"--{BOUNDARY}\r\n\r\nno headers\r\n".encode(), b""),
    ],
)
def test_what_stands_around_the_file_is_ignored(before: bytes, after: bytes, size: int) -> None:
    closing = after + end() if after.startswith(b"--") else end() + after
    assert upload(split(before + part(CONTENT) + closing, size)).content == CONTENT


# Text beside the file


NAME = 'form-data; name="name"'


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("comes_first", [True, False])
def test_texts_are_found_before_and_after_the_file(comes_first: bool, size: int) -> None:
    text = part("könig – 1\r\n--x".encode(), NAME)
    other = part(b"not wanted", 'form-data; name="other"')
    body = text + other + FILE if comes_first else FILE + other + text
    received = upload(split(body + end(), size), texts=("name", "absent"))
    assert received.content == b"x"
    assert received.texts == {"name": "könig – 1\r\n--x"}


def test_texts_that_stand_before_the_file_are_known_before_its_bytes() -> None:
    async def run() -> dict[str, str]:
        chunks = stream([part(b"early", NAME) + part(bytes(1000))])
        return dict((await open_part(chunks, CONTENT_TYPE, texts=("name",))).texts)

    assert asyncio.run(run()) == {"name": "early"}


def test_a_text_in_latin_1() -> None:
    body = part("café".encode("latin-1"), NAME) + FILE + end()
    assert upload([body], texts=("name",)).texts == {"name": "café"}


def test_a_file_is_no_text() -> None:
    body = part(b"y", 'form-data; name="name"; filename="y.txt"') + FILE + end()
    assert upload([body], texts=("name",)).texts == {}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("body", [b"TTF", b"TFT", b"FTT"], ids=bytes.decode)
def test_a_text_that_comes_twice_is_refused(body: bytes, size: int) -> None:
    parts = {ord("T"): part(b"a name", NAME), ord("F"): FILE}
    with pytest.raises(BadRequest, match="more than one part named 'name'"):
        upload(split(b"".join(parts[sign] for sign in body) + end(), size), texts=("name",))


def test_a_text_that_is_encoded_is_refused() -> None:
    body = part(b"bmFtZQ==", NAME, "Content-Transfer-Encoding: base64") + FILE + end()
    with pytest.raises(BadRequest, match="'name' has a Content-Transfer-Encoding"):
        upload([body], texts=("name",))


@pytest.mark.parametrize("comes_first", [True, False])
def test_texts_are_bounded_like_everything_beside_the_file(comes_first: bool) -> None:
    text = part(b"t" * 1000, NAME)
    body = text + FILE if comes_first else FILE + text
    with pytest.raises(BadRequest, match="more than 1000 bytes beside the file"):
        upload(split(body + end(), 100), limits=LIMITS, texts=("name",))


def test_white_space_after_a_boundary_is_ignored() -> None:
    body = part(CONTENT).replace(BOUNDARY.encode() + b"\r\n", BOUNDARY.encode() + b" \t \r\n", 1)
    assert upload(split(body + end(), 5)).content == CONTENT


def test_the_closing_line_needs_no_line_break() -> None:
    assert upload([part(b"x") + end().rstrip()]).content == b"x"


def test_opening_reads_no_further_than_the_headers() -> None:
    read: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        for number, chunk in enumerate(split(part(bytes(1000)) + end(), 100)):
            read.append(number)
            yield chunk

    async def run() -> None:
        opened = await open_part(chunks(), CONTENT_TYPE)
        assert len(read) == 2
        assert await anext(aiter(opened.body))
        assert len(read) == 2

    asyncio.run(run())


def test_a_body_that_is_not_wanted_need_not_be_read() -> None:
    async def run() -> str:
        return (await open_part(stream([part(b"x") + end()]), CONTENT_TYPE)).filename

    assert asyncio.run(run()) == "a.txt"


def test_errors_of_the_connection_come_out_unchanged() -> None:
    class Gone(Exception):
        pass

    async def chunks() -> AsyncIterator[bytes]:
        yield part(b"x" * 100)[:-50]
        raise Gone

    async def run() -> None:
        opened = await open_part(chunks(), CONTENT_TYPE)
        with pytest.raises(Gone):
            _ = [block async for block in opened.body]

    asyncio.run(run())


# Broken and hostile forms


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("", "Send the file as multipart/form-data"),
        ("application/json", "Send the file as multipart/form-data"),
        ("multipart/mixed; boundary=b", "Send the file as multipart/form-data"),
        ("multipart/form-data", "no boundary"),
        ("multipart/form-data; boundary=", "no boundary"),
        ('multipart/form-data; boundary=""', "no boundary"),
        ("multipart/form-data; boundary=" + "b" * 71, "not allowed"),
        ('multipart/form-data; boundary="ends in blank "', "not allowed"),
        ('multipart/form-data; boundary="a\\b"', "not allowed"),
        ("multipart/form-data; boundary=grün", "not allowed"),
        ("multipart/form-data; boundary=a\x00", "not allowed"),
    ],
)
def test_refused_content_types(content_type: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        upload([part(b"x", boundary="b") + end("b")], content_type)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "ends early"),
        (b"no form at all", "ends early"),
        (end(), "no part named 'file'"),
        (part(b"x", 'form-data; name="data"; filename="a"') + end(), "no part named 'file'"),
        (part(b"x", "form-data") + end(), "no part named 'file'"),
        (part(b"x", 'form-data; name="file"') + end(), "no file name"),
        (part(b"", 'form-data; name="file"; filename=""') + end(), "no file name"),
        (part(b"", 'form-data; name="file"; filename="C:\\x\\"') + end(), "no file name"),
        (part(b"x", PLAIN, "Content-Transfer-Encoding: base64") + end(), "plain bytes"),
        (part(b"x", PLAIN, "no colon") + end(), "headers cannot be read"),
        (part(b"x", PLAIN, ": no name") + end(), "headers cannot be read"),
        (part(b"x", PLAIN, f"Content-Disposition: {PLAIN}") + end(), "headers cannot be read"),
        (FILE[:40], "ends early"),
        (FILE, "ends early"),
        (FILE + end()[:-5], "ends early"),
        (FILE.replace(b"\r\n", b"\n") + end(), "ends early"),
        (FILE + part(b"x", 'form-data; name="z"'), "ends early"),
        (FILE + FILE + end(), "more than one part named 'file'"),
        (FILE + part(b"x", 'form-data; name="file"') + end(), "more than one part"),
    ],
)
def test_broken_forms(body: bytes, message: str, size: int) -> None:
    with pytest.raises(BadRequest, match=message):
        upload(split(body, size))


def test_every_cut_is_noticed() -> None:
    body = part(b"z", 'form-data; name="z"') + part(b"content")
    for length in range(len(body + end()) - len(b"\r\n")):
        with pytest.raises(BadRequest):
            upload(split((body + end())[:length], 11))


LIMITS = MultipartLimits(outside=1000, parts=4)
FIELD = 'form-data; name="z"'


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "make",
    [
        lambda filler: b"p" * filler + b"\r\n" + FILE + end(),
        lambda filler: part(b"o" * filler, FIELD) + FILE + end(),
        lambda filler: part(b"x", PLAIN, "X-Long: " + "h" * filler) + end(),
        lambda filler: part(b"x", PLAIN, "X: " + "\r\n " * (filler // 3)) + end(),
        lambda filler: FILE + part(b"o" * filler, FIELD) + end(),
        lambda filler: FILE + part(b"x", FIELD, "X-Long: " + "h" * filler) + end(),
        lambda filler: FILE + end() + b"e" * filler,
    ],
    ids=["preamble", "part", "head", "folds", "part after", "head after", "epilogue"],
)
def test_bytes_outside_the_file_are_bounded(make: Callable[[int], bytes], size: int) -> None:
    assert upload(split(make(400), size), limits=LIMITS).content == b"x"
    with pytest.raises(BadRequest, match="more than 1000 bytes beside the file"):
        upload(split(make(1000), size), limits=LIMITS)


@pytest.mark.parametrize("size", SIZES)
def test_every_byte_outside_the_file_counts(size: int) -> None:
    body = b"preamble\r\n" + part(b"12345", FIELD) + part(CONTENT) + part(b"", FIELD) + end() + b"e"
    outside = len(body) - len(CONTENT)
    assert upload(split(body, size), limits=MultipartLimits(outside=outside)).content == CONTENT
    with pytest.raises(BadRequest, match="beside the file"):
        upload(split(body, size), limits=MultipartLimits(outside=outside - 1))


@pytest.mark.parametrize("endless", [b"p", b"\r\n", part(b"", "x"), part(b"x", PLAIN)[:-5] + b"h"])
def test_endless_nonsense_is_given_up(endless: bytes) -> None:
    read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        yield part(b"", FIELD)
        while read < 1 << 20:
            read += len(endless)
            yield endless

    async def run() -> None:
        opened = await open_part(chunks(), CONTENT_TYPE)
        _ = [block async for block in opened.body]

    with pytest.raises(BadRequest, match=r"beside the file|parts|more than one|headers"):
        asyncio.run(run())
    assert read < 1 << 17


def test_parts_are_bounded() -> None:
    fields = part(b"", FIELD)
    assert upload([fields * 2 + FILE + fields + end()], limits=LIMITS).content == b"x"
    with pytest.raises(BadRequest, match="more than 4 parts"):
        upload([fields * 4 + FILE + end()], limits=LIMITS)
    with pytest.raises(BadRequest, match="more than 4 parts"):
        upload([FILE + fields * 4 + end()], limits=LIMITS)


def test_a_long_file_does_not_count() -> None:
    content = bytes(100_000)
    assert upload(split(part(content) + end(), 999), limits=LIMITS).content == content


NEAR = [
    b"\r",
    b"\n",
    b"-",
    b"\r\n",
    b"\r\n--",
    f"\r\n--{BOUNDARY}"[:-1].encode(),
    f"--{BOUNDARY}--".encode(),
    f"\n--{BOUNDARY}\r\n".encode(),
    f"\r\n--{BOUNDARY}".encode() + b"-",
    f"\r\n--{BOUNDARY}".encode() + b"X",
    f"\r\n--{BOUNDARY}".encode() + b"\r",
    f"\r\n--{BOUNDARY}".encode() + b"\n",
    f"\r\n--{BOUNDARY}".encode() + b" \t",
    f"\r\n--{BOUNDARY}".encode() + b" " * 33,
    b"x",
]
DELIMITER = re.compile(f"\r\n--{BOUNDARY}(--|[ \t]{{0,32}}\r\n)".encode())


@pytest.mark.parametrize("near", NEAR, ids=repr)
def test_near_boundaries_are_not_handed_on_in_crumbs(near: bytes) -> None:
    many = (1 << 18) // len(near)
    content = near * many + b"X"
    if DELIMITER.search(content):
        content = (near + b"X") * many
    received = upload(split(part(content) + end(), 1 << 16))
    assert received.content == content
    assert len(received.blocks) <= 8


# Any content, any split


def cut(body: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[start:stop] for start, stop in pairwise(edges)]


@patient
@given(st.binary(), st.lists(st.integers(0)))
@example(b"", [])
@example(b"\r\n", [1])
def test_any_content_comes_out_as_it_went_in(content: bytes, places: list[int]) -> None:
    body = part(b"before", FIELD) + part(content) + part(b"after", FIELD) + end()
    chunks = cut(body, places)
    assert b"".join(chunks) == body
    assert upload(chunks).content == content


@settings(deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(NEAR), max_size=12), st.integers(1, 120))
@example([f"\r\n--{BOUNDARY}".encode() + b"-", b"x"], 7)
def test_content_made_of_boundaries(pieces: list[bytes], size: int) -> None:
    content = b"".join(pieces)
    delimiter = DELIMITER.search(content + f"\r\n--{BOUNDARY}--".encode())
    assert delimiter is not None
    content = content[: delimiter.start()]
    assert upload(split(part(content) + end(), size)).content == content


@patient
@given(st.text(st.characters(exclude_characters='\r\n\\"%', codec="utf-8"), min_size=1))
def test_any_name_comes_out_as_it_went_in(name: str) -> None:
    body = part(b"x", f'form-data; name="file"; filename="{name}"') + end()
    assert upload(split(body, 10)).filename == name


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=300), st.integers(1, 50))
def test_no_headers_break_it(head: bytes, size: int) -> None:
    body = f"--{BOUNDARY}\r\nContent-Disposition: {PLAIN}".encode() + head
    with contextlib.suppress(BadRequest):
        upload(split(body + b"\r\n\r\nx\r\n" + end(), size))


@settings(deadline=None, max_examples=500)
@given(st.text(st.sampled_from(" ;=\"\\%'*afilename\t0D22")))
def test_no_disposition_breaks_it(parameters: str) -> None:
    body = part(b"x", f'form-data; name="file"; filename="a"; {parameters}') + end()
    assert upload([body]).content == b"x"
