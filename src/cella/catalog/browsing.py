"""Whose the blobs are that lie in a project's bucket."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from cella.catalog.files import COLUMNS, from_row
from cella.catalog.tables import blobs, files
from cella.db import Tx
from cella.model import File

_AT_ONCE = 500
_OF_FILES = sa.select(blobs.c.key, blobs.c.size, *COLUMNS).join(
    files, files.c.id == blobs.c.file_id
)
_BY_KEY = _OF_FILES.where(blobs.c.key.in_(sa.bindparam("keys", expanding=True)))
_FROM_KEY = (
    _OF_FILES.where(
        blobs.c.key > sa.bindparam("after"),
        blobs.c.key < sa.bindparam("end"),
        files.c.deleted.is_(None),
        files.c.backend == sa.bindparam("backend"),
    )
    .order_by(blobs.c.key)
    .limit(sa.bindparam("most"))
)


class Known(NamedTuple):
    """A blob that the catalogue knows: `size` as in the table of blobs, and whose it is."""

    key: str
    size: str
    file: File


def by_keys(tx: Tx, keys: Sequence[str]) -> dict[str, Known]:
    """Those of the blobs that are a file's, also a deleted one's, by their keys."""
    found: dict[str, Known] = {}
    for at in range(0, len(keys), _AT_ONCE):
        for row in tx.execute(_BY_KEY, {"keys": list(keys[at : at + _AT_ONCE])}):
            found[row.key] = _known(row)
    return found


def page(tx: Tx, backend: str, prefix: str, *, after: str, most: int) -> list[Known]:
    """Up to `most` blobs of files that live in the backend and are not deleted, by their keys.

    Those whose keys begin with `prefix`, from beyond the key `after`.
    """
    given = {"after": max(prefix, after), "end": _behind(prefix), "backend": backend, "most": most}
    return [_known(row) for row in tx.execute(_FROM_KEY, given)]


def _behind(prefix: str) -> str:
    """The first text that sorts after all that begin with `prefix`, which ends in plain ASCII."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _known(row: Sequence[Any]) -> Known:
    return Known(row[0], row[1], from_row(row[2:]))
