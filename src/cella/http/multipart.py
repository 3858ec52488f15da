"""Uploads as `multipart/form-data`, of which one part is used and streamed.

RFC 7578 (forms), RFC 2046 section 5.1 (multipart), and what browsers do about names (WHATWG
HTML, "multipart/form-data encoding algorithm"). Nothing of the file is kept: `open_part` reads
until the file's own headers are known, and its `body` passes on what arrives.

A delimiter is looked for with `bytes.find`, which is linear in the worst case and runs at
memory speed, so a body made of near-boundaries costs no more than another. Everything outside
the file together is bounded.
"""

import re
from collections.abc import AsyncIterator, Collection, Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from cella.errors import BadRequest

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_PADDING = 32
_PARAMETER = re.compile(
    r'\s*;[\s;]*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|"([^"]*)"|([^;"]*))', re.DOTALL
)
_FOLD = re.compile(rb"\r\n[ \t]+")
_EXTENDED = re.compile(r"(utf-8|iso-8859-1)'[^']*'(.*)", re.IGNORECASE | re.DOTALL)
_WINDOWS_PATH = re.compile(r"[A-Za-z]:\\|\\\\")
_ESCAPED = re.compile(r"\\([\"\\])")
_PERCENT = re.compile(r"%(22|0D|0A)", re.IGNORECASE)
_LENGTH = re.compile(r"[0-9]{1,18}")
_TYPE = re.compile(r"[\x20-\x7e]+")
_IDENTITY = ("7bit", "8bit", "binary")


class MultipartLimits(msgspec.Struct, kw_only=True, frozen=True):
    """What a form may hold beside its file: `outside` bytes in all, and `parts` parts with it."""

    outside: int = 64 << 10
    parts: int = 64


DEFAULT_LIMITS = MultipartLimits()
"""More than any client of today needs: browsers and SDKs send less than 1 KiB."""


class Part(NamedTuple):
    """The wanted part of a form.

    `filename` is as the client gave it (`cella.names.clean_filename` makes of it what is
    kept). `content_type` is the part's own header, parameters included, None where it is absent
    or no printable ASCII. `declared_length` is the part's `Content-Length` in bytes; it is only
    a claim, and most clients make none.

    `body` gives the bytes, about one block for each chunk that arrived, and then reads the form
    to its end. It raises `BadRequest` where the form is broken or ends early, so the file is
    whole only when `body` is exhausted without an error.

    `texts` are the text fields that were asked for, by name, as far as the form was read: all
    of them are there when `body` is exhausted, wherever in the form they stand.
    """

    filename: str
    content_type: str | None
    declared_length: int | None
    body: AsyncIterator[bytes]
    texts: Mapping[str, str]


async def open_part(
    chunks: AsyncIterator[bytes],
    content_type_header: str,
    field: str = "file",
    limits: MultipartLimits = DEFAULT_LIMITS,
    texts: Collection[str] = (),
) -> Part:
    """Read a request's body up to the first byte of the part named `field`, which is a file.

    Text fields named in `texts` are kept, all other parts ignored. Raises `BadRequest` where the
    body is no well-formed form, exceeds `limits`, has no such part with a file name, or has a
    wanted part twice. What `chunks` raises comes out unchanged; closing it is the caller's.
    """
    form = _Form(chunks, _boundary(content_type_header), limits)
    wanted = _Texts(texts)
    await form.skip()
    while not form.ended:
        head = await form.head()
        if head.name == field:
            return _file(form, head, field, wanted)
        await wanted.take(form, head)
    raise BadRequest(f"The form has no part named '{field}'.")


async def read_fields(
    chunks: AsyncIterator[bytes],
    content_type_header: str,
    limits: MultipartLimits = DEFAULT_LIMITS,
) -> dict[str, str]:
    """Read a whole form that has text only: its parts by name, of equal names the last one.

    Raises `BadRequest` where the body is no well-formed form, exceeds `limits`, or has a file or
    text that is not UTF-8. What `chunks` raises comes out unchanged.
    """
    form = _Form(chunks, _boundary(content_type_header), limits)
    await form.skip()
    fields: dict[str, str] = {}
    while not form.ended:
        head = await form.head()
        if head.name is None or head.filename is not None:
            raise BadRequest("The form must have named text fields only, and no file.")
        try:
            fields[head.name] = (await form.text()).decode()
        except UnicodeDecodeError:
            raise BadRequest(f"The form's part '{head.name[:80]}' is not UTF-8.") from None
    await form.skip_epilogue()
    return fields


