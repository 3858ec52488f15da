"""What keeps strangers from making us ask too often: memories, allowances, and shared calls.

All of them live in one event loop. Times are seconds of the service's clock, which may jump;
what would lie in its future then counts as past.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Kept(NamedTuple, Generic[V]):
    value: V
    since: float
    until: float


class Memory(Generic[K, V]):
    """Values that are true for a while; at most `capacity`, of which the oldest go first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: OrderedDict[K, _Kept[V]] = OrderedDict()

    def get(self, key: K, now: float) -> V | None:
        """What was kept under `key`, if its time is not over."""
        kept = self._items.get(key)
        if kept is None:
            return None
        if not kept.since <= now < kept.until:
            del self._items[key]
            return None
        return kept.value

    def keep(self, key: K, value: V, now: float, until: float) -> None:
        """Keep `value` until then, in the place of what was kept under `key`."""
        self._items.pop(key, None)
        self._items[key] = _Kept(value, now, until)
        if len(self._items) > self._capacity:
            self._items.popitem(last=False)


class Allowance:
    """A number of things that may be done: `burst` at once, one more every `every` seconds."""

    def __init__(self, burst: int, every: float) -> None:
        self._burst = burst
        self._every = every
        self._left = float(burst)
        self._since: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more may be done; it counts as done then."""
        if self._since is not None and now > self._since:
            self._left = min(self._burst, self._left + (now - self._since) / self._every)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Flights(Generic[K, V]):
    """Calls that are made once where several ask for the same at once.

    A call goes on where those who asked are gone; `close` ends all of them.
    """

    def __init__(self) -> None:
        self._under_way: dict[K, asyncio.Task[V]] = {}

    def begin(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> "asyncio.Task[V]":
        """The call for `key` that is under way, or else `work`, begun now."""
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.ensure_future(work())
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return task

    async def join(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """What comes of that call; who is cancelled meanwhile does not end it for others."""
        return await asyncio.shield(self.begin(key, work))

    async def close(self) -> None:
        """End what is under way."""
        for task in list(self._under_way.values()):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
