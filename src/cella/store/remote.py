"""Blobs in a cloud: what all clouds have in common.

A blob is an object, written in one request where it is small, and in parts where it is not; either
way it appears whole, or not at all. The requests are made by threads (`cella.store.service`), and
what fails for a while is tried again there. Each put leaves a random mark on its object: so it
knows its own work again where the answer to its last request was lost.
"""

import asyncio
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Protocol, TypeVar

from cella.digest import Digester, Digests
from cella.errors import StoreError, StoreRefused, StoreUnavailable
from cella.store import parts
from cella.store.blocks import check_range, gathered
from cella.store.contract import BLOCK, PLAIN, Entry, Label, Stat
from cella.store.layout import Layout
from cella.store.problems import exists, missing
from cella.store.retrying import USUAL, Patience, again
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
    Service,
    Taken,
    Writing,
)
from cella.store.threads import Threads, ended, outcome

T = TypeVar("T")
Entries = list[Entry]
"""Named here, since in a store `list` is a verb."""

_THREADS = 16
_PAGE = 1000
_ABANDONED_SECONDS = 7 * 24 * 3600
_BEYOND_ANY_OBJECT = 1 << 62
_LONGEST_NAME = 1000
_LAST = "\U0010ffff"
_NO_BUCKET = (
    "The store's bucket is not there. Create it, or set CELLA_STORE_URL to the one that is."
)


def _once(work: Callable[[], T]) -> T:
    return work()


