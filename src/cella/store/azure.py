"""Azure Blob Storage: the requests, and what the answers mean.

Source: https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-rest-api
What is sent carries its MD5, which Azure compares. Blocks that were sent for a blob that never came
into being are nobody's to remove: Azure forgets them after a week.
"""

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol
from urllib.parse import quote, urlencode, urlsplit
from xml.etree.ElementTree import Element

from cella.clock import Clock, SystemClock
from cella.errors import StoreFull, StoreRefused, StoreUnavailable
from cella.store import markup
from cella.store.service import (
    Changed,
    Found,
    Item,
    NoBucket,
    NoObject,
    Page,
    Pending,
    Place,
    Reading,
    Taken,
    Writing,
)
from cella.store.signing_azure import (
    LONGEST_LINK,
    VERSION,
    AzureKey,
    Linked,
    authorization,
    http_date,
    signed_links,
)
from cella.store.wire import Answer, Streaming, Wire

CONTAINER_NAME = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")

_MARK = "x-ms-meta-cella_put"
_COPY_SECONDS = 3600.0
_COPY_PAUSE = 0.5
_REFUSALS = {
    "AuthenticationFailed": (
        "Azure does not take the signature: CELLA_AZURE_ACCOUNT_KEY is not the account's, or this "
        "machine's clock is wrong."
    ),
    "InvalidAuthenticationInfo": "Azure does not take what this machine has to show of itself.",
    "AuthorizationFailure": (
        "Azure does not let this machine in: CELLA_AZURE_ACCOUNT_KEY is not the account's, or the "
        "account does not allow the network."
    ),
    "AuthorizationPermissionMismatch": (
        "This machine may not do this in Azure. docs/operations.md has the role it needs."
    ),
    "AccountIsDisabled": "The account in Azure is disabled.",
    "KeyBasedAuthenticationNotPermitted": "The account in Azure does not allow keys.",
}
_FULL = frozenset(("AccountLimitExceeded",))
_TAKEN = frozenset(("BlobAlreadyExists", "UnauthorizedBlobOverwrite"))
_PASSING = frozenset((408, 409, 429))
_AGAIN = frozenset(("InvalidBlockList", "InvalidBlobOrBlock", "Md5Mismatch"))
_MISSING: dict[str, type[Exception]] = {"ContainerNotFound": NoBucket, "BlobNotFound": NoObject}


