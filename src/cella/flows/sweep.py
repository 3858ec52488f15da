"""Sweep: a store and the catalogue are compared, and what belongs to nobody goes in two steps.

One pass over both, in order of keys, finds blobs without a row (*strays*), rows without their
blob, and what broken puts have left. It changes nothing. Strays may then be put into quarantine,
which is a note and nothing else, and what has been in quarantine for long may be purged.

Nothing is a stray that is younger than a day by the store's clock, since bytes come before their
row; nor a variation of a file that is being processed. What is accused is looked at again before:
the store first and the row afterwards, so what is deleted, moved or replaced meanwhile is not
accused. What is purged is looked at once more, a moment before.

A database that is older than its store has no rows for the newest blobs. So strays are not
touched, except by force, where they are more than a share of the blobs, where an original among
them is newer than all that the catalogue knows, or where two originals or more follow one another
in time with none that the catalogue knows between them. An original without a row is otherwise
left by a power cut only, and lies alone among others.
"""

import asyncio
import logging
import tempfile
from array import array
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import IO, Literal

import msgspec

from cella.aio import together
from cella.catalog import checkpoints, holdings, quarantine, uploads
from cella.catalog.holdings import Holding
from cella.catalog.quarantine import Suspect
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import BadKey, BlobMissing, SweepRefused
from cella.flows.workshop import nothing
from cella.jobs.queue import Job
from cella.jobs.runner import Effect, Report
from cella.scratch import Scratch
from cella.store import keys
from cella.store.contract import ShowsUnfinished, Stat, Store
from cella.timeline import Timeline

SWEEP = "sweep"
"""The kind of the periodic job that compares each store with the catalogue, and only reports."""

GRACE = 7 * 86400.0
"""Seconds that strays stay in quarantine unless something else is wanted."""

MOST_SHARE = 10.0
"""Percent of the blobs that may be strays unless something else is wanted."""

What = Literal["stray", "copy", "missing", "differs", "unfinished"]
"""A blob without a row; one whose row says that it has moved to another store, where it is; a row
without its blob; a row whose blob has another length; what a put has left that broke off."""

_SAFE_AGE = 86400.0
_FEW = 10
_A_RUN = 2
_SAME_TIME = 2.0
"""Seconds by which one store may tell the same time differently, in lists and elsewhere."""
_PAGE = 1000
_BATCH = 200
_PURGED_AT_ONCE = 50
_CALLS_AT_ONCE = 16
_MOST_FINDINGS = 10_000
_KEPT_FINDINGS = 100

_log = logging.getLogger("cella.sweep")


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is not as it should be. `length` is in bytes; `modified` as the store says."""

    what: What
    key: str
    length: int | None = None
    expected: int | None = None
    modified: float | None = None
    file_id: str | None = None
    project: str | None = None
    name: str | None = None


class Swept(msgspec.Struct, kw_only=True):
    """What one sweep of a backend came to. Counts are of blobs unless they say something else.

    `rows` are known to the catalogue, `blobs` are in the store. `young` ones have no row yet and
    may be about to get one, those that are `busy` belong to a file that is being processed, or are
    pieces of an upload.
    `loose` are strays and copies that are in no quarantine. Of what is `unfinished`, as much was
    `dropped`; the rest is this machine's, and the next start removes it. `doubt` says why nothing
    was to be changed, empty where nothing speaks against it. `findings` are the first ten thousand.
    """

    backend: str
    began: int
    ended: int = 0
    rows: int = 0
    blobs: int = 0
    bytes: int = 0
    young: int = 0
    busy: int = 0
    strays: int = 0
    stray_bytes: int = 0
    copies: int = 0
    copy_bytes: int = 0
    loose: int = 0
    missing: int = 0
    differing: int = 0
    unfinished: int = 0
    dropped: int = 0
    noted: int = 0
    released: int = 0
    purged: int = 0
    purged_bytes: int = 0
    doubt: str = ""
    findings: list[Finding] = []

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to do something."""
        return bool(self.missing or self.differing or self.loose)

    def add(self, finding: Finding) -> None:
        """Keep it, where there are not very many yet."""
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(finding)


