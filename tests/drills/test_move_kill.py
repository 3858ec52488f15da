"""kill -9 on moves, over and over: each file is in one place, and in the end all have moved."""

import asyncio
import os
import random
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.flows.test_move import WEEK, drop_what_is_due
from tests.support.databases import address
from tests.support.yard import HERE, THERE, Yard

from cella.catalog.tables import files
from cella.clock import SystemClock
from cella.db import Database
from cella.store.contract import BLOCK
from cella.store.disk import DiskStore

FILES = 60
KILLS = 12
SEED = 20261129
SECONDS = int(os.environ.get("CELLA_DRILL_SECONDS", "120"))
ROOT = Path(__file__).parents[2]


def count(yard: Yard) -> int:
    """How many files have moved."""
    query = sa.select(sa.func.count()).select_from(files).where(files.c.backend == THERE)
    return yard.db.read_now(lambda tx: tx.execute(query).scalar_one())


@pytest.mark.drill
@pytest.mark.timeout(SECONDS + 120)
async def test_moves_are_killed_over_and_over(database: Database, tmp_path: Path) -> None:
    """The kills come at random moments of the work; after each of them the invariants hold."""
    folders = [tmp_path / "here", tmp_path / "there"]
    here, there = (DiskStore(folder) for folder in folders)
    await here.open()
    await there.open()
    yard = Yard(database, here, there)
    yard.clock.time = SystemClock().now()
    for number in range(FILES):
        await yard.add(BLOCK * (number % 4) + number)
    chance = random.Random(SEED)
    kills = interrupted = 0
    deadline = time.monotonic() + SECONDS
    while True:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.flows.move_process", address(database)),
            *map(str, folders),
            cwd=ROOT,
        )
        moved = count(yard)
        while process.returncode is None and (kills == KILLS or count(yard) == moved):
            assert time.monotonic() < deadline, "the move does not come to its end"
            await asyncio.sleep(0.01)
        if process.returncode is None:
            await asyncio.sleep(chance.random() * 0.1)
            process.kill()
            kills += 1
        code = await process.wait()
        await yard.check()
        interrupted += any(job.payload["backend"] == THERE for job in yard.jobs())
        if code == 0:
            break
    assert interrupted > 0, "no kill came while a file was being copied"
    assert await yard.check() == {HERE: 0, THERE: FILES}
    yard.clock.advance(WEEK + 60)
    await drop_what_is_due(yard)
    assert await yard.keys(HERE) == set()
    assert await yard.check() == {HERE: 0, THERE: FILES}
    await here.close()
    await there.close()
