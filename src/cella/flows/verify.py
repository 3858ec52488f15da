"""Verify: stored bytes are read again and compared with what the catalogue says of them.

In order of keys, a share at a time: where one run ends the next one goes on, and at the end of the
store it begins anew. A store is asked for `get` alone.

Nobody is accused wrongly. What does not fit is read a second time, and its row after that: where
the row has changed meanwhile, or the file is being processed, it says nothing. A store that does
not answer is not verified, which is another thing than changed. Where nothing but a length is
known, or an MD5, the SHA-256 that is found is written into the document.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Literal

import msgspec

from cella.aio import uninterrupted
from cella.catalog import checkpoints, files, holdings
from cella.catalog.holdings import Holding
from cella.clock import Clock
from cella.db import Database, Tx
from cella.digest import Digester, Digests
from cella.errors import BadKey, BlobMissing, Corrupt, StoreError
from cella.flows.workshop import changed, current, nothing
from cella.jobs.queue import Job, Progress
from cella.jobs.runner import Effect, Report
from cella.store.checked import read_through
from cella.store.contract import Get

VERIFY = "verify"
"""The kind of the periodic job that reads a share of each store again."""

What = Literal["missing", "cut", "changed", "unread"]
"""No bytes; another length; other bytes; the store did not answer."""

_AT_ONCE = 4
_PAGE = 500
_CHECKPOINT_BYTES = 256 << 20
_CHECKPOINT_BLOBS = 1000
_SILENCE = 8
_MOST_FINDINGS = 10_000
_KEPT_FINDINGS = 100
_ANY_LENGTH = 1 << 62

_log = logging.getLogger("cella.verify")


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A blob that is not what its document says; lengths are in bytes."""

    what: What
    key: str
    file_id: str
    project: str | None
    name: str
    expected: int | None = None
    length: int | None = None
    reason: str = ""


