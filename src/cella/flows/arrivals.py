"""What flows share that take files in: who may bring one, and the document that it gets.

Bytes before rows: the blob is durable before one transaction writes the document and the job
that processes it. What is judged before the first byte is judged once more in that transaction.
"""

import msgspec

from cella.access import rules
from cella.access.rules import AccessConfig
from cella.catalog import files, projects
from cella.catalog.files import ORIGINAL, BlobRef
from cella.clock import Clock
from cella.db import Tx
from cella.digest import Digests
from cella.errors import BadRequest, Forbidden, TooLarge
from cella.flows.config import DIGEST, DIGESTS_LATER, PREVIEWS_FIRST, PROCESS
from cella.flows.reach import present_actor
from cella.ids import is_id, new_etag, new_id
from cella.jobs import queue
from cella.media import types
from cella.media.kinds import kind_of
from cella.model import Actor, File, FileStatus, Project


class Permit(msgspec.Struct, frozen=True):
    """Leave to upload one file: `limit` is in bytes, which the file must stay below.

    A file without a project is its uploader's own.
    """

    actor: Actor
    user: str
    project: Project | None
    limit: int | None

    @property
    def bucket(self) -> str:
        """The bucket of the file's blobs."""
        return self.project.id if self.project else self.user


class Content(msgspec.Struct, frozen=True):
    """A blob that becomes a file: its name in the bucket, and what its bytes are."""

    name: str
    filename: str
    declared_type: str | None
    content_type: str
    digests: Digests


class Arrivals:
    """Judges uploads, and writes the documents of what has arrived in the store `backend`."""

    def __init__(self, *, backend: str, clock: Clock, access: AccessConfig, attempts: int) -> None:
        self.backend = backend
        self._clock = clock
        self._access = access
        self._attempts = attempts

    def permit(self, tx: Tx, actor: Actor, project_id: str | None, announced: int | None) -> Permit:
        """Leave to upload a file of `announced` bytes or more, where that is known.

        Raises `Forbidden`, `BadRequest`, `NotFound` or `TooLarge`.
        """
        if actor.user is None:
            raise Forbidden("Sign in first: uploading needs a valid token.")
        project = None
        if project_id is not None:
            if not is_id(project_id):
                raise BadRequest(
                    f"Invalid object ID {project_id[:80]!r}: 24 hex digits are needed."
                )
            project = projects.get(tx, project_id)
            rules.may(actor, "POST", project).enforce()
        limit = rules.upload_limit(actor, self._access)
        if limit is not None and announced is not None and announced >= limit:
            raise too_large(limit)
        return Permit(actor, actor.user, project, limit)

    def document(self, permit: Permit, content: Content) -> File:
        """The document of a new file."""
        now = int(self._clock.now())
        status: FileStatus = "complete"
        content_type = content.content_type
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
            name=content.name,
            filename=content.filename,
            content_type=content_type,
            declared_type=content.declared_type,
            length=content.digests.length,
            md5=content.digests.md5,
            sha256=content.digests.sha256,
            backend=self.backend,
            file_path=content.name,
            status=status,
            format=kind if status == "complete" else None,
        )

    def write(self, tx: Tx, file: File, key: str) -> None:
        """Write the document of the blob under `key`, and the job for it.

        Raises `Forbidden` and `NotFound` where nobody would give leave for it any more.
        """
        # An upload may take hours. A token that ran out since does not count against it.
        actor = present_actor(tx, file.user)
        if file.project is not None:
            rules.may(actor, "POST", projects.get(tx, file.project, for_adding=True)).enforce()
        files.add(tx, file, [BlobRef(key, ORIGINAL)])
        if has_work(file):
            is_digest = file.status == "complete"
            queue.put(
                tx,
                kind=DIGEST if is_digest else PROCESS,
                subject=file.id,
                priority=DIGESTS_LATER if is_digest else PREVIEWS_FIRST,
                max_attempts=self._attempts,
                now=self._clock.now(),
            )


def has_work(file: File) -> bool:
    """Whether a job comes with the document of a new file."""
    return file.status == "queued_for_processing" or not file.md5


def too_large(limit: int) -> TooLarge:
    """The refusal of a file that has `limit` bytes or more."""
    mib = limit / (1 << 20)
    return TooLarge(
        f"Files of {mib:.4g} MiB or more need another role: ask an administrator, "
        "or upload a smaller file."
    )