class Authority(Protocol):
    """Authorises requests."""

    def header(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> str:
        """The header `Authorization`. Blocking where a token has to be fetched."""
        ...


class SharedKey:
    """Authorises with the account's key."""

    def __init__(self, key: AzureKey) -> None:
        self._key = key

    def header(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> str:
        """A signature of the request."""
        return authorization(self._key, method, path, query, headers)


class Address(NamedTuple):
    """Where an account's blobs are: an origin, and the path before containers."""

    origin: str
    path: str

    @classmethod
    def of(cls, endpoint: str, account: str) -> "Address":
        """Azure's own service, or the one at `endpoint`, which may have a path."""
        parts = urlsplit(endpoint or f"https://{account}.blob.core.windows.net")
        return cls(f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/"))

    def target(self, place: Place) -> str:
        """The path of a blob's URL, of a container's, or of the account's."""
        within = f"{place.bucket}/{place.name}" if place.name else place.bucket
        return f"{self.path}/{quote(within, safe='/-_.~')}"


class AzureService:
    """The blobs of an account; see `cella.store.service.Service`.

    A listing cannot begin in the middle: with `after` its pages come from the beginning, 5000
    names each, and what is before is passed over.
    """

    most_parts = 50_000

    def __init__(
        self,
        address: Address,
        authority: Authority,
        *,
        wire: Wire | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._address = address
        self._authority = authority
        self._wire = wire or Wire()
        self._clock = clock or SystemClock()

    def put(self, writing: Writing, content: bytes | bytearray) -> None:
        """Put Blob."""
        headers = {"x-ms-blob-type": "BlockBlob", **_labels(writing), **_condition(writing)}
        self._ask("PUT", writing.place, {}, headers, content)

    def begin(self, writing: Writing) -> str:  # noqa: ARG002 - Azure has no such request
        """What the names of the blocks begin with. Asks nobody."""
        return secrets.token_hex(8)

    def part(self, writing: Writing, upload: str, number: int, content: bytes | bytearray) -> str:
        """Put Block; gives its name, which has the same length for all blocks of a blob."""
        name = base64.b64encode(f"{upload}{number:06}".encode()).decode()
        self._ask("PUT", writing.place, {"comp": "block", "blockid": name}, {}, content)
        return name

    def complete(self, writing: Writing, upload: str, parts: Sequence[str]) -> None:  # noqa: ARG002
        """Put Block List.

        Where another put of the same blob was faster, Azure has forgotten these blocks; with
        `replace` that is a failure which may be tried again, from the beginning.
        """
        listed = "".join(f"<Latest>{name}</Latest>" for name in parts)
        body = f"<?xml version='1.0' encoding='utf-8'?><BlockList>{listed}</BlockList>".encode()
        headers = {**_labels(writing), **_condition(writing)}
        self._ask("PUT", writing.place, {"comp": "blocklist"}, headers, body)

    def abort(self, place: Place, upload: str) -> None:
        """Nothing: blocks are not seen, and Azure removes them after a week."""

    def pending(self, bucket: str, prefix: str) -> Sequence[Pending]:  # noqa: ARG002 - none is seen
        """None: see `abort`."""
        return ()

    def read(self, place: Place, start: int, stop: int | None, etag: str) -> Reading | None:
        """Get Blob of a range."""
        headers = {"x-ms-range": f"bytes={start}-{'' if stop is None else stop - 1}"}
        if etag:
            headers["if-match"] = etag
        streaming = self._stream("GET", place, {}, headers)
        if streaming.status in (200, 206):
            if not streaming.answers_range(start):
                streaming.close()
                raise StoreRefused("The store answers a range with another one.")
            return _Reading(streaming)
        answer = streaming.all()
        if answer.status == 416:
            return None
        if answer.status == 412:
            raise Changed
        raise _error(answer)

    def head(self, place: Place) -> Found:
        """Get Blob Properties."""
        headers = self._ask("HEAD", place).headers
        return Found(
            int(headers.get("content-length", 0)),
            parsedate_to_datetime(headers["last-modified"]).timestamp(),
            headers.get("etag", ""),
            headers.get("content-type", ""),
            headers.get("content-disposition", ""),
            headers.get(_MARK, ""),
        )

    def check_bucket(self, bucket: str) -> None:
        """Get Container Properties."""
        try:
            self._ask("HEAD", Place(bucket, ""), {"restype": "container"})
        except NoObject:
            raise NoBucket from None

    def page(
        self,
        bucket: str,
        prefix: str,
        *,
        delimiter: str,
        after: str,  # noqa: ARG002 - Azure cannot
        more: str,
        most: int,
    ) -> Page:
        """List Blobs."""
        query = {"restype": "container", "comp": "list", "maxresults": str(min(most, 5000))}
        optional = {"prefix": prefix, "delimiter": delimiter, "marker": more}
        query |= {name: value for name, value in optional.items() if value}
        found = _enumerated(self._ask("GET", Place(bucket, ""), query))
        items = [
            Item(
                markup.text(entry, "Name"),
                int(markup.text(entry, "Properties/Content-Length") or 0),
                _instant(markup.text(entry, "Properties/Last-Modified")),
                markup.text(entry, "Properties/Content-Type"),
            )
            for entry in markup.all_of(found, "Blobs/Blob")
        ]
        folders = [markup.text(entry, "Name") for entry in markup.all_of(found, "Blobs/BlobPrefix")]
        return Page(items, folders, markup.text(found, "NextMarker"))

    def delete(self, place: Place) -> bool:
        """Delete Blob."""
        try:
            self._ask("DELETE", place)
        except (NoObject, NoBucket):
            return False
        return True

    def copy(self, source: Place, writing: Writing) -> None:
        """Copy Blob, which Azure may still be at when it has answered; that is waited for."""
        found = self.head(source)
        headers = {
            "x-ms-copy-source": self._address.origin + self._address.target(source),
            "x-ms-source-if-match": found.etag,
            _MARK: writing.mark,
            **_condition(writing),
        }
        answer = self._ask("PUT", writing.place, {}, headers)
        state = answer.headers.get("x-ms-copy-status", "success")
        end = time.monotonic() + _COPY_SECONDS
        while state == "pending" and time.monotonic() < end:
            time.sleep(_COPY_PAUSE)
            state = self._ask("HEAD", writing.place).headers.get("x-ms-copy-status", "")
        if state != "success":
            raise StoreUnavailable("Azure did not finish copying a blob.")

    def create_bucket(self, bucket: str) -> None:
        """Create Container; one that is there is ours, since accounts are."""
        answer = self._answer("PUT", Place(bucket, ""), {"restype": "container"})
        if answer.status >= 300 and _code(answer) != "ContainerAlreadyExists":
            raise _error(answer)

    def buckets(self, prefix: str) -> Sequence[str]:
        """List Containers."""
        names: list[str] = []
        more = ""
        while True:
            query = {"comp": "list"} | {
                name: value for name, value in {"prefix": prefix, "marker": more}.items() if value
            }
            found = _enumerated(self._ask("GET", Place("", ""), query))
            names += [
                markup.text(entry, "Name") for entry in markup.all_of(found, "Containers/Container")
            ]
            more = markup.text(found, "NextMarker")
            if not more:
                return names

    def close(self) -> None:
        """Close what is kept."""
        self._wire.close()

    def _ask(
        self,
        method: str,
        place: Place,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | bytearray = b"",
    ) -> Answer:
        answer = self._answer(method, place, query, headers, body)
        if answer.status >= 300:
            raise _error(answer)
        return answer

    def _answer(
        self,
        method: str,
        place: Place,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | bytearray = b"",
    ) -> Answer:
        return self._stream(method, place, query or {}, headers or {}, body).all()

    def _stream(
        self,
        method: str,
        place: Place,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | bytearray = b"",
    ) -> Streaming:
        path = self._address.target(place)
        every = {
            **headers,
            "x-ms-date": http_date(self._clock.now()),
            "x-ms-version": VERSION,
        }
        if body:
            md5 = hashlib.md5(body, usedforsecurity=False).digest()
            every["content-length"] = str(len(body))
            every["content-md5"] = base64.b64encode(md5).decode()
        every["authorization"] = self._authority.header(method, path, query, every)
        target = f"{path}?{urlencode(query, quote_via=quote)}" if query else path
        return self._wire.stream(method, self._address.origin, target, every, body)


class AzureLinks:
    """Links that the account's key signs; see `cella.store.remote.Linking`."""

    longest = LONGEST_LINK

    def __init__(self, address: Address, key: AzureKey) -> None:
        self._address = address
        self._key = key
        self._protocol = "https" if address.origin.startswith("https:") else "https,http"

    def __call__(
        self, objects: Sequence[tuple[Place, str, str]], begins: int, expires: int
    ) -> list[str]:
        """A service SAS for each blob."""
        wanted = [
            Linked(
                self._address.origin + self._address.target(place),
                place.bucket,
                place.name,
                content_type,
                disposition,
            )
            for place, content_type, disposition in objects
        ]
        return signed_links(self._key, wanted, begins, expires, self._protocol)


class _Reading:
    def __init__(self, streaming: Streaming) -> None:
        self._streaming = streaming
        self.etag = streaming.headers.get("etag", "")

    def read(self, most: int) -> bytes:
        """The next bytes."""
        return self._streaming.read(most)

    def close(self) -> None:
        """Let go of the connection."""
        self._streaming.close()


def _enumerated(answer: Answer) -> Element:
    return markup.parsed(answer.body, "EnumerationResults")


def _labels(writing: Writing) -> dict[str, str]:
    headers = {"x-ms-blob-content-type": writing.label.content_type, _MARK: writing.mark}
    if writing.label.disposition:
        headers["x-ms-blob-content-disposition"] = writing.label.disposition
    return headers


def _condition(writing: Writing) -> dict[str, str]:
    return {} if writing.replace else {"if-none-match": "*"}


def _instant(written: str) -> float:
    try:
        return parsedate_to_datetime(written).timestamp()
    except ValueError:
        raise StoreUnavailable("The store's answer has a time that is none.") from None


def _error(answer: Answer) -> Exception:
    code = _code(answer)
    if code in _MISSING:
        return _MISSING[code]()
    if code in _TAKEN or answer.status == 412:
        return Taken()
    if code in _FULL or answer.status == 507:
        return StoreFull("The account in Azure has no room left.")
    if code in _REFUSALS:
        return StoreRefused(_REFUSALS[code])
    if code in _AGAIN or answer.status in _PASSING or answer.status >= 500:
        return StoreUnavailable(f"Azure cannot answer at present ({answer.status} {code}).")
    if answer.status == 404:
        return NoObject()
    if answer.status in (401, 403):
        return StoreRefused(_REFUSALS["AuthenticationFailed"])
    return StoreRefused(
        f"Azure refused a request ({answer.status} {code}). Is CELLA_AZURE_ACCOUNT right?"
    )


def _code(answer: Answer) -> str:
    code = answer.headers.get("x-ms-error-code", "")
    return code if code.isalnum() and len(code) < 80 else ""
