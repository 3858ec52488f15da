"""Encoded: a film that an encoder elsewhere has finished becomes the file's own.

The bytes get the name that the film's size calls for: a copy in the store where the encoder put
them there, else a download. They are read as a whole, and compared with what was told of them.
Then one transaction writes the row, and the bytes under the old name go last. So whatever breaks
off, the row points at bytes that are there, and the next attempt goes on.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec

from cella.catalog import encodings, files
from cella.catalog.files import BlobRef
from cella.clock import Clock
from cella.db import Database, Tx
from cella.digest import Digests
from cella.encoding.config import DIRECT, ZENCODER, ZencoderConfig
from cella.encoding.notification import Output
from cella.encoding.zencoder import Zencoder
from cella.errors import BlobMissing, CallFailed, Corrupt, EncodingFailed
from cella.flows.labels import label, variation_filename
from cella.flows.workshop import changed, current, nothing
from cella.jobs import queue
from cella.jobs.queue import Job, Progress
from cella.jobs.runner import Effect, Report
from cella.media.video.names import size_descriptor
from cella.model import File, Processing, Variation
from cella.store import keys
from cella.store.contract import Store

_LEFT = "left"


class _Film(NamedTuple):
    """An output, the variation it is for, and what its bytes will be called, and its size."""

    output: Output
    old: Variation
    name: str
    size: str


class Encoded:
    """Takes films over; the handler of `encoded` jobs."""

    def __init__(
        self,
        *,
        db: Database,
        stores: Mapping[str, Store],
        client: Zencoder,
        clock: Clock,
        config: ZencoderConfig,
    ) -> None:
        self._db = db
        self._stores = stores
        self._client = client
        self._clock = clock
        self._most = config.output_bytes

    async def work(self, job: Job, report: Report) -> Effect:
        """Bring the bytes to their names and complete the document; then drop the old names.

        The document is completed in a transaction of its own, which notes the old names in the
        job's payload: an attempt that dies after it is carried on by the next one.
        """
        left = job.payload.get(_LEFT)
        if left is None:
            left = await self._take_over(job, report)
        for key in left["keys"]:
            await self._stores[left["backend"]].delete(key)
        return nothing

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """There will be another attempt, also by hand after the file was called failed."""
        file = _of(tx, job)
        if file is not None and file.status != "complete":
            self._write(tx, file, status="processing", processing=_finished(job, reason))

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """The last attempt failed, and the document says why, unless it is complete already."""
        file = _waiting(tx, job)
        if file is not None:
            processing = msgspec.structs.replace(_finished(job, reason), status="failed")
            self._write(tx, file, status="failed", processing=processing)

    def cancelled(self, tx: Tx, job: Job) -> None:
        """Nobody wants the film any more."""
        self.failed(tx, job, queue.CANCELLED)

    async def _take_over(self, job: Job, report: Report) -> dict[str, Any]:
        """Bring all films to their places and complete the file; what is left to be deleted."""
        file = await self._db.read(lambda tx: _waiting(tx, job, for_change=False))
        if file is None:
            return {"backend": "", "keys": []}
        outputs = msgspec.convert(job.payload["outputs"], tuple[Output, ...])
        films = list(_films(file, outputs))
        wanted = {"", *(film.output.format for film in films)}
        for output in outputs:
            if output.error and output.format in wanted:
                raise EncodingFailed(f"Zencoder could not encode the film: {output.error}.")
        if not films:
            raise EncodingFailed("Zencoder has finished, and tells of no film that was wanted.")
        store = self._stores[file.backend]
        seconds = (job.payload["milliseconds"] or 0) // 1000
        new = {
            film.old.file_path: _variation(
                film, await self._bring(store, file, film, report), seconds
            )
            for film in films
        }
        return await self._db.write(lambda tx: self._complete(tx, job, new))

    async def _bring(self, store: Store, file: File, film: _Film, report: Report) -> Digests:
        """The film's bytes under their name, judged; what they are."""
        key = keys.blob_key(file.bucket, film.name)
        judged = _Judged(film.output, report)
        if file.backend not in DIRECT:
            most = self._most if film.output.length is None else film.output.length
            async with (
                aclosing(self._client.download(film.output.url, min(most, self._most))) as body,
                aclosing(judged.passed(body)) as passed,
            ):
                saved_as = variation_filename(
                    file, msgspec.structs.replace(film.old, size=film.size)
                )
                told = label(film.old.content_type, saved_as)
                await store.put(key, passed, label=told, replace=True)
            return judged.digests()
        try:
            if film.name != film.old.file_path:
                old = keys.blob_key(file.bucket, film.old.file_path)
                await store.copy(old, key, replace=True)
            async with aclosing(store.get(key)) as body:
                async for _ in judged.passed(body):
                    pass
        except BlobMissing:
            raise CallFailed("Zencoder has finished, and the film is not in the store.") from None
        return judged.digests()

    def _complete(self, tx: Tx, job: Job, new: Mapping[str, Variation]) -> dict[str, Any]:
        """Write the row; the old names are blobs of nobody from then on, and are noted."""
        # Jobs before files, as whoever deletes a file locks them.
        queue.keep(tx, job, job.payload)
        file = _waiting(tx, job)
        if file is None:
            return {"backend": "", "keys": []}
        moved = {
            keys.blob_key(file.bucket, old): keys.blob_key(file.bucket, variation.file_path)
            for old, variation in new.items()
        }
        dropped = [old for old, key in moved.items() if old != key]
        encodings.drop_blobs(tx, file.id, dropped)
        known = files.known_keys(tx, list(moved.values()))
        refs = [
            BlobRef(moved[keys.blob_key(file.bucket, old)], variation.size or variation.file_path)
            for old, variation in new.items()
            if moved[keys.blob_key(file.bucket, old)] not in known
        ]
        variations = tuple(new.get(item.file_path, item) for item in file.variations)
        self._write(
            tx,
            file,
            refs,
            status="complete",
            variations=variations,
            processing=_finished(job),
        )
        left = {"backend": file.backend, "keys": dropped if file.backend in DIRECT else []}
        queue.keep(tx, job, {**job.payload, _LEFT: left})
        return left

    def _write(self, tx: Tx, file: File, refs: list[BlobRef] | None = None, **fields: Any) -> None:
        new = msgspec.structs.replace(changed(file, self._clock), **fields)
        files.replace(tx, file, new, refs or ())


