"""Process: what can be seen of a file soon, such as previews, in the background.

The quick part of the work: pictures are complete afterwards, and so are sounds. Films have a
poster then, and get a job of their own that makes them playable.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path

import msgspec

from cella.catalog import files
from cella.clock import Clock
from cella.db import Database, Tx
from cella.flows.config import ENCODE, FILMS_AFTER_PREVIEWS
from cella.flows.workshop import Workshop, changed, current, judging_crashes, nothing
from cella.jobs import queue
from cella.jobs.queue import CANCELLED, Job
from cella.jobs.runner import Effect, Report
from cella.media.kinds import kind_of
from cella.media.previews import Previewed, preview
from cella.media.sandbox import Sandbox
from cella.media.types import format_of
from cella.model import File, FileStatus, Processing, Variation
from cella.scratch import Scratch
from cella.store import keys
from cella.store.contract import Store


class Process:
    """Works out previews, and what films and sounds are made of; handles `process` jobs.

    `encoder` names who makes films playable: `local` or `zencoder`.
    """

    def __init__(
        self,
        *,
        db: Database,
        workshop: Workshop,
        sandbox: Sandbox,
        ffmpeg: Path | None,
        scratch: Scratch,
        clock: Clock,
        encoder: str,
        attempts: int,
    ) -> None:
        self._db = db
        self._workshop = workshop
        self._sandbox = sandbox
        self._ffmpeg = ffmpeg
        self._scratch = scratch
        self._clock = clock
        self._encoder = encoder
        self._attempts = attempts

    async def work(self, job: Job, _report: Report) -> Effect:
        """Render and store the previews; the effect completes the document, or has it encoded."""
        file = await self._db.write(lambda tx: self._begin(tx, job))
        if file is None or file.file_path is None:
            return nothing
        async with self._scratch.room() as room:
            source = await self._workshop.fetch(file, room)
            md5 = file.md5 or await asyncio.to_thread(_md5, source)
            folder = room / "previews"
            folder.mkdir()
            with judging_crashes(job):
                made = await preview(self._sandbox, self._ffmpeg, source, folder, file.content_type)
            await self._db.read(lambda tx: queue.check(tx, job))
            variations = await self._workshop.keep(file, made.variations)
        return lambda tx: self._record(tx, file.id, md5, made, variations)

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """The attempt failed and there will be another one."""
        self._tell(tx, job, "queued_for_processing", Processing(status="waiting", error=reason))

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """The last attempt failed."""
        self._tell(tx, job, "failed", Processing(status="failed", error=reason))

    def cancelled(self, tx: Tx, job: Job) -> None:
        """Somebody ended it."""
        self._tell(tx, job, "failed", Processing(status="cancelled", error=CANCELLED))

    def _begin(self, tx: Tx, job: Job) -> File | None:
        # Who was stopped between the claim and here may have been overtaken.
        queue.cancellation(tx, job)
        file = current(tx, job.subject)
        if file is None:
            return None
        return self._workshop.change(tx, file, status="processing", processing=file.processing)

    def _record(
        self, tx: Tx, file_id: str, md5: str, made: Previewed, variations: tuple[Variation, ...]
    ) -> None:
        file = current(tx, file_id)
        if file is None:
            return
        # Who may not have films encoded cannot do so by calling one a sound.
        is_film = kind_of(file.content_type) == "film" and made.width is not None
        self._workshop.change(
            tx,
            file,
            status="processing" if is_film else "complete",
            processing=self._have_encoded(tx, file_id) if is_film else None,
            made=variations,
            variations=variations,
            format=format_of(file.content_type),
            md5=md5,
            width=made.width,
            height=made.height,
            duration=made.duration,
            media=made.media,
        )

    def _have_encoded(self, tx: Tx, file_id: str) -> Processing:
        job_id = queue.put(
            tx,
            kind=ENCODE,
            subject=file_id,
            priority=FILMS_AFTER_PREVIEWS,
            max_attempts=self._attempts,
            now=self._clock.now(),
        )
        is_ours = self._encoder == "local"
        return Processing(
            status="pending", backend=self._encoder, job_id=job_id if is_ours else None
        )

    def _tell(self, tx: Tx, job: Job, status: FileStatus, processing: Processing) -> None:
        file = current(tx, job.subject)
        if file is not None:
            self._workshop.change(tx, file, status=status, processing=processing)


class Digest:
    """Works out the MD5 of a file whose upload was too large for it; handles `digest` jobs."""

    def __init__(self, *, db: Database, stores: Mapping[str, Store], clock: Clock) -> None:
        self._db = db
        self._stores = stores
        self._clock = clock

    async def work(self, job: Job, _report: Report) -> Effect:
        """Read the original; the effect fills in its MD5."""
        file = await self._db.read(lambda tx: current(tx, job.subject, for_change=False))
        if file is None or file.file_path is None:
            return nothing
        md5 = hashlib.md5(usedforsecurity=False)
        key = keys.key_of(file.bucket, file.file_path)
        async with aclosing(self._stores[file.backend].get(key)) as blocks:
            async for block in blocks:
                await asyncio.to_thread(md5.update, block)

        def fill(tx: Tx) -> None:
            present = current(tx, file.id)
            if present is not None:
                new = msgspec.structs.replace(changed(present, self._clock), md5=md5.hexdigest())
                files.replace(tx, present, new)

        return fill

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """The document says nothing of it: the file is complete without an MD5."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """The document says nothing of it: the file is complete without an MD5."""

    def cancelled(self, tx: Tx, job: Job) -> None:
        """The document says nothing of it: the file is complete without an MD5."""


def _md5(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "md5").hexdigest()
