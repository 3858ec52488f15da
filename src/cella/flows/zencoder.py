"""Films that Zencoder encodes: the job there, what it tells of it, and asking where it does not.

`processing.status` of a document is what Zencoder said last of its job, and only ever goes
forward: `pending`, `waiting`, `processing`, then one of `finished`, `failed` and `cancelled`, after
which nothing that is said counts any more. So it does not matter how often, how late or in which
order it is said. What is `finished` is not `complete` yet: a job of ours, put in the transaction
that notes it, takes the film over (`cella.flows.encoded`).
"""

import asyncio
import hmac
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import msgspec

from cella.aio import uninterrupted
from cella.catalog import encodings, files
from cella.catalog.encodings import Place
from cella.clock import Clock
from cella.db import Database, Tx
from cella.encoding.config import DIRECT, ZENCODER, ZencoderConfig
from cella.encoding.notification import Told, read_notification
from cella.encoding.order import mp4_order
from cella.encoding.zencoder import Zencoder
from cella.errors import CellaError, Forbidden, LeaseLost, NotFound, Unauthorized
from cella.flows.config import ENCODED, GONE_MEANWHILE, SOON
from cella.flows.labels import linked
from cella.flows.workshop import OPEN, changed, current, nothing, open_job, put_cancel
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.jobs.queue import Job
from cella.jobs.runner import Effect, Report
from cella.links.urls import Speller
from cella.media.types import format_of
from cella.model import File, Processing, Variation
from cella.model.file import ProcessingStatus
from cella.store import keys

ZENCODER_SWEEP = "zencoder_sweep"
"""The kind of the periodic job that asks Zencoder about jobs of which nothing was heard."""

Heard = Literal["taken", "failed"]
"""What a notification was: one of a failed job, or any other that was understood."""

_FORMAT = "mp4"
_CONTENT_TYPE = "video/mp4"
_KEPT = "zencoder_job"
_BATCH = 100
_AT_ONCE = 8

_log = logging.getLogger("cella.encoding")


class EncodeAtZencoder:
    """Has films encoded by Zencoder; the handler of `encode` jobs where it is the backend.

    `notifications_url` is where Zencoder tells what has become of them. `spellers` spell the links
    that Zencoder fetches originals by, where it does not read the store itself.
    """

    def __init__(
        self,
        *,
        db: Database,
        client: Zencoder,
        spellers: Mapping[str, Speller],
        clock: Clock,
        notifications_url: str,
        attempts: int,
    ) -> None:
        self._db = db
        self._client = client
        self._spellers = spellers
        self._clock = clock
        self._notifications_url = notifications_url
        self._attempts = attempts
        self._made: dict[str, str] = {}

    async def work(self, job: Job, _report: Report) -> Effect:
        """Make the job at Zencoder, once; the effect notes it in the document.

        Its id goes into our job's payload first, so that the next attempt makes no second one.
        Where that fails the effect may still succeed, which is tried for longer.
        """
        file = await self._db.read(lambda tx: current(tx, job.subject, for_change=False))
        if file is None or file.file_path is None or open_job(file) is not None:
            return nothing
        if _KEPT in job.payload:
            return partial(self._note, job, job.payload[_KEPT])
        order = await asyncio.to_thread(self._order, file, file.file_path)
        job_id = await uninterrupted(self._create(job, order))
        del self._made[job.id]
        return partial(self._note, job, job_id)

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """The attempt failed and there will be another one."""
        processing = Processing(status="waiting", backend=ZENCODER, error=reason)
        self._tell(tx, job, "queued_for_processing", processing)

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """The last attempt failed."""
        self._tell(tx, job, "failed", Processing(status="failed", backend=ZENCODER, error=reason))
        self._cancel_kept(tx, job)

    def cancelled(self, tx: Tx, job: Job) -> None:
        """Nobody wants the film encoded any more."""
        processing = Processing(status="cancelled", backend=ZENCODER, error=queue.CANCELLED)
        self._tell(tx, job, "failed", processing)
        self._cancel_kept(tx, job)

    async def _create(self, job: Job, order: Mapping[str, Any]) -> str:
        # An attempt that is cancelled meanwhile learns of the job there by this only.
        job_id = self._made[job.id] = await self._client.create(order)
        try:
            await self._db.write(partial(queue.keep, job=job, payload={_KEPT: job_id}))
        except LeaseLost:
            await self._let_go(job_id)
            raise
        except Exception:
            _log.warning("the id of Zencoder's job %s cannot be kept yet", job_id, exc_info=True)
        return job_id

    def _order(self, file: File, file_path: str) -> dict[str, Any]:
        if file.backend in DIRECT:
            place = f"{file.backend}://{file.bucket}/_/"
            source, target = place + file_path, place + _placeholder(file_path).file_path
        else:
            speller = self._spellers[file.backend]
            window = speller.window(self._clock.now())
            (source,), target = speller.signed(file.bucket, [linked(file)], window), None
        return mp4_order(
            source,
            target=target,
            width=file.width,
            height=file.height,
            notifications=self._notifications_url,
        )

    def _note(self, job: Job, job_id: str, tx: Tx) -> None:
        present = current(tx, job.subject)
        if present is None or present.file_path is None or open_job(present) is not None:
            put_cancel(tx, job.subject, job_id, now=self._clock.now(), attempts=self._attempts)
            return
        film = _placeholder(present.file_path)
        others = (item for item in present.variations if item.file_path != film.file_path)
        new = msgspec.structs.replace(
            changed(present, self._clock),
            status="processing",
            format=present.format or format_of(present.content_type),
            variations=(film, *others),
            processing=Processing(status="pending", backend=ZENCODER, job_id=job_id),
        )
        files.replace(tx, present, new)

    def _tell(self, tx: Tx, job: Job, status: str, processing: Processing) -> None:
        present = current(tx, job.subject)
        if present is not None and open_job(present) is None:
            new = msgspec.structs.replace(
                changed(present, self._clock), status=status, processing=processing
            )
            files.replace(tx, present, new)

    def _cancel_kept(self, tx: Tx, job: Job) -> None:
        job_id = job.payload.get(_KEPT) or self._made.get(job.id)
        if job_id is not None:
            now = self._clock.now()
            put_cancel(tx, job.subject, job_id, now=now, attempts=self._attempts)

    async def _let_go(self, job_id: str) -> None:
        try:
            await self._client.cancel(job_id)
        except CellaError as error:
            _log.warning("Zencoder's job %s goes on for nobody: %s", job_id, error.message)


