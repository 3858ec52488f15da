"""Receive: from the bytes of a client to a durable file with its job.

Bytes before rows: the blob is durable before one transaction writes the document and the job
that processes it. Whatever fails before that commit leaves nothing; once it is made the file is
acknowledged and never lost.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial

from cella.aio import peek, uninterrupted
from cella.catalog import files
from cella.db import Database
from cella.flows.arrivals import Arrivals, Content, Permit, has_work, too_large
from cella.flows.config import FlowsConfig
from cella.flows.intents import Intents
from cella.flows.labels import label
from cella.ids import new_blob_root
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.media import sniff, types
from cella.model import Actor, File
from cella.slots import Slots
from cella.store import keys
from cella.store.contract import Store

_LOOK_AGAIN = 0.25


class Receive:
    """Receives files."""

    def __init__(
        self,
        *,
        db: Database,
        stores: Mapping[str, Store],
        arrivals: Arrivals,
        intents: Intents,
        bell: Bell,
        config: FlowsConfig,
        slots: Slots,
    ) -> None:
        self._db = db
        self._arrivals = arrivals
        self._backend = arrivals.backend
        self._store = stores[arrivals.backend]
        self._intents = intents
        self._bell = bell
        self._config = config
        self._slots = slots

    async def admit(self, actor: Actor, project_id: str | None, announced: int | None) -> Permit:
        """Judge an upload before its body is read; one without a project is the actor's own.

        `announced` is a number of bytes that the file has at least, where one is known. Raises
        `Forbidden`, `BadRequest`, `NotFound` or `TooLarge`.
        """
        return await self._db.read(
            lambda tx: self._arrivals.permit(tx, actor, project_id, announced)
        )

    def slot(self, permit: Permit) -> AbstractContextManager[None]:
        """A place among the uploads of this process, to be held while the body is read.

        Entering it raises `Overloaded` where there is none, or the user has a fair share already.
        """
        return self._slots.held_by(permit.user)

    async def store(
        self,
        permit: Permit,
        filename: str,
        declared_type: str | None,
        body: AsyncIterator[bytes],
        *,
        named: Callable[[], str] | None = None,
    ) -> File:
        """Store `body` as a new file of the permit's project and return its document.

        `named`, which is asked when `body` has ended, gives the file another name than
        `filename`, of which the blob keeps the extension. On return the bytes, the document and
        its job are durable. Raises what `body` and `named` raise, `TooLarge`, `BadRequest` for a
        type that cannot be found out, `Forbidden` and `NotFound` where the permit would not be
        given any more, and `StoreError`s; then nothing is left behind.
        """
        head, whole = await peek(_below(body, permit.limit), sniff.HEAD)
        sniffed = sniff.sniff(head)
        content_type = types.decide_type(filename, declared_type, sniffed)
        name = keys.original_name(new_blob_root(), filename)
        key = keys.blob_key(permit.bucket, name)
        await self._intents.begin(self._backend, key)
        try:
            digests = await self._store.put(key, whole, label=label(content_type, filename))
            if named is not None:
                filename = named()
                content_type = types.decide_type(filename, declared_type, sniffed)
        except BaseException:
            await uninterrupted(self._intents.reconcile(self._backend, key))
            raise
        content = Content(name, filename, declared_type, content_type, digests)
        file = self._arrivals.document(permit, content)
        await uninterrupted(self._record(file, key))
        if has_work(file):
            self._bell.ring(queue.BELL)
        return file

    async def settle(self, file: File) -> File:
        """Wait until the file's previews are there, at most `upload_wait`; the file as it is.

        That a film is made playable is not waited for.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.upload_wait
        with self._bell.listen(file.id) as heard:
            while not _has_settled(file):
                left = deadline - loop.time()
                if left <= 0:
                    break
                await heard.wait(min(left, _LOOK_AGAIN))
                file = await self._db.read(partial(files.get, file_id=file.id, deleted=True))
        return file

    async def _record(self, file: File, key: str) -> None:
        try:
            await self._db.write(lambda tx: self._arrivals.write(tx, file, key))
        except BaseException:
            await self._intents.reconcile(self._backend, key)
            raise
        await self._intents.fulfil(self._backend, key)


def _has_settled(file: File) -> bool:
    """Whether what is quickly made of the file is there, or never will be."""
    is_encoded = file.status == "processing" and file.media is not None
    return is_encoded or file.status in ("complete", "failed")


async def _below(body: AsyncIterator[bytes], limit: int | None) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in body:
        received += len(chunk)
        if limit is not None and received >= limit:
            raise too_large(limit)
        yield chunk