class _Stray(msgspec.Struct, array_like=True):
    key: str
    length: int
    modified: float


class Survey:
    """What was found, while it can be acted upon: the report, and all strays, on disk."""

    def __init__(self, report: Swept, spool: IO[bytes]) -> None:
        self.report = report
        self._spool = spool
        self._known = Timeline()
        self._originals = array("d")

    def saw(self, blob: Stat) -> None:
        """A blob has a row."""
        if keys.root_of_original(blob.key):
            self._known.mark(blob.modified)

    def add(self, blob: Stat, *, is_copy: bool) -> None:
        """A blob has no row here, or has a copy where its row says; they come in order of keys."""
        self._spool.write(msgspec.json.encode(_Stray(blob.key, blob.length, blob.modified)) + b"\n")
        if not is_copy and keys.root_of_original(blob.key):
            self._originals.append(blob.modified)

    def strays(self) -> Iterator[_Stray]:
        """All that were added, in the same order."""
        self._spool.seek(0)
        decode = msgspec.json.Decoder(_Stray).decode
        return map(decode, self._spool)

    def doubt(self, most_share: float) -> str:
        """What speaks against acting: a sentence, or nothing."""
        strays, blobs = self.report.strays, self.report.blobs
        if strays > _FEW and strays * 100 > blobs * most_share:
            return f"{strays} of {blobs} blobs have no row, more than {most_share:g} %."
        latest = self._known.latest
        newer = sum(latest is None or modified > latest for modified in self._originals)
        if newer:
            than = "there are no others" if latest is None else f"the newest is of {_date(latest)}"
            return f"{newer} originals without a row are newer than all that have one: {than}."
        run = self._known.longest_run(self._originals)
        if run >= _A_RUN:
            return (
                f"{run} originals without a row follow one another in time, with none that has "
                "one between them: rows of a whole span of time are gone."
            )
        return ""