class RemoteStore:
    """The objects that `service` keeps, found by `layout`.

    `open` asks nobody, so a server starts while its cloud is away; what is wrong with a key or a
    bucket is told by the first verb. A bucket for one project is created when it is first written.
    """

    def __init__(self, service: Service, layout: Layout, *, patience: Patience = USUAL) -> None:
        self._service = service
        self._layout = layout
        self._patience = patience
        self._writers = Threads(_THREADS, "cella-cloud-write")
        self._readers = Threads(_THREADS, "cella-cloud-read")
        self._is_open = False

    async def open(self) -> None:
        """Make the threads ready. May be called again."""
        if not self._is_open:
            self._writers.open()
            self._readers.open()
            self._is_open = True

    async def close(self) -> None:
        """Wait for what the threads are doing, and let go of connections."""
        if self._is_open:
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

        Holds `parts.MEMORY` bytes and one part more, and less for what is smaller. With `replace`
        false the store is asked for the blob first: not every service refuses an existing one in
        the end, and of two racing puts one succeeds only where it does.

        Once the last request is on its way it is waited for, and where it succeeds, cancelling
        came too late: then the put returns.
        """
        writing = Writing(self._layout.place(key), label, secrets.token_hex(8), replace)
        if not replace and await self._found(writing.place, self._again) is not None:
            raise exists(key)
        putting = _Putting(*self._means(writing))
        try:
            async with aclosing(gathered(body)) as blocks:
                async for block in blocks:
                    await putting.take(block)
            return await putting.finish()
        except BaseException as error:
            await putting.abandon()
            worded = self._worded(error, key)
            if worded is error:
                raise
            raise worded from None

    async def get(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read a range; see `cella.store.contract.Get`.

        A connection that breaks off is replaced by another that goes on from there, unless the
        blob has been replaced meanwhile.
        """
        check_range(start, stop)
        place = self._layout.place(key)
        if stop is not None and start >= stop:
            await self.head(key)
            return
        download = _Download(self._service, place, start, stop, self._patience)
        try:
            while not download.ended:
                try:
                    block = await self._readers.run(download.next)
                except (NoObject, NoBucket) as error:
                    raise self._worded(error, key) from None
                if block:
                    yield block
        finally:
            download.close()

    async def head(self, key: str) -> Stat:
        """What there is under `key`; raises `BlobMissing`."""
        place = self._layout.place(key)
        found = await self._found(place)
        if found is None:
            await self._check(place.bucket)
            raise missing(key)
        return Stat(key, found.length, found.modified)

    async def list(self, prefix: str = "", after: str = "") -> AsyncGenerator[Stat, None]:
        """Blobs in order of keys; see `cella.store.contract.List`."""
        for bucket in await self._buckets(prefix, after):
            async with aclosing(self._listed(bucket, prefix, after)) as blobs:
                async for blob in blobs:
                    yield blob

    async def unfinished(self) -> AsyncGenerator[Stat, None]:
        """Puts that began over a week ago; see `cella.store.contract.ShowsUnfinished`.

        Their parts are paid for and seen by nobody; how many bytes they have is not told.
        """
        for key, pending in await self._abandoned():
            yield Stat(key, 0, pending.began)

    async def drop_unfinished(self) -> int:
        """Take them back; see `cella.store.contract.ShowsUnfinished`."""
        abandoned = await self._abandoned()
        for _, pending in abandoned:
            await self._writers.run(self._service.abort, pending.place, pending.upload)
        return len(abandoned)

    async def delete(self, key: str) -> bool:
        """Remove the blob; true where there was one."""
        place = self._layout.place(key)
        try:
            return await self._writers.run(self._service.delete, place)
        except NoBucket:
            return False

    async def copy(self, source: str, target: str, *, replace: bool = False) -> Stat:
        """Store the bytes of `source` under `target` too; see `cella.store.contract.Copy`."""
        whence, mark = self._layout.place(source), secrets.token_hex(8)
        writing = Writing(self._layout.place(target), PLAIN, mark, replace)
        if await self._found(whence) is None:
            await self._check(whence.bucket)
            raise missing(source)
        if not replace and await self._found(writing.place) is not None:
            raise exists(target)
        try:
            await _Commit(*self._means(writing)).commit(lambda: self._service.copy(whence, writing))
        except NoObject:
            raise missing(source) from None
        except (Taken, NoBucket) as error:
            raise self._worded(error, target) from None
        return await self.head(target)

    async def browse(self, bucket: str, path: str, after: str, most: int) -> Entries:
        """A page of a folder; see `cella.store.contract.CanBrowse`."""
        folder = self._layout.folder(bucket, path)
        if path and not _is_plain(path):
            return []
        # Names that begin with that of the last folder stand for it, and it would come again.
        start = after + _LAST if after.endswith("/") else after
        entries: Entries = []
        more = ""
        while len(entries) < most:
            page = await self._page(
                self._layout.bucket(bucket),
                folder,
                delimiter="/",
                after=folder + start if start else "",
                more=more,
                most=most - len(entries) + 1,
            )
            if page is None:
                break
            for name, item in _by_name(page, folder):
                if name > after:
                    entries.append(_entry(name, item))
            more = page.more
            if not more:
                break
        return entries[:most]

    async def find(self, bucket: str, path: str) -> Entry:
        """A blob by its path; see `cella.store.contract.CanBrowse`."""
        name = self._layout.folder(bucket) + path
        place = Place(self._layout.bucket(bucket), name)
        found = await self._found(place) if _is_plain(path) else None
        if found is None:
            raise missing(f"{bucket}/{path}")
        return Entry(
            path.rpartition("/")[2],
            length=found.length,
            modified=found.modified,
            content_type=found.content_type,
        )

    def _means(self, writing: Writing) -> tuple[Service, Threads, Patience, Writing, bool]:
        creates = not self._layout.is_shared
        return self._service, self._writers, self._patience, writing, creates

    async def _listed(self, bucket: str, prefix: str, after: str) -> AsyncGenerator[Stat, None]:
        wanted = self._layout.listing(bucket, prefix, after)
        if wanted is None:
            return
        more = ""
        while True:
            page = await self._page(
                self._layout.bucket(bucket),
                wanted[0],
                delimiter="",
                after=wanted[1],
                more=more,
                most=_PAGE,
            )
            if page is None:
                return
            for item in page.items:
                key = self._layout.key(bucket, item.name)
                if key is not None and key.startswith(prefix) and key > after:
                    yield Stat(key, item.length, item.modified)
            more = page.more
            if not more:
                return

    async def _page(
        self, bucket: str, prefix: str, *, delimiter: str, after: str, more: str, most: int
    ) -> Page | None:
        """A page of a listing; None where a project has no bucket."""
        try:
            return await self._readers.run(
                self._service.page,
                bucket,
                prefix,
                delimiter=delimiter,
                after=after,
                more=more,
                most=most,
            )
        except NoBucket as error:
            if self._layout.is_shared:
                raise self._worded(error, "") from None
            return None

    async def _buckets(self, prefix: str = "", after: str = "") -> Sequence[str]:
        """The keys' buckets in which a listing has to look; an empty one stands for all."""
        if self._layout.is_shared:
            return [""]
        named = await self._readers.run(self._service.buckets, self._layout.bucket_prefix)
        return self._layout.projects(named, prefix, after)

    async def _abandoned(self) -> Sequence[tuple[str, Pending]]:
        """With their keys; what others have begun in the same bucket is none of ours."""
        since = time.time() - _ABANDONED_SECONDS
        found: list[tuple[str, Pending]] = []
        for bucket in await self._buckets():
            with suppress(NoBucket):
                for pending in await self._readers.run(
                    self._service.pending, self._layout.bucket(bucket), self._layout.root
                ):
                    key = self._layout.key(bucket, pending.place.name)
                    if key is not None and pending.began < since:
                        found.append((key, pending))
        return found

    def _shut(self) -> None:
        self._writers.close()
        self._readers.close()
        self._service.close()

    def _again(self, work: Callable[[], T]) -> T:
        return again(work, threading.Event(), self._patience)

    async def _found(self, place: Place, how: Callable[..., Found] = _once) -> Found | None:
        """What is at `place`. `how` asks: once where others ask again, else more often."""
        try:
            return await self._readers.run(how, lambda: self._service.head(place))
        except NoObject:
            return None
        except NoBucket as error:
            if self._layout.is_shared:
                raise self._worded(error, "") from None
            return None

    async def _check(self, bucket: str) -> None:
        """Where the bucket is gone, nothing can be said of what is in it."""
        if self._layout.is_shared:
            try:
                await self._readers.run(self._service.check_bucket, bucket)
            except NoBucket as error:
                raise self._worded(error, "") from None

    def _worded(self, error: BaseException, key: str) -> BaseException:
        match error:
            case Taken():
                return exists(key)
            case NoObject():
                return missing(key)
            case NoBucket():
                return StoreRefused(_NO_BUCKET) if self._layout.is_shared else missing(key)
        return error


