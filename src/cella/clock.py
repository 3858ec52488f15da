"""The one clock: seconds since the epoch, UTC."""

import time
from email.utils import formatdate
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Something that tells the time."""

    def now(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z."""
        return time.time()


class ManualClock:
    """A clock that stands still until it is moved; for tests and drills."""

    def __init__(self, start: float) -> None:
        self.time = start

    def now(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`, which may be negative."""
        self.time += seconds


@lru_cache(maxsize=8192)
def http_date(seconds: int) -> str:
    """An instant as RFC 9110 section 5.6.7 writes it: `Sun, 06 Nov 1994 08:49:37 GMT`."""
    return formatdate(seconds, usegmt=True)
