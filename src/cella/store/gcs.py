"""Blobs in Google Cloud Storage, by Google's own client, which threads call.

In one bucket for all, or in one for each project, which is made when its first blob comes
(`cella.store.layout`). This module loads the client, which takes memory that only those
should pay for who use it: it is imported by `cella.store.opening` on demand.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from google.api_core import exceptions
from google.auth.crypt import RSASigner
from google.cloud.storage import Blob
from google.oauth2 import service_account

from cella.digest import Digests
from cella.errors import BadConfig, BlobExists, BlobMissing, StoreUnavailable
from cella.store import gcs_signing
from cella.store.blocks import check_range
from cella.store.config import GcsConfig
from cella.store.contract import PLAIN, Entry, Label, Stat
from cella.store.gcs_buckets import Buckets, Shelf
from cella.store.gcs_service import SCOPE, USUAL, Bounds, Service, no_bucket, translated
from cella.store.gcs_transfer import CHUNK, Copying, Download, Upload
from cella.store.layout import Layout
from cella.store.problems import missing
from cella.store.service import Place
from cella.store.threads import Threads, ended, outcome

THREADS = 16
"""How many threads read, and how many write."""

Entries = list[Entry]
"""Of a folder. In a store, `list` is a verb."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9_.-]{1,61}[a-z0-9]")
_BEYOND_ANY_BLOB = 1 << 62
_LONGEST_NAME = 1024
_PAGE = 1000
_STAT_FIELDS = "items(name,size,timeCreated),nextPageToken"
_ENTRY_FIELDS = "items(name,size,timeCreated,contentType),prefixes,nextPageToken"


def make(
    setting: str,
    bucket: str,
    prefix: str,
    endpoint: str,
    location: str,
    config: GcsConfig,
    bounds: Bounds = USUAL,
) -> "GcsStore":
    """The store in `bucket`, one that signs where there is a key to sign with.

    Reads the service account's key, since whether the store can sign depends on it, and calls
    nobody. Raises `BadConfig`; `setting` is what the bucket was told by.
    """
    if bool(config.hmac_access_id) != bool(config.hmac_secret):
        raise BadConfig("CELLA_GCS_HMAC_ACCESS_ID and CELLA_GCS_HMAC_SECRET go together.")
    if endpoint and urlsplit(endpoint).scheme not in ("http", "https"):
        raise BadConfig(f"{setting}: the endpoint is an address such as http://127.0.0.1:4443")
    key = _read_key(config.credentials) if config.credentials else None
    credentials = None
    if key is not None:
        credentials = service_account.Credentials.from_service_account_info(key, scopes=[SCOPE])
    project = config.project or (key or {}).get("project_id", "")
    service = Service(endpoint, credentials, project, 4 * THREADS, bounds)
    layout = Layout(setting, bucket, prefix, _BUCKET)
    buckets = Buckets(service, layout, location, public_objects=config.public_objects)
    if config.hmac_access_id:
        signer = gcs_signing.hmac_key(config.hmac_access_id, config.hmac_secret)
        return SigningGcsStore(service, layout, buckets, signer, signs_slowly=False)
    if key is not None:
        rsa = RSASigner.from_service_account_info(key)
        signer = gcs_signing.rsa(key["client_email"], rsa.sign)
        return SigningGcsStore(service, layout, buckets, signer, signs_slowly=True)
    return GcsStore(service, layout, buckets)


