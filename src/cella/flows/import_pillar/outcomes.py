"""What became of each document of a dump, and how many of them that were."""

from collections import Counter
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Verdict(StrEnum):
    """What became of a document.

    `PASSED_OVER` are those that nobody misses, such as tokens that have expired; `REFUSED` those
    that somebody has to look at.
    """

    TAKEN = "taken"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    PASSED_OVER = "passed over"
    REFUSED = "refused"


class Outcome(NamedTuple):
    """What became of the document with this id, why, and what of it was left out or replaced."""

    id: str
    verdict: Verdict
    reason: str = ""
    notes: tuple[str, ...] = ()


class Counts(msgspec.Struct):
    """The documents of a collection, by what became of them; reasons and notes with their number.

    A document may have several notes.
    """

    verdicts: Counter[Verdict] = msgspec.field(default_factory=Counter)
    reasons: Counter[tuple[Verdict, str]] = msgspec.field(default_factory=Counter)
    notes: Counter[str] = msgspec.field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.verdicts[outcome.verdict] += 1
        if outcome.reason:
            self.reasons[outcome.verdict, outcome.reason] += 1
        self.notes.update(outcome.notes)
