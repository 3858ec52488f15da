"""Blocking work in threads that is always waited for.

A thread cannot be stopped. So where the waiting task is cancelled, it goes on waiting for the
step under way, and only then gives up: what the step uses is not taken from it, and what it did
is known.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A pool of at most `size` threads; usable between `open` and `close`."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._pool: ThreadPoolExecutor | None = None

    def open(self) -> None:
        """Make the pool; threads start when there is work."""
        self._pool = ThreadPoolExecutor(self._size, thread_name_prefix=self._name)

    def close(self) -> None:
        """Wait for the work under way and end the threads. Blocking."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def start(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "asyncio.Future[T]":
        """Have `work` done by a thread; its result is to be fetched with `outcome`."""
        if self._pool is None:
            raise RuntimeError("the store is not open")
        return asyncio.wrap_future(self._pool.submit(work, *args, **kwargs))

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work` in a thread and return its result."""
        return await outcome(self.start(work, *args, **kwargs))


async def outcome(step: "asyncio.Future[T]") -> T:
    """What came of `step`. Cancelling this waits for the step to end as well."""
    try:
        await asyncio.wait([step])
    except asyncio.CancelledError:
        await ended(step)
        raise
    return step.result()


async def ended(step: "asyncio.Future[T]") -> None:
    """Wait for `step` to end, however often the task is cancelled, whatever comes of it.

    Only for tidying up on the way out of a cancellation or an error, which goes on afterwards.
    """
    while not step.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([step])
    if not step.cancelled():
        step.exception()
