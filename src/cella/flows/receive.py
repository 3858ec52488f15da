"""Receive: from the bytes of a client to a durable file with its job.

Bytes before rows: the blob is durable before one transaction writes the document and the job
that processes it. Whatever fails before that commit leaves nothing; once it is made the file is
acknowledged and never lost.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
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
from cella.flows.config import FlowsConfig
from cella.flows.intents import Intents
from cella.ids import is_id, new_blob_root, new_etag, new_id
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.media import sniff, types
from cella.media.image.formats import DECODABLE
from cella.model import Actor, File, FileStatus, Project
from cella.store import keys
from cella.store.contract import Store

PROCESS = "process"
"""The kind of job that works out a file's previews."""

DIGEST = "digest"
"""The kind of job that works out the MD5 of a large file that needs nothing else."""

_PREVIEWS_FIRST = 10
_DIGESTS_LATER = 50
_LOOK_AGAIN = 0.25


class Permit(msgspec.Struct, frozen=True):
    """Leave to upload one file: `limit` is in bytes, which the file must stay below."""

    actor: Actor
    user: str
    project: Project
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

    async def admit(self, actor: Actor, project_id: str, announced: int | None) -> Permit:
        """Judge an upload before its body is read.

        `announced` is a number of bytes that the file has at least, where one is known. Raises
        `Forbidden`, `BadRequest`, `NotFound` or `TooLarge`.
        """
        if actor.user is None:
            raise Forbidden("Sign in first: uploading needs a valid token.")
        if not is_id(project_id):
            raise BadRequest(f"Invalid object ID {project_id[:80]!r}: 24 hex digits are needed.")
        project = await self._db.read(lambda tx: projects.get(tx, project_id))
        rules.may(actor, "POST", project).enforce()
        limit = rules.upload_limit(actor, self._access)
        if limit is not None and announced is not None and announced >= limit:
            raise _too_large(limit)
        return Permit(actor, actor.user, project, limit)

    async def store(
        self,
        permit: Permit,
        filename: str,
        declared_type: str | None,
        body: AsyncIterator[bytes],
    ) -> File:
        """Store `body` as a new file of the permit's project and return its document.

        On return the bytes, the document and its job are durable. Raises what `body` raises,
        `TooLarge`, `BadRequest` for a type that cannot be found out, and `StoreError`s; then
        nothing is left behind.
        """
        head, whole = await peek(_below(body, permit.limit), sniff.HEAD)
        content_type = types.decide_type(filename, declared_type, sniff.sniff(head))
        name = keys.original_name(new_blob_root(), filename)
        key = keys.blob_key(permit.project.id, name)
        await self._intents.begin(self._backend, key)
        try:
            digests = await self._store.put(key, whole, content_type=content_type)
        except BaseException:
            await uninterrupted(self._intents.reconcile(self._backend, key))
            raise
        file = self._document(permit, filename, declared_type, content_type, name, digests)
        await uninterrupted(self._record(file, key))
        if _has_work(file):
            self._bell.ring(queue.BELL)
        return file

    async def settle(self, file: File) -> File:
        """Wait until the file's previews are there, at most `upload_wait`; the file as it is."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.upload_wait
        with self._bell.listen(file.id) as heard:
            while file.status not in ("complete", "failed"):
                left = deadline - loop.time()
                if left <= 0:
                    break
                await heard.wait(min(left, _LOOK_AGAIN))
                file = await self._db.read(partial(files.get, file_id=file.id, deleted=True))
        return file

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
        if content_type.startswith("video/"):
            if not rules.may_encode_video(permit.actor, self._access):
                content_type = "application/x-" + kind.removeprefix("x-")
        elif content_type in DECODABLE:
            status = "queued_for_processing"
        return File(
            id=new_id(),
            created=now,
            updated=now,
            etag=new_etag(),
            project=permit.project.id,
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
        if file.project is not None:
            projects.get(tx, file.project)
        files.add(tx, file, [BlobRef(key, ORIGINAL)])
        if _has_work(file):
            is_digest = file.status == "complete"
            queue.put(
                tx,
                kind=DIGEST if is_digest else PROCESS,
                subject=file.id,
                priority=_DIGESTS_LATER if is_digest else _PREVIEWS_FIRST,
                max_attempts=self._attempts,
                now=self._clock.now(),
            )


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