def _file(form: "_Form", head: "_Head", field: str, texts: "_Texts") -> Part:
    if not head.filename:
        raise BadRequest(
            f"The form's part '{field}' is no file: it has no file name. Choose a file to send."
        )
    _check_encoding(head, field)
    body = _body(form, field, texts)
    return Part(head.filename, head.content_type, head.length, body, texts.found)


async def _body(form: "_Form", field: str, texts: "_Texts") -> AsyncIterator[bytes]:
    while (block := await form.block()) is not None:
        yield block
    while not form.ended:
        head = await form.head()
        if head.name == field:
            raise BadRequest(f"The form has more than one part named '{field}'; send one file.")
        await texts.take(form, head)
    await form.skip_epilogue()


def _check_encoding(head: "_Head", field: str) -> None:
    if head.encoding not in _IDENTITY:
        raise BadRequest(
            f"The form's part '{field}' has a Content-Transfer-Encoding; send the plain bytes."
        )


class _Texts:
    """The text fields that are wanted of a form, and those that were found."""

    def __init__(self, wanted: Collection[str]) -> None:
        self.found: dict[str, str] = {}
        self._wanted = wanted

    async def take(self, form: "_Form", head: "_Head") -> None:
        """Pass over a part that is not the file, and keep it where it is wanted."""
        name = head.name
        if name is None or name not in self._wanted or head.filename is not None:
            await form.skip()
            return
        _check_encoding(head, name)
        if name in self.found:
            raise BadRequest(f"The form has more than one part named '{name}'; send one.")
        self.found[name] = _decode(await form.text())


class _Form:
    """A form as it arrives, cut at its delimiters. `ended` tells that the closing one came."""

    def __init__(
        self, chunks: AsyncIterator[bytes], boundary: str, limits: MultipartLimits
    ) -> None:
        self.ended = False
        self._chunks = chunks
        self._limits = limits
        self._parts = 0
        # The line break before the first delimiter is optional; with it, all look the same.
        self._pending = b"\r\n"
        self._outside = -len(self._pending)
        self._delimiter = f"\r\n--{boundary}".encode("ascii")
        self._line = re.compile(
            re.escape(self._delimiter) + rb"(?:(--)|[ \t]{0,%d}\r\n)" % _PADDING
        )
        self._line_rest = re.compile(rb"-|[ \t]{0,%d}\r?" % _PADDING)

    async def block(self) -> bytes | None:
        """The next bytes that stand before the next delimiter, None when that was passed."""
        while True:
            line = self._find_line()
            if line is not None and line.start() == 0:
                self._pending = self._pending[line.end() :]
                self._spend(line.end())
                self.ended = line[1] is not None
                return None
            stop = self._begun_line() if line is None else line.start()
            if stop:
                block, self._pending = self._pending[:stop], self._pending[stop:]
                return block
            self._pending += await self._chunk()

    async def head(self) -> "_Head":
        """The headers of the part that begins here."""
        self._parts += 1
        if self._parts > self._limits.parts:
            raise BadRequest(f"The form has more than {self._limits.parts} parts.")
        # The line break of the delimiter makes an empty head end like any other.
        text = bytearray(b"\r\n" + self._pending)
        searched = 0
        while (end := text.find(b"\r\n\r\n", searched)) < 0:
            self._check(len(text) - 2)
            searched = max(0, len(text) - 3)
            text += await self._chunk()
        self._pending = bytes(memoryview(text)[end + 4 :])
        self._spend(end + 2)
        return _parse_head(bytes(memoryview(text)[2:end]))

    async def skip(self) -> None:
        """Pass over everything up to and with the next delimiter."""
        while (block := await self.block()) is not None:
            self._spend(len(block))

    async def text(self) -> bytes:
        """Everything up to the next delimiter, which is passed over too."""
        text = bytearray()
        while (block := await self.block()) is not None:
            self._spend(len(block))
            text += block
        return bytes(text)

    async def skip_epilogue(self) -> None:
        """Pass over what follows the closing delimiter."""
        self._spend(len(self._pending))
        self._pending = b""
        async for chunk in self._chunks:
            self._spend(len(chunk))

    def _find_line(self) -> re.Match[bytes] | None:
        # `find` is several times as fast as the pattern, and rarely finds anything.
        at = self._pending.find(self._delimiter)
        return None if at < 0 else self._line.search(self._pending, at)

    def _begun_line(self) -> int:
        """Where in what is pending a delimiter may have begun that has not fully arrived."""
        pending = self._pending
        longest = len(self._delimiter) + _PADDING + 1
        at = pending.find(b"\r", max(0, len(pending) - longest))
        while at >= 0:
            rest = pending[at:]
            if self._delimiter.startswith(rest) or (
                rest.startswith(self._delimiter)
                and self._line_rest.fullmatch(rest, len(self._delimiter))
            ):
                return at
            at = pending.find(b"\r", at + 1)
        return len(pending)

    async def _chunk(self) -> bytes:
        async for chunk in self._chunks:
            if chunk:
                return chunk
        raise BadRequest("The upload ends early: the form's closing boundary is missing.")

    def _spend(self, count: int) -> None:
        self._outside += count
        self._check(0)

    def _check(self, ahead: int) -> None:
        if self._outside + ahead > self._limits.outside:
            raise BadRequest(
                f"The form has more than {self._limits.outside} bytes beside the file."
            )


