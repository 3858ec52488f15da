"""What flows share that have something made of a file's bytes: getting them, keeping what was made.

A job may run any number of times: variations lie under keys made of the file and of what they
are, so a second run writes the same places, and what counts is the one transaction that ends the
job. For the same reason a failed attempt deletes nothing: another one may just have succeeded.
What it leaves goes with the file.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path

import msgspec

from cella.aio import together
from cella.catalog import files
from cella.catalog.files import BlobRef
from cella.clock import Clock
from cella.db import Tx
from cella.digest import MD5_WHILE_RECEIVING
from cella.encoding.config import ZENCODER
from cella.errors import CannotDecode, DecoderCrashed, NotFound
from cella.flows.config import SOON, ZENCODER_CANCEL
from cella.flows.labels import label, variation_filename
from cella.ids import new_etag
from cella.jobs import queue
from cella.jobs.queue import Job
from cella.media.rendered import RenderedVariation
from cella.model import File, FileStatus, Processing, Variation
from cella.model.file import ProcessingStatus
from cella.store import keys
from cella.store.contract import BLOCK, HasPath, Store

OPEN: Sequence[ProcessingStatus] = ("pending", "waiting", "processing")
"""The states of a job at Zencoder that is not over, in their order."""

_PUTS_AT_ONCE = 8


class Workshop:
    """Fetches originals, keeps variations, and changes documents as jobs do."""

    def __init__(self, *, stores: Mapping[str, Store], clock: Clock) -> None:
        self._stores = stores
        self._clock = clock

    async def fetch(self, file: File, room: Path) -> Path:
        """The original as a local file: where it lies, or a copy in the folder `room`."""
        store, key = self._stores[file.backend], keys.key_of(file.bucket, file.file_path or "")
        if isinstance(store, HasPath):
            return store.path(key)
        copy = room / "original"
        with copy.open("wb") as target:
            async with aclosing(store.get(key)) as blocks:
                async for block in blocks:
                    await asyncio.to_thread(target.write, block)
        return copy

    async def keep(
        self, file: File, rendered: Iterable[RenderedVariation]
    ) -> tuple[Variation, ...]:
        """Put what was made into the file's store; the variations, in the same order."""
        items = list(rendered)
        kept: list[Variation] = []
        for at in range(0, len(items), _PUTS_AT_ONCE):
            some = items[at : at + _PUTS_AT_ONCE]
            kept += await together([self._put(file, item) for item in some])
        return tuple(kept)

    def change(
        self,
        tx: Tx,
        file: File,
        *,
        status: FileStatus,
        processing: Processing | None,
        made: tuple[Variation, ...] = (),
        **fields: object,
    ) -> File:
        """Write the document anew: `made` are variations whose blobs it gets on top."""
        new = msgspec.structs.replace(
            changed(file, self._clock), status=status, processing=processing, **fields
        )
        refs = [
            BlobRef(keys.blob_key(file.bucket, each.file_path), each.size or "") for each in made
        ]
        files.replace(tx, file, new, refs)
        return new

    async def _put(self, file: File, item: RenderedVariation) -> Variation:
        name = keys.variation_name(
            file.file_path or "", item.path.stem, item.path.suffix.removeprefix(".")
        )
        variation = Variation(
            size=item.size,
            format=item.format,
            content_type=item.content_type,
            width=item.width,
            height=item.height,
            duration=item.duration,
            length=item.length,
            file_path=name,
            is_public=item.is_public,
        )
        saved_as = variation_filename(file, variation)
        md5 = hashlib.md5(usedforsecurity=False) if item.length > MD5_WHILE_RECEIVING else None
        async with aclosing(_blocks(item, md5.update if md5 else None)) as body:
            digests = await self._stores[file.backend].put(
                keys.blob_key(file.bucket, name),
                body,
                label=label(item.content_type, saved_as, is_public=item.is_public),
                replace=True,
            )
        return msgspec.structs.replace(
            variation,
            length=digests.length,
            md5=md5.hexdigest() if md5 else digests.md5,
            sha256=digests.sha256,
        )


@contextmanager
def judging_crashes(job: Job) -> Iterator[None]:
    """A decoder that crashes for the second time in the same way is taken to do so each time.

    Then the file is at fault, and more attempts would only keep others waiting.
    """
    try:
        yield
    except DecoderCrashed as error:
        if job.error != error.message:
            raise
        again = error.message.removesuffix(" Try again.")
        raise CannotDecode(f"{again} It did so twice, so it is not tried again.") from error


def current(tx: Tx, file_id: str, *, for_change: bool = True) -> File | None:
    """The file as it is now, None where it went away; with `for_change` it stays as it is."""
    try:
        return files.get(tx, file_id, for_change=for_change)
    except NotFound:
        return None


def changed(file: File, clock: Clock) -> File:
    """The file with the etag and the date of a change that is to be made to it."""
    return msgspec.structs.replace(file, etag=new_etag(), updated=int(clock.now()))


def open_job(file: File) -> str | None:
    """The id of the job by which Zencoder may still have something to say of the file."""
    processing = file.processing
    is_open = (
        processing is not None
        and processing.backend == ZENCODER
        and processing.status in OPEN
        and file.status not in ("complete", "failed")
    )
    return processing.job_id if processing is not None and is_open else None


def put_cancel(tx: Tx, file_id: str, job_id: str, *, now: float, attempts: int) -> None:
    """Have Zencoder told that nobody wants a job any more."""
    queue.put(
        tx,
        kind=ZENCODER_CANCEL,
        subject=file_id,
        payload={"job_id": job_id},
        priority=SOON,
        max_attempts=attempts,
        now=now,
    )


def nothing(_tx: Tx) -> None:
    """There is nothing to record: the file went away meanwhile, or it was recorded already."""


async def _blocks(
    item: RenderedVariation, pass_by: Callable[[bytes], None] | None
) -> AsyncGenerator[bytes, None]:
    """The file, block by block, each of which is shown to `pass_by` in its thread."""

    def read() -> bytes:
        block = source.read(BLOCK)
        if pass_by is not None:
            pass_by(block)
        return block

    left = item.length
    with item.path.open("rb") as source:
        while left > 0 and (block := await asyncio.to_thread(read)):
            left -= len(block)
            yield block
