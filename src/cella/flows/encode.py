"""Encode: a film made playable everywhere, in the background, by this machine.

The slow part of the work on a film; its poster and previews were there before it began.
"""

import time
from pathlib import Path

from cella.db import Database, Tx
from cella.flows.workshop import Workshop, current, judging_crashes, nothing
from cella.jobs import queue
from cella.jobs.queue import CANCELLED, Job, Progress
from cella.jobs.runner import Effect, Report
from cella.media.config import EncodingConfig
from cella.media.probe import probe
from cella.media.sandbox import Sandbox
from cella.media.video.encode import encode
from cella.model import File, FileStatus, Processing, Variation
from cella.model.file import ProcessingStatus
from cella.scratch import Scratch

_STORING_FROM = 95


class Encode:
    """Makes films playable; handles `encode` jobs where this machine encodes."""

    def __init__(
        self,
        *,
        db: Database,
        workshop: Workshop,
        sandbox: Sandbox,
        ffmpeg: Path | None,
        scratch: Scratch,
        config: EncodingConfig,
    ) -> None:
        self._db = db
        self._workshop = workshop
        self._sandbox = sandbox
        self._ffmpeg = ffmpeg
        self._scratch = scratch
        self._config = config

    async def work(self, job: Job, report: Report) -> Effect:
        """Encode and store; the effect completes the document."""
        file = await self._db.write(lambda tx: self._begin(tx, job))
        if file is None or file.file_path is None:
            return nothing
        encoding = _Encoding(report)
        async with self._scratch.room() as room:
            source = await self._workshop.fetch(file, room)
            folder = room / "film"
            folder.mkdir()
            with judging_crashes(job):
                found = await probe(self._sandbox, source)
                rendered = await encode(
                    self._sandbox,
                    self._ffmpeg,
                    source,
                    folder,
                    found,
                    self._config.limits,
                    encoding.at,
                    reserve_bytes=self._config.reserve_bytes,
                )
            report(Progress(percent=_STORING_FROM, step="Storing", seconds_left=None))
            await self._db.read(lambda tx: queue.check(tx, job))
            made = await self._workshop.keep(file, rendered)
        return lambda tx: self._record(tx, job, made)

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """The attempt failed and there will be another one."""
        self._tell(tx, job, "processing", "waiting", reason)

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """The last attempt failed. The previews stay."""
        self._tell(tx, job, "failed", "failed", reason)

    def cancelled(self, tx: Tx, job: Job) -> None:
        """Somebody ended it. The previews stay."""
        self._tell(tx, job, "failed", "cancelled", CANCELLED)

    def _begin(self, tx: Tx, job: Job) -> File | None:
        # Who was stopped between the claim and here may have been overtaken.
        queue.cancellation(tx, job)
        return self._tell(tx, job, "processing", "processing")

    def _record(self, tx: Tx, job: Job, made: tuple[Variation, ...]) -> None:
        file = current(tx, job.subject)
        if file is not None:
            self._workshop.change(
                tx,
                file,
                status="complete",
                processing=Processing(status="finished", job_id=job.id),
                made=made,
                # Clients of Pillar take the first variation of a film.
                variations=(*made, *file.variations),
            )

    def _tell(
        self,
        tx: Tx,
        job: Job,
        status: FileStatus,
        processing: ProcessingStatus,
        error: str | None = None,
    ) -> File | None:
        file = current(tx, job.subject)
        if file is None:
            return None
        told = Processing(status=processing, job_id=job.id, error=error)
        return self._workshop.change(tx, file, status=status, processing=told)


class _Encoding:
    """Tells how far the encoder is, and works out how long it will go on."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._began = time.monotonic()

    def at(self, fraction: float) -> None:
        """The encoder has done this part of its work."""
        done = min(max(fraction, 0.0), 1.0)
        elapsed = time.monotonic() - self._began
        left = int(elapsed / done * (1 - done)) if done > 0 else None
        percent = int(done * _STORING_FROM)
        self._report(Progress(percent=percent, step="Encoding", seconds_left=left))
