"""A bound on things that go on at once, with a share for everybody."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from cella.errors import Overloaded


class Slots:
    """`count` places, of which one holder gets three quarters at most, but one in any case.

    Nobody waits for a place: who comes first has it, and who finds none is told to come back.
    For one event loop; it is not safe for threads.
    """

    def __init__(self, count: int, what: str) -> None:
        self._count = count
        self._share = max(1, count * 3 // 4)
        self._what = what
        self._held: Counter[str] = Counter()

    @contextmanager
    def held_by(self, holder: str) -> Iterator[None]:
        """Hold a place for the time of the `with`. Raises `Overloaded` where there is none."""
        if self._held.total() >= self._count:
            raise Overloaded(
                f"The server takes {self._count} {self._what} at once, and as many are under "
                "way. Try again in a moment."
            )
        if self._held[holder] >= self._share:
            raise Overloaded(
                f"You have {self._share} {self._what} under way, as many as one user may have "
                "at once. Let one of them end first."
            )
        self._held[holder] += 1
        try:
            yield
        finally:
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]
