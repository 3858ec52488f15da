"""Discard: the row first, the bytes later.

A deleted file is gone for everybody at once. Its bytes, and the row that could bring it back,
stay for `discard_grace`; then a job forgets both, row before bytes.
"""

from collections.abc import Callable, Mapping

import msgspec

from cella.access import rules
from cella.catalog import files, projects
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import NotFound
from cella.flows.config import FlowsConfig
from cella.ids import is_id, new_etag
from cella.jobs import queue
from cella.jobs.queue import Job
from cella.jobs.runner import Effect
from cella.model import Actor, File
from cella.store import keys
from cella.store.contract import Store

FORGET = "forget"
"""The kind of job that drops a deleted file for good."""

_WHEN_IDLE = 90


class Discard:
    """Deletes files."""

    def __init__(self, *, db: Database, clock: Clock, config: FlowsConfig, attempts: int) -> None:
        self._attempts = attempts
        self._db = db
        self._clock = clock
        self._config = config

    async def delete(self, actor: Actor, file_id: str, precondition: Callable[[str], None]) -> None:
        """Delete the file. `precondition` is handed its etag and raises where it is the wrong one.

        Raises `NotFound`, `Forbidden`, and what `precondition` raises.
        """
        if not is_id(file_id):
            raise NotFound(f"File {file_id[:80]} does not exist.")

        def work(tx: Tx) -> None:
            file = files.get(tx, file_id, for_change=True)
            _check(tx, actor, file)
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
                priority=_WHEN_IDLE,
                run_at=now + self._config.discard_grace,
                max_attempts=self._attempts,
                now=now,
            )

        await self._db.write(work)


class Forget:
    """Drops deleted files for good; the handler of `forget` jobs."""

    def __init__(self, *, db: Database, stores: Mapping[str, Store]) -> None:
        self._db = db
        self._stores = stores

    async def work(self, job: Job) -> Effect:
        """Drop the row, then the bytes.

        The keys go into the job's payload in the transaction that drops the row, so that an
        attempt that dies in between is carried on by the next one.
        """
        payload = dict(job.payload)
        if "keys" not in payload:
            payload = await self._db.write(lambda tx: _drop_row(tx, job))
        store = self._stores.get(payload.get("backend", ""))
        if store is not None:
            for key in payload["keys"]:
                await store.delete(key)
            # Attempts at previews that never came to an end may have left some.
            if payload["root"]:
                async for stat in store.list(prefix=payload["root"]):
                    await store.delete(stat.key)
        return _nothing

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is left that could tell."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is left that could tell."""


def _check(tx: Tx, actor: Actor, file: File) -> None:
    if file.project is None:
        if not actor.is_admin:
            raise NotFound(f"File {file.id} does not exist.")
        return
    project = projects.get(tx, file.project)
    rules.may(actor, "GET", project).enforce()
    rules.may(actor, "DELETE", project).enforce()


def _drop_row(tx: Tx, job: Job) -> dict[str, object]:
    forgotten = files.forget(tx, job.subject)
    if forgotten is None:
        return {"backend": "", "keys": [], "root": ""}
    backend, blob_keys = forgotten
    payload: dict[str, object] = {
        "backend": backend,
        "keys": blob_keys,
        "root": keys.root_prefix(blob_keys),
    }
    queue.keep(tx, job, payload)
    return payload


def _nothing(tx: Tx) -> None:
    """The work is done outside the catalogue."""