class Verified(msgspec.Struct, kw_only=True):
    """What one run came to. Counts are of blobs unless they say something else.

    `round_began` is when the round through the store began that the run ended in; `wrapped` tells
    that it came to the end of the store and began anew. `filled` got a SHA-256 that they did not
    have. `unsure` had changed, or were being processed, when they were to be accused. `stopped`
    says why the run ended early, if it did. `findings` are the first ten thousand.
    """

    backend: str
    began: int
    ended: int = 0
    round_began: int = 0
    wrapped: bool = False
    blobs: int = 0
    bytes: int = 0
    filled: int = 0
    missing: int = 0
    cut: int = 0
    changed: int = 0
    unread: int = 0
    unsure: int = 0
    stopped: str = ""
    findings: list[Finding] = []

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to do something."""
        return bool(self.missing or self.cut or self.changed or self.unread)

    def add(self, finding: Finding) -> None:
        """Count it, and keep it where there are not very many yet."""
        setattr(self, finding.what, getattr(self, finding.what) + 1)
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(finding)


class _Place(msgspec.Struct, frozen=True):
    """How far the round is that began at `began`: all up to and with the key `after` is done."""

    after: str = ""
    began: int = 0


class _Wrong(msgspec.Struct, frozen=True):
    """How one reading did not fit."""

    what: What
    length: int | None = None
    reason: str = ""


Advance = Callable[[int], object]


class Verify:
    """Reads stores again, `at_once` blobs at a time."""

    def __init__(
        self,
        *,
        db: Database,
        stores: Mapping[str, Get],
        clock: Clock,
        at_once: int = _AT_ONCE,
    ) -> None:
        self._db = db
        self._stores = stores
        self._clock = clock
        self._at_once = at_once

    async def budget(self, backend: str, *, share: float = 100.0, most: int | None = None) -> int:
        """The bytes that a run reads: `share` percent of the store, `most` at most."""
        whole = await self._db.read(partial(holdings.total, backend=backend))
        wanted = -int(-whole.bytes * share // 100)
        return wanted if most is None else min(wanted, most)

    async def run(
        self,
        backend: str,
        *,
        share: float = 100.0,
        most: int | None = None,
        restart: bool = False,
        advance: Advance = int,
    ) -> Verified:
        """Read on from where the last run ended, and keep the report and the place.

        It ends when it has read `share` percent of the store's bytes, or `most` bytes, or every
        blob once. With `restart` it begins with the first blob. `advance` is told of bytes as they
        are read. Where it is cancelled the next run goes on at the last blob that was done.
        """
        budget = await self.budget(backend, share=share, most=most)
        report = Verified(backend=backend, began=int(self._clock.now()))
        place = _Place() if restart else await self._place(backend)
        if not place.after:
            place = _Place(began=report.began)
        report.round_began = place.began
        run = _Run(report, place)
        is_whole = share >= 100 and most is None
        try:
            await self._read_on(run, _ANY_LENGTH if is_whole else max(budget, 1), advance)
        finally:
            await uninterrupted(self._keep_place(run))
        report.ended = int(self._clock.now())
        await self._keep_report(report)
        return report

    async def last(self, backend: str) -> Verified | None:
        """The report of the last run through a backend, with its first findings."""
        kept = await self._db.read(partial(checkpoints.get, name=_report_name(backend)))
        return None if kept is None else msgspec.json.decode(kept, type=Verified)

    async def _read_on(self, run: "_Run", budget: int, advance: Advance) -> None:
        """Read blobs, some at once, and settle them in order."""
        report, begun = run.report, 0
        reading: deque[tuple[Holding, asyncio.Task[_Wrong | None]]] = deque()
        try:
            async with aclosing(self._round(run.place.after, report.backend)) as rows:
                async for row in rows:
                    if len(reading) >= self._at_once:
                        await self._settle(run, *reading[0])
                        reading.popleft()
                    if run.silent >= _SILENCE:
                        report.stopped = "The store does not answer."
                        return
                    if begun >= budget:
                        break
                    begun += row.length or 0
                    task = asyncio.create_task(self._judge(report, row, advance))
                    reading.append((row, task))
            while reading:
                await self._settle(run, *reading[0])
                reading.popleft()
        finally:
            for _, task in reading:
                task.cancel()
            await asyncio.gather(*(task for _, task in reading), return_exceptions=True)

    async def _round(self, after: str, backend: str) -> AsyncGenerator[Holding, None]:
        """All blobs once, from beyond `after` to the end and on from the beginning."""
        then: str | None = after
        while then is not None:
            page = await self._page(backend, then)
            for row in page.holdings:
                yield row
            then = page.then
        then = "" if after else None
        while then is not None:
            page = await self._page(backend, then)
            for row in page.holdings:
                if row.key > after:
                    return
                yield row
            then = page.then if page.then is None or page.then <= after else None

    async def _page(self, backend: str, after: str) -> holdings.Page:
        return await self._db.read(partial(holdings.page, backend=backend, after=after, most=_PAGE))

    async def _settle(self, run: "_Run", row: Holding, task: "asyncio.Task[_Wrong | None]") -> None:
        """Count what came of a blob; a place is kept that none before it is missing from."""
        wrong = await task
        report = run.report
        report.blobs += 1
        if wrong is not None:
            report.add(
                Finding(
                    what=wrong.what,
                    key=row.key,
                    file_id=row.file_id,
                    project=row.project,
                    name=row.name,
                    expected=row.length,
                    length=wrong.length,
                    reason=wrong.reason,
                )
            )
        if wrong is None or wrong.what != "unread":
            run.silent = 0
        else:
            run.silent += 1
            if run.silent == 1:
                run.answered = run.place
        if row.key <= run.place.after:
            report.wrapped = True
            report.round_began = int(self._clock.now())
        run.place = _Place(row.key, report.round_began)
        run.since_kept += 1
        run.bytes_since_kept += row.length or 0
        if run.since_kept >= _CHECKPOINT_BLOBS or run.bytes_since_kept >= _CHECKPOINT_BYTES:
            await self._keep_place(run)

    # One blob

    async def _judge(self, report: Verified, row: Holding, advance: Advance) -> _Wrong | None:
        """How the blob does not fit its row, None where it does or where nothing can be said."""
        digester = _digester(row)
        wrong = await self._read(report, row, digester, advance)
        if wrong is None:
            await self._fill(report, row, digester.digests())
            return None
        if wrong.what != "unread":
            wrong = await self._read(report, row, _digester(row), int)
        if wrong is None or wrong.what == "unread":
            return wrong
        known = await self._db.read(partial(holdings.by_keys, keys=[row.key]))
        if known.get(row.key) != row or (row.is_busy and wrong.what != "missing"):
            report.unsure += 1
            return None
        return wrong

    async def _read(
        self, report: Verified, row: Holding, digester: Digester, advance: Advance
    ) -> _Wrong | None:
        def count(length: int) -> None:
            report.bytes += length
            advance(length)

        try:
            found = await read_through(self._stores[report.backend], row.key, digester, count)
        except (BlobMissing, BadKey):
            return _Wrong("missing")
        except Corrupt as error:
            return _Wrong("cut", reason=error.message)
        except StoreError as error:
            return _Wrong("unread", reason=error.message)
        if row.length not in (None, found.length):
            return _Wrong("cut", length=found.length)
        if _fits(row, found):
            return None
        return _Wrong("changed", length=found.length)

    async def _fill(self, report: Verified, row: Holding, found: Digests) -> None:
        """Write the SHA-256 into a document that has none."""
        if row.sha256 or row.length is None or row.is_busy:
            return
        filled = await self._db.write(
            partial(_fill, row=row, sha256=found.sha256, clock=self._clock)
        )
        report.filled += filled

    # What is kept

    async def _place(self, backend: str) -> _Place:
        kept = await self._db.read(partial(checkpoints.get, name=_place_name(backend)))
        return _Place() if kept is None else msgspec.json.decode(kept, type=_Place)

    async def _keep_place(self, run: "_Run") -> None:
        """What a store that fell silent did not give is read again the next time."""
        place = run.answered if run.silent >= _SILENCE else run.place
        run.since_kept = run.bytes_since_kept = 0
        await self._keep(_place_name(run.report.backend), place)

    async def _keep_report(self, report: Verified) -> None:
        short = msgspec.structs.replace(report, findings=report.findings[:_KEPT_FINDINGS])
        await self._keep(_report_name(report.backend), short)

    async def _keep(self, name: str, value: msgspec.Struct) -> None:
        text = msgspec.json.encode(value).decode()
        now = self._clock.now()
        await self._db.write(partial(checkpoints.put, name=name, value=text, now=now))


class VerifyAll:
    """Reads on in every store, `most` bytes of each; the handler of `verify` jobs."""

    def __init__(self, *, verify: Verify, backends: Iterable[str], most: int) -> None:
        self._verify = verify
        self._backends = tuple(backends)
        self._most = most

    async def work(self, _job: Job, report: Report) -> Effect:
        """Read on in one store after the other, and log what is wrong."""
        for backend in self._backends:
            budget = await self._verify.budget(backend, most=self._most)
            read = 0

            def advance(count: int, budget: int = budget, backend: str = backend) -> None:
                nonlocal read
                read += count
                percent = min(100, read * 100 // max(budget, 1))
                report(Progress(percent=percent, step=f"Reading {backend}"))

            found = await self._verify.run(backend, most=self._most, advance=advance)
            _log.log(
                logging.WARNING if found.is_wrong else logging.INFO,
                "verified %d blobs of %s: %d missing, %d cut, %d changed, %d not verified",
                found.blobs,
                backend,
                found.missing,
                found.cut,
                found.changed,
                found.unread,
            )
        return nothing

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is at fault."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is at fault."""

    def cancelled(self, tx: Tx, job: Job) -> None:
        """No document is at fault."""


