"""The calls of the HTTP API that people make by hand: upload, list, download, delete."""

import base64
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import httpx
import msgspec

from cella.client.problems import BadAnswer, Refused, Unreachable, plain_words, refusal
from cella.errors import BadConfig, CellaError, Conflict, Corrupt, NotFound
from cella.ids import is_id

Progress = Callable[[int], None]
"""Told of bytes that have gone by since it was told last; less than 0 where some go once more."""

BLOCK = 1 << 20
"""Bytes that are read, sent and written at a time."""

_PAGE = 250
_PATIENCE = httpx.Timeout(120.0, connect=10.0)
_TRIES = 5
_PRECONDITION_FAILED = 412
_SMALL = 16 << 20
_TUS = {"Tus-Resumable": "1.0.0"}
_PAUSES = (0.5, 1, 2, 4, 8, 15, 30)
_COMES_BACK = (400, 408, 409, 500, 502, 503, 504)
"""Statuses after which an upload may go on: 400 says that the connection broke off."""

_LOOK_AGAIN = 0.5

T = TypeVar("T")


class RemoteFile(msgspec.Struct, frozen=True):
    """What a document says of a file; `length` is in bytes, `link` is None where there is none."""

    id: str = msgspec.field(name="_id")
    etag: str = msgspec.field(name="_etag")
    filename: str
    length: int
    content_type: str
    status: str
    sha256: str | None = None
    link: str | None = None


