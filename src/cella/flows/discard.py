"""Discard: the row first, the bytes later.

A deleted file is gone for everybody at once, and so are the files of a deleted project. Their
bytes, and the rows that could bring them back, stay for `discard_grace`; then jobs forget both,
row before bytes. Other jobs for a deleted file are cancelled, and it is not forgotten before the
last of them has stopped: none puts bytes where nobody looks any more. A job at Zencoder is
cancelled there by one of ours, put in the transaction that deletes the file.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from cella.access import rules
from cella.catalog import encodings, files, projects
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import NotFound
from cella.flows.config import FILE_JOBS, FORGET, WHEN_IDLE, FlowsConfig
from cella.flows.reach import readable_file
from cella.flows.workshop import nothing, open_job, put_cancel
from cella.ids import is_id, new_etag
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.jobs.queue import Job
from cella.jobs.runner import Effect, Later, Report
from cella.model import Actor, File
from cella.store import keys
from cella.store.contract import Store

_BATCH = 500
_LOOK_AGAIN_SECONDS = 1.0


class Discard:
    """Deletes files."""

    def __init__(
        self, *, db: Database, clock: Clock, bell: Bell, config: FlowsConfig, attempts: int
    ) -> None:
        self._attempts = attempts
        self._db = db
        self._clock = clock
        self._bell = bell
        self._config = config

    async def delete(self, actor: Actor, file_id: str, precondition: Callable[[str], None]) -> None:
        """Delete the file, and stop what is being done to it, here and at Zencoder.

        `precondition` is handed the file's etag and raises where it is the wrong one.
        Raises `NotFound`, `Forbidden`, and what `precondition` raises.
        """

        def work(tx: Tx) -> int:
            # Jobs before files, as the ends of jobs do: so none waits for the other for ever.
            running = queue.cancel_subject(tx, file_id, FILE_JOBS) if is_id(file_id) else 0
            file, project = readable_file(tx, actor, file_id, for_change=True)
            rules.may_file(actor, "DELETE", project, file).enforce()
            precondition(file.etag)
            now = self._clock.now()
            gone = msgspec.structs.replace(
                file, deleted=int(now), updated=int(now), etag=new_etag()
            )
            files.replace(tx, file, gone)
            queue.put(
                tx,
                kind=FORGET,
                subject=file_id,
                priority=WHEN_IDLE,
                run_at=now + self._config.discard_grace,
                max_attempts=self._attempts,
                now=now,
            )
            _cancel_elsewhere(tx, [file], now=now, attempts=self._attempts)
            return running

        if await self._db.write(work):
            self._bell.ring(queue.CANCELLATIONS)
        self._bell.ring(queue.BELL)


class Forget:
    """Drops deleted files for good; the handler of `forget` jobs."""

    def __init__(self, *, db: Database, stores: Mapping[str, Store]) -> None:
        self._db = db
        self._stores = stores

    async def work(self, job: Job, _report: Report) -> Effect:
        """Drop the row, then the bytes; later, where something is still done to the file.

        The keys go into the job's payload in the transaction that drops the row, so that an
        attempt that dies in between is carried on by the next one.
        """
        payload = dict(job.payload)
        if "keys" not in payload:
            left = await self._db.write(lambda tx: _drop_row(tx, job))
            if left is None:
                raise Later(_LOOK_AGAIN_SECONDS)
            payload = left
        store = self._stores.get(payload.get("backend", ""))
        if store is not None:
            for key in payload["keys"]:
                await self._drop(store, key)
            # Attempts at previews that never came to an end may have left some.
            if payload["root"]:
                async for stat in store.list(prefix=payload["root"]):
                    await self._drop(store, stat.key)
        return nothing

    async def _drop(self, store: Store, key: str) -> None:
        """Delete the blob, unless it is somebody's again: imports bring old keys back."""
        if not await self._db.read(lambda tx: files.known_keys(tx, [key])):
            await store.delete(key)

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is left that could tell."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is left that could tell."""

    def cancelled(self, tx: Tx, job: Job) -> None:
        """No document is left that could tell."""


class ForgetProject:
    """Drops the files of a deleted project for good; the handler of `forget_project` jobs.

    `batch` is how many files one transaction deletes.
    """

    def __init__(self, *, db: Database, clock: Clock, attempts: int, batch: int = _BATCH) -> None:
        self._db = db
        self._clock = clock
        self._attempts = attempts
        self._batch = batch

    async def work(self, job: Job, _report: Report) -> Effect:
        """Delete what is left in the project, and have each file forgotten, a batch at a time.

        Each batch is one transaction, so an attempt that dies is carried on by the next one. A
        project that is not deleted, or no longer, keeps its files.
        """
        while await self._db.write(lambda tx: self._delete_some(tx, job.subject)):
            pass
        return nothing

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is left that could tell."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is left that could tell."""

    def cancelled(self, tx: Tx, job: Job) -> None:
        """No document is left that could tell."""

    def _delete_some(self, tx: Tx, project_id: str) -> bool:
        try:
            project = projects.get(tx, project_id, deleted=True, for_adding=True)
        except NotFound:
            return False
        if project.deleted is None:
            return False
        now = self._clock.now()
        deleted = files.delete_some(tx, project_id, int(now), self._batch)
        queue.cancel_subjects(tx, deleted, FILE_JOBS)
        busy = encodings.among(tx, deleted)
        _cancel_elsewhere(tx, busy, now=now, attempts=self._attempts)
        queue.put_all(
            tx,
            kind=FORGET,
            subjects=deleted,
            priority=WHEN_IDLE,
            max_attempts=self._attempts,
            now=now,
        )
        return bool(deleted)


def _cancel_elsewhere(tx: Tx, gone: Iterable[File], *, now: float, attempts: int) -> None:
    """Have Zencoder told of the jobs that it may be busy with for these files."""
    for file in gone:
        job_id = open_job(file)
        if job_id is not None:
            put_cancel(tx, file.id, job_id, now=now, attempts=attempts)


def _drop_row(tx: Tx, job: Job) -> dict[str, Any] | None:
    """Drop the row and keep what is left to do; None while another job for it is being stopped.

    The job itself is locked first: who restores the file takes it away, and then the row stays.
    """
    queue.cancellation(tx, job)
    if not _is_kept(tx, job.subject) and queue.cancel_subject(tx, job.subject, FILE_JOBS):
        return None
    forgotten = files.forget(tx, job.subject)
    if forgotten is None:
        return {"backend": "", "keys": [], "root": ""}
    backend, blob_keys = forgotten
    payload: dict[str, Any] = {
        "backend": backend,
        "keys": blob_keys,
        "root": keys.root_prefix(blob_keys),
    }
    queue.keep(tx, job, payload)
    return payload


def _is_kept(tx: Tx, file_id: str) -> bool:
    try:
        return files.get(tx, file_id, deleted=True).deleted is None
    except NotFound:
        return False
