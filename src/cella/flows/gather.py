"""Gather: a file that comes in pieces, over as many connections and days as it takes.

What has arrived stays, whatever becomes of the connection: the bytes of a request are cut into
pieces, each of which is a blob and a row before it counts, and the last one takes what came until
the connection broke off. So no request has to be whole, and any process may take the next one.
A file that comes in one piece is received with it; of others a job makes one blob.

Who sends the same bytes twice at once is told of a conflict: the row lets the first one in.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import NamedTuple

import msgspec

from cella.access import rules
from cella.aio import peek, uninterrupted
from cella.catalog import people, uploads
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import BadRequest, Conflict, Forbidden, NotFound, TooManyRequests
from cella.flows.arrivals import Arrivals, Content, Permit
from cella.flows.config import AT_ONCE, COMPLETE_KEPT, JOIN, FlowsConfig
from cella.flows.intents import Intents
from cella.flows.labels import label
from cella.flows.reach import present_actor
from cella.ids import is_id, new_blob_root, new_id
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.media import sniff, types
from cella.model import Actor, Piece, Upload
from cella.slots import Slots
from cella.store import keys
from cella.store.contract import PLAIN, Store

_PIECE = 64 << 20
_LOOK_AGAIN = 0.25
_COME_BACK = 3600


class Gather:
    """Receives files in pieces. `piece` is how many bytes one has at most."""

    def __init__(
        self,
        *,
        db: Database,
        stores: Mapping[str, Store],
        arrivals: Arrivals,
        intents: Intents,
        bell: Bell,
        clock: Clock,
        config: FlowsConfig,
        slots: Slots,
        attempts: int,
        piece: int = _PIECE,
    ) -> None:
        self._db = db
        self._stores = stores
        self._arrivals = arrivals
        self._intents = intents
        self._bell = bell
        self._clock = clock
        self._config = config
        self._slots = slots
        self._attempts = attempts
        self._piece = piece

    async def begin(
        self, actor: Actor, project_id: str, filename: str, declared_type: str | None, length: int
    ) -> Upload:
        """Begin an upload of `length` bytes, none of which has arrived.

        Raises `Forbidden`, `NotFound`, `TooLarge`, `BadRequest` for a type that cannot be found out
        too, and `TooManyRequests` where the user has too many that are not finished.
        """
        most = self._config.uploads_unfinished
        types.decide_type(filename, declared_type, None)

        def work(tx: Tx) -> Upload:
            permit = self._arrivals.permit(tx, actor, project_id, length)
            # Locked, so that of several that begin at once each counts those before it.
            people.get_user(tx, permit.user, for_change=True)
            if uploads.unfinished_of(tx, permit.user) >= most:
                raise TooManyRequests(
                    f"You have {most} unfinished uploads; finish or end some of them first.",
                    _COME_BACK,
                )
            now = int(self._clock.now())
            upload = Upload(
                id=new_id(),
                created=now,
                user=permit.user,
                project=project_id,
                filename=filename,
                declared_type=declared_type,
                length=length,
                backend=self._arrivals.backend,
                expires=now + int(self._config.upload_keep),
            )
            uploads.add(tx, upload)
            return self._grown(tx, upload, 0)

        return await self._told(await self._db.write(work))

    async def look(self, actor: Actor, project_id: str, upload_id: str) -> Upload:
        """The upload as it stands. Raises `NotFound`, also where it is somebody else's."""
        return await self._db.read(lambda tx: self._visible(tx, actor, project_id, upload_id))

    async def append(
        self,
        actor: Actor,
        project_id: str,
        upload_id: str,
        offset: int,
        announced: int | None,
        body: AsyncIterator[bytes],
    ) -> Upload:
        """Add `body`, which has `announced` bytes where that is known, after `offset` bytes.

        Returns the upload as it is then; where it was the last byte, when the file is there or
        `upload_wait` has passed. Raises `NotFound`, `Conflict` where the upload is not at `offset`,
        `BadRequest` where there would be more bytes than wanted, what `body` raises, and what
        `Receive.store` does; of what had come before that nothing is lost.
        """
        upload, permit = await self._db.read(
            lambda tx: self._wanted(tx, actor, project_id, upload_id)
        )
        if offset != upload.received:
            raise Conflict(f"The upload has {upload.received} bytes: go on after these.")
        if announced is not None and offset + announced > upload.length:
            raise _too_many(upload.length)
        if upload.state == "receiving":
            with self._slots.held_by(permit.user):
                cut = _Cut(body, upload.length)
                cut.taken = offset
                while await cut.more():
                    upload = await self._take(upload, permit, cut)
                if cut.error is not None:
                    raise cut.error
        return await self._told(upload)

    async def end(self, actor: Actor, project_id: str, upload_id: str) -> None:
        """Drop an upload that is not complete. Raises `NotFound`, and `Conflict` for others."""

        def work(tx: Tx) -> None:
            # Jobs before rows, as whoever ends one locks them.
            queue.cancel_subject(tx, upload_id, (JOIN,))
            upload = self._visible(tx, actor, project_id, upload_id, for_change=True)
            if upload.state == "complete":
                raise Conflict(f"The upload has become the file {upload.file}: delete that.")
            ended = msgspec.structs.replace(upload, state="ended", expires=int(self._clock.now()))
            uploads.settle(tx, ended)
            self._put_join(tx, upload_id)

        if not is_id(upload_id):
            raise _missing(upload_id)
        await self._db.write(work)
        self._bell.ring(queue.CANCELLATIONS)
        self._bell.ring(queue.BELL)

    # What is there

    def _visible(
        self,
        tx: Tx,
        actor: Actor,
        project_id: str,
        upload_id: str,
        *,
        for_change: bool = False,
    ) -> Upload:
        """The upload, if it is the actor's, or the actor an administrator."""
        if actor.is_anonymous:
            raise Forbidden("Sign in first: uploading needs a valid token.")
        if not is_id(upload_id):
            raise _missing(upload_id)
        upload = uploads.get(tx, upload_id, for_change=for_change)
        is_over = upload.state == "ended" or (
            upload.state != "storing" and upload.expires <= self._clock.now()
        )
        is_seen = rules.may_account(actor, upload.user).allowed
        if is_over or not is_seen or upload.project != project_id:
            raise _missing(upload_id)
        return upload

    def _wanted(
        self, tx: Tx, actor: Actor, project_id: str, upload_id: str
    ) -> tuple[Upload, Permit]:
        """The upload, if the actor may go on with it."""
        upload = self._visible(tx, actor, project_id, upload_id)
        if actor.user != upload.user:
            raise _missing(upload_id)
        if upload.state == "failed":
            raise Conflict(f"The upload has failed: {upload.reason}")
        if upload.backend not in self._stores:
            raise Conflict(
                f"What has come of the upload lies in the store {upload.backend}, which is not "
                "configured any more: begin it anew."
            )
        return upload, self._arrivals.permit(tx, actor, project_id, upload.length)

    # Taking bytes in

    async def _take(self, upload: Upload, permit: Permit, cut: "_Cut") -> Upload:
        """Make a piece of what comes next."""
        start = upload.received
        name = keys.original_name(new_blob_root(), upload.filename if start == 0 else "")
        key = keys.blob_key(permit.bucket, name)
        bytes_of_it: AsyncIterator[bytes] = cut.piece(self._piece)
        labelled, content_type = PLAIN, ""
        if start == 0:
            head, bytes_of_it = await peek(bytes_of_it, sniff.HEAD)
            content_type = types.decide_type(
                upload.filename, upload.declared_type, sniff.sniff(head)
            )
            labelled = label(content_type, upload.filename)
        await self._intents.begin(upload.backend, key)
        try:
            digests = await self._stores[upload.backend].put(key, bytes_of_it, label=labelled)
        except BaseException:
            await uninterrupted(self._intents.reconcile(upload.backend, key))
            raise
        taken = _Taken(Piece(key, start, digests.length), None)
        if digests.length == upload.length and upload.backend == self._arrivals.backend:
            content = Content(name, upload.filename, upload.declared_type, content_type, digests)
            taken = taken._replace(whole=content)
        return await uninterrupted(self._record(upload, permit, taken))

    async def _record(self, upload: Upload, permit: Permit, taken: "_Taken") -> Upload:
        key = taken.piece.key
        try:
            new = await self._db.write(lambda tx: self._write(tx, upload, permit, taken))
        except BaseException:
            await self._intents.reconcile(upload.backend, key)
            raise
        await self._intents.fulfil(upload.backend, key)
        return new

    def _write(self, tx: Tx, old: Upload, permit: Permit, taken: "_Taken") -> Upload:
        try:
            upload = uploads.get(tx, old.id, for_change=True)
        except NotFound:
            upload = msgspec.structs.replace(old, state="ended")
        piece, content = taken
        if upload.state != "receiving" or upload.received != piece.start:
            raise Conflict("The upload was gone on with, or ended, by another request meanwhile.")
        if content is None:
            # The connection may last for hours: what nobody would give leave for takes no room.
            actor = present_actor(tx, upload.user)
            self._arrivals.permit(tx, actor, upload.project, upload.length)
            uploads.add_piece(tx, upload.id, piece)
            return self._grown(tx, upload, piece.start + piece.length)
        file = self._arrivals.document(permit, content)
        self._arrivals.write(tx, file, piece.key)
        complete = msgspec.structs.replace(
            upload,
            received=piece.length,
            state="complete",
            file=file.id,
            expires=int(self._clock.now()) + COMPLETE_KEPT,
        )
        uploads.settle(tx, complete)
        return complete

    def _grown(self, tx: Tx, upload: Upload, received: int) -> Upload:
        """The upload with so many bytes, which are all that are wanted perhaps."""
        grown = msgspec.structs.replace(
            upload,
            received=received,
            state="storing" if received == upload.length else "receiving",
            expires=int(self._clock.now() + self._config.upload_keep),
        )
        uploads.settle(tx, grown)
        if grown.state == "storing":
            self._put_join(tx, upload.id)
        return grown

    def _put_join(self, tx: Tx, upload_id: str) -> None:
        queue.put(
            tx,
            kind=JOIN,
            subject=upload_id,
            priority=AT_ONCE,
            max_attempts=self._attempts,
            now=self._clock.now(),
        )

    async def _told(self, upload: Upload) -> Upload:
        """The upload, after a moment in which its file may come to be."""
        if upload.state == "receiving":
            return upload
        self._bell.ring(queue.BELL)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.upload_wait
        look = partial(uploads.get, upload_id=upload.id)
        with self._bell.listen(upload.id) as heard:
            while upload.state == "storing" and (left := deadline - loop.time()) > 0:
                await heard.wait(min(left, _LOOK_AGAIN))
                upload = await self._db.read(look)
        if upload.state == "ended":
            raise _missing(upload.id)
        return upload