class _Head(NamedTuple):
    """What the headers of a part say; `encoding` is lower-case."""

    name: str | None
    filename: str | None
    content_type: str | None
    length: int | None
    encoding: str


def _parse_head(text: bytes) -> _Head:
    headers = _headers(text)
    kind, parameters = _parameters(headers.get("content-disposition", ""))
    if kind != "form-data":
        parameters = {}
    name = parameters.get("name")
    media_type = headers.get("content-type", "")
    length = headers.get("content-length", "")
    return _Head(
        name=None if name is None else _unescape(name),
        filename=_filename(parameters),
        content_type=media_type if _TYPE.fullmatch(media_type) else None,
        length=int(length) if _LENGTH.fullmatch(length) else None,
        encoding=headers.get("content-transfer-encoding", "binary").lower(),
    )


def _headers(text: bytes) -> dict[str, str]:
    """Header fields by lower-case name, folded lines joined; each name at most once."""
    headers: dict[str, str] = {}
    for line in _FOLD.sub(b" ", text).split(b"\r\n"):
        if not line:
            continue
        raw_name, colon, value = line.partition(b":")
        name = raw_name.strip().lower().decode("latin-1")
        if not colon or not name or name in headers:
            raise BadRequest("The form is malformed: a part's headers cannot be read.")
        headers[name] = _decode(value.strip())
    return headers


def _decode(text: bytes) -> str:
    """UTF-8 as all clients of today send, else Latin-1, in which every byte means something."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _parameters(header: str) -> tuple[str, dict[str, str]]:
    """A header's lower-case value and its parameters, still escaped; the first of a name wins."""
    value, _, _ = header.partition(";")
    parameters: dict[str, str] = {}
    match = _PARAMETER.match(header, len(value))
    while match is not None:
        name, quoted, unescaped, bare = match.groups()
        text = quoted if quoted is not None else unescaped if unescaped is not None else bare
        parameters.setdefault(name.lower(), text if bare is None else bare.strip())
        match = _PARAMETER.match(header, match.end())
    return value.strip().lower(), parameters


def _filename(parameters: dict[str, str]) -> str | None:
    """The file's name; of a Windows path, which old browsers send whole, only the last part."""
    extended = _extended(parameters.get("filename*", ""))
    if extended is not None:
        return _last_part(extended)
    plain = parameters.get("filename")
    return None if plain is None else _unescape(_last_part(plain))


def _last_part(name: str) -> str:
    return name.rpartition("\\")[2] if _WINDOWS_PATH.match(name) else name


def _unescape(text: str) -> str:
    r"""Undo the escapes in use: `\"` and `\\` (RFC 9110), `%22 %0D %0A` (WHATWG), nothing else.

    Browsers do not escape backslashes, so any other backslash stands for itself.
    """
    return _PERCENT.sub(lambda match: chr(int(match[1], 16)), _ESCAPED.sub(r"\1", text))


def _extended(value: str) -> str | None:
    """An extended value of RFC 8187, None where it is not a valid one."""
    match = _EXTENDED.fullmatch(value)
    if match is None:
        return None
    try:
        return unquote_to_bytes(match[2]).decode(match[1])
    except UnicodeDecodeError:
        return None


def _boundary(header: str) -> str:
    kind, parameters = _parameters(header)
    if kind != "multipart/form-data":
        raise BadRequest("Send the file as multipart/form-data.")
    boundary = parameters.get("boundary")
    if not boundary:
        raise BadRequest("The Content-Type multipart/form-data has no boundary.")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise BadRequest(
            "The boundary in the Content-Type is not allowed: it has 1 to 70 characters, "
            "letters, digits and '()+_,-./:=? only."
        )
    return boundary