class Linking(Protocol):
    """Signs links to objects; pure."""

    longest: int
    """Seconds that a link can last at most."""

    def __call__(
        self, objects: Sequence[tuple[Place, str, str]], begins: int, expires: int
    ) -> list[str]:
        """Links to objects, each with its Content-Type and Content-Disposition."""
        ...


class SigningRemoteStore(RemoteStore):
    """A store whose key signs links; a machine's temporary key would take them with it."""

    signs_slowly = False

    def __init__(
        self, service: Service, layout: Layout, linking: Linking, *, patience: Patience = USUAL
    ) -> None:
        super().__init__(service, layout, patience=patience)
        self._linking = linking
        self.longest_link = linking.longest

    def sign(self, blobs: Sequence[tuple[str, str, str]], begins: int, expires: int) -> list[str]:
        """Links to blobs; see `cella.store.contract.CanSign`."""
        objects = [(self._layout.place(key), kind, disposition) for key, kind, disposition in blobs]
        return self._linking(objects, begins, expires)

    def public_link(self, key: str) -> str:  # noqa: ARG002 - objects stay private
        """None: objects stay private."""
        return ""


class _Commit:
    """The request that makes an object appear, whatever it takes; blocking work in `threads`.

    `creates` tells whether a bucket that is not there is created.
    """

    def __init__(
        self,
        service: Service,
        threads: Threads,
        patience: Patience,
        writing: Writing,
        creates: bool,
    ) -> None:
        self._service = service
        self._threads = threads
        self._patience = patience
        self._writing = writing
        self._creates = creates
        self._given_up = threading.Event()

    async def commit(self, work: Callable[[], None]) -> None:
        """Do `work`, which is not left half done: from here on no cancellation is heard."""
        step = self._threads.start(self._committed, work)
        await ended(step)
        step.result()

    def _committed(self, work: Callable[[], None]) -> None:
        try:
            self._again(work)
        except (Taken, NoObject, StoreUnavailable):
            if not self._is_done():
                raise

    def _is_done(self) -> bool:
        """Whether the object is the one that this put was to write: an answer may be lost."""
        try:
            found = self._again(lambda: self._service.head(self._writing.place))
        except (StoreError, NoObject, NoBucket):
            return False
        return found.mark == self._writing.mark

    def _again(self, work: Callable[[], T]) -> T:
        try:
            return again(work, self._given_up, self._patience)
        except NoBucket:
            if not self._creates:
                raise
        bucket = self._writing.place.bucket
        again(lambda: self._service.create_bucket(bucket), self._given_up, self._patience)
        return again(work, self._given_up, self._patience)


