"""Threads for signatures that take long: few of them, so that everything else goes on.

`cryptography` holds Python's lock while it signs, so more threads would sign no faster, and only
have everybody else wait longer for a turn.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_THREADS = 2


class SigningThreads:
    """Runs what signs, two things at once; starts threads when it is asked to."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` gives. What has not begun is left where the caller is cancelled."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="cella-links")
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Wait for what is under way, and leave the rest. It may be used again."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)
