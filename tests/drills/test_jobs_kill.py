"""kill -9 on workers, over and over: every job is done once, none is lost, none is stuck."""

import asyncio
import os
import random
from collections import Counter

import pytest
import sqlalchemy as sa
from tests.jobs.test_worker_processes import Crew, busy, done, put
from tests.jobs.waiting import until
from tests.jobs.worker_process import results
from tests.support.databases import address

from cella.db import Database
from cella.jobs import queue
from cella.jobs.queue import Counts

JOBS = 500
KILLS = 50
WORKERS = 3
SEED = 20261129
SECONDS = int(os.environ.get("CELLA_DRILL_SECONDS", "120"))


@pytest.mark.drill
@pytest.mark.timeout(SECONDS + 60)
async def test_workers_are_killed_over_and_over(database: Database) -> None:
    """The kills are spread evenly over the work, and each hits a worker that holds jobs."""
    results.create(database.engine)
    subjects = [f"job {number}" for number in range(JOBS)]
    put(database, subjects, max_attempts=KILLS + 1)
    chance = random.Random(SEED)
    crew = Crew(address(database))
    try:
        for _ in range(WORKERS):
            crew.hire()
        async with asyncio.timeout(SECONDS):
            for kill in range(KILLS):
                while done(database) < kill * JOBS // (KILLS + 1):
                    await asyncio.sleep(0.01)
                while not (at_work := sorted(busy(database) & crew.names)):
                    await asyncio.sleep(0.01)
                crew.kill(chance.choice(at_work))
                crew.hire()
            await until(lambda: database.read_now(queue.counts) == Counts(), SECONDS)
        written = database.read_now(lambda tx: tx.execute(sa.select(results)).all())
        assert Counter(row.subject for row in written) == Counter(subjects)
        assert sum(row.attempts - 1 for row in written) >= KILLS // 2, "most kills hit no job"
        assert crew.dismiss() == [0] * WORKERS
    finally:
        crew.close()
