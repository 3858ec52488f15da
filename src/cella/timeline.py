"""A line of time with marks on it, and whether others lie side by side without a mark between."""

from collections.abc import Iterable

_BEGIN = 1_262_304_000
"""2010-01-01; whatever is older counts as if it were of that minute."""
_END = _BEGIN + 200 * 366 * 86400
_MINUTE = 60


class Timeline:
    """Minutes that are marked. Its size depends on the span of time only: a byte a minute.

    Moments are seconds since the epoch.
    """

    def __init__(self) -> None:
        self._marked = bytearray()
        self.latest: float | None = None

    def mark(self, moment: float) -> None:
        """Mark the minute of `moment`; `latest` is the latest moment that was marked."""
        minute = _minute(moment)
        if minute >= len(self._marked):
            self._marked.extend(bytes(minute + 1 - len(self._marked)))
        self._marked[minute] = 1
        if self.latest is None or moment > self.latest:
            self.latest = moment

    def longest_run(self, moments: Iterable[float]) -> int:
        """How many of `moments` lie side by side at most, with no marked minute among them."""
        longest = run = 0
        before = None
        for minute in sorted(map(_minute, moments)):
            if self._marked.find(1, minute if before is None else before, minute + 1) != -1:
                run = 0
            if self._marked.find(1, minute, minute + 1) == -1:
                run += 1
            longest = max(longest, run)
            before = minute
        return longest


def _minute(moment: float) -> int:
    return int(min(max(moment, _BEGIN), _END) - _BEGIN) // _MINUTE
