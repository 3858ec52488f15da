"""Move: files from one store to another, readable all the while.

The bytes first, each blob verified on its way; when all of a file's lie durably in the target one
transaction changes its row. Until then it lives where it was, from then on where it is to be:
keys are the same in every store, so nothing else about it changes.

Before the first byte a job is put that would drop the copies again. It is the note of what is
under way, and the fence: the transaction that changes the row needs it as it was, and takes it
away. So of two moves of one file the later one wins; what a move leaves that broke off, however it
did, lies there for `_UNFINISHED` seconds, for the next one to go on with, and then goes by itself.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Literal, NamedTuple

import msgspec

from cella.aio import together, uninterrupted
from cella.catalog import files, moving, projects
from cella.catalog.moving import Place, Sum, Which
from cella.clock import Clock
from cella.db import Database, Tx
from cella.digest import Digests
from cella.errors import (
    BadRequest,
    BlobMissing,
    CellaError,
    Corrupt,
    NotFound,
    PreconditionFailed,
    StoreError,
)
from cella.flows.config import DROP_BLOBS, FILE_JOBS, WHEN_IDLE
from cella.flows.labels import label, variation_filename
from cella.flows.workshop import changed, nothing
from cella.ids import is_id
from cella.jobs import queue
from cella.jobs.queue import Entry, Job
from cella.jobs.runner import Effect, Report
from cella.links.urls import LocalLinks, Speller
from cella.model import File
from cella.store import keys
from cella.store.checked import verify
from cella.store.contract import Label, Store

_FILES_AT_ONCE = 4
_BLOBS_AT_ONCE = 8
_BATCH = 200
_UNFINISHED = 7 * 24 * 3600.0
_UNTIL_READ = 15 * 60.0
_FAILURES_IN_A_ROW = 20

State = Literal["moved", "busy", "nothing", "failed"]
"""What became of a file: it was moved; it is being changed; there was nothing to do; an error."""


class Selection(NamedTuple):
    """Which files: those of a project, of a backend, or of both; or these, by their ids."""

    project: str | None = None
    backend: str | None = None
    files: Sequence[str] = ()


class Survey(NamedTuple):
    """What there is to move, and how many deleted files stay where they are."""

    files: int
    size: int
    deleted: int


class Outcome(msgspec.Struct, frozen=True):
    """What became of one file, and why where it was not moved.

    `size` is in bytes, with the variations; of a file that was moved, `source` is where it was.
    """

    file_id: str
    state: State
    reason: str = ""
    size: int = 0
    source: str = ""


class _Blob(NamedTuple):
    """A blob as its document has it; None where it does not tell."""

    key: str
    label: Label
    length: int | None = None
    sha256: str | None = None
    md5: str = ""


class _Begun(NamedTuple):
    """A file that is being moved, and the job that would drop the copies."""

    file: File
    blobs: list[_Blob]
    guard: str


class _Run(NamedTuple):
    """One run: where to, whether the old bytes go, who is told of bytes, places for copies."""

    target: str
    delete_source: bool
    advance: Callable[[int], None]
    places: asyncio.Semaphore


class _Busy(Exception):
    """The file is being changed by somebody else."""


class _Nothing(Exception):
    """There is nothing to be moved."""


class Move:
    """Moves files between the stores of this process, in any direction.

    `spellers` tell how long links lead to the old place. `attempts` is what a job has, `batch` how
    many files are looked up at once.
    """

    def __init__(
        self,
        *,
        db: Database,
        stores: Mapping[str, Store],
        spellers: Mapping[str, Speller],
        clock: Clock,
        attempts: int,
        batch: int = _BATCH,
    ) -> None:
        self._batch = batch
        self._db = db
        self._stores = stores
        self._spellers = spellers
        self._clock = clock
        self._attempts = attempts

    async def survey(self, selection: Selection, target: str) -> Survey:
        """What a run would move. Raises `BadRequest` and `NotFound`."""
        self._check(selection, target)
        return await self._db.read(lambda tx: _survey(tx, selection, target))

    async def run(
        self,
        selection: Selection,
        target: str,
        *,
        delete_source: bool,
        told: Callable[[Outcome], None],
        advance: Callable[[int], None],
    ) -> None:
        """Move the files, a few at a time; `told` hears what became of each.

        A file that cannot be moved stays where it is and does not keep others back. `advance` hears
        of bytes that were seen to. Cancelling leaves each file in one place or the other. Raises
        `BadRequest`, and the last error where so many files fail one after the other that a store
        is at fault.
        """
        self._check(selection, target)
        run = _Run(target, delete_source, advance, asyncio.Semaphore(_BLOBS_AT_ONCE))
        turn = asyncio.Lock()
        failures = 0

        async def work(waiting: AsyncGenerator[Place, None]) -> None:
            nonlocal failures
            while True:
                async with turn:
                    place = await anext(waiting, None)
                if place is None:
                    return
                try:
                    outcome = await self._move(run, place)
                    failures = 0
                except NotFound as error:
                    is_named = bool(selection.files)
                    outcome = Outcome(place.id, "failed" if is_named else "nothing", error.message)
                except CellaError as error:
                    outcome = Outcome(place.id, "failed", error.message, place.size)
                    failures += isinstance(error, StoreError) and error.retriable
                    if failures >= _FAILURES_IN_A_ROW:
                        raise
                told(outcome)

        async with aclosing(self._waiting(selection, target)) as waiting:
            await together([work(waiting) for _ in range(_FILES_AT_ONCE)])

    def _check(self, selection: Selection, target: str) -> None:
        for backend in (target, selection.backend):
            if backend is not None and backend not in self._stores:
                raise BadRequest(
                    f"There is no store {backend[:80]}; those that are configured are "
                    f"{', '.join(sorted(self._stores))}."
                )
        if selection.backend == target:
            raise BadRequest("The files lie there already.")

    async def _waiting(self, selection: Selection, target: str) -> AsyncGenerator[Place, None]:
        for file_id in selection.files:
            yield Place(file_id, 0)
        if selection.files:
            return
        which, after = Which(target, selection.project, selection.backend), ""
        while page := await self._db.read(
            partial(moving.page, which=which, after=after, most=self._batch)
        ):
            for place in page:
                yield place
            after = page[-1].id

    async def _move(self, run: _Run, place: Place) -> Outcome:
        try:
            begun = await self._db.write(lambda tx: self._begin(tx, run, place.id))
            file = begun.file
            found = await self._bring(run, begun)
            await self._check_present(run, begun)
            await uninterrupted(self._db.write(lambda tx: self._settle(tx, run, begun, found)))
        except _Nothing as error:
            return Outcome(place.id, "nothing", str(error), place.size)
        except (_Busy, PreconditionFailed) as error:
            reason = str(error) if isinstance(error, _Busy) else "It has changed meanwhile."
            return Outcome(place.id, "busy", reason, place.size)
        return Outcome(file.id, "moved", size=file.length_aggregate, source=file.backend)

    def _begin(self, tx: Tx, run: _Run, file_id: str) -> _Begun:
        """Note what is about to be copied; what was to be dropped from the target stays."""
        jobs = queue.of_subjects(tx, [file_id], (*FILE_JOBS, DROP_BLOBS))
        file = files.get(tx, file_id)
        if file.backend == run.target:
            raise _Nothing("It lies there already.")
        if not file.file_path:
            raise _Nothing("It has no bytes.")
        _check_rest(file, jobs)
        drops = [job for job in jobs if _drops_from(job, run.target)]
        if any(job.state == "running" for job in drops):
            raise _Busy("Older copies are being removed there.")
        queue.remove(tx, [job.id for job in drops])
        blobs = _blobs(file, moving.blob_keys(tx, file_id))
        guard = self._drop_later(tx, file, run.target, blobs, self._clock.now() + _UNFINISHED)
        return _Begun(file, blobs, guard)

    async def _bring(self, run: _Run, begun: _Begun) -> dict[str, Digests]:
        """Copy all blobs; the digests of those of which the document has none, by their keys."""
        source = self._stores.get(begun.file.backend)
        if source is None:
            raise CellaError(f"Its store {begun.file.backend} is not configured.")
        found = await together(
            [self._copy(run, source, self._stores[run.target], blob) for blob in begun.blobs]
        )
        return {
            blob.key: digests
            for blob, digests in zip(begun.blobs, found, strict=True)
            if digests is not None
        }

    async def _copy(self, run: _Run, source: Store, target: Store, blob: _Blob) -> Digests | None:
        """Have the blob in the target, bit for bit; its digests, where it was read for that."""
        async with run.places:
            if await _is_there(target, blob):
                run.advance(blob.length or 0)
                return None
            passed = _Passed(blob, run.advance)
            async with (
                aclosing(source.get(blob.key)) as blocks,
                aclosing(passed.by(blocks)) as body,
            ):
                stored = await target.put(blob.key, body, label=blob.label, replace=True)
            read = passed.digests()
            if (stored.length, stored.sha256) != (read.length, read.sha256):
                raise Corrupt(f"The blob {blob.key} was stored with other bytes than were sent.")
            return read

    async def _check_present(self, run: _Run, begun: _Begun) -> None:
        """See that all of the file is in the target still.

        What was there before the move may have been taken for nobody's, and swept away, while the
        rest was copied.
        """
        target = self._stores[run.target]

        async def check(blob: _Blob) -> None:
            async with run.places:
                try:
                    await target.head(blob.key)
                except BlobMissing:
                    raise _Busy("Some of it has gone from there meanwhile.") from None

        await together([check(blob) for blob in begun.blobs])

    def _settle(self, tx: Tx, run: _Run, begun: _Begun, found: Mapping[str, Digests]) -> None:
        """The step from one store to the other. Jobs before files, as all others lock them."""
        file = begun.file
        jobs = queue.of_subjects(tx, [file.id], (*FILE_JOBS, DROP_BLOBS))
        _check_rest(file, jobs)
        if not any(job.id == begun.guard and job.state == "ready" for job in jobs):
            raise _Busy("Another move of it has begun, or this one took too long.")
        new = msgspec.structs.replace(
            _with_digests(changed(file, self._clock), found), backend=run.target
        )
        moving.settle(tx, file, new)
        queue.remove(tx, [begun.guard])
        if run.delete_source:
            self._drop_later(tx, file, file.backend, begun.blobs, self._unread_from(file.backend))

    def _drop_later(
        self, tx: Tx, file: File, backend: str, blobs: Sequence[_Blob], run_at: float
    ) -> str:
        names = [blob.key for blob in blobs]
        return queue.put(
            tx,
            kind=DROP_BLOBS,
            subject=file.id,
            payload={"backend": backend, "keys": names, "root": keys.root_prefix(names)},
            priority=WHEN_IDLE,
            run_at=run_at,
            max_attempts=self._attempts,
            now=self._clock.now(),
        )

    def _unread_from(self, backend: str) -> float:
        """When nobody reads from the old place any more.

        Links that lead to this service follow the file at once; others lead to the store itself,
        and none that was spelled before now works longer than one that is spelled now.
        """
        now = self._clock.now()
        speller = self._spellers.get(backend)
        if speller is None or isinstance(speller, LocalLinks):
            return now + _UNTIL_READ
        return max(now + _UNTIL_READ, speller.window(now).expires)


class DropBlobs:
    """Drops blobs where their file does not live; the handler of `drop_blobs` jobs."""

    def __init__(self, *, db: Database, stores: Mapping[str, Store]) -> None:
        self._db = db
        self._stores = stores

    async def work(self, job: Job, _report: Report) -> Effect:
        """Delete the blobs, and what attempts at variations have left beside them.

        Before each of them the catalogue is asked: a file that was moved back keeps its bytes. It
        cannot come back meanwhile, because a move waits for this job to end. And nothing goes of
        which the file's own store has not as much: the last copy stays, whatever has happened to
        the other. Raises `Corrupt` then.
        """
        backend = job.payload["backend"]
        store = self._stores.get(backend)
        if store is None:
            raise CellaError(f"The store {backend} is not configured; its copies stay.")
        for key in job.payload["keys"]:
            if not await self._db.read(lambda tx: _may_drop(tx, job)):
                return nothing
            await self._check_other(job, store, key)
            await store.delete(key)
        if job.payload["root"]:
            async with aclosing(store.list(prefix=job.payload["root"])) as left:
                async for stat in left:
                    if not await self._db.read(lambda tx: _may_drop(tx, job)):
                        return nothing
                    await store.delete(stat.key)
        return nothing

    async def _check_other(self, job: Job, store: Store, key: str) -> None:
        home = await self._db.read(partial(_home_of, job, key))
        if home is None:
            return
        if home not in self._stores:
            raise CellaError(f"The file's store {home} is not configured; its copies stay.")
        ours, theirs = await _length(store, key), await _length(self._stores[home], key)
        if ours is not None and ours != theirs:
            raise Corrupt(
                f"The store {home} has not all of the blob {key}, so the copy of it in "
                f"{job.payload['backend']} stays. `cella verify` tells what is missing."
            )

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """The document says nothing of copies elsewhere."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """The document says nothing of copies elsewhere."""

    def cancelled(self, tx: Tx, job: Job) -> None:
        """The document says nothing of copies elsewhere."""


class _Passed:
    """Digests of a blob that passes by, held against its document at the end."""

    def __init__(self, blob: _Blob, advance: Callable[[int], None]) -> None:
        self._blob = blob
        self._advance = advance
        self._length = 0
        self._sha256 = hashlib.sha256()
        # Only where nobody has worked it out yet: it is slower than all the rest.
        is_wanted = blob.sha256 is None
        self._md5 = hashlib.md5(usedforsecurity=False) if is_wanted else None

    async def by(self, body: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        """The bytes as they are. Raises `Corrupt` at their end where they are not the document's.

        So a store that puts all or nothing gets nothing of them.
        """
        async for block in body:
            await asyncio.to_thread(self._take, block)
            yield block
            self._advance(len(block))
        blob, found = self._blob, self.digests()
        if blob.length not in (None, found.length):
            raise Corrupt(f"The blob {blob.key} has {found.length} bytes instead of {blob.length}.")
        if blob.sha256 not in (None, found.sha256):
            raise Corrupt(f"The blob {blob.key} has another SHA-256 than its document says.")
        if blob.md5 and found.md5 and blob.md5 != found.md5:
            raise Corrupt(f"The blob {blob.key} has another MD5 than its document says.")

    def digests(self) -> Digests:
        """What passed by."""
        md5 = "" if self._md5 is None else self._md5.hexdigest()
        return Digests(self._length, self._sha256.hexdigest(), md5)

    def _take(self, block: bytes) -> None:
        self._length += len(block)
        self._sha256.update(block)
        if self._md5 is not None:
            self._md5.update(block)


def _survey(tx: Tx, selection: Selection, target: str) -> Survey:
    if selection.files:
        ids = [file_id for file_id in selection.files if is_id(file_id)]
        return Survey(*moving.total_of(tx, ids, target), 0)
    if selection.project is not None:
        projects.get(tx, selection.project, deleted=True)
    which = Which(target, selection.project, selection.backend)
    found: Sum = moving.total(tx, which)
    return Survey(*found, moving.total_deleted(tx, which).files)


def _check_rest(file: File, jobs: Sequence[Entry]) -> None:
    """Raise `_Busy` where something is being done to the file, or is about to be."""
    is_open = any(job.kind in FILE_JOBS and job.state != "dead" for job in jobs)
    if is_open or file.status not in ("complete", "failed"):
        raise _Busy("It is being worked on.")


def _drops_from(job: Entry, backend: str) -> bool:
    return job.kind == DROP_BLOBS and job.payload["backend"] == backend


def _may_drop(tx: Tx, job: Job) -> bool:
    """Whether the file lives elsewhere. Raises `LeaseLost`."""
    queue.check(tx, job)
    backend: str = job.payload["backend"]
    return moving.backend_of(tx, job.subject) != backend


def _home_of(job: Job, key: str, tx: Tx) -> str | None:
    """Where the file of the job lives, if the blob is part of it still."""
    if key not in moving.blob_keys(tx, job.subject):
        return None
    return moving.backend_of(tx, job.subject)


async def _length(store: Store, key: str) -> int | None:
    try:
        return (await store.head(key)).length
    except BlobMissing:
        return None


def _blobs(file: File, known: Sequence[str]) -> list[_Blob]:
    """The file's blobs; of a variation that never came there is none."""
    told = {
        variation.file_path: _Blob(
            "",
            label(
                variation.content_type,
                variation_filename(file, variation),
                is_public=variation.is_public,
            ),
            variation.length,
            variation.sha256,
            variation.md5,
        )
        for variation in file.variations
    }
    told[file.file_path or ""] = _Blob(
        "", label(file.content_type, file.filename), file.length, file.sha256, file.md5
    )
    unknown = _Blob("", Label())
    return [told.get(keys.split(key)[1], unknown)._replace(key=key) for key in known]


def _with_digests(file: File, found: Mapping[str, Digests]) -> File:
    """The file with the digests that its document had not."""

    def of(name: str, sha256: str | None, md5: str) -> dict[str, str]:
        digests = found.get(f"{file.bucket}/{keys.FOLDER}/{name}")
        if digests is None or sha256 is not None:
            return {}
        return {"sha256": digests.sha256, "md5": md5 or digests.md5}

    variations = tuple(
        msgspec.structs.replace(each, **of(each.file_path, each.sha256, each.md5))
        for each in file.variations
    )
    own = of(file.file_path or "", file.sha256, file.md5)
    return msgspec.structs.replace(file, variations=variations, **own)


async def _is_there(store: Store, blob: _Blob) -> bool:
    """Whether the store has the very bytes already, which is found out by reading them."""
    if blob.length is None or blob.sha256 is None:
        return False
    try:
        if (await store.head(blob.key)).length != blob.length:
            return False
        await verify(store, blob.key, blob.length, blob.sha256)
    except (BlobMissing, Corrupt):
        return False
    return True
