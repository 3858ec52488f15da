"""Join: the pieces of an upload become one blob and a file, or go away.

The pieces are read one after the other and put as one blob under a key of its own: whoever is
thought dead and is not writes another one, and which of them counts is one transaction.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from functools import partial

import msgspec

from cella.aio import peek, together, uninterrupted
from cella.catalog import uploads
from cella.catalog.uploads import Expired
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import CellaError, Corrupt, NotFound, StoreError
from cella.flows.arrivals import Arrivals, Content, Permit
from cella.flows.config import COMPLETE_KEPT, JOIN, FlowsConfig
from cella.flows.intents import Intents
from cella.flows.labels import label
from cella.flows.reach import present_actor
from cella.flows.workshop import nothing
from cella.ids import new_blob_root
from cella.jobs import queue
from cella.jobs.queue import Job, Progress
from cella.jobs.runner import Effect, Report
from cella.media import sniff, types
from cella.model import Upload
from cella.store import keys
from cella.store.contract import Store

_AT_ONCE = 16
_BATCH = 100
_PAGE = 500

_log = logging.getLogger("cella.join")


class Join:
    """Brings an upload to its end; the handler of `join` jobs."""

    def __init__(
        self,
        *,
        db: Database,
        stores: Mapping[str, Store],
        arrivals: Arrivals,
        intents: Intents,
        clock: Clock,
        config: FlowsConfig,
    ) -> None:
        self._db = db
        self._stores = stores
        self._arrivals = arrivals
        self._intents = intents
        self._clock = clock
        self._config = config

    async def work(self, job: Job, report: Report) -> Effect:
        """Make the file where all bytes are there; then the pieces go.

        The file is made in a transaction of its own, so an attempt that dies after it is carried
        on by the next one.
        """
        upload = await self._db.read(lambda tx: _find(tx, job.subject))
        if upload is not None and upload.state == "storing":
            upload = await self._make(job, upload, report)
        if upload is not None and upload.state in ("complete", "ended"):
            await _drop(self._db, self._stores, upload)
        return nothing

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:  # noqa: ARG002 - it goes on
        """There will be another attempt, also by hand after the upload was called failed."""
        upload = _find(tx, job.subject, for_change=True)
        if upload is not None and upload.state == "failed":
            uploads.settle(tx, msgspec.structs.replace(upload, state="storing", reason=None))

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """The upload says why; its pieces stay for a while, for another attempt by hand."""
        upload = _find(tx, job.subject, for_change=True)
        if upload is not None and upload.state == "storing":
            expires = int(self._clock.now() + self._config.upload_keep)
            failed = msgspec.structs.replace(upload, state="failed", reason=reason, expires=expires)
            uploads.settle(tx, failed)

    def cancelled(self, tx: Tx, job: Job) -> None:
        """Nobody wants it any more."""
        self.failed(tx, job, queue.CANCELLED)

    async def _make(self, job: Job, upload: Upload, report: Report) -> Upload | None:
        if upload.backend not in self._stores:
            raise CellaError(f"The store {upload.backend} of its pieces is not configured.")
        # Nobody's leave is worth hours of copying; it is asked for again at the end.
        await self._db.read(lambda tx: self._permit(tx, upload))
        name = keys.original_name(new_blob_root(), upload.filename)
        key = keys.blob_key(upload.project, name)
        backend = self._arrivals.backend
        async with aclosing(self._pieces(upload)) as body:
            head, whole = await peek(_reported(body, upload.length, report), sniff.HEAD)
            content_type = types.decide_type(
                upload.filename, upload.declared_type, sniff.sniff(head)
            )
            await self._intents.begin(backend, key)
            try:
                digests = await self._stores[backend].put(
                    key, whole, label=label(content_type, upload.filename)
                )
                if digests.length != upload.length:
                    raise Corrupt(
                        f"The pieces have {digests.length} bytes; {upload.length} had come."
                    )
            except BaseException:
                await uninterrupted(self._intents.reconcile(backend, key))
                raise
        content = Content(name, upload.filename, upload.declared_type, content_type, digests)
        return await uninterrupted(self._record(job, upload, key, content))

    async def _record(self, job: Job, upload: Upload, key: str, content: Content) -> Upload | None:
        try:
            new = await self._db.write(lambda tx: self._write(tx, job, upload, key, content))
        except BaseException:
            await self._intents.reconcile(self._arrivals.backend, key)
            raise
        if new is None:
            await self._intents.reconcile(self._arrivals.backend, key)
            return None
        await self._intents.fulfil(self._arrivals.backend, key)
        return new

    def _write(self, tx: Tx, job: Job, upload: Upload, key: str, content: Content) -> Upload | None:
        # Jobs before rows, as whoever ends an upload locks them.
        queue.keep(tx, job, job.payload)
        present = _find(tx, upload.id, for_change=True)
        if present is None or present.state != "storing":
            return None
        file = self._arrivals.document(self._permit(tx, present), content)
        self._arrivals.write(tx, file, key)
        complete = msgspec.structs.replace(
            present, state="complete", file=file.id, expires=int(self._clock.now()) + COMPLETE_KEPT
        )
        uploads.settle(tx, complete)
        return complete

    def _permit(self, tx: Tx, upload: Upload) -> Permit:
        """The leave that its uploader has at this moment."""
        actor = present_actor(tx, upload.user)
        return self._arrivals.permit(tx, actor, upload.project, upload.length)

    async def _pieces(self, upload: Upload) -> AsyncGenerator[bytes, None]:
        """The bytes of one piece after the other, of which there may be very many."""
        store, offset = self._stores[upload.backend], 0
        look = partial(uploads.pieces_of, upload_id=upload.id, most=_PAGE)
        while pieces := await self._db.read(partial(look, offset=offset)):
            for piece in pieces:
                async with aclosing(store.get(piece.key)) as blocks:
                    async for block in blocks:
                        yield block
            offset = pieces[-1].start + pieces[-1].length


class DropUploads:
    """Drops uploads that nobody has gone on with; the handler of `drop_uploads` jobs."""

    def __init__(self, *, db: Database, stores: Mapping[str, Store], clock: Clock) -> None:
        self._db = db
        self._stores = stores
        self._clock = clock

    async def work(self, _job: Job, _report: Report) -> Effect:
        """Drop those whose time is over, each as a whole.

        One whose store fails does not keep back those after it. Raises the last such error.
        """
        after: Expired | None = None
        failure: StoreError | None = None
        look = partial(uploads.expired, now=self._clock.now(), most=_BATCH)
        while some := await self._db.read(partial(look, after=after)):
            for after in some:
                upload = await self._db.write(partial(self._end, upload_id=after.id))
                try:
                    if upload is not None:
                        await _drop(self._db, self._stores, upload)
                except StoreError as error:
                    _log.warning("upload %s cannot be dropped now: %s", after.id, error.message)
                    failure = error
        if failure is not None:
            raise failure
        return nothing

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """No upload is at fault."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """No upload is at fault."""

    def cancelled(self, tx: Tx, job: Job) -> None:
        """No upload is at fault."""

    def _end(self, tx: Tx, upload_id: str) -> Upload | None:
        """End it, unless somebody has gone on with it this moment."""
        # Jobs before rows, as whoever ends one locks them.
        given_up = queue.dead_of(tx, upload_id, (JOIN,))
        upload = _find(tx, upload_id, for_change=True)
        if upload is None or upload.state == "storing" or upload.expires > self._clock.now():
            return None
        queue.remove(tx, given_up)
        ended = msgspec.structs.replace(upload, state="ended")
        uploads.settle(tx, ended)
        return ended


async def _drop(db: Database, stores: Mapping[str, Store], upload: Upload) -> None:
    """Delete the pieces, and the row of an upload that was ended. May be called again."""
    store = stores.get(upload.backend)
    look = partial(uploads.pieces_of, upload_id=upload.id, most=_AT_ONCE)
    while pieces := await db.read(look):
        some = [piece.key for piece in pieces]
        if store is not None:
            await together(store.delete(key) for key in some)
        await db.write(partial(uploads.drop_pieces, keys=some))
    if upload.state == "ended":
        await db.write(lambda tx: uploads.remove(tx, upload.id))


def _find(tx: Tx, upload_id: str, *, for_change: bool = False) -> Upload | None:
    try:
        return uploads.get(tx, upload_id, for_change=for_change)
    except NotFound:
        return None


async def _reported(
    body: AsyncIterator[bytes], length: int, report: Report
) -> AsyncIterator[bytes]:
    done = 0
    async for block in body:
        done += len(block)
        report(Progress(percent=done * 100 // max(1, length), step="putting pieces together"))
        yield block
