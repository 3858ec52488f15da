"""Notification inside one process: "something happened to this, look again".

A bell carries no news and reaches no other process; it only spares those who wait the time
until they would look anyway. For one event loop.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Heard:
    """What one listener has heard since it began to listen, or since its last `wait`."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def _ring(self) -> None:
        self._rung.set()

    async def wait(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Wait until the bell rings, at most `timeout` seconds; whether it did.

        A ring from before this call counts. Running out of time is an answer, not an error.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class Bell:
    """Rings by topic; a topic exists while somebody listens to it."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Heard]] = {}

    def ring(self, topic: str) -> None:
        """Wake all who listen to `topic`."""
        for heard in self._listeners.get(topic, ()):
            heard._ring()

    @contextmanager
    def listen(self, topic: str) -> Iterator[Heard]:
        """Listen to `topic` from now on.

        Begin to listen, then look at the database, then `wait`: a change that is committed
        after the look rings during or before the wait, so none is missed.
        """
        heard = Heard()
        self._listeners.setdefault(topic, set()).add(heard)
        try:
            yield heard
        finally:
            listeners = self._listeners[topic]
            listeners.discard(heard)
            if not listeners:
                del self._listeners[topic]

    @property
    def topics(self) -> frozenset[str]:
        """What is listened to at the moment."""
        return frozenset(self._listeners)
