"""Process: from an original to its previews, in the background.

A job may run any number of times: variations lie under keys made of the file and the size, so
a second run writes the same places, and what counts is the one transaction that ends the job.
For the same reason a failed attempt deletes nothing: another one may just have succeeded. What
it leaves goes with the file.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path

import msgspec

from cella.aio import together
from cella.catalog import files
from cella.catalog.files import BlobRef
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import NotFound
from cella.ids import new_etag
from cella.jobs.queue import Job
from cella.jobs.runner import Effect
from cella.media.image.render import RenderedVariation, render
from cella.media.sandbox import Sandbox
from cella.media.types import format_of
from cella.model import File, Processing, Variation
from cella.scratch import Scratch
from cella.store import keys
from cella.store.contract import BLOCK, HasPath, Store


class Process:
    """Works out the previews of images; the handler of `process` jobs."""

    def __init__(
        self,
        *,
        db: Database,
        stores: Mapping[str, Store],
        sandbox: Sandbox,
        scratch: Scratch,
        clock: Clock,
    ) -> None:
        self._db = db
        self._stores = stores
        self._sandbox = sandbox
        self._scratch = scratch
        self._clock = clock

    async def work(self, job: Job) -> Effect:
        """Render and store the previews; the effect completes the document."""
        file = await self._db.write(lambda tx: self._begin(tx, job.subject))
        if file is None or file.project is None or file.file_path is None:
            return _nothing
        store = self._stores[file.backend]
        with self._scratch.room() as room:
            source = await _fetch(store, keys.blob_key(file.project, file.file_path), room)
            md5 = file.md5 or await asyncio.to_thread(_md5, source)
            previews = room / "previews"
            previews.mkdir()
            outcome = await render(self._sandbox, source, previews)
            variations = await self._keep(store, file, file.project, outcome.variations)
        refs = [
            BlobRef(keys.blob_key(file.project, variation.file_path), variation.size or "")
            for variation in variations
        ]

        def complete(tx: Tx) -> None:
            current = _current(tx, file.id)
            if current is None:
                return
            new = msgspec.structs.replace(
                self._changed(current),
                status="complete",
                format=format_of(file.content_type),
                md5=md5,
                width=outcome.width,
                height=outcome.height,
                variations=variations,
                processing=None,
            )
            files.replace(tx, current, new, refs)

        return complete

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """The attempt failed and there will be another one."""
        self._tell(tx, job, "queued_for_processing", Processing(status="waiting", error=reason))

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """The last attempt failed."""
        self._tell(tx, job, "failed", Processing(status="failed", error=reason))

    def _begin(self, tx: Tx, file_id: str) -> File | None:
        current = _current(tx, file_id)
        if current is None:
            return None
        new = msgspec.structs.replace(self._changed(current), status="processing")
        files.replace(tx, current, new)
        return new

    def _tell(self, tx: Tx, job: Job, status: str, processing: Processing) -> None:
        current = _current(tx, job.subject)
        if current is not None:
            new = msgspec.structs.replace(
                self._changed(current), status=status, processing=processing
            )
            files.replace(tx, current, new)

    def _changed(self, file: File) -> File:
        return msgspec.structs.replace(file, etag=new_etag(), updated=int(self._clock.now()))

    async def _keep(
        self, store: Store, file: File, bucket: str, rendered: tuple[RenderedVariation, ...]
    ) -> tuple[Variation, ...]:
        names = [keys.variation_name(file.name, item.size, "jpg") for item in rendered]
        puts = [
            self._put(store, keys.blob_key(bucket, name), name, item)
            for name, item in zip(names, rendered, strict=True)
        ]
        return tuple(await together(puts))

    async def _put(self, store: Store, key: str, name: str, item: RenderedVariation) -> Variation:
        async with aclosing(_blocks(item.path)) as body:
            digests = await store.put(key, body, content_type=item.content_type, replace=True)
        return Variation(
            size=item.size,
            content_type=item.content_type,
            width=item.width,
            height=item.height,
            length=digests.length,
            md5=digests.md5,
            sha256=digests.sha256,
            file_path=name,
            is_public=item.is_public,
        )


class Digest:
    """Works out the MD5 of a file whose upload was too large for it; handles `digest` jobs."""

    def __init__(self, *, db: Database, stores: Mapping[str, Store], clock: Clock) -> None:
        self._db = db
        self._stores = stores
        self._clock = clock

    async def work(self, job: Job) -> Effect:
        """Read the original; the effect fills in its MD5."""
        file = await self._db.read(lambda tx: _current(tx, job.subject, for_change=False))
        if file is None or file.project is None or file.file_path is None:
            return _nothing
        md5 = hashlib.md5(usedforsecurity=False)
        key = keys.blob_key(file.project, file.file_path)
        async for block in self._stores[file.backend].get(key):
            await asyncio.to_thread(md5.update, block)

        def fill(tx: Tx) -> None:
            current = _current(tx, file.id)
            if current is not None:
                new = msgspec.structs.replace(
                    current, md5=md5.hexdigest(), etag=new_etag(), updated=int(self._clock.now())
                )
                files.replace(tx, current, new)

        return fill

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """The document says nothing of it: the file is complete without an MD5."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """The document says nothing of it: the file is complete without an MD5."""


def _nothing(tx: Tx) -> None:
    """The file went away meanwhile: there is nothing to record."""


def _current(tx: Tx, file_id: str, *, for_change: bool = True) -> File | None:
    try:
        return files.get(tx, file_id, for_change=for_change)
    except NotFound:
        return None


async def _fetch(store: Store, key: str, room: Path) -> Path:
    """The blob as a local file: where it lies, or a copy."""
    if isinstance(store, HasPath):
        return store.path(key)
    copy = room / "original"
    with copy.open("wb") as target:
        async for block in store.get(key):
            await asyncio.to_thread(target.write, block)
    return copy


def _md5(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "md5").hexdigest()


async def _blocks(path: Path) -> AsyncGenerator[bytes, None]:
    with path.open("rb") as source:
        while block := await asyncio.to_thread(source.read, BLOCK):
            yield block