class Sweep:
    """Compares stores with the catalogue, and takes away what belongs to nobody.

    `home` is the backend of new blobs, with whose report stands what this machine's scratch has
    left. `safe_age` is in seconds: younger blobs are no strays.
    """

    def __init__(
        self,
        *,
        db: Database,
        stores: Mapping[str, Store],
        home: str,
        scratch: Scratch,
        clock: Clock,
        safe_age: float = _SAFE_AGE,
    ) -> None:
        self._db = db
        self._stores = stores
        self._home = home
        self._scratch = scratch
        self._clock = clock
        self._safe_age = safe_age
        self._calls = asyncio.Semaphore(_CALLS_AT_ONCE)

    @asynccontextmanager
    async def survey(
        self, backend: str, *, most_share: float = MOST_SHARE
    ) -> AsyncGenerator[Survey, None]:
        """Look through a store and the catalogue, and keep the report.

        Memory does not grow with the store, but for what strays need until they are acted upon:
        a few bytes each, and some room on the disk for temporary files.
        """
        report = Swept(backend=backend, began=int(self._clock.now()))
        with tempfile.TemporaryFile() as spool:
            survey = Survey(report, spool)
            await self._compare(survey)
            await self._unfinished(report)
            report.doubt = survey.doubt(most_share)
            await self._keep(report)
            yield survey

    async def act(
        self,
        survey: Survey,
        *,
        quarantine: bool = False,
        purge: bool = False,
        grace: float = GRACE,
        force: bool = False,
    ) -> None:
        """Put strays into quarantine, purge those that were in it for `grace` seconds, or both.

        With `purge` goes too what puts have left in the store that will never end.

        What is no stray any more leaves the quarantine; what has changed since it was noted is
        noted anew. Raises `SweepRefused`, and has changed nothing, where there is a doubt and no
        `force`. May be run twice at once.
        """
        report = survey.report
        if report.doubt and not force:
            raise SweepRefused(
                f"Nothing was changed. {report.doubt} Is the database older than the store, "
                "restored from a backup perhaps? Then the bytes are all that is left of these "
                "files. If all is as it should be, --force goes on."
            )
        acting = _Acting()
        now = int(self._clock.now())
        async with aclosing(self._suspects(report.backend)) as suspects:
            old = await anext(suspects, None)
            for stray in survey.strays():
                while old is not None and old.key < stray.key:
                    acting.released.append(old.key)
                    old = await anext(suspects, None)
                if old is not None and old.key == stray.key:
                    before, old = old, await anext(suspects, None)
                    if not _same(before, stray) or before.found > now:
                        acting.noted.append(_suspect(stray, now))
                    elif purge and before.found + grace <= now:
                        acting.doomed.append(before)
                elif quarantine:
                    acting.noted.append(_suspect(stray, now))
                if acting.is_full:
                    await self._do(report, acting)
            while old is not None:
                acting.released.append(old.key)
                if acting.is_full:
                    await self._do(report, acting)
                old = await anext(suspects, None)
        await self._do(report, acting)
        store = self._stores[report.backend]
        if purge and isinstance(store, ShowsUnfinished):
            report.dropped = await store.drop_unfinished()
        if quarantine:
            report.loose = 0
        await self._keep(report)

    async def last(self, backend: str) -> Swept | None:
        """The report of the last sweep of a backend, with its first findings."""
        kept = await self._db.read(partial(checkpoints.get, name=_report_name(backend)))
        return None if kept is None else msgspec.json.decode(kept, type=Swept)

    # Comparing

    async def _compare(self, survey: Survey) -> None:
        report = survey.report
        loose: list[Stat] = []
        doubtful: list[Holding] = []
        async with (
            aclosing(self._stores[report.backend].list()) as blobs,
            aclosing(self._holdings(report.backend)) as rows,
        ):
            row = await anext(rows, None)
            blob = await anext(blobs, None)
            while row is not None or blob is not None:
                if blob is not None and (row is None or blob.key < row.key):
                    _count(report, blob)
                    if self._is_young(report, blob):
                        report.young += 1
                    else:
                        loose.append(blob)
                    blob = await anext(blobs, None)
                elif row is not None and (blob is None or row.key < blob.key):
                    report.rows += 1
                    doubtful.append(row)
                    row = await anext(rows, None)
                elif row is not None and blob is not None:
                    _count(report, blob)
                    report.rows += 1
                    survey.saw(blob)
                    if row.length not in (None, blob.length):
                        doubtful.append(row)
                    row, blob = await anext(rows, None), await anext(blobs, None)
                if len(loose) >= _BATCH:
                    await self._judge_blobs(survey, loose)
                    loose.clear()
                if len(doubtful) >= _BATCH:
                    await self._judge_rows(report, doubtful)
                    doubtful.clear()
        await self._judge_blobs(survey, loose)
        await self._judge_rows(report, doubtful)

    def _is_young(self, report: Swept, blob: Stat) -> bool:
        """Whether its row may be about to come; so is what a clock that is ahead has dated."""
        return blob.modified > report.began - self._safe_age

    async def _judge_blobs(self, survey: Survey, blobs: Sequence[Stat]) -> None:
        """Look again at blobs that had no row: which of them are strays?"""
        report = survey.report
        names = [blob.key for blob in blobs]
        present = await self._heads(report.backend, names)
        known, busy, noted = await self._db.read(partial(_facts, report.backend, names))
        copies = await self._copies(report.backend, present, known)
        for key in names:
            blob, row = present[key], known.get(key)
            if blob is None or (row is not None and row.backend == report.backend):
                continue
            if self._is_young(report, blob):
                report.young += 1
                continue
            if keys.root(key) in busy:
                report.busy += 1
                continue
            is_copy = key in copies
            survey.add(blob, is_copy=is_copy)
            report.loose += key not in noted or not _same(noted[key], blob)
            if is_copy:
                report.copies += 1
                report.copy_bytes += blob.length
            else:
                report.strays += 1
                report.stray_bytes += blob.length
            report.add(
                Finding(
                    what="copy" if is_copy else "stray",
                    key=key,
                    length=blob.length,
                    modified=blob.modified,
                    file_id=None if row is None else row.file_id,
                    project=None if row is None else row.project,
                    name=None if row is None else row.name,
                )
            )

    async def _judge_rows(self, report: Swept, rows: Sequence[Holding]) -> None:
        """Look again at rows that were not like the store: the store first, then the row.

        A row that has changed meanwhile is left to the next sweep.
        """
        names = [row.key for row in rows]
        present = await self._heads(report.backend, names)
        known = await self._db.read(partial(holdings.by_keys, keys=names))
        for row in rows:
            if known.get(row.key) != row:
                continue
            blob = present[row.key]
            if blob is None:
                report.missing += 1
            elif row.is_busy or row.length in (None, blob.length):
                continue
            else:
                report.differing += 1
            report.add(
                Finding(
                    what="missing" if blob is None else "differs",
                    key=row.key,
                    length=None if blob is None else blob.length,
                    expected=row.length,
                    file_id=row.file_id,
                    project=row.project,
                    name=row.name,
                )
            )

    async def _copies(
        self,
        backend: str,
        present: Mapping[str, Stat | None],
        known: Mapping[str, Holding],
    ) -> set[str]:
        """Which blobs lie, with the same length, in another store, where their row says too."""
        elsewhere: dict[str, list[str]] = {}
        for key, row in known.items():
            if row.backend != backend and row.backend in self._stores:
                elsewhere.setdefault(row.backend, []).append(key)
        found: set[str] = set()
        for other, names in elsewhere.items():
            for key, theirs in (await self._heads(other, names)).items():
                ours = present[key]
                if ours is not None and theirs is not None and ours.length == theirs.length:
                    found.add(key)
        return found

    async def _heads(self, backend: str, names: Sequence[str]) -> dict[str, Stat | None]:
        store = self._stores[backend]

        async def head(key: str) -> Stat | None:
            async with self._calls:
                try:
                    return await store.head(key)
                except (BlobMissing, BadKey):
                    return None

        return dict(zip(names, await together(head(key) for key in names), strict=True))

    async def _holdings(self, backend: str) -> AsyncGenerator[Holding, None]:
        after: str | None = ""
        while after is not None:
            page = await self._db.read(
                partial(holdings.page, backend=backend, after=after, most=_PAGE)
            )
            for row in page.holdings:
                yield row
            after = page.then

    async def _suspects(self, backend: str) -> AsyncGenerator[Suspect, None]:
        after = ""
        while page := await self._db.read(
            partial(quarantine.page, backend=backend, after=after, most=_PAGE)
        ):
            for suspect in page:
                yield suspect
            after = page[-1].key

    async def _unfinished(self, report: Swept) -> None:
        """What has to do with no blob yet: puts that broke off, and what dead processes left."""
        store = self._stores[report.backend]
        left: list[Stat] = []
        if isinstance(store, ShowsUnfinished):
            async with aclosing(store.unfinished()) as found:
                left += [each async for each in found]
        if report.backend == self._home:
            for dead in await asyncio.to_thread(self._scratch.abandoned):
                left.append(Stat(f"scratch/{dead.name}", dead.length, dead.modified))
        for each in left:
            report.unfinished += 1
            report.add(
                Finding(what="unfinished", key=each.key, length=each.length, modified=each.modified)
            )

    # Acting

    async def _do(self, report: Swept, acting: "_Acting") -> None:
        """Write down and delete what has been gathered."""
        if acting.released:
            report.released += await self._db.write(
                partial(quarantine.release, backend=report.backend, keys=acting.released)
            )
        if acting.noted:
            report.noted += await self._db.write(
                partial(_note, backend=report.backend, suspects=acting.noted)
            )
        for at in range(0, len(acting.doomed), _PURGED_AT_ONCE):
            await self._purge(report, acting.doomed[at : at + _PURGED_AT_ONCE])
        acting.clear()

    async def _purge(self, report: Swept, doomed: Sequence[Suspect]) -> None:
        """Delete those that nobody knows at this moment, and that are as they were noted.

        A blob whose row names another store is deleted only where that store has it.
        """
        names = [suspect.key for suspect in doomed]
        present = await self._heads(report.backend, names)
        known, busy, noted = await self._db.read(partial(_facts, report.backend, names))
        copies = await self._copies(report.backend, present, known)

        async def purge(suspect: Suspect) -> bool:
            key, blob = suspect.key, present[suspect.key]
            if noted.get(key) != suspect or keys.root(key) in busy:
                return False
            if key in known and key not in copies:
                return False
            if blob is None or not _same(suspect, blob):
                return blob is None
            async with self._calls:
                if await self._stores[report.backend].delete(key):
                    report.purged += 1
                    report.purged_bytes += blob.length
            return True

        gone = await together(purge(suspect) for suspect in doomed)
        names = [suspect.key for suspect, is_gone in zip(doomed, gone, strict=True) if is_gone]
        await self._db.write(partial(quarantine.release, backend=report.backend, keys=names))

    async def _keep(self, report: Swept) -> None:
        report.ended = int(self._clock.now())
        short = msgspec.structs.replace(report, findings=report.findings[:_KEPT_FINDINGS])
        text = msgspec.json.encode(short).decode()
        await self._db.write(
            partial(
                checkpoints.put, name=_report_name(report.backend), value=text, now=report.ended
            )
        )


