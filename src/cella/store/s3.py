"""S3, and what speaks like it: the requests, and what the answers mean.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
Each request carries the SHA-256 of its body, so what arrives is what was sent, or is refused.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote_plus, urlsplit

from cella.clock import Clock, SystemClock
from cella.errors import StoreError, StoreFull, StoreRefused, StoreUnavailable
from cella.store import markup
from cella.store.contract import Label
from cella.store.credentials import AwsKeys
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
from cella.store.signing_s3 import (
    LONGEST_LINK,
    AwsKey,
    Target,
    escaped,
    presigned,
    query_of,
    signed_headers,
)
from cella.store.wire import Answer, Streaming, Wire

BUCKET_NAME = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

_EMPTY = hashlib.sha256().hexdigest()
_MARK = "x-amz-meta-cella-put"
_LARGEST_COPY = 5 << 30
_COPIED_PART = 1 << 30
_REFUSALS = {
    "InvalidAccessKeyId": "S3 does not know CELLA_S3_ACCESS_KEY_ID.",
    "SignatureDoesNotMatch": "CELLA_S3_SECRET_ACCESS_KEY is not the secret of the access key.",
    "ExpiredToken": "The temporary key that this machine was given for S3 has expired.",
    "RequestTimeTooSkewed": "This machine's clock is wrong: S3 refuses what it signs.",
    "AccessDenied": "The key may not do this in S3. docs/operations.md has the policy it needs.",
    "AllAccessDisabled": "The account at S3 is locked.",
    "AuthorizationHeaderMalformed": "CELLA_S3_REGION is not the region of the bucket.",
    "PermanentRedirect": "CELLA_S3_REGION is not the region of the bucket.",
    "IllegalLocationConstraintException": "CELLA_S3_REGION is not the region of the endpoint.",
    "BucketAlreadyExists": "The name of the bucket is somebody else's: change CELLA_STORE_URL.",
    "TooManyBuckets": "The account may have no more buckets in S3.",
}
_BY_STATUS = {
    301: "PermanentRedirect",
    401: "AccessDenied",
    403: "AccessDenied",
}
_FULL = frozenset(("QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"))
_AGAIN = frozenset(
    (
        *("SlowDown", "RequestTimeout", "OperationAborted", "ServiceUnavailable", "InternalError"),
        *("BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"),
    )
)
_PASSING = frozenset((307, 408, 409, 429))
"""Statuses of what passes: a bucket that was made just now, too many requests, a race."""

_MISSING: dict[str, type[Exception]] = {
    "NoSuchBucket": NoBucket,
    "NoSuchKey": NoObject,
    "NoSuchUpload": NoObject,
}


class Address(NamedTuple):
    """Where S3 is: an origin, the path before buckets, and whether buckets are host names."""

    origin: str
    path: str
    buckets_are_hosts: bool

    @classmethod
    def of(cls, endpoint: str, region: str) -> "Address":
        """Amazon's own service in `region`, or the one at `endpoint`, whose buckets are paths."""
        if endpoint:
            parts = urlsplit(endpoint)
            return cls(f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/"), False)
        domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return cls(f"https://s3.{region}.{domain}", "", True)

    def target(self, place: Place) -> Target:
        """The URL of an object, or of a bucket where the name is empty. A dot is no host's."""
        scheme, _, host = self.origin.partition("://")
        if self.buckets_are_hosts and place.bucket and "." not in place.bucket:
            return Target(scheme, f"{place.bucket}.{host}", "/" + escaped(place.name))
        path = f"/{place.bucket}/{place.name}" if place.name else f"/{place.bucket}"
        return Target(scheme, host, self.path + escaped(path))


class S3Service:
    """S3 at an address, by whose keys; see `cella.store.service.Service`.

    Conditional writes are asked for with `If-None-Match: *`. A service that says that it does not
    know them is not asked again.
    """

    most_parts = 10_000

    def __init__(
        self,
        address: Address,
        region: str,
        keys: AwsKeys,
        *,
        wire: Wire | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._address = address
        self._region = region
        self._keys = keys
        self._wire = wire or Wire()
        self._clock = clock or SystemClock()
        self._has_conditions = True

    def put(self, writing: Writing, content: bytes | bytearray) -> None:
        """One PutObject."""
        self._conditional(
            "PUT", writing, {}, _labels(writing.label, writing.mark), content, writing.replace
        )

    def begin(self, writing: Writing) -> str:
        """CreateMultipartUpload."""
        answer = self._ask(
            "POST", writing.place, {"uploads": ""}, _labels(writing.label, writing.mark)
        )
        found = markup.parsed(answer.body, "InitiateMultipartUploadResult")
        return markup.text(found, "UploadId")

    def part(self, writing: Writing, upload: str, number: int, content: bytes | bytearray) -> str:
        """UploadPart; gives its ETag."""
        query = {"partNumber": str(number), "uploadId": upload}
        return self._ask("PUT", writing.place, query, {}, content).headers.get("etag", "")

    def complete(self, writing: Writing, upload: str, parts: Sequence[str]) -> None:
        """CompleteMultipartUpload."""
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{markup.escape(etag)}</ETag></Part>"
            for number, etag in enumerate(parts, 1)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        self._conditional("POST", writing, {"uploadId": upload}, {}, body, writing.replace)

    def abort(self, place: Place, upload: str) -> None:
        """AbortMultipartUpload."""
        try:
            self._ask("DELETE", place, {"uploadId": upload})
        except (NoObject, NoBucket):
            return

    def pending(self, bucket: str, prefix: str) -> Sequence[Pending]:
        """ListMultipartUploads, all pages of it."""
        query = {"uploads": "", "encoding-type": "url"} | ({"prefix": prefix} if prefix else {})
        pending: list[Pending] = []
        while True:
            body = self._ask("GET", Place(bucket, ""), query).body
            found = markup.parsed(body, "ListMultipartUploadsResult")
            pending += (
                Pending(
                    Place(bucket, unquote_plus(markup.text(entry, "Key"))),
                    markup.text(entry, "UploadId"),
                    markup.instant(markup.text(entry, "Initiated")),
                )
                for entry in markup.all_of(found, "Upload")
            )
            if markup.text(found, "IsTruncated") != "true":
                return pending
            query["key-marker"] = unquote_plus(markup.text(found, "NextKeyMarker"))
            query["upload-id-marker"] = markup.text(found, "NextUploadIdMarker")

    def read(self, place: Place, start: int, stop: int | None, etag: str) -> Reading | None:
        """GetObject of a range."""
        headers = {"range": f"bytes={start}-{'' if stop is None else stop - 1}"}
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
        """HeadObject."""
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
        """HeadBucket, since HeadObject does not tell what it is that is not there."""
        try:
            self._ask("HEAD", Place(bucket, ""))
        except NoObject:
            raise NoBucket from None

    def page(
        self, bucket: str, prefix: str, *, delimiter: str, after: str, more: str, most: int
    ) -> Page:
        """ListObjectsV2. Names come encoded as in forms, since XML cannot hold all of them."""
        query = {"list-type": "2", "encoding-type": "url", "max-keys": str(min(most, 1000))}
        optional = {"prefix": prefix, "delimiter": delimiter, "start-after": after}
        query |= {name: value for name, value in optional.items() if value}
        if more:
            query["continuation-token"] = more
        body = self._ask("GET", Place(bucket, ""), query).body
        found = markup.parsed(body, "ListBucketResult")
        items = [
            Item(
                unquote_plus(markup.text(entry, "Key")),
                int(markup.text(entry, "Size") or 0),
                markup.instant(markup.text(entry, "LastModified")),
                "",
            )
            for entry in markup.all_of(found, "Contents")
        ]
        folders = [
            unquote_plus(markup.text(entry, "Prefix"))
            for entry in markup.all_of(found, "CommonPrefixes")
        ]
        continues = markup.text(found, "IsTruncated") == "true"
        return Page(
            items, folders, markup.text(found, "NextContinuationToken") if continues else ""
        )

    def delete(self, place: Place) -> bool:
        """DeleteObject. It does not tell whether there was one, so HeadObject is asked before."""
        try:
            self.head(place)
        except (NoObject, NoBucket):
            return False
        self._ask("DELETE", place)
        return True

    def copy(self, source: Place, writing: Writing) -> None:
        """CopyObject, or what is larger than it takes, in parts with UploadPartCopy."""
        found = self.head(source)
        whence = {
            "x-amz-copy-source": escaped(f"/{source.bucket}/{source.name}"),
            "x-amz-copy-source-if-match": found.etag,
        }
        if found.length > _LARGEST_COPY:
            self._copy_parts(found, whence, writing)
            return
        headers = {
            **whence,
            **_labels(Label(found.content_type, found.disposition), writing.mark),
            "x-amz-metadata-directive": "REPLACE",
        }
        self._conditional("PUT", writing, {}, headers, b"", writing.replace)

    def create_bucket(self, bucket: str) -> None:
        """CreateBucket in the region."""
        where = f"<LocationConstraint>{self._region}</LocationConstraint>"
        body = f"<CreateBucketConfiguration>{where}</CreateBucketConfiguration>".encode()
        answer = self._answer(
            "PUT", Place(bucket, ""), {}, {}, b"" if self._region == "us-east-1" else body
        )
        if answer.status >= 300 and _code(answer) != "BucketAlreadyOwnedByYou":
            raise _error(answer)

    def buckets(self, prefix: str) -> Sequence[str]:
        """ListBuckets, page by page where the service gives pages."""
        names: list[str] = []
        query: dict[str, str] = {}
        while True:
            body = self._ask("GET", Place("", ""), query).body
            found = markup.parsed(body, "ListAllMyBucketsResult")
            for entry in markup.all_of(found, "Buckets/Bucket"):
                names.append(markup.text(entry, "Name"))
            more = markup.text(found, "ContinuationToken")
            if not more:
                return [name for name in names if name.startswith(prefix)]
            query = {"continuation-token": more}

    def close(self) -> None:
        """Close what is kept."""
        self._wire.close()

    def _copy_parts(self, found: Found, whence: Mapping[str, str], writing: Writing) -> None:
        writing = writing._replace(label=Label(found.content_type, found.disposition))
        upload = self.begin(writing)
        parts: list[str] = []
        try:
            for start in range(0, found.length, _COPIED_PART):
                stop = min(start + _COPIED_PART, found.length)
                headers = {**whence, "x-amz-copy-source-range": f"bytes={start}-{stop - 1}"}
                query = {"partNumber": str(len(parts) + 1), "uploadId": upload}
                answer = self._ask("PUT", writing.place, query, headers)
                parts.append(markup.text(markup.parsed(answer.body, "CopyPartResult"), "ETag"))
            self.complete(writing, upload, parts)
        except BaseException:
            with suppress(StoreError):
                self.abort(writing.place, upload)
            raise

    def _conditional(
        self,
        method: str,
        writing: Writing,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | bytearray,
        replace: bool,
    ) -> None:
        if not replace and self._has_conditions:
            answer = self._answer(
                method, writing.place, query, {**headers, "if-none-match": "*"}, body
            )
            if answer.status != 501 and _code(answer) != "NotImplemented":
                _check(answer)
                return
            self._has_conditions = False
        _check(self._answer(method, writing.place, query, headers, body))

    def _ask(
        self,
        method: str,
        place: Place,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | bytearray = b"",
    ) -> Answer:
        answer = self._answer(method, place, query, headers, body)
        _check(answer)
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
        target = self._address.target(place)
        spelled = query_of(query)
        hashed = hashlib.sha256(body).hexdigest() if body else _EMPTY
        signed = signed_headers(
            self._keys.key(),
            self._region,
            self._clock.now(),
            method,
            target,
            spelled,
            headers,
            hashed,
        )
        origin = f"{target.scheme}://{target.host}"
        path = f"{target.path}?{spelled}" if spelled else target.path
        return self._wire.stream(method, origin, path, signed, body)


class S3Links:
    """Links that a long-lived key signs; see `cella.store.remote.Linking`."""

    longest = LONGEST_LINK

    def __init__(self, address: Address, region: str, key: AwsKey) -> None:
        self._address = address
        self._region = region
        self._key = key

    def __call__(
        self, objects: Sequence[tuple[Place, str, str]], begins: int, expires: int
    ) -> list[str]:
        """Presigned GetObject."""
        wanted = []
        for place, content_type, disposition in objects:
            parameters = {
                "response-content-type": content_type,
                "response-content-disposition": disposition,
            }
            said = {name: value for name, value in parameters.items() if value}
            wanted.append((self._address.target(place), said))
        return presigned(self._key, self._region, wanted, begins, expires)


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


def _labels(label: Label, mark: str) -> dict[str, str]:
    headers = {"content-type": label.content_type, _MARK: mark}
    if label.disposition:
        headers["content-disposition"] = label.disposition
    return headers


def _check(answer: Answer) -> None:
    """Raise what `answer` means. S3 may say 200 before it knows, and an error in the body."""
    if answer.status >= 300 or b"<Error>" in answer.body[:200]:
        raise _error(answer)


def _error(answer: Answer) -> Exception:
    code = _code(answer) or _BY_STATUS.get(answer.status, "")
    if code in _MISSING:
        return _MISSING[code]()
    if code == "PreconditionFailed" or answer.status == 412:
        return Taken()
    if code in _FULL or answer.status == 507:
        return StoreFull("S3 has no room left, or the account's quota is used up.")
    if code in _REFUSALS:
        return StoreRefused(_REFUSALS[code])
    if code in _AGAIN or answer.status in _PASSING or answer.status >= 500:
        return StoreUnavailable(f"S3 cannot answer at present ({answer.status} {code}).")
    if answer.status == 404:
        return NoObject()
    return StoreRefused(f"S3 refused a request ({answer.status} {code}). Is CELLA_S3_REGION right?")


def _code(answer: Answer) -> str:
    if answer.status < 300 and b"<Error>" not in answer.body[:200]:
        return ""
    try:
        code = markup.text(markup.parsed(answer.body, "Error"), "Code") if answer.body else ""
    except StoreUnavailable:
        return ""
    return code if code.isalnum() and len(code) < 80 else ""