def _read_key(path: str) -> dict[str, Any]:
    try:
        key = json.loads(Path(path).read_bytes())
        service_account.Credentials.from_service_account_info(key)
    except OSError as error:
        raise BadConfig(f"CELLA_GCS_CREDENTIALS cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, AttributeError):
        raise BadConfig(
            "CELLA_GCS_CREDENTIALS is not the path of a service account's key in JSON."
        ) from None
    found: dict[str, Any] = key
    return found


class GcsStore:
    """A store in the buckets of `layout`, which `buckets` knows and makes."""

    def __init__(self, service: Service, layout: Layout, buckets: Buckets) -> None:
        self._service = service
        self._layout = layout
        self._buckets = buckets
        self._writers = Threads(THREADS, "cella-gcs-write")
        self._readers = Threads(THREADS, "cella-gcs-read")
        self._is_open = False

    async def open(self) -> None:
        """Find out who we are, and what the buckets allow.

        Raises `StoreRefused` where there is no such bucket or nobody knows us. Where the cloud
        does not answer, the store is open nevertheless, and has no public links meanwhile.
        """
        if self._is_open:
            return
        await asyncio.to_thread(self._connect)
        self._writers.open()
        self._readers.open()
        self._is_open = True

    async def close(self) -> None:
        """Wait for what the threads are doing, and end all connections."""
        self._is_open = False
        await asyncio.to_thread(self._shut)

    async def put(
        self,
        key: str,
        body: AsyncIterable[bytes],
        *,
        label: Label = PLAIN,
        replace: bool = False,
    ) -> Digests:
        """Store all of `body`; see `cella.store.contract.Put`.

        A chunk is sent while the next one comes in, so at most two are held. Where a put with
        `replace` is cancelled while its last bytes are under way, and these arrive, it has come
        to its end and says so: the old blob could not be had back.
        """
        where = self._layout.place(key)
        upload = Upload(self._service, key, where, label, replace=replace)
        sending: asyncio.Future[None] | None = None
        try:
            held = bytearray()
            async for block in body:
                view = memoryview(block)
                while view:
                    if len(held) == CHUNK:
                        sending = await self._send(upload, where, label, sending, held)
                        held = bytearray()
                    room = CHUNK - len(held)
                    held += view[:room]
                    view = view[room:]
            if sending is None:
                await self._writers.run(self._begin, upload, where, label)
            else:
                await outcome(sending)
            return await self._end(upload, held, replace)
        except BaseException:
            if sending is not None:
                await ended(sending)
            await ended(self._writers.start(upload.withdraw))
            raise

    async def get(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read a range; see `cella.store.contract.Get`. One answer, read as it is wanted."""
        check_range(start, stop)
        if stop is not None and start >= stop:
            await self.head(key)
            return
        where = self._layout.place(key)
        last = None if stop is None else min(stop, _BEYOND_ANY_BLOB)
        download = Download(self._service, where, min(start, _BEYOND_ANY_BLOB), last)
        try:
            while not download.ended:
                block = await self._readers.run(self._next, download, key)
                if block:
                    yield block
        finally:
            download.close()

    async def head(self, key: str) -> Stat:
        """What there is under `key`; raises `BlobMissing`."""
        return await self._readers.run(self._head, key)

    async def list(self, prefix: str = "", after: str = "") -> AsyncGenerator[Stat, None]:
        """Blobs in order of keys; see `cella.store.contract.List`. Holds one page at a time."""
        for shelf in await self._readers.run(self._shelves, prefix, after):
            pages = self._pages(shelf, prefix, after)
            while (page := await self._readers.run(next, pages, None)) is not None:
                for blob in page:
                    yield blob

    async def delete(self, key: str) -> bool:
        """Remove the blob; true where there was one.

        Where an answer is lost and the question asked again, it may be false all the same.
        """
        return await self._writers.run(self._delete, key)

    async def copy(self, source: str, target: str, *, replace: bool = False) -> Stat:
        """Store the bytes of `source` under `target` too; see `cella.store.contract.Copy`.

        The cloud copies by itself. Cancelling comes too late as it may for `put`.
        """
        places = self._layout.place(source), self._layout.place(target)
        copying = Copying(self._service, target, *places, replace=replace)
        try:
            await self._writers.run(self._begin_copy, copying, source, target)
            while copying.done is None:
                await self._writers.run(self._copy_some, copying, source)
        except BaseException as error:
            if not (isinstance(error, asyncio.CancelledError) and replace and copying.done):
                await ended(self._writers.start(copying.withdraw))
                raise
        return _stat_of(target, copying.done or {})

    async def browse(self, bucket: str, path: str, after: str, most: int) -> Entries:
        """What stands in a folder; see `cella.store.contract.CanBrowse`."""
        folder = Place(self._layout.bucket(bucket), self._layout.folder(bucket, path))
        return await self._readers.run(self._entries, folder, after, most)

    async def find(self, bucket: str, path: str) -> Entry:
        """The blob at `path`; see `cella.store.contract.CanBrowse`."""
        where = Place(self._layout.bucket(bucket), self._layout.folder(bucket) + path)
        return await self._readers.run(self._entry, where, path)

    # What follows runs in threads, but for the first two.

    async def _send(
        self,
        upload: Upload,
        where: Place,
        label: Label,
        sending: "asyncio.Future[None] | None",
        chunk: bytearray,
    ) -> "asyncio.Future[None]":
        """Have `chunk` sent, after what is being sent."""
        if sending is None:
            await self._writers.run(self._begin, upload, where, label)
        else:
            await outcome(sending)
        return self._writers.start(upload.send, chunk)

    async def _end(self, upload: Upload, chunk: bytearray, replace: bool) -> Digests:
        """Have the last bytes sent. Past this there is no way back for what was replaced."""
        ending = self._writers.start(upload.finish, chunk)
        try:
            return await outcome(ending)
        except asyncio.CancelledError:
            if replace and ending.exception() is None:
                return ending.result()
            raise

    def _connect(self) -> None:
        with translated():
            self._service.open()
            with suppress(StoreUnavailable), translated():
                self._buckets.look()

    def _shut(self) -> None:
        self._writers.close()
        self._readers.close()
        self._service.close()

    def _begin(self, upload: Upload, where: Place, label: Label) -> None:
        with translated():
            try:
                self._open_session(upload, where.bucket, label)
            except exceptions.NotFound:
                if self._layout.is_shared:
                    raise
                self._buckets.make(where.bucket)
                self._open_session(upload, where.bucket, label)

    def _open_session(self, upload: Upload, bucket: str, label: Label) -> None:
        if label.is_public and self._buckets.may_be_public(bucket):
            with suppress(BlobExists, exceptions.BadRequest, exceptions.Forbidden):
                upload.begin(public=True)
                return
            # What was refused may have been its being public: then this goes well.
            upload.begin(public=False)
            self._buckets.forbid_public(bucket)
        else:
            upload.begin(public=False)

    def _next(self, download: Download, key: str) -> bytes:
        with self._found(key):
            return download.next()

    def _head(self, key: str) -> Stat:
        with self._found(key):
            blob = self._blob(self._layout.place(key))
            blob.reload(**self._service.bounded)
            return _stat(key, blob)

    def _delete(self, key: str) -> bool:
        try:
            with self._found(key):
                self._blob(self._layout.place(key)).delete(**self._service.bounded)
        except BlobMissing:
            return False
        return True

    def _begin_copy(self, copying: Copying, source: str, target: str) -> None:
        here, there = self._layout.place(source).bucket, self._layout.place(target).bucket
        with self._found(source):
            copying.begin(may_be_public=self._buckets.may_be_public(here))
            if not self._layout.is_shared:
                self._buckets.have(there)
            if copying.is_public and self._buckets.may_be_public(there):
                copying.publish()

    def _copy_some(self, copying: Copying, source: str) -> None:
        with self._found(source):
            copying.step()

    def _shelves(self, prefix: str, after: str) -> Sequence[Shelf]:
        with translated():
            return self._buckets.shelves(prefix, after)

    def _pages(self, shelf: Shelf, prefix: str, after: str) -> Iterator[Sequence[Stat]]:
        listing = self._layout.listing(shelf.project, prefix, after)
        if listing is None:
            return
        with translated():
            found = self._service.client.list_blobs(
                shelf.bucket,
                prefix=listing[0] or None,
                start_offset=listing[1] or None,
                fields=_STAT_FIELDS,
                **self._service.bounded,
            )
            try:
                for page in found.pages:
                    yield tuple(self._wanted(shelf, page, prefix, after))
            except exceptions.NotFound:
                if self._layout.is_shared:
                    raise

    def _wanted(
        self, shelf: Shelf, page: Iterator[Blob], prefix: str, after: str
    ) -> Iterator[Stat]:
        for blob in page:
            key = self._layout.key(shelf.project, blob.name)
            if key is not None and key.startswith(prefix) and key > after:
                yield _stat(key, blob)

    def _entries(self, folder: Place, after: str, most: int) -> Entries:
        start = folder.name + after
        if most < 1 or not _can_be(start):
            return []
        found: list[Entry] = []
        with translated():
            pages = self._service.client.list_blobs(
                folder.bucket,
                prefix=folder.name or None,
                delimiter="/",
                start_offset=start or None,
                page_size=min(most + 1, _PAGE),
                fields=_ENTRY_FIELDS,
                **self._service.bounded,
            ).pages
            try:
                for page in pages:
                    found += _below(folder.name, page, after)
                    if len(found) >= most:
                        break
            except exceptions.NotFound:
                if self._layout.is_shared:
                    raise
        return found[:most]

    def _entry(self, where: Place, path: str) -> Entry:
        if not path or not _can_be(where.name):
            raise missing(path)
        with self._found(path):
            blob = self._blob(where)
            blob.reload(**self._service.bounded)
            return _entry_of(path.rpartition("/")[2], blob)

    def _blob(self, where: Place) -> Blob:
        return self._service.client.bucket(where.bucket).blob(where.name)

    @contextmanager
    def _found(self, key: str) -> Iterator[None]:
        """Have "not found" be about the blob, unless the bucket of all is not there."""
        with translated():
            try:
                yield
            except exceptions.NotFound as error:
                if self._layout.is_shared and "bucket does not exist" in error.message:
                    raise no_bucket() from error
                raise missing(key) from None


class SigningGcsStore(GcsStore):
    """A store that clients can fetch from by themselves, with links that `signer` signs."""

    longest_link = gcs_signing.LONGEST

    def __init__(
        self,
        service: Service,
        layout: Layout,
        buckets: Buckets,
        signer: gcs_signing.Signer,
        *,
        signs_slowly: bool,
    ) -> None:
        super().__init__(service, layout, buckets)
        self._signer = signer
        self.signs_slowly = signs_slowly

    def sign(self, blobs: Sequence[tuple[str, str, str]], begins: int, expires: int) -> list[str]:
        """Links to blobs; see `cella.store.contract.CanSign`."""
        signed = [
            gcs_signing.Signed(self._layout.place(key), content_type, disposition)
            for key, content_type, disposition in blobs
        ]
        return gcs_signing.links(self._signer, self._service.base, signed, begins, expires)

    def public_link(self, key: str) -> str:
        """The stable link to a public object; empty where the bucket may not have any."""
        where = self._layout.place(key)
        if not self._buckets.is_public(where.bucket):
            return ""
        return gcs_signing.link(self._service.base, where)


def _stat(key: str, blob: Blob) -> Stat:
    return Stat(key, blob.size, blob.time_created.timestamp())


def _stat_of(key: str, resource: dict[str, Any]) -> Stat:
    created = datetime.fromisoformat(resource["timeCreated"])
    return Stat(key, int(resource["size"]), created.timestamp())


def _entry_of(name: str, blob: Blob) -> Entry:
    return Entry(
        name=name,
        length=blob.size,
        modified=blob.time_created.timestamp(),
        content_type=blob.content_type or "",
    )


def _below(folder: str, page: Any, after: str) -> list[Entry]:
    """What stands in `folder`, of one page, in order of names.

    Not what has an empty name: what consoles put in the place of a folder, and the folder that
    two slashes make.
    """
    named = [(blob.name[len(folder) :], blob) for blob in page]
    named += [(prefix[len(folder) :], None) for prefix in page.prefixes]
    return [
        Entry(name[:-1], is_folder=True) if blob is None else _entry_of(name, blob)
        for name, blob in sorted(named, key=lambda one: one[0])
        if name.strip("/") and name > after
    ]


def _can_be(name: str) -> bool:
    """Whether an object can have the name.

    https://cloud.google.com/storage/docs/objects#naming
    """
    try:
        return len(name.encode()) <= _LONGEST_NAME and not re.search(r"[\r\n]", name)
    except UnicodeEncodeError:
        return False
