"""Files that are to lie in another store: which there are, and the step of their rows."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from cella.catalog.files import replace
from cella.catalog.tables import blobs, files, links
from cella.db import Tx
from cella.model import File

_BACKEND = sa.select(files.c.backend).where(files.c.id == sa.bindparam("file_id"))
_KEYS = (
    sa.select(blobs.c.key).where(blobs.c.file_id == sa.bindparam("file_id")).order_by(blobs.c.key)
)


class Which(NamedTuple):
    """Files of a project, of a backend, or of both, that do not lie in the backend `target`."""

    target: str
    project: str | None = None
    backend: str | None = None


class Sum(NamedTuple):
    """How many files there are, and how many bytes they have with their variations."""

    files: int
    size: int


class Place(NamedTuple):
    """A file, and how many bytes it has with its variations."""

    id: str
    size: int


def page(tx: Tx, which: Which, *, after: str, most: int) -> list[Place]:
    """Up to `most` of the files, none of them deleted, by id from beyond the id `after`."""
    query = (
        sa.select(files.c.id, files.c.length_aggregate)
        .where(files.c.deleted.is_(None), *_is_one(which), files.c.id > after)
        .order_by(files.c.id)
        .limit(most)
    )
    return [Place(*row) for row in tx.execute(query)]


def total(tx: Tx, which: Which) -> Sum:
    """All of the files together, but for those that are deleted."""
    return _sum(tx, files.c.deleted.is_(None), *_is_one(which))


def total_of(tx: Tx, file_ids: Sequence[str], target: str) -> Sum:
    """Those of the files together that do not lie in the backend `target`."""
    is_one = files.c.id.in_(file_ids) & (files.c.backend != target)
    return _sum(tx, files.c.deleted.is_(None), is_one)


def total_deleted(tx: Tx, which: Which) -> Sum:
    """Those together that are deleted, and not forgotten yet."""
    return _sum(tx, files.c.deleted.is_not(None), *_is_one(which))


def backend_of(tx: Tx, file_id: str) -> str | None:
    """The backend of a file, also of a deleted one; None where there is no such file."""
    return tx.execute(_BACKEND, {"file_id": file_id}).scalar_one_or_none()


def blob_keys(tx: Tx, file_id: str) -> list[str]:
    """The keys of a file's blobs."""
    return list(tx.execute(_KEYS, {"file_id": file_id}).scalars())


def settle(tx: Tx, old: File, new: File) -> None:
    """Write `new`, which lies in another store, in the place of `old`; links that are kept go.

    Raises `PreconditionFailed` where the file has changed since `old` was read.
    """
    replace(tx, old, new)
    tx.execute(links.delete().where(links.c.file_id == new.id))


def _is_one(which: Which) -> list[sa.ColumnElement[bool]]:
    conditions = [files.c.backend != which.target, files.c.file_path.is_not(None)]
    if which.project is not None:
        conditions.append(files.c.project == which.project)
    if which.backend is not None:
        conditions.append(files.c.backend == which.backend)
    return conditions


def _sum(tx: Tx, *conditions: sa.ColumnElement[bool]) -> Sum:
    size = sa.func.coalesce(sa.func.sum(files.c.length_aggregate), 0)
    row = tx.execute(sa.select(sa.func.count(), size).where(*conditions)).one()
    return Sum(row[0], int(row[1]))
