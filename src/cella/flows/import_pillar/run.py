"""Import: a whole dump, a batch at a time.

Each batch is one transaction, so what was read before something went wrong stays, and the import
can simply be run again: what is there as it is in the dump is left alone.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from cella.access.tokens import token_hash
from cella.clock import Clock
from cella.db import Database, Tx
from cella.flows.import_pillar import files, people, projects
from cella.flows.import_pillar.batch import Foreseen, Item, Setting
from cella.flows.import_pillar.outcomes import Counts, Outcome, Verdict
from cella.pillar import documents
from cella.pillar.documents import Account, Secret, Stored
from cella.pillar.dump import Advance, Dump
from cella.pillar.source import Document
from cella.pillar.values import Unusable, Values, decoded

_BATCH = 500
_BATCH_BYTES = 16 << 20

Tell = Callable[[str, Outcome], None]
"""Is told what became of each document for which there is more to say than that it was taken."""


class _Taking(NamedTuple):
    """How the documents of a collection are understood, and how a batch of them is taken."""

    read: Callable[[Values, bytes], Any]
    take: Callable[[Tx, Setting, list[Item[Any]]], list[Outcome]]


class ImportPillar:
    """Takes over users, groups, tokens, projects and files of a Pillar server.

    `provider` is what Blender-ID is called among the identities, None where it is not configured;
    `forget` is the kind of job that drops deleted files for good, which is put for those that
    come deleted, due after `grace` seconds.
    """

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        token_key: str,
        provider: str | None,
        backends: Iterable[str],
        forget: str,
        grace: float,
        attempts: int,
    ) -> None:
        self._db = db
        self._clock = clock
        self._token_key = token_key
        self._provider = provider
        self._backends = frozenset(backends)
        self._grace = grace
        self._attempts = attempts
        self._takings: dict[str, _Taking] = {
            "groups": _Taking(documents.group, people.take_groups),
            "users": _Taking(documents.account, people.take_users),
            "tokens": _Taking(documents.secret, people.take_tokens),
            "projects": _Taking(documents.project, projects.take_projects),
            "files": _Taking(documents.file, partial(files.take_files, forget=forget)),
        }

    def run(
        self,
        dump: Dump,
        counts: dict[str, Counts],
        *,
        advance: Advance,
        tell: Tell,
        dry: bool = False,
    ) -> None:
        """Take over all that the dump holds, and count it in `counts`, by collection.

        A `dry` run writes nothing; it does not see where documents of different batches are in
        each other's way. Raises `DamagedDump` and `OSError`: what was counted until then stays.
        """
        foreseen = Foreseen() if dry else None
        for name in dump.collections:
            counted = counts.setdefault(name, Counts())
            for batch in _batches(dump.documents(name, advance)):
                for outcome in self._take(name, batch, foreseen):
                    counted.add(outcome)
                    if outcome.reason or outcome.notes:
                        tell(name, outcome)

    def _take(
        self, name: str, batch: Sequence[Document], foreseen: Foreseen | None
    ) -> list[Outcome]:
        taking = self._takings[name]
        setting = Setting(
            now=self._clock.now(),
            token_key=self._token_key,
            provider=self._provider,
            backends=self._backends,
            grace=self._grace,
            attempts=self._attempts,
            foreseen=foreseen,
        )
        items: list[Item[Any]] = []
        refused: list[Outcome] = []
        for document in batch:
            understood = self._understand(taking, document)
            if isinstance(understood, Outcome):
                refused.append(understood)
            else:
                items.append(understood)

        def work(tx: Tx) -> list[Outcome]:
            # It may be run again, and items are changed on the way.
            fresh = [msgspec.structs.replace(item, notes=list(item.notes)) for item in items]
            return taking.take(tx, setting, fresh)

        return [*refused, *(self._db.write_now(work) if items else [])]

    def _understand(self, taking: _Taking, document: Document) -> Item[Any] | Outcome:
        where = f"at byte {document.offset}"
        try:
            raw = decoded(document.raw)
        except ValueError:
            return Outcome(where, Verdict.REFUSED, "it is damaged")
        values = Values(raw)
        try:
            value = taking.read(values, document.raw)
        except Unusable as error:
            return Outcome(values.id("_id") or where, Verdict.REFUSED, str(error))
        return _item(value, self._told(value), values.notes)

    def _told(self, value: Any) -> Any:
        """What is digested of a document: all that it says, but for what nobody may guess from."""
        if isinstance(value, Secret) and value.plain:
            return value._replace(plain=None, hashed=token_hash(self._token_key, value.plain))
        return value


def _item(value: Any, told: Any, notes: list[str]) -> Item[Any]:
    digest = hashlib.sha1(msgspec.json.encode(told), usedforsecurity=False).hexdigest()
    if isinstance(value, Secret):
        return Item(value.id, value, digest, notes)
    noun = value
    if isinstance(value, Account):
        noun = value.user
    elif isinstance(value, Stored):
        noun = value.file
    return Item(noun.id, value, digest, notes, noun.etag, noun.updated)


def _batches(found: Iterator[Document]) -> Iterator[list[Document]]:
    """Some hundred documents at a time, fewer where they are large."""
    batch: list[Document] = []
    size = 0
    for document in found:
        batch.append(document)
        size += len(document.raw)
        if len(batch) >= _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