class SweepAll:
    """Sweeps every store and only reports; the handler of `sweep` jobs."""

    def __init__(self, *, sweep: Sweep, backends: Iterable[str]) -> None:
        self._sweep = sweep
        self._backends = tuple(backends)

    async def work(self, _job: Job, _report: Report) -> Effect:
        """Sweep one store after the other, and log what is wrong."""
        for backend in self._backends:
            async with self._sweep.survey(backend) as survey:
                pass
            found = survey.report
            _log.log(
                logging.WARNING if found.is_wrong else logging.INFO,
                "swept %s: %d blobs, %d without a row, %d rows without their blob, %d that differ",
                backend,
                found.blobs,
                found.strays + found.copies,
                found.missing,
                found.differing,
            )
        return nothing

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is at fault."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is at fault."""

    def cancelled(self, tx: Tx, job: Job) -> None:
        """No document is at fault."""


class _Acting:
    """What is to be done, gathered until it is worth a transaction."""

    def __init__(self) -> None:
        self.released: list[str] = []
        self.noted: list[Suspect] = []
        self.doomed: list[Suspect] = []

    @property
    def is_full(self) -> bool:
        return max(len(self.released), len(self.noted), len(self.doomed)) >= _BATCH

    def clear(self) -> None:
        for each in (self.released, self.noted, self.doomed):
            each.clear()


