"""Files that an encoder elsewhere is busy with, found by its job and by their age."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from cella.catalog.files import COLUMNS, from_row
from cella.catalog.tables import ENCODED_ELSEWHERE, blobs, files
from cella.db import Tx
from cella.errors import NotFound
from cella.model import File

_MOST_OF_ONE_JOB = 16
"""Files that may name one job: documents that were added may repeat those of others."""

_BY_JOB = (
    sa.select(*COLUMNS)
    .where(files.c.job_id == sa.bindparam("wanted_job"), files.c.deleted.is_(None))
    .order_by(files.c.id)
    .limit(_MOST_OF_ONE_JOB)
    .with_for_update()
)
_PAGE = (
    sa.select(*COLUMNS)
    .where(
        ENCODED_ELSEWHERE,
        files.c.updated >= sa.bindparam("at"),
        sa.or_(files.c.updated > sa.bindparam("at"), files.c.id > sa.bindparam("after_id")),
    )
    .order_by(files.c.updated, files.c.id)
    .limit(sa.bindparam("most"))
)
_UNHEARD = _PAGE.where(files.c.deleted.is_(None), files.c.updated <= sa.bindparam("before"))
_DELETED = _PAGE.where(files.c.deleted.is_not(None))


class Place(NamedTuple):
    """Where a page begins: after the file of that age and id."""

    updated: int = 0
    id: str = ""


def by_job(tx: Tx, backend: str, job_id: str) -> File:
    """The file that a job of an encoder is for, which nobody else changes meanwhile.

    Raises `NotFound`, also where the file was deleted.
    """
    for row in tx.execute(_BY_JOB, {"wanted_job": job_id}):
        file = from_row(row)
        if file.processing is not None and file.processing.backend == backend:
            return file
    raise NotFound("No file waits for this job.")


def unheard(tx: Tx, *, before: int, after: Place, most: int) -> list[File]:
    """Up to `most` files being encoded elsewhere that did not change since `before`.

    The oldest first; of one page the last file's `updated` and `id` are where the next begins.
    """
    query = {"before": before, "at": after.updated, "after_id": after.id, "most": most}
    return [from_row(row) for row in tx.execute(_UNHEARD, query)]


def deleted(tx: Tx, *, after: Place, most: int) -> list[File]:
    """Up to `most` files that were deleted while an encoder elsewhere is busy with them."""
    query = {"at": after.updated, "after_id": after.id, "most": most}
    return [from_row(row) for row in tx.execute(_DELETED, query)]


def among(tx: Tx, file_ids: Sequence[str]) -> list[File]:
    """Those of the files, deleted ones included, that an encoder elsewhere is busy with."""
    query = sa.select(*COLUMNS).where(ENCODED_ELSEWHERE, files.c.id.in_(file_ids))
    return [from_row(row) for row in tx.execute(query)]


def drop_blobs(tx: Tx, file_id: str, keys: Sequence[str]) -> None:
    """The blobs are the file's no longer: an encode has moved to another key."""
    tx.execute(blobs.delete().where(blobs.c.file_id == file_id, blobs.c.key.in_(keys)))
