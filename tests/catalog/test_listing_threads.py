"""One `Listing` is shared by all threads."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.catalog.shelf import Shelf

from cella.db import Database

FILES = 60
THREADS = 4
ROUNDS = 40


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_get_right_pages_at_the_same_time(database: Database) -> None:
    shelf = Shelf(database)
    shelf.add(*({"created": number // 7} for number in range(FILES)))

    def read(thread: int) -> None:
        for turn in range(ROUNDS):
            page = (turn * (thread + 1)) % FILES + 1
            shelf.check_page([("_created", True)], 1 + turn % 3, page)

    with ThreadPoolExecutor(THREADS) as pool:
        for outcome in [pool.submit(read, thread) for thread in range(THREADS)]:
            outcome.result()
