"""Restore: what was deleted comes back, as long as its bytes are kept.

The transaction that brings a row back takes away the job that would forget it, and puts what was
still to be done to the file. Whoever holds one of the jobs that go has lost it, so nothing that was
begun before ends afterwards.
"""

from typing import NamedTuple

import msgspec

from cella.access import rules
from cella.catalog import files, projects
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import Conflict, NotFound
from cella.flows.config import (
    DIGEST,
    DIGESTS_LATER,
    ENCODE,
    FILE_JOBS,
    FILMS_AFTER_PREVIEWS,
    FORGET,
    FORGET_PROJECT,
    GONE_MEANWHILE,
    PREVIEWS_FIRST,
    PROCESS,
    ZENCODER_CANCEL,
)
from cella.flows.reach import readable_file
from cella.flows.workshop import changed
from cella.ids import is_id, new_etag
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.model import Actor, File, Processing, Project

_PRIORITIES = {PROCESS: PREVIEWS_FIRST, ENCODE: FILMS_AFTER_PREVIEWS, DIGEST: DIGESTS_LATER}
_LOCAL = "local"


class Restored(NamedTuple):
    """A project, and how many files came back with it that had been deleted one by one."""

    project: Project
    files: int


class Restore:
    """Brings files and projects back. `encoder` names who makes films playable."""

    def __init__(
        self, *, db: Database, clock: Clock, bell: Bell, encoder: str, attempts: int
    ) -> None:
        self._db = db
        self._clock = clock
        self._bell = bell
        self._encoder = encoder
        self._attempts = attempts

    async def file(self, actor: Actor, file_id: str) -> File:
        """Bring a deleted file back; one that is not deleted stays as it is.

        It takes the right to delete the file. Raises `NotFound`, also where the bytes are gone, and
        `Forbidden`.
        """

        def work(tx: Tx) -> File:
            jobs = _jobs_of(tx, file_id)
            file, project = readable_file(tx, actor, file_id, deleted=True, for_change=True)
            rules.may_file(actor, "DELETE", project, file).enforce()
            return self._bring_back(tx, file, jobs)

        file = await self._db.write(work)
        self._bell.ring(queue.BELL)
        return file

    def file_now(self, file_id: str) -> File:
        """As `file`, for whoever minds the database itself.

        Raises `NotFound`, and `Conflict` for a file of a deleted project.
        """

        def work(tx: Tx) -> File:
            jobs = _jobs_of(tx, file_id)
            try:
                file = files.get(tx, file_id, deleted=True, for_change=True)
            except NotFound:
                raise NotFound(
                    f"File {file_id[:80]} does not exist, or was deleted so long ago that its "
                    "bytes are gone."
                ) from None
            if file.project is not None:
                project = projects.get(tx, file.project, deleted=True)
                if project.deleted is not None:
                    raise Conflict(f"Its project {project.id} is deleted; restore that.")
            return self._bring_back(tx, file, jobs)

        return self._db.write_now(work)

    def project_now(self, project_id: str) -> Restored:
        """Bring a deleted project back, with the files that were deleted because it was.

        Files that somebody had deleted before stay deleted. Raises `NotFound`.
        """

        def work(tx: Tx) -> Restored:
            ends = queue.of_subjects(tx, [project_id], [FORGET_PROJECT])
            project = projects.get(tx, project_id, deleted=True, for_change=True)
            if project.deleted is None:
                return Restored(project, 0)
            queue.remove(tx, [job.id for job in ends])
            new = msgspec.structs.replace(
                project, deleted=None, updated=int(self._clock.now()), etag=new_etag()
            )
            projects.replace(tx, project, new)
            gone = files.deleted_since(tx, project_id, project.deleted)
            for file_id in gone:
                jobs = _jobs_of(tx, file_id)
                file = files.get(tx, file_id, deleted=True, for_change=True)
                self._bring_back(tx, file, jobs)
            return Restored(new, len(gone))

        return self._db.write_now(work)

    def _bring_back(self, tx: Tx, file: File, jobs: list[str]) -> File:
        """Bring the row back, with what was still to be done to the file; `jobs` are its jobs."""
        if file.deleted is None:
            return file
        queue.remove(tx, jobs)
        new = msgspec.structs.replace(changed(file, self._clock), deleted=None)
        kind = _what_is_left(file)
        if kind is not None:
            job_id = self._put(tx, file, kind)
            new = self._unsettled(new, kind, job_id)
            self._end_elsewhere(tx, file)
        files.replace(tx, file, new)
        return new

    def _unsettled(self, file: File, kind: str, job_id: str) -> File:
        if kind == PROCESS:
            return msgspec.structs.replace(file, status="queued_for_processing", processing=None)
        if kind == ENCODE:
            is_ours = self._encoder == _LOCAL
            told = Processing(
                status="pending", backend=self._encoder, job_id=job_id if is_ours else None
            )
            return msgspec.structs.replace(file, status="processing", processing=told)
        return file

    def _end_elsewhere(self, tx: Tx, file: File) -> None:
        """Have an encoder elsewhere told that what it was doing is begun anew."""
        told = file.processing
        if told is not None and told.backend != _LOCAL and told.job_id is not None:
            self._put(tx, file, ZENCODER_CANCEL, {"job_id": told.job_id})

    def _put(self, tx: Tx, file: File, kind: str, payload: dict[str, str] | None = None) -> str:
        return queue.put(
            tx,
            kind=kind,
            subject=file.id,
            payload=payload,
            priority=_PRIORITIES.get(kind, FILMS_AFTER_PREVIEWS),
            max_attempts=self._attempts,
            now=self._clock.now(),
        )


def _jobs_of(tx: Tx, file_id: str) -> list[str]:
    """The jobs that work on the file, or would forget it; nobody claims or ends them meanwhile.

    They are locked before the file, as all others lock them.
    """
    if not is_id(file_id):
        return []
    return [job.id for job in queue.of_subjects(tx, [file_id], (*FILE_JOBS, FORGET))]


def _what_is_left(file: File) -> str | None:
    """The kind of the job that the file still needs."""
    if not file.file_path:
        return None
    was_stopped = file.processing is not None and file.processing.error == GONE_MEANWHILE
    if was_stopped or file.status in ("queued_for_processing", "processing"):
        return ENCODE if file.media is not None else PROCESS
    return DIGEST if file.status == "complete" and not file.md5 else None