class _Taken(NamedTuple):
    """A piece that is in the store; with its content where it is the whole file."""

    piece: Piece
    whole: Content | None


class _Cut:
    """A body, cut into pieces. What ends it early is kept as `error` and ends the piece as well.

    `taken` is how many bytes there are of the file, which has `length`.
    """

    def __init__(self, body: AsyncIterator[bytes], length: int) -> None:
        self._body = body
        self._length = length
        self._chunk = b""
        self.taken = 0
        self.error: Exception | None = None

    async def more(self) -> bool:
        """Whether there is anything left."""
        while not self._chunk and self.error is None:
            try:
                chunk = await anext(self._body, None)
            except Exception as error:
                self.error = error
                return False
            if chunk is None:
                return False
            if len(chunk) > self._length - self.taken:
                self.error = _too_many(self._length)
                return False
            self._chunk = chunk
        return self.error is None

    async def piece(self, most: int) -> AsyncIterator[bytes]:
        """The next `most` bytes, or as many as there are."""
        while most > 0 and await self.more():
            block, self._chunk = self._chunk[:most], self._chunk[most:]
            most -= len(block)
            self.taken += len(block)
            yield block


def _too_many(length: int) -> BadRequest:
    return BadRequest(f"The upload was begun with Upload-Length {length}; this would be more.")


def _missing(upload_id: str) -> NotFound:
    return NotFound(f"Upload {upload_id[:80]} does not exist, or was ended.")
