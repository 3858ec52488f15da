"""A batch of documents of one collection, held against what there is."""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from cella.catalog import imports, people
from cella.catalog.imports import Kind, Mark, Present
from cella.db import Tx
from cella.flows.import_pillar.outcomes import Outcome, Verdict
from cella.jobs import queue

T = TypeVar("T")


class Item(msgspec.Struct, Generic[T]):
    """One document: what it says, a digest of that, and what was odd about it.

    `etag` and `updated` are those that it has there; tokens have neither.
    """

    id: str
    value: T
    digest: str
    notes: list[str]
    etag: str = ""
    updated: int = 0

    def note(self, what: str) -> None:
        """Note something that is not as it was there."""
        if what not in self.notes:
            self.notes.append(what)


class Foreseen(msgspec.Struct):
    """What earlier batches would have brought, where nothing is written; the first `admin` too."""

    ids: dict[Kind, set[str]] = msgspec.field(default_factory=dict)
    admin: str | None = None

    def add(self, kind: Kind, ids: Iterable[str]) -> None:
        """Take it that these are there; of files nobody asks."""
        if kind != "files":
            self.ids.setdefault(kind, set()).update(ids)


class Setting(NamedTuple):
    """What all batches need: the moment, what is configured, and whether anything is written.

    `provider` names Blender-ID among the identities, None where it is not configured. `backends`
    are those of our stores; `grace` is in seconds. `foreseen` is there in a dry run only.
    """

    now: float
    token_key: str
    provider: str | None
    backends: frozenset[str]
    grace: float
    attempts: int
    foreseen: Foreseen | None

    def known(self, tx: Tx, kind: Kind, ids: Iterable[str]) -> set[str]:
        """Those of the ids that there are, or would be by now."""
        wanted = set(ids)
        ahead = wanted & self.foreseen.ids.get(kind, set()) if self.foreseen else set()
        return ahead | imports.known(tx, kind, wanted - ahead)

    def admin(self, tx: Tx) -> str | None:
        """The administrator to whom falls what has no owner, if there is any."""
        oldest = people.oldest_admin(tx)
        if oldest is not None:
            return oldest.id
        return self.foreseen.admin if self.foreseen else None

    def later(self, tx: Tx, kind: str, subjects: Sequence[str], priority: int) -> None:
        """Have jobs done when the time of grace is over."""
        queue.put_all(
            tx,
            kind=kind,
            subjects=subjects,
            priority=priority,
            run_at=self.now + self.grace,
            max_attempts=self.attempts,
            now=self.now,
        )


class Sorted(msgspec.Struct, Generic[T]):
    """A batch sorted by what is to be done. `outcomes` are those of all the others.

    `present` is what there is in the place of the changed ones.
    """

    new: list[Item[T]]
    changed: list[Item[T]]
    unchanged: list[Item[T]]
    outcomes: list[Outcome]
    present: dict[str, Present]

    @property
    def wanted(self) -> list[Item[T]]:
        """Those that are to be written."""
        return [*self.new, *self.changed]

    def refuse(self, judged: Callable[[Item[T]], str | None]) -> None:
        """Take out those of the wanted for which there is a reason not to take them."""
        for items in (self.new, self.changed):
            for item in list(items):
                reason = judged(item)
                if reason is not None:
                    items.remove(item)
                    self.outcomes.append(Outcome(item.id, Verdict.REFUSED, reason))

    def done(self, tx: Tx, kind: Kind, setting: Setting) -> list[Outcome]:
        """Remember those that were written; the outcomes of the whole batch."""
        wanted = {item.id: Mark(item.etag, item.digest) for item in self.wanted}
        if setting.foreseen:
            setting.foreseen.add(kind, wanted)
        else:
            imports.remember(tx, kind, wanted)
        return [
            *self.outcomes,
            *(Outcome(each.id, Verdict.TAKEN, notes=tuple(each.notes)) for each in self.new),
            *(Outcome(each.id, Verdict.UPDATED, notes=tuple(each.notes)) for each in self.changed),
        ]


def sort(tx: Tx, kind: Kind, items: Sequence[Item[T]]) -> Sorted[T]:
    """Sort a batch. What there is of it stays as it is until the transaction ends."""
    ids = [item.id for item in items]
    marks, present = imports.marks(tx, kind, ids), imports.present(tx, kind, ids)
    found: Sorted[T] = Sorted([], [], [], [], present)
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            reason = "a document before it has the same _id"
            found.outcomes.append(Outcome(item.id, Verdict.REFUSED, reason))
            continue
        seen.add(item.id)
        mark, there = marks.get(item.id), present.get(item.id)
        if mark is None and there is None:
            found.new.append(item)
            continue
        outcome = _of_known(item, mark, there)
        if outcome is None:
            found.changed.append(item)
            continue
        if outcome.verdict == Verdict.UNCHANGED:
            found.unchanged.append(item)
        found.outcomes.append(outcome)
    return found


def _of_known(item: Item[T], mark: Mark | None, there: Present | None) -> Outcome | None:
    """What becomes of one that is there, or was; None where it is to be replaced."""
    if mark is None:
        reason = "there is another of this id here, which was not imported"
        return Outcome(item.id, Verdict.REFUSED, reason)
    if mark.digest == item.digest:
        return Outcome(item.id, Verdict.UNCHANGED)
    if there is None:
        return Outcome(item.id, Verdict.PASSED_OVER, "it was deleted here since it was imported")
    if there.etag != mark.etag:
        return Outcome(item.id, Verdict.REFUSED, "it was changed here since it was imported")
    if item.etag and item.updated < there.updated:
        return Outcome(item.id, Verdict.PASSED_OVER, "it is older than what was imported before")
    return None
