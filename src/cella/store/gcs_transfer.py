"""Blobs on their way to and from Google Cloud Storage, piece by piece. All of it blocks.

https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import base64
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import google_crc32c
import requests
from google.api_core import exceptions
from urllib3.exceptions import ProtocolError

from cella.digest import Digester, Digests
from cella.errors import Corrupt, StoreUnavailable
from cella.store.contract import BLOCK, Label
from cella.store.gcs_service import Service, translated
from cella.store.problems import exists
from cella.store.service import Place

CHUNK = 8 << 20
"""Bytes that are sent at a time: a multiple of 256 KiB, and Google's advice as the least."""

PUBLIC = "publicRead"
"""The access that anybody has to a public object: to read it."""

_ANYBODY = "allUsers"
_PIECE = 64 << 10
_PERSISTED = re.compile(r"bytes=0-([0-9]+)")
_DROPPED = (404, 410)
_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/[0-9]+")


def object_path(where: Place) -> str:
    """The path of an object in the JSON API."""
    return f"b/{where.bucket}/o/{quote(where.name, safe='')}"


class Upload:
    """One blob that comes in: a session of the service until its last byte, then an object.

    Its methods are called one after the other. After any of them raised, or where nobody wants
    the blob any more, call `withdraw`.
    """

    def __init__(
        self, service: Service, key: str, where: Place, label: Label, *, replace: bool
    ) -> None:
        self._service = service
        self._key = key
        self._where = where
        self._label = label
        self._replace = replace
        self._digester = Digester()
        self._crc = google_crc32c.Checksum()
        self._session = ""
        self._offset = 0
        self._persisted = 0
        self._in_doubt = False
        self._published = ""

    def begin(self, *, public: bool) -> None:
        """Open the session. Raises `BlobExists`, and the client's `NotFound` without a bucket.

        A blob that is `public` can be fetched by anybody, from when it appears.

        Nothing of the blob is sent before the service has said that its place is free. It says
        so again at the end: of two that race the one who ends first wins.
        """
        blob = self._service.client.bucket(self._where.bucket).blob(self._where.name)
        if self._label.disposition:
            blob.content_disposition = self._label.disposition
        try:
            self._session = blob.create_resumable_upload_session(
                content_type=self._label.content_type,
                predefined_acl=PUBLIC if public else None,
                if_generation_match=None if self._replace else 0,
                checksum=None,
                **self._service.bounded,
            )
        except exceptions.PreconditionFailed:
            raise exists(self._key) from None

    def send(self, chunk: bytes | bytearray) -> None:
        """Send `CHUNK` bytes that are not the last."""
        with translated():
            self._count(chunk)
            self._service.patient(lambda: self._transmit(chunk, last=False))
            self._offset += len(chunk)

    def finish(self, chunk: bytes | bytearray) -> Digests:
        """Send the last bytes, up to `CHUNK`, upon which the blob appears.

        Raises `BlobExists`, and `Corrupt` where something else arrived than was sent.
        """
        with translated():
            self._count(chunk)
            try:
                published = self._service.patient(lambda: self._transmit(chunk, last=True))
            except exceptions.PreconditionFailed:
                raise exists(self._key) from None
            except exceptions.BadRequest as error:
                raise _corrupt() from error
            if published is None:
                raise StoreUnavailable("Google Cloud Storage does not end an upload.")
            if published.get("crc32c") != self._checksum():
                remove_generation(self._service, self._where, published["generation"])
                raise _corrupt()
            self._published = published["generation"]
        return self._digester.digests()

    def withdraw(self) -> None:
        """Leave nothing behind, unless it is too late: what was replaced cannot come back.

        As this runs while an error is on its way, it raises none. A session that cannot be
        ended now is ended by the service, a week after it began.
        """
        with suppress(Exception):
            if self._session and not self._published:
                self._service.request("DELETE", self._session)
            elif self._published and not self._replace:
                remove_generation(self._service, self._where, self._published)

    def _count(self, chunk: bytes | bytearray) -> None:
        self._digester.update(chunk)
        for piece in _Pieces(chunk):
            self._crc.update(bytes(piece))

    def _checksum(self) -> str:
        return base64.b64encode(self._crc.digest()).decode()

    def _transmit(self, chunk: bytes | bytearray, *, last: bool) -> dict[str, Any] | None:
        """Send what the service lacks of `chunk`; what it answers where that was the last.

        After a failure it is first asked how much has arrived: a part, or all of it and only
        the answer was lost.
        """
        end = self._offset + len(chunk)
        total = str(end) if last else "*"
        if self._in_doubt:
            published = self._put(f"bytes */{total}", b"", last=last)
            if published is not None:
                return published
        self._in_doubt = True
        while last or self._persisted < end:
            if self._persisted < self._offset:
                raise StoreUnavailable("Google Cloud Storage has lost a part of an upload.")
            rest = memoryview(chunk)[self._persisted - self._offset :]
            span = f"{self._persisted}-{end - 1}" if rest else "*"
            before = self._persisted
            published = self._put(f"bytes {span}/{total}", rest, last=last)
            if published is not None:
                return published
            if self._persisted <= before:
                raise exceptions.ServiceUnavailable("nothing of what was sent has arrived")
        self._in_doubt = False
        return None

    def _put(self, span: str, data: bytes | memoryview, *, last: bool) -> dict[str, Any] | None:
        """Send a part; what is now known of the object, or None where it is not whole yet."""
        headers = {"Content-Range": span}
        if last:
            headers["X-Goog-Hash"] = f"crc32c={self._checksum()}"
        try:
            answer = self._service.request(
                "PUT", self._session, data=_Pieces(data) if data else b"", headers=headers
            )
        except exceptions.ClientError as error:
            if error.code in _DROPPED:
                raise StoreUnavailable("Google Cloud Storage has dropped an upload.") from error
            raise
        if answer.status_code == requests.codes.resume:
            match = _PERSISTED.fullmatch(answer.headers.get("Range", ""))
            self._persisted = int(match[1]) + 1 if match else 0
            return None
        published: dict[str, Any] = answer.json()
        return published


