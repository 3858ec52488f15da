"""Files whose links name no project: those that came with paths of their own."""

import re

import sqlalchemy as sa

from cella.catalog.files import COLUMNS, from_row
from cella.catalog.tables import blobs, files
from cella.catalog.tables import projects as owners
from cella.db import Tx
from cella.model import File

_MOST = 64
"""Files whose paths begin alike that are looked at, those of one original together."""

_LAST_CHARACTER = "\U0010ffff"
_ROOT = re.compile(r"[^.-]*")

_NEAR = (
    sa.select(files.c.id)
    .where(
        files.c.file_path >= sa.bindparam("low"),
        files.c.file_path < sa.bindparam("high"),
        files.c.backend == sa.bindparam("wanted"),
        files.c.deleted.is_(None),
    )
    .order_by(files.c.file_path)
    .limit(_MOST)
)
_BY_PATH = (
    sa.select(*COLUMNS, blobs.c.size, blobs.c.key)
    .join(blobs, blobs.c.file_id == files.c.id)
    .outerjoin(owners, owners.c.id == files.c.project)
    .where(
        files.c.id.in_(_NEAR),
        blobs.c.key
        == sa.func.coalesce(files.c.project, files.c.user_id) + "/_/" + sa.bindparam("name"),
        owners.c.deleted.is_(None),
    )
    .order_by(files.c.id)
)


def by_path(tx: Tx, backend: str, path: str) -> list[tuple[File, str, str]]:
    """The files that have the blob at `path`, each with the blob's size label and its key.

    `path` is `<folder>/<name>`, as in `file_path`, of an original or a variation of it. Files that
    were deleted, or whose project was, are none of them.
    """
    folder, _, name = path.rpartition("/")
    begin = _ROOT.match(name)
    low = f"{folder}/{begin[0] if begin else ''}"
    query = {"low": low, "high": low + _LAST_CHARACTER, "wanted": backend, "name": name}
    return [(from_row(row), row[-2], row[-1]) for row in tx.execute(_BY_PATH, query)]