class _Putting(_Commit):
    """A body on its way. While one part is filled others are sent, and hashed in their order."""

    def __init__(
        self,
        service: Service,
        threads: Threads,
        patience: Patience,
        writing: Writing,
        creates: bool,
    ) -> None:
        super().__init__(service, threads, patience, writing, creates)
        self._digester = Digester()
        self._part = bytearray()
        self._tags: list[str] = []
        self._upload: str | None = None
        self._beginning: asyncio.Future[None] | None = None
        self._hashing: asyncio.Future[None] | None = None
        self._sending: deque[asyncio.Future[str]] = deque()

    @property
    def _number(self) -> int:
        """Which part is being filled."""
        return len(self._tags) + len(self._sending) + 1

    async def take(self, block: bytes | bytearray) -> None:
        """The next bytes of the body."""
        self._part += block
        if len(self._part) >= parts.size(self._number):
            await self._send()

    async def finish(self) -> Digests:
        """Make the object appear."""
        if self._upload is None:
            content = self._part
            await self._hash(content)
            await self._hashed()
            await self.commit(lambda: self._service.put(self._writing, content))
            return self._digester.digests()
        if self._part:
            await self._send()
        while self._sending:
            await self._sent()
        await self._hashed()
        upload, tags = self._upload, self._tags
        try:
            await self.commit(lambda: self._service.complete(self._writing, upload, tags))
        except NoObject:
            raise StoreUnavailable("The store has forgotten what was being uploaded.") from None
        return self._digester.digests()

    async def abandon(self) -> None:
        """Leave nothing behind. What is under way is waited for, however often it is cancelled."""
        self._given_up.set()
        if self._beginning is not None:
            await ended(self._beginning)
        if self._hashing is not None:
            await ended(self._hashing)
        for sending in self._sending:
            await ended(sending)
        upload = self._upload
        if upload is not None:
            await ended(self._threads.start(self._abort, upload))

    async def _send(self) -> None:
        number, content = self._number, self._part
        if number > self._service.most_parts:
            raise StoreRefused("The store takes no blob as large as this.")
        await self._hash(content)
        if self._upload is None:
            self._beginning = self._threads.start(self._begin)
            await outcome(self._beginning)
        while len(self._sending) >= parts.at_once(number):
            await self._sent()
        self._sending.append(self._threads.start(self._send_part, number, content))
        self._part = bytearray()

    async def _sent(self) -> None:
        tag = await outcome(self._sending[0])
        self._tags.append(tag)
        self._sending.popleft()

    async def _hash(self, content: bytearray) -> None:
        await self._hashed()
        self._hashing = self._threads.start(self._digester.update, content)

    async def _hashed(self) -> None:
        if self._hashing is not None:
            await outcome(self._hashing)

    def _begin(self) -> None:
        self._upload = self._again(lambda: self._service.begin(self._writing))

    def _send_part(self, number: int, content: bytearray) -> str:
        upload = self._upload or ""
        return self._again(lambda: self._service.part(self._writing, upload, number, content))

    def _abort(self, upload: str) -> None:
        """Where even this fails, what is left is for the rule of the bucket that removes it."""
        with suppress(StoreError):
            again(
                lambda: self._service.abort(self._writing.place, upload),
                threading.Event(),
                self._patience,
            )


class _Download:
    """A range of one object, read block by block; blocking."""

    def __init__(
        self, service: Service, place: Place, start: int, stop: int | None, patience: Patience
    ) -> None:
        self._service = service
        self._place = place
        self._position = min(start, _BEYOND_ANY_OBJECT)
        self._stop = _BEYOND_ANY_OBJECT if stop is None else min(stop, _BEYOND_ANY_OBJECT)
        self._patience = patience
        self._reading: Reading | None = None
        self._etag = ""
        self.ended = False

    def next(self) -> bytes:
        """The next block; `ended` tells whether it was the last.

        What fails before the first is for others to try again.
        """
        if not self._etag:
            return self._read()
        return again(self._read, threading.Event(), self._patience)

    def close(self) -> None:
        """Let go of the connection; may be called again."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()

    def _read(self) -> bytes:
        wanted = min(BLOCK, self._stop - self._position)
        try:
            reading = self._reading or self._open()
            block = reading.read(wanted) if reading is not None else b""
        except StoreError:
            self.close()
            raise
        self._position += len(block)
        if len(block) < wanted or self._position >= self._stop:
            self.ended = True
            self.close()
        return block

    def _open(self) -> Reading | None:
        stop = None if self._stop == _BEYOND_ANY_OBJECT else self._stop
        try:
            self._reading = self._service.read(self._place, self._position, stop, self._etag)
        except Changed:
            raise StoreRefused(
                "The connection broke off, and the blob was replaced meanwhile. Read it again."
            ) from None
        if self._reading is not None:
            self._etag = self._reading.etag
        return self._reading


def _is_plain(path: str) -> bool:
    """Whether an object may lie at `path`, and nowhere else where servers resolve dots."""
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return False
    has_dots = any(part in ("", ".", "..") for part in path.split("/"))
    return not has_dots and path.isprintable() and len(encoded) <= _LONGEST_NAME


def _by_name(page: Page, folder: str) -> list[tuple[str, Item | None]]:
    """What stands directly below `folder`, by names, those of folders with a slash at the end."""
    items = [(item.name.removeprefix(folder), item) for item in page.items]
    folders = [(name.removeprefix(folder), None) for name in page.folders]
    # An object by the name of the folder itself is how some programs make empty folders.
    return sorted(each for each in (*items, *folders) if each[0] not in ("", "/"))


def _entry(name: str, item: Item | None) -> Entry:
    if item is None:
        return Entry(name.removesuffix("/"), is_folder=True)
    return Entry(name, length=item.length, modified=item.modified, content_type=item.content_type)