class CancelAtZencoder:
    """Has Zencoder end jobs that nobody wants any more; the handler of `zencoder_cancel` jobs."""

    def __init__(self, *, client: Zencoder, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def work(self, job: Job, _report: Report) -> Effect:
        """Tell Zencoder; telling it twice does no harm.

        The effect notes it in the document of a deleted file, which the sweep leaves alone then.
        """
        job_id: str = job.payload["job_id"]
        await self._client.cancel(job_id)

        def note(tx: Tx) -> None:
            _settle_deleted(tx, job.subject, job_id, self._clock)

        return note

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """The document says nothing of it: it has settled."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """The document says nothing of it: it has settled."""

    def cancelled(self, tx: Tx, job: Job) -> None:
        """The document says nothing of it: it has settled."""


class Notified:
    """Takes what Zencoder tells. `secret` is what it has to send along; without one it is refused.

    `wanted` is whether films are encoded there at all.
    """

    def __init__(
        self, *, db: Database, clock: Clock, bell: Bell, wanted: bool, secret: str, attempts: int
    ) -> None:
        self._db = db
        self._clock = clock
        self._bell = bell
        self._wanted = wanted
        self._secret = secret.encode()
        self._attempts = attempts

    def admit(self, secret: bytes | None) -> None:
        """Judge a caller before anything of its body is read, in constant time.

        `secret` is what it sent as such, None where it sent none. Raises `Forbidden` where films
        are not encoded by Zencoder, and `Unauthorized`.
        """
        if not self._wanted:
            raise Forbidden("Films are not encoded by Zencoder here.")
        if secret is None:
            raise Unauthorized("The header X-Zencoder-Notification-Secret is missing.")
        if not self._secret or not hmac.compare_digest(secret, self._secret):
            raise Unauthorized("The secret is not the one that was agreed on.")

    async def take(self, document: Mapping[str, Any]) -> Heard:
        """Do what a notification means. Once it has settled a file no other one changes it.

        Raises `BadRequest` where it is none, and `NotFound` where no file waits for its job.
        """
        told = read_notification(document)

        def work(tx: Tx) -> bool:
            file = encodings.by_job(tx, ZENCODER, told.job_id)
            return apply(tx, file, told, clock=self._clock, attempts=self._attempts)

        if await self._db.write(work):
            self._bell.ring(queue.BELL)
        return "failed" if told.state == "failed" else "taken"


class ZencoderSweep:
    """Asks Zencoder about jobs of which nothing was heard; handles `zencoder_sweep` jobs.

    It also has the jobs ended whose files were deleted and that Zencoder could not be told of
    then, and gives up those of which nothing was heard for very long. `batch` is how many files
    one read gives.
    """

    def __init__(
        self,
        *,
        db: Database,
        client: Zencoder,
        clock: Clock,
        config: ZencoderConfig,
        attempts: int,
        batch: int = _BATCH,
    ) -> None:
        self._db = db
        self._client = client
        self._clock = clock
        self._config = config
        self._attempts = attempts
        self._batch = batch
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def work(self, _job: Job, _report: Report) -> Effect:
        """Go through all of them, the oldest first. Who does not answer is asked the next time."""
        await self._cancel_deleted()
        before = int(self._clock.now() - self._config.sweep_age_seconds)
        after = Place()
        while page := await self._db.read(
            partial(encodings.unheard, before=before, after=after, most=self._batch)
        ):
            after = Place(page[-1].updated, page[-1].id)
            waiting = [(file.id, job_id) for file in page if (job_id := open_job(file)) is not None]
            answered = await asyncio.gather(*(self._ask(*each) for each in waiting))
            if waiting and not any(answered):
                _log.warning("Zencoder does not tell of its jobs; it will be asked again")
                break
        return nothing

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is at fault."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is at fault."""

    def cancelled(self, tx: Tx, job: Job) -> None:
        """No document is at fault."""

    async def _ask(self, file_id: str, job_id: str) -> bool:
        """Ask about one file's job, and note what is said; whether anything was."""
        try:
            async with self._slots:
                told = await self._client.state(job_id)
        except CellaError as error:
            _log.warning("Zencoder's job %s: %s", job_id, error.message)
            await self._db.write(partial(self._give_up, file_id, job_id))
            return False
        await self._db.write(partial(self._note, file_id, job_id, told))
        return True

    def _note(self, file_id: str, job_id: str, told: Told | None, tx: Tx) -> None:
        file = self._waiting(tx, file_id, job_id)
        if file is None:
            return
        if told is None:
            _settle(tx, file, "failed", "Zencoder does not know the job any more.", self._clock)
            return
        apply(tx, file, told, clock=self._clock, attempts=self._attempts)
        self._give_up(file_id, job_id, tx)

    def _give_up(self, file_id: str, job_id: str, tx: Tx) -> None:
        """End what nothing was heard of for very long."""
        file, now = self._waiting(tx, file_id, job_id), self._clock.now()
        if file is not None and file.updated <= now - self._config.give_up_seconds:
            _settle(tx, file, "failed", "Zencoder has not finished in time.", self._clock)
            put_cancel(tx, file_id, job_id, now=now, attempts=self._attempts)

    def _waiting(self, tx: Tx, file_id: str, job_id: str) -> File | None:
        """The file, if it is still this job that it waits for."""
        file = current(tx, file_id)
        return file if file is not None and open_job(file) == job_id else None

    async def _cancel_deleted(self) -> None:
        after = Place()
        while page := await self._db.read(
            partial(encodings.deleted, after=after, most=self._batch)
        ):
            after = Place(page[-1].updated, page[-1].id)
            for file in page:
                job_id = open_job(file)
                if job_id is not None:
                    await self._db.write(partial(self._cancel, file.id, job_id))

    def _cancel(self, file_id: str, job_id: str, tx: Tx) -> None:
        if _settle_deleted(tx, file_id, job_id, self._clock):
            put_cancel(tx, file_id, job_id, now=self._clock.now(), attempts=self._attempts)


def apply(tx: Tx, file: File, told: Told, *, clock: Clock, attempts: int) -> bool:
    """Do what was told of the job of a file that was read for a change; whether we have work now.

    Only `finished` goes on to completion. What is not a state that we know changes nothing, and
    neither does anything where the file has settled.
    """
    processing = file.processing
    if processing is None or open_job(file) is None:
        return False
    match told.state:
        case "finished":
            _write(tx, file, clock, status="processing", processing=_with(processing, "finished"))
            queue.put(
                tx,
                kind=ENCODED,
                subject=file.id,
                payload={
                    "job_id": told.job_id,
                    "outputs": msgspec.to_builtins(told.outputs),
                    "milliseconds": told.milliseconds,
                },
                priority=SOON,
                max_attempts=attempts,
                now=clock.now(),
            )
            return True
        case "failed":
            reason = f": {told.reason}" if told.reason else ""
            _settle(tx, file, "failed", f"Zencoder could not encode the film{reason}.", clock)
        case "cancelled":
            _settle(tx, file, "cancelled", "The encoding was cancelled at Zencoder.", clock)
        case "waiting" | "processing" as state:
            if OPEN.index(state) > OPEN.index(processing.status):
                _write(tx, file, clock, processing=_with(processing, state))
    return False


def _settle_deleted(tx: Tx, file_id: str, job_id: str, clock: Clock) -> bool:
    """Have a deleted file wait for the job no longer; whether it did."""
    try:
        file = files.get(tx, file_id, deleted=True, for_change=True)
    except NotFound:
        return False
    if file.deleted is None or open_job(file) != job_id:
        return False
    _settle(tx, file, "cancelled", GONE_MEANWHILE, clock)
    return True


def _settle(tx: Tx, file: File, status: ProcessingStatus, reason: str, clock: Clock) -> None:
    processing = Processing(status=status, backend=ZENCODER, job_id=open_job(file), error=reason)
    _write(tx, file, clock, status="failed", processing=processing)


def _write(tx: Tx, file: File, clock: Clock, **fields: Any) -> None:
    files.replace(tx, file, msgspec.structs.replace(changed(file, clock), **fields))


def _with(processing: Processing, status: ProcessingStatus) -> Processing:
    return msgspec.structs.replace(processing, status=status, error=None)


def _placeholder(file_path: str) -> Variation:
    """What stands for the film until it is there (contract, section 4.6)."""
    return Variation(
        format=_FORMAT,
        content_type=_CONTENT_TYPE,
        file_path=keys.variation_name(file_path, _FORMAT, _FORMAT),
        size="",
        duration=0,
        width=0,
        height=0,
        length=0,
    )