class _Project(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")
    name: str
    url: str


class _Upload(msgspec.Struct, frozen=True):
    reason: str = "The upload was ended."


class _Uploaded(msgspec.Struct, frozen=True):
    file_id: str


class _Meta(msgspec.Struct, frozen=True):
    total: int


class _Page(msgspec.Struct, frozen=True):
    items: list[dict[str, Any]] = msgspec.field(name="_items")
    meta: _Meta = msgspec.field(name="_meta")


class Client:
    """A server, and who asks it; made by `connect`."""

    def __init__(self, http: httpx.Client, url: str, token: str) -> None:
        self._http = http
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def project_id(self, project: str) -> str:
        """The id of a project that is given by its id, its `url`, or its name.

        Raises `NotFound`, or `Conflict` where several have the name.
        """
        if is_id(project):
            return project
        known = [msgspec.convert(item, _Project) for item in self._all("/api/projects", {})]
        for found in known:
            if found.url == project:
                return found.id
        ids = [found.id for found in known if found.name == project]
        if not ids:
            raise NotFound(f"There is no project {project!r} that you may see.")
        if len(ids) > 1:
            raise Conflict(f"Several projects are named {project!r}; say which: {', '.join(ids)}")
        return ids[0]

    def upload(self, project_id: str, path: Path, progress: Progress) -> str:
        """Send a file as it is now and return the new file's id.

        Answers when the file is durable; its previews are made afterwards. A large file goes in
        pieces: where the connection breaks off it goes on, for about a minute without any
        progress. Raises `Refused`, `Unreachable`, and OSError where the file cannot be read.
        """
        with path.open("rb") as source:
            length = os.fstat(source.fileno()).st_size
            if length > _SMALL:
                return _Pieces(self._send, project_id, source, length, progress).send(path.name)
            name = quote(path.name.encode(errors="surrogateescape"), safe="")
            response = self._send(
                "PUT",
                f"/api/storage/stream/{quote(project_id, safe='')}/{name}",
                content=_blocks(source, length, progress),
                headers={"Content-Length": str(length), "Prefer": "respond-async"},
            )
        return self._decoded(response, _Uploaded).file_id

    def documents(self, project_id: str) -> Iterator[dict[str, Any]]:
        """The documents of all files of a project, oldest first, fetched page by page."""
        where = msgspec.json.encode({"project": project_id}).decode()
        return self._all("/api/files", {"where": where, "sort": "_created"})

    def files(self, project_id: str) -> Iterator[RemoteFile]:
        """All files of a project, oldest first, fetched page by page."""
        for document in self.documents(project_id):
            yield msgspec.convert(document, RemoteFile)

    def file(self, file_id: str) -> RemoteFile:
        """One file, with a fresh link."""
        path = f"/api/files/{quote(file_id, safe='')}"
        return self._decoded(self._send("GET", path), RemoteFile)

    def delete(self, file_id: str) -> None:
        """Delete a file in whatever state it is, also where it is being processed meanwhile."""
        for attempt in range(_TRIES):
            file = self.file(file_id)
            try:
                self._send(
                    "DELETE", f"/api/files/{file.id}", headers={"If-Match": f'"{file.etag}"'}
                )
            except Refused as error:
                if error.status != _PRECONDITION_FAILED or attempt == _TRIES - 1:
                    raise
            else:
                return

    def download(self, file: RemoteFile, target: BinaryIO, progress: Progress) -> None:
        """Write the file's bytes to `target`.

        Follows the document's link, which works without the token; the token is not sent there,
        because the link may lead to somebody else. Raises `Corrupt` where what came is not what
        the document says, after all was written.
        """
        if file.link is None:
            raise Refused(f"The server gives you no link to {file.id}: its bytes are private.", 403)
        link = urljoin(self._url, file.link)
        digest, length = hashlib.sha256(), 0
        with (
            plain_words(_origin(link)),
            self._http.stream(
                "GET", link, headers={"Accept-Encoding": "identity"}, follow_redirects=True
            ) as response,
        ):
            if not response.is_success:
                response.read()
                raise refusal(response)
            for block in response.iter_bytes(BLOCK):
                digest.update(block)
                length += len(block)
                target.write(block)
                progress(len(block))
        came = digest.hexdigest()
        if length != file.length or file.sha256 not in (None, came):
            raise Corrupt(
                f"What came is not {file.filename}: {length} of {file.length} bytes, "
                f"SHA-256 {came} instead of {file.sha256}."
            )

    def _all(self, path: str, parameters: dict[str, str]) -> Iterator[dict[str, Any]]:
        number, seen = 1, 0
        while True:
            page = {"max_results": str(_PAGE), "page": str(number)}
            found = self._decoded(self._send("GET", path, params=parameters | page), _Page)
            yield from found.items
            seen += len(found.items)
            if not found.items or seen >= found.meta.total:
                return
            number += 1

    def _send(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        with plain_words(self._url):
            response = self._http.request(
                method, self._url + path, headers=self._headers | (headers or {}), **options
            )
        if not response.is_success:
            raise refusal(response)
        return response

    def _decoded(self, response: httpx.Response, type: type[T]) -> T:
        try:
            return msgspec.json.decode(response.content, type=type)
        except msgspec.DecodeError:
            raise BadAnswer(
                f"What answers at {self._url} is no Cella server; check CELLA_URL."
            ) from None


class _Pieces:
    """A file that is sent in pieces, as tus 1.0.0 has it, from wherever the server is."""

    def __init__(
        self,
        send: Callable[..., httpx.Response],
        project_id: str,
        source: BinaryIO,
        length: int,
        progress: Progress,
    ) -> None:
        self._send = send
        self._begin_at = f"/api/uploads/{quote(project_id, safe='')}"
        self._source = source
        self._length = length
        self._progress = progress
        self._told = 0

    def send(self, name: str) -> str:
        """Send it under this name; the id of the file."""
        encoded = base64.b64encode(name.encode(errors="replace")).decode()
        described = {"Upload-Length": str(self._length), "Upload-Metadata": f"filename {encoded}"}
        begun = self._send("POST", self._begin_at, headers=_TUS | described)
        at = begun.headers.get("location", "")
        if not at.startswith("/"):
            raise BadAnswer("The server does not say where the pieces are to go.")
        try:
            answer = self._send_all(at)
            while (state := answer.headers.get("cella-state")) == "storing":
                time.sleep(_LOOK_AGAIN)
                answer = self._send("HEAD", at, headers=_TUS)
            if state != "complete":
                told = msgspec.json.decode(self._send("GET", at).content, type=_Upload)
                raise Refused(told.reason, 422)
        except KeyboardInterrupt:
            with suppress(CellaError):
                self._send("DELETE", at, headers=_TUS)
            raise
        return str(answer.headers.get("cella-file", ""))

    def _send_all(self, at: str) -> httpx.Response:
        offset, failures = 0, 0
        while True:
            try:
                if failures:
                    now = self._send("HEAD", at, headers=_TUS)
                    came = int(now.headers.get("upload-offset", "0"))
                    failures = 0 if came > offset else failures
                    offset = came
                    if offset == self._length:
                        return now
                return self._send_from(at, offset)
            except (Unreachable, Refused) as error:
                is_over = isinstance(error, Refused) and error.status not in _COMES_BACK
                if is_over or failures == len(_PAUSES):
                    raise
            time.sleep(_PAUSES[failures])
            failures += 1

    def _send_from(self, at: str, offset: int) -> httpx.Response:
        self._count(offset - self._told)
        self._source.seek(offset)
        return self._send(
            "PATCH",
            at,
            content=_blocks(self._source, self._length - offset, self._count),
            headers={
                **_TUS,
                "Content-Type": "application/offset+octet-stream",
                "Content-Length": str(self._length - offset),
                "Upload-Offset": str(offset),
            },
        )

    def _count(self, sent: int) -> None:
        self._told += sent
        self._progress(sent)


@contextmanager
def connect(url: str, token: str) -> Iterator[Client]:
    """A client of the server at `url`, such as `https://cella.example`; anonymous without token.

    Raises `BadConfig` where one of them cannot be right.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadConfig("CELLA_URL must be an address such as http://127.0.0.1:8333")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise BadConfig("CELLA_TOKEN is no token: it has spaces or strange characters in it.")
    with httpx.Client(timeout=_PATIENCE) as http:
        yield Client(http, url.rstrip("/"), token)


def _blocks(source: BinaryIO, length: int, progress: Progress) -> Iterator[bytes]:
    """The next `length` bytes of `source`."""
    while length:
        block = source.read(min(length, BLOCK))
        if not block:
            raise CellaError("The file became shorter while it was sent.")
        yield block
        length -= len(block)
        progress(len(block))


def _origin(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}"
