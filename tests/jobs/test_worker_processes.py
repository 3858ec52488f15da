"""Workers as real processes that are killed: no job is lost, stuck or done twice."""

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from tests.jobs import worker_process
from tests.jobs.waiting import until
from tests.jobs.worker_process import KIND, results
from tests.support.databases import address

from cella.db import Database
from cella.jobs import queue
from cella.jobs.queue import Counts
from cella.jobs.tables import jobs

JOBS = 120
KILLS = 8
WORKERS = 3


class Crew:
    """Worker processes on one database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._hired = 0
        self._at_work: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def names(self) -> set[str]:
        return set(self._at_work)

    def hire(self) -> None:
        name = f"worker {self._hired}"
        self._hired += 1
        self._at_work[name] = subprocess.Popen(
            [sys.executable, worker_process.__file__, self._url, name],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def kill(self, name: str) -> None:
        process = self._at_work.pop(name)
        assert process.poll() is None, "it ended by itself"
        process.kill()
        process.wait()

    def dismiss(self) -> list[int]:
        """Ask all to stop; their exit codes."""
        processes = list(self._at_work.values())
        for process in processes:
            process.terminate()
        return [process.wait(timeout=15) for process in processes]

    def close(self) -> None:
        for process in self._at_work.values():
            process.kill()
            process.wait()


@pytest.fixture
def crew(database: Database) -> Iterator[Crew]:
    results.create(database.engine)
    crew = Crew(address(database))
    yield crew
    crew.close()


def _done(db: Database) -> int:
    return db.read_now(lambda tx: tx.scalar(sa.select(sa.func.count()).select_from(results)) or 0)


def _busy(db: Database) -> set[str]:
    """Who holds a job."""
    held = sa.select(jobs.c.worker).where(jobs.c.state == "running")
    return set(db.read_now(lambda tx: tx.scalars(held).all()))


def _put(db: Database, subjects: list[str]) -> None:
    db.write_now(
        lambda tx: [
            queue.put(tx, kind=KIND, subject=subject, max_attempts=KILLS + 2, now=0)
            for subject in subjects
        ]
    )


async def test_killed_workers_lose_nothing_and_do_nothing_twice(
    database: Database, crew: Crew
) -> None:
    subjects = [f"job {number}" for number in range(JOBS)]
    chance = random.Random(20)
    for _ in range(WORKERS):
        crew.hire()

    async with asyncio.timeout(30):
        for kill in range(KILLS):
            _put(database, subjects[kill::KILLS])
            while not (busy := sorted(_busy(database) & crew.names)):
                await asyncio.sleep(0.005)
            crew.kill(chance.choice(busy))
            crew.hire()
        await until(lambda: database.read_now(queue.counts) == Counts())

    written = database.read_now(lambda tx: tx.execute(sa.select(results)).all())
    assert Counter(row.subject for row in written) == Counter(subjects)
    assert any(row.attempts > 1 for row in written), "no kill hit a job"
    assert crew.dismiss() == [0] * WORKERS


async def test_a_worker_that_is_asked_to_stop_finishes_what_it_has(
    database: Database, crew: Crew
) -> None:
    subjects = [f"job {number}" for number in range(40)]
    _put(database, subjects)
    crew.hire()
    await until(lambda: bool(_busy(database)))

    assert crew.dismiss() == [0]

    left = database.read_now(queue.counts)
    assert left == Counts(ready=len(subjects) - _done(database))
    assert _done(database) > 0
    assert database.read_now(lambda tx: tx.scalar(sa.select(sa.func.max(jobs.c.attempts)))) == 0