class Download:
    """Bytes `start` up to `stop` of one blob, block by block, of one and the same generation.

    Where a connection breaks, the next one goes on with the byte that is missing.
    """

    def __init__(self, service: Service, where: Place, start: int, stop: int | None) -> None:
        self._service = service
        self._url = f"{service.base}/download/storage/v1/{object_path(where)}"
        self._position = start
        self._stop = stop
        self._left = 0
        self._generation = ""
        self._answer: requests.Response | None = None
        self._block = bytearray()
        self.ended = False

    def next(self) -> bytes:
        """The next block; `ended` tells whether it was the last. Raises the client's errors."""
        self._service.patient(self._fill)
        block, self._block = bytes(self._block), bytearray()
        if self.ended:
            self.close()
        return block

    def close(self) -> None:
        """Let go of the connection; may be called again."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()

    def _fill(self) -> None:
        if self._answer is None:
            self._answer = self._ask()
        if self._answer is not None:
            try:
                self._read(self._answer)
            except BaseException:
                self.close()
                raise
        self.ended = not self._left

    def _read(self, answer: requests.Response) -> None:
        """Fill the block; what was read stays in it where the connection breaks."""
        while self._left and len(self._block) < BLOCK:
            count = min(_PIECE, self._left, BLOCK - len(self._block))
            piece = answer.raw.read(count, decode_content=False)
            if not piece:
                raise ProtocolError("the answer is shorter than it said")
            self._block += piece
            self._position += len(piece)
            self._left -= len(piece)

    def _ask(self) -> requests.Response | None:
        """Ask for what is missing; None where the blob ends before that."""
        # Bytes are wanted as they lie there, also those that somebody else has put compressed.
        headers = {"Accept-Encoding": "gzip"}
        if self._position or self._stop is not None:
            last = "" if self._stop is None else str(self._stop - 1)
            headers["Range"] = f"bytes={self._position}-{last}"
        parameters = {"alt": "media"}
        if self._generation:
            parameters["generation"] = self._generation
        try:
            answer = self._service.request(
                "GET", self._url, params=parameters, headers=headers, stream=True
            )
        except exceptions.NotFound as error:
            if self._generation:
                raise StoreUnavailable(
                    "The blob was replaced or deleted while it was read, and the connection "
                    "on which it could have been read to its end has broken."
                ) from error
            raise
        except exceptions.RequestRangeNotSatisfiable:
            self._left = 0
            return None
        self._left = self._promised(answer)
        self._generation = answer.headers.get("X-Goog-Generation", "")
        return answer

    def _promised(self, answer: requests.Response) -> int:
        """How many bytes are going to come. Raises where they are not those that were wanted."""
        if answer.status_code == requests.codes.partial_content:
            match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if match is not None and int(match[1]) == self._position:
                return int(match[2]) + 1 - self._position
        elif not self._position and self._stop is None:
            with suppress(KeyError, ValueError):
                return int(answer.headers["Content-Length"])
        answer.close()
        raise StoreUnavailable("Google Cloud Storage gave other bytes than were asked for.")


class Copying:
    """One blob that the cloud copies by itself, in as many steps as it takes.

    Call `begin`, then `step` until it is `done`; where nobody wants the copy any more, `withdraw`.
    """

    def __init__(
        self, service: Service, key: str, source: Place, target: Place, *, replace: bool
    ) -> None:
        self._service = service
        self._key = key
        self._target = target
        self._path = f"{object_path(source)}/rewriteTo/{object_path(target)}"
        self._source = source
        self._replace = replace
        self._parameters: dict[str, str] = {} if replace else {"ifGenerationMatch": "0"}
        self._digest = ""
        self._broke = False
        self.is_public = False
        self.done: dict[str, Any] | None = None

    def begin(self, *, may_be_public: bool) -> None:
        """Look at the source, so that the same generation is read in all steps.

        Also at who has access to it, where that is a thing of each object.
        """
        wanted = {"fields": "generation,crc32c"}
        if may_be_public:
            wanted = {"fields": "generation,crc32c,acl(entity)", "projection": "full"}
        found = self._service.ask("GET", object_path(self._source), wanted)
        self._parameters["sourceGeneration"] = found["generation"]
        self._digest = found["crc32c"]
        self.is_public = any(one["entity"] == _ANYBODY for one in found.get("acl", ()))

    def publish(self) -> None:
        """Have the copy be public: access does not come along by itself."""
        self._parameters["destinationPredefinedAcl"] = PUBLIC

    def step(self) -> None:
        """Have some more copied. Raises `BlobExists`."""
        try:
            answer = self._service.ask("POST", self._path, self._parameters, self._breaks)
        except exceptions.PreconditionFailed:
            self.done = self._ours()
            if self.done is None:
                raise exists(self._key) from None
            return
        if answer["done"]:
            self.done = answer["resource"]
        else:
            self._parameters["rewriteToken"] = answer["rewriteToken"]

    def withdraw(self) -> None:
        """Leave no copy behind, unless it is too late: what was replaced cannot come back."""
        with suppress(Exception):
            if self.done is not None and not self._replace:
                remove_generation(self._service, self._target, self.done["generation"])

    def _breaks(self, _error: Exception) -> None:
        self._broke = True

    def _ours(self) -> dict[str, Any] | None:
        """The copy, where it stands there already because an answer was lost."""
        if not self._broke:
            return None
        found = self._service.ask("GET", object_path(self._target), {})
        return found if found["crc32c"] == self._digest else None


def remove_generation(service: Service, where: Place, generation: str) -> None:
    """Remove the object if it is still that generation."""
    with suppress(exceptions.NotFound, exceptions.PreconditionFailed):
        service.client.bucket(where.bucket).blob(where.name).delete(
            if_generation_match=int(generation), **service.bounded
        )


def _corrupt() -> Corrupt:
    return Corrupt("Other bytes have arrived at the store than were sent. Send the file again.")


class _Pieces:
    """A body in pieces, as often as it is asked for: a timeout is one of each piece."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[memoryview]:
        for offset in range(0, len(self._data), _PIECE):
            yield self._data[offset : offset + _PIECE]