class _Judged:
    """Digests of bytes that pass by, held against what was told of them at their end."""

    def __init__(self, output: Output, report: Report) -> None:
        self._output = output
        self._report = report
        self._length = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)

    async def passed(self, body: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        """The bytes as they are. Raises `Corrupt` at their end where they are others than told."""
        async for block in body:
            await asyncio.to_thread(self._take, block)
            self._tell()
            yield block
        if self._output.length not in (None, self._length):
            raise Corrupt(
                f"The film has {self._length} bytes, and Zencoder told of {self._output.length}."
            )
        if self._output.md5 not in ("", self._md5.hexdigest()):
            raise Corrupt("The film has another MD5 than Zencoder told.")

    def digests(self) -> Digests:
        """What passed by."""
        return Digests(self._length, self._sha256.hexdigest(), self._md5.hexdigest())

    def _take(self, block: bytes) -> None:
        self._length += len(block)
        self._sha256.update(block)
        self._md5.update(block)

    def _tell(self) -> None:
        whole = self._output.length
        if whole:
            percent = min(100, self._length * 100 // whole)
            self._report(Progress(percent=percent, step="taking the film over"))


def _films(file: File, outputs: tuple[Output, ...]) -> Iterator[_Film]:
    """Which output is for which variation: that of its format, and of its width if there is one.

    Each variation gets one output at most, and no two get one name.
    """
    waiting = list(file.variations)
    taken = {item.file_path for item in file.variations}
    for output in outputs:
        fit = [item for item in waiting if item.format and item.format == output.format]
        old = next((item for item in fit if item.width == output.width), fit[0] if fit else None)
        if old is None:
            continue
        waiting.remove(old)
        name, size = old.file_path, output.format
        if output.width and output.height:
            size = size_descriptor(output.width, output.height)
            wanted = keys.variation_name(file.file_path or "", size, output.format)
            name = name if wanted in taken - {name} else wanted
        taken.add(name)
        yield _Film(output, old, name, size)


def _variation(film: _Film, digests: Digests, seconds: int) -> Variation:
    return msgspec.structs.replace(
        film.old,
        file_path=film.name,
        size=film.size,
        width=film.output.width,
        height=film.output.height,
        duration=seconds,
        length=digests.length,
        md5=digests.md5,
        sha256=digests.sha256,
    )


def _finished(job: Job, error: str | None = None) -> Processing:
    return Processing(
        status="finished", backend=ZENCODER, job_id=job.payload["job_id"], error=error
    )


def _waiting(tx: Tx, job: Job, *, for_change: bool = True) -> File | None:
    """The file, if it still waits for what this job brings."""
    file = _of(tx, job, for_change=for_change)
    if file is None or file.processing is None:
        return None
    is_waiting = file.processing.status == "finished" and file.status == "processing"
    return file if is_waiting else None


def _of(tx: Tx, job: Job, *, for_change: bool = True) -> File | None:
    """The file, if it is this job of Zencoder that was for it last."""
    file = current(tx, job.subject, for_change=for_change)
    if file is None:
        return None
    told = file.processing
    is_ours = told is not None and (told.backend, told.job_id) == (ZENCODER, job.payload["job_id"])
    return file if is_ours else None
