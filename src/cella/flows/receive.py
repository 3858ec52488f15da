"""Receive: from the bytes of a client to a durable file with its job.

Bytes before rows: the blob is durable before one transaction writes the document and the job
that processes it. Whatever fails before that commit leaves nothing; once it is made the file is
acknowledged and never lost.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial

import msgspec

from cella.access import rules
from cella.access.rules import AccessConfig
from cella.aio import peek, uninterrupted
from cella.catalog import files, projects
from cella.catalog.files import ORIGINAL, BlobRef
from cella.clock import Clock
from cella.db import Database, Tx
from cella.digest import Digests
from cella.errors import BadRequest, Forbidden, TooLarge
from cella.flows.config import (
    DIGEST,
    DIGESTS_LATER,
    PREVIEWS_FIRST,
    PROCESS,
    FlowsConfig,
)
from cella.flows.intents import Intents
from cella.flows.labels import label
from cella.flows.reach import present_actor
from cella.ids import is_id, new_blob_root, new_etag, new_id
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.media import sniff, types
from cella.media.kinds import kind_of
from cella.model import Actor, File, FileStatus, Project
from cella.slots import Slots
from cella.store import keys
from cella.store.contract import Store

_LOOK_AGAIN = 0.25


class Permit(msgspec.Struct, frozen=True):
    """Leave to upload one file: `limit` is in bytes, which the file must stay below.

    A file without a project is its uploader's own.
    """

    actor: Actor
    user: str
    project: Project | None
    limit: int | None


class Receive:
    """Receives files."""

    def __init__(
        self,
        *,
        db: Database,
        stores: Mapping[str, Store],
        backend: str,
        intents: Intents,
        bell: Bell,
        clock: Clock,
        config: FlowsConfig,
        access: AccessConfig,
        attempts: int,
    ) -> None:
        self._db = db
        self._attempts = attempts
        self._store = stores[backend]
        self._backend = backend
        self._intents = intents
        self._bell = bell
        self._clock = clock
        self._config = config
        self._access = access
        self._slots = Slots(config.upload_slots, "uploads")

    async def admit(self, actor: Actor, project_id: str, announced: int | None) -> Permit:
        """Judge an upload before its body is read.

        `announced` is a number of bytes that the file has at least, where one is known. Raises
        `Forbidden`, `BadRequest`, `NotFound` or `TooLarge`.
        """
        user = _signed_in(actor)
        if not is_id(project_id):
            raise BadRequest(f"Invalid object ID {project_id[:80]!r}: 24 hex digits are needed.")
        project = await self._db.read(lambda tx: projects.get(tx, project_id))
        rules.may(actor, "POST", project).enforce()
        return self._permit(actor, user, project, announced)

    def admit_own(self, actor: Actor, announced: int | None) -> Permit:
        """Judge an upload of a file without a project; as `admit` in all else."""
        return self._permit(actor, _signed_in(actor), None, announced)

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
        key = keys.blob_key(permit.project.id if permit.project else permit.user, name)
        await self._intents.begin(self._backend, key)
        try:
            digests = await self._store.put(key, whole, label=label(content_type, filename))
            if named is not None:
                filename = named()
                content_type = types.decide_type(filename, declared_type, sniffed)
        except BaseException:
            await uninterrupted(self._intents.reconcile(self._backend, key))
            raise
        file = self._document(permit, filename, declared_type, content_type, name, digests)
        await uninterrupted(self._record(file, key))
        if _has_work(file):
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

    def _permit(
        self, actor: Actor, user: str, project: Project | None, announced: int | None
    ) -> Permit:
        limit = rules.upload_limit(actor, self._access)
        if limit is not None and announced is not None and announced >= limit:
            raise _too_large(limit)
        return Permit(actor, user, project, limit)

    def _document(
        self,
        permit: Permit,
        filename: str,
        declared_type: str | None,
        content_type: str,
        name: str,
        digests: Digests,
    ) -> File:
        now = int(self._clock.now())
        status: FileStatus = "complete"
        kind = types.format_of(content_type)
        looked_at_as = kind_of(content_type)
        if looked_at_as == "film" and not rules.may_encode_video(permit.actor, self._access):
            if content_type.startswith("video/"):
                content_type = "application/x-" + kind.removeprefix("x-")
        elif looked_at_as is not None:
            status = "queued_for_processing"
        return File(
            id=new_id(),
            created=now,
            updated=now,
            etag=new_etag(),
            project=permit.project.id if permit.project else None,
            user=permit.user,
            name=name,
            filename=filename,
            content_type=content_type,
            declared_type=declared_type,
            length=digests.length,
            md5=digests.md5,
            sha256=digests.sha256,
            backend=self._backend,
            file_path=name,
            status=status,
            format=kind if status == "complete" else None,
        )

    async def _record(self, file: File, key: str) -> None:
        try:
            await self._db.write(lambda tx: self._write(tx, file, key))
        except BaseException:
            await self._intents.reconcile(self._backend, key)
            raise
        await self._intents.fulfil(self._backend, key)

    def _write(self, tx: Tx, file: File, key: str) -> None:
        # An upload may take hours. A token that ran out since does not count against it.
        actor = present_actor(tx, file.user)
        if file.project is not None:
            rules.may(actor, "POST", projects.get(tx, file.project, for_adding=True)).enforce()
        files.add(tx, file, [BlobRef(key, ORIGINAL)])
        if _has_work(file):
            is_digest = file.status == "complete"
            queue.put(
                tx,
                kind=DIGEST if is_digest else PROCESS,
                subject=file.id,
                priority=DIGESTS_LATER if is_digest else PREVIEWS_FIRST,
                max_attempts=self._attempts,
                now=self._clock.now(),
            )


def _signed_in(actor: Actor) -> str:
    if actor.user is None:
        raise Forbidden("Sign in first: uploading needs a valid token.")
    return actor.user


def _has_settled(file: File) -> bool:
    """Whether what is quickly made of the file is there, or never will be."""
    is_encoded = file.status == "processing" and file.media is not None
    return is_encoded or file.status in ("complete", "failed")


def _has_work(file: File) -> bool:
    return file.status == "queued_for_processing" or not file.md5


async def _below(body: AsyncIterator[bytes], limit: int | None) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in body:
        received += len(chunk)
        if limit is not None and received >= limit:
            raise _too_large(limit)
        yield chunk


def _too_large(limit: int) -> TooLarge:
    mib = limit / (1 << 20)
    return TooLarge(
        f"Files of {mib:.4g} MiB or more need another role: ask an administrator, "
        "or upload a smaller file."
    )
