"""Links that are kept for a while, and the files whose links are due to be spelled again.

A file's links are *due* when they have never been kept, or end before an instant that is given for
each backend. Only files that can have links are ever due: not deleted, with a `file_path`, and in a
project that is there. So what is skipped takes no place of what is not.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cella.catalog.files import COLUMNS, from_row
from cella.catalog.tables import files, links
from cella.catalog.tables import projects as owners
from cella.db import Tx
from cella.model import File

_decode = msgspec.json.Decoder(dict[str, str]).decode
_FOREVER = 1 << 62


class Kept(msgspec.Struct, frozen=True):
    """Links of a file that work until `expires`: `variations` by their `file_path`."""

    file_id: str
    expires: int
    original: str
    variations: Mapping[str, str]


class Before(msgspec.Struct, frozen=True):
    """The instants before which links that end are due: by backend, and for all others."""

    backends: Mapping[str, int]
    otherwise: int

    @property
    def latest(self) -> int:
        """The last of them."""
        return max([self.otherwise, *self.backends.values()])


class Place(NamedTuple):
    """Where a batch begins: after the links that end then, of that file. 0 is never kept."""

    expires: int = 0
    file_id: str = ""


_ARE_LINKED = (
    files.c.deleted.is_(None),
    sa.func.coalesce(files.c.file_path, "") != "",
    owners.c.deleted.is_(None),
)
_GET_MANY = sa.select(links).where(links.c.file_id.in_(sa.bindparam("ids", expanding=True)))
_MISSING = (
    sa.select(*COLUMNS, sa.literal(0).label("expires"))
    .join(owners, owners.c.id == files.c.project)
    .outerjoin(links, links.c.file_id == files.c.id)
    .where(
        *_ARE_LINKED,
        files.c.backend == sa.bindparam("wanted"),
        files.c.id > sa.bindparam("after_id"),
        links.c.file_id.is_(None),
    )
    .order_by(files.c.id)
    .limit(sa.bindparam("most"))
)
_STATES = (
    sa.select(files.c.id, files.c.etag)
    .where(files.c.id.in_(sa.bindparam("ids", expanding=True)), files.c.deleted.is_(None))
    .order_by(files.c.id)
    .with_for_update(read=True)
)
_KEPT = ("expires", "original", "variations")
_INSERTS: Mapping[str, Callable[[sa.Table], Any]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


def get_many(tx: Tx, file_ids: Sequence[str]) -> dict[str, Kept]:
    """What is kept of the files, by their ids; it may have ended."""
    rows = tx.execute(_GET_MANY, {"ids": file_ids})
    return {
        row.file_id: Kept(row.file_id, row.expires, row.original, _decode(row.variations))
        for row in rows
    }


def due_of_backend(
    tx: Tx, backend: str, before: Before, *, after: Place, most: int
) -> list[tuple[File, Place]]:
    """Up to `most` files of a backend whose links are due, those first that have none kept.

    Then those whose links end first. The place of the last one is where the next batch begins.
    """
    found: list[tuple[File, Place]] = []
    if after.expires == 0:
        query = {"wanted": backend, "after_id": after.file_id, "most": most}
        found = _placed(tx.execute(_MISSING, query))
        after = Place(1)
    if len(found) < most:
        due = _due(before, after, most - len(found)).where(_is_of(backend))
        found += _placed(tx.execute(due))
    return found


def due_of_project(
    tx: Tx, project_id: str, before: Before, *, after: Place, most: int
) -> list[tuple[File, Place]]:
    """Up to `most` files of a project whose kept links are due, those first that end first.

    Files that have none kept are none of them.
    """
    due = _due(before, max(after, Place(1)), most)
    return _placed(tx.execute(due.where(files.c.project == project_id)))


def count_of_backend(tx: Tx, backend: str, before: Before) -> int:
    """How many files of the backend are due."""
    missing = sa.select(sa.func.count()).select_from(
        _MISSING.order_by(None).with_only_columns(files.c.id).subquery()
    )
    query = {"wanted": backend, "after_id": "", "most": _FOREVER}
    due = _due(before, Place(1), _FOREVER).where(_is_of(backend))
    return int(tx.execute(missing, query).scalar_one()) + _count(tx, due)


def count_of_project(tx: Tx, project_id: str, before: Before) -> int:
    """How many files of the project are due."""
    return _count(tx, _due(before, Place(1), _FOREVER).where(files.c.project == project_id))


def keep(tx: Tx, spelled: Sequence[tuple[File, Kept]]) -> int:
    """Keep links, in the place of older ones; how many.

    Those of files are left out that were changed or deleted since they were read.
    """
    ids = [file.id for file, _ in spelled]
    states = {row.id: row.etag for row in tx.execute(_STATES, {"ids": ids})}
    rows = [
        {
            "file_id": kept.file_id,
            "expires": kept.expires,
            "original": kept.original,
            "variations": msgspec.json.encode(kept.variations).decode(),
        }
        for file, kept in sorted(spelled, key=lambda each: each[0].id)
        if states.get(file.id) == file.etag
    ]
    if rows:
        # With all rows in one VALUES it would be built anew each time, which takes longer.
        tx.execute(_upsert(_INSERTS[tx.dialect.name](links), _KEPT), rows)
    return len(rows)


def expire_project(tx: Tx, project_id: str, at: int) -> int:
    """Have the links of all files of the project end at `at`; how many files that are."""
    ended = sa.select(files.c.id, sa.literal(at), sa.literal(""), sa.literal("{}")).where(
        files.c.project == project_id, files.c.deleted.is_(None)
    )
    insert = _INSERTS[tx.dialect.name](links).from_select(["file_id", *_KEPT], ended)
    counted = _upsert(insert, ["expires"]).execution_options(preserve_rowcount=True)
    return tx.execute(counted).rowcount


def _due(before: Before, after: Place, most: int) -> sa.Select[Any]:
    otherwise = sa.literal(before.otherwise)
    limit: sa.ColumnElement[int] = otherwise
    if before.backends:
        limit = sa.case(dict(before.backends), value=files.c.backend, else_=otherwise)
    return (
        sa.select(*COLUMNS, links.c.expires)
        .join(links, links.c.file_id == files.c.id)
        .join(owners, owners.c.id == files.c.project)
        .where(
            *_ARE_LINKED,
            links.c.expires < before.latest,
            links.c.expires < limit,
            sa.tuple_(links.c.expires, links.c.file_id) > after,
        )
        .order_by(links.c.expires, links.c.file_id)
        .limit(most)
    )


def _upsert(insert: Any, changed: Sequence[str]) -> Any:
    """The insert, which takes over what has `changed` where there is a row already."""
    excluded = {name: insert.excluded[name] for name in changed}
    return insert.on_conflict_do_update(index_elements=[links.c.file_id], set_=excluded)


def _is_of(backend: str) -> sa.ColumnElement[bool]:
    """Whether a file is of the backend, asked so that no index of files answers.

    By that, each batch would look at all files of the backend and sort them; so it goes on in the
    index of the links, where the batch before ended.
    """
    return files.c.backend.concat("") == backend


def _placed(rows: sa.CursorResult[Any]) -> list[tuple[File, Place]]:
    found = []
    for row in rows:
        file = from_row(row)
        found.append((file, Place(row[-1], file.id)))
    return found


def _count(tx: Tx, query: sa.Select[Any]) -> int:
    bare = query.order_by(None).with_only_columns(files.c.id).subquery()
    return int(tx.execute(sa.select(sa.func.count()).select_from(bare)).scalar_one())