def _count(report: Swept, blob: Stat) -> None:
    report.blobs += 1
    report.bytes += blob.length


def _facts(
    backend: str, names: Sequence[str], tx: Tx
) -> tuple[dict[str, Holding], set[str], dict[str, Suspect]]:
    """The rows of these keys, the roots of what is being worked on, and the quarantine."""
    roots = {keys.root(key) for key in names} - {""}
    pieces = {keys.root(key) for key in uploads.known_keys(tx, names)}
    return (
        holdings.by_keys(tx, names),
        holdings.busy_roots(tx, roots) | pieces,
        quarantine.by_keys(tx, backend, names),
    )


def _note(tx: Tx, backend: str, suspects: Sequence[Suspect]) -> int:
    """Put those into quarantine that still have no row; how many these are."""
    known = holdings.by_keys(tx, [suspect.key for suspect in suspects])
    here = {key for key, row in known.items() if row.backend == backend}
    left = [suspect for suspect in suspects if suspect.key not in here]
    quarantine.note(tx, backend, left)
    return len(left)


def _suspect(stray: _Stray, now: int) -> Suspect:
    return Suspect(stray.key, stray.length, stray.modified, now)


def _same(suspect: Suspect, blob: Stat | _Stray) -> bool:
    is_as_old = abs(suspect.modified - blob.modified) < _SAME_TIME
    return is_as_old and suspect.length == blob.length


def _report_name(backend: str) -> str:
    return f"sweep-report:{backend}"


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