class _Run:
    """A run under way: how far it is, and how far it was when the store fell silent, if it did."""

    def __init__(self, report: Verified, place: _Place) -> None:
        self.report = report
        self.place = place
        self.answered = place
        self.silent = 0
        self.since_kept = 0
        self.bytes_since_kept = 0


def _digester(row: Holding) -> Digester:
    needs_md5 = not row.sha256 and row.md5
    return Digester(md5_up_to=_ANY_LENGTH if needs_md5 else 0)


def _fits(row: Holding, found: Digests) -> bool:
    if row.sha256:
        return found.sha256 == row.sha256
    return not row.md5 or found.md5 == row.md5


def _fill(tx: Tx, row: Holding, sha256: str, clock: Clock) -> bool:
    """Whether the document got the digest: not where it has one by now, or has gone."""
    file = current(tx, row.file_id)
    if file is None or holdings.by_keys(tx, [row.key]).get(row.key) != row:
        return False
    if row.is_original:
        new = msgspec.structs.replace(changed(file, clock), sha256=sha256)
    else:
        name = row.key.rpartition("/")[2]
        variations = tuple(
            msgspec.structs.replace(each, sha256=sha256) if each.file_path == name else each
            for each in file.variations
        )
        new = msgspec.structs.replace(changed(file, clock), variations=variations)
    files.replace(tx, file, new)
    return True


def _place_name(backend: str) -> str:
    return f"verify:{backend}"


def _report_name(backend: str) -> str:
    return f"verify-report:{backend}"
