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
from tests.jobs.worker_process import ENDLESS, KIND, results
from tests.support.databases import address

from cella.db import Database
from cella.jobs import queue
from cella.jobs.queue import CANCELLED, Counts
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


def done(db: Database) -> int:
    """How many results there are."""
    return db.read_now(lambda tx: tx.scalar(sa.select(sa.func.count()).select_from(results)) or 0)


def busy(db: Database) -> set[str]:
    """Who holds a job."""
    held = sa.select(jobs.c.worker).where(jobs.c.state == "running")
    return set(db.read_now(lambda tx: tx.scalars(held).all()))


def put(db: Database, subjects: list[str], max_attempts: int = KILLS + 2) -> None:
    """Jobs for these subjects."""
    db.write_now(
        lambda tx: queue.put_all(tx, kind=KIND, subjects=subjects, max_attempts=max_attempts, now=0)
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
            put(database, subjects[kill::KILLS])
            while not (at_work := sorted(busy(database) & crew.names)):
                await asyncio.sleep(0.005)
            crew.kill(chance.choice(at_work))
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
    put(database, subjects)
    crew.hire()
    await until(lambda: bool(busy(database)))

    assert crew.dismiss() == [0]

    left = database.read_now(queue.counts)
    assert left == Counts(ready=len(subjects) - done(database))
    assert done(database) > 0
    assert database.read_now(lambda tx: tx.scalar(sa.select(sa.func.max(jobs.c.attempts)))) == 0


@pytest.mark.parametrize("by_hand", [True, False])
async def test_a_job_is_cancelled_in_another_process(
    database: Database, crew: Crew, *, by_hand: bool
) -> None:
    """Who holds it stops it, long before its lease could end, and goes on with other work."""
    job_id = database.write_now(lambda tx: queue.put(tx, kind=ENDLESS, subject="film", now=0))
    crew.hire()
    await until(lambda: bool(busy(database)))

    if by_hand:
        database.write_now(lambda tx: queue.cancel(tx, job_id))
    else:
        database.write_now(lambda tx: queue.cancel_subject(tx, "film", [ENDLESS]))
    await until(lambda: done(database) == 1)

    (written,) = database.read_now(lambda tx: tx.execute(sa.select(results)).all())
    assert (written.subject, written.attempts) == ("film", 1)
    if by_hand:
        stopped = database.read_now(lambda tx: queue.get(tx, job_id))
        assert (stopped.state, stopped.error) == ("dead", CANCELLED)
    else:
        assert database.read_now(queue.counts) == Counts()
    put(database, ["next"])
    await until(lambda: done(database) == 2)
    assert crew.dismiss() == [0]
