"""What a `search` promises: it ends, and leaves room for everything else."""

import asyncio
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.support.databases import address

from cella.db import Database, DatabaseConfig, Tx, patterns
from cella.errors import BadRequest, Overloaded

SECONDS = 0.2
ENDLESS = sa.text(
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)"
    " SELECT count(*) FROM numbers WHERE n < 0"
)


@pytest.fixture
def db(database: Database) -> Iterator[Database]:
    """The same database, for people who have little patience."""
    config = DatabaseConfig(url=address(database), search_seconds=SECONDS, readers=4, pool_size=4)
    impatient = Database(config, Path())
    impatient.open()
    yield impatient
    impatient.close()


def endless(tx: Tx) -> object:
    """Look for what is not there, in what has no end."""
    return tx.execute(ENDLESS).scalar_one()


def one(tx: Tx) -> object:
    """Look for what is there."""
    return tx.execute(sa.select(1)).scalar_one()


async def test_a_search_that_does_not_end_is_given_up(db: Database) -> None:
    for _ in range(8):
        with pytest.raises(BadRequest, match=f"{SECONDS} seconds"):
            await db.search(endless)
        assert await db.search(one) == await db.read(one) == 1


async def test_what_is_no_search_has_all_the_time_it_needs(db: Database) -> None:
    def work(tx: Tx) -> object:
        time.sleep(2 * SECONDS)
        return one(tx)

    with pytest.raises(BadRequest):
        await asyncio.gather(db.search(endless), db.search(endless))
    assert await asyncio.gather(*(db.read(work) for _ in range(4))) == [1] * 4


async def test_searches_leave_room_for_everything_else(db: Database) -> None:
    go = threading.Event()
    searches = [asyncio.ensure_future(db.search(lambda _: go.wait())) for _ in range(20)]
    await asyncio.gather(*(db.read(one) for _ in range(20)))
    assert await db.write(one) == 1
    go.set()
    await asyncio.gather(*searches, return_exceptions=True)


async def test_a_search_whose_turn_does_not_come_in_time_is_not_begun(db: Database) -> None:
    go, begun = threading.Event(), threading.Event()
    holding = [asyncio.ensure_future(db.search(lambda _: go.wait())) for _ in range(2)]
    waiting = asyncio.ensure_future(db.search(lambda _: begun.set()))
    await asyncio.sleep(2 * SECONDS)
    go.set()
    with pytest.raises(Overloaded):
        await waiting
    assert not begun.is_set()
    assert await asyncio.gather(*holding) == [True, True]


def test_a_pattern_that_needs_much_memory_fills_no_log(capfd: pytest.CaptureFixture[str]) -> None:
    connection = sqlite3.connect(":memory:")
    patterns.register(connection)
    text = "".join(random.Random(7).choices("ab", k=60_000))
    asked = (text, "a[^\n]{50}a[^\n]{40}c")
    assert connection.execute("SELECT ? REGEXP ?", asked).fetchone() == (0,)
    connection.close()
    assert capfd.readouterr().err == ""
