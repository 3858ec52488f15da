"""Refresh: links that are kept are spelled again before they end (contract, 5.5 to 5.7).

Nobody needs it to have fresh links: readers get what is not kept spelled for them. It is for links
that take long to sign, which then are there already, and for those who read them from the database.
The rows of files are only read, so no etag and no date changes, and nothing comes back that was
deleted.

A batch is one read, its signatures, and one write. Whoever stops in between keeps what was written,
and two who do the same work at once write the same.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from cella.catalog import links, projects
from cella.catalog.links import Before, Kept, Place
from cella.clock import Clock
from cella.db import Database, Tx
from cella.flows.spelling import all_links
from cella.flows.workshop import nothing
from cella.jobs.queue import Job
from cella.jobs.runner import Effect, Report
from cella.links.opening import Spellers
from cella.links.threads import SigningThreads
from cella.model import File

LINKS_REFRESH = "links_refresh"
"""The kind of the periodic job that spells links again which take long to sign."""

Tell = Callable[[int], object]
"""Hears how many files were done since it heard last."""

_BATCH = 200
_AT_A_TIME = 10
_DAY = 24 * 3600

_log = logging.getLogger("cella.links")


class Refresh:
    """Spells links and keeps them. `batch` is how many files one read and one write are of."""

    def __init__(
        self,
        *,
        db: Database,
        spellers: Spellers,
        threads: SigningThreads,
        clock: Clock,
        batch: int = _BATCH,
    ) -> None:
        self._db = db
        self._spellers = spellers
        self._threads = threads
        self._clock = clock
        self._batch = batch

    async def count(
        self, *, project: str | None = None, backend: str | None = None, seconds: float, most: int
    ) -> int:
        """How many files `project` or `backend` will do; raises `NotFound`."""
        before = self._before(seconds)

        def work(tx: Tx) -> int:
            if project is not None:
                projects.get(tx, project)
                return links.count_of_project(tx, project, before)
            return links.count_of_backend(tx, backend or "", before)

        found = await self._db.read(work)
        return min(found, most) if most else found

    async def project(self, project_id: str, *, seconds: float, most: int, tell: Tell) -> int:
        """Spell the project's kept links again that end within `seconds`; how many files.

        At most `most`, or all where that is 0. Raises `NotFound` where there is no such project,
        or it was deleted.
        """
        await self._db.read(lambda tx: projects.get(tx, project_id))
        due = partial(links.due_of_project, project_id=project_id, before=self._before(seconds))
        return await self._all(due, most, tell)

    async def backend(self, backend: str, *, seconds: float, most: int, tell: Tell) -> int:
        """Spell the backend's links that are not kept, or end within `seconds`; how many files.

        At most `most`, or all where that is 0.
        """
        due = partial(links.due_of_backend, backend=backend, before=self._before(seconds))
        return await self._all(due, most, tell)

    async def slow(self) -> int:
        """Spell what takes long to sign and is not kept for the present window; how many files."""
        done = 0
        for backend in self._spellers.slow():
            before = Before({}, self._spellers[backend].window(self._clock.now()).expires)
            due = partial(links.due_of_backend, backend=backend, before=before)
            done += await self._all(due, 0, lambda _: None)
        return done

    async def expire(self, project_id: str) -> int:
        """Have all kept links of the project's files be out of date; how many files.

        Raises `NotFound` where there is no such project, or it was deleted.
        """
        at = int(self._clock.now()) - _DAY

        def work(tx: Tx) -> int:
            projects.get(tx, project_id)
            return links.expire_project(tx, project_id, at)

        return await self._db.write(work)

    def _before(self, seconds: float) -> Before:
        """What ends within `seconds` is due, but for what would only be spelled as it is."""
        now = self._clock.now()
        latest = int(now + seconds)
        fresh = {name: speller.window(now).expires for name, speller in self._spellers.items()}
        otherwise = self._spellers[""].window(now).expires
        return Before(
            {name: min(latest, expires) for name, expires in fresh.items()}, min(latest, otherwise)
        )

    async def _all(
        self, due: Callable[..., list[tuple[File, Place]]], most: int, tell: Tell
    ) -> int:
        done, seen, after = 0, 0, Place()
        while not most or seen < most:
            wanted = min(self._batch, most - seen) if most else self._batch
            batch = await self._db.read(partial(due, after=after, most=wanted))
            if not batch:
                break
            seen, after = seen + len(batch), batch[-1][1]
            spelled = await self._spelled([file for file, _ in batch])
            done += await self._db.write(partial(_keep, spelled))
            tell(len(batch))
        return done

    async def _spelled(self, files: Sequence[File]) -> list[tuple[File, Kept]]:
        now = self._clock.now()
        parts = [files[at : at + _AT_A_TIME] for at in range(0, len(files), _AT_A_TIME)]
        spelled = await asyncio.gather(
            *(self._threads.run(partial(self._spell, part, now)) for part in parts)
        )
        return [each for part in spelled for each in part]

    def _spell(self, files: Sequence[File], now: float) -> list[tuple[File, Kept]]:
        spelled = []
        for file in files:
            speller = self._spellers[file.backend]
            window = speller.window(now)
            original, variations = all_links(speller, file, window)
            by_path = {
                each.file_path: link or ""
                for each, link in zip(file.variations, variations, strict=True)
            }
            spelled.append((file, Kept(file.id, window.expires, original or "", by_path)))
        return spelled


class LinksRefresh:
    """Spells links that take long to sign as soon as their window begins; a periodic job."""

    def __init__(self, *, refresh: Refresh) -> None:
        self._refresh = refresh

    async def work(self, _job: Job, _report: Report) -> Effect:
        """Do all that are due, and leave what was done where it is cancelled."""
        done = await self._refresh.slow()
        if done:
            _log.info("spelled the links of %d files", done)
        return nothing

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is at fault."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """No document is at fault."""

    def cancelled(self, tx: Tx, job: Job) -> None:
        """No document is at fault."""


def _keep(spelled: Sequence[tuple[File, Kept]], tx: Tx) -> int:
    return links.keep(tx, spelled)
