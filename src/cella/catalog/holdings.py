"""What stores hold by the catalogue's account: the blobs of all files, in order of their keys.

Deleted files count as long as their rows are there. One page costs the same wherever it begins.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from cella.catalog.tables import blobs, files
from cella.db import Tx
from cella.model.file import FileStatus

_BUSY: Sequence[FileStatus] = ("uploading", "queued_for_processing", "processing")
_AFTER_A_ROOT = "/"
"""Sorts after everything that may follow the root in the name of an original."""

_KEYS = (
    sa.select(blobs.c.key, blobs.c.file_id)
    .where(blobs.c.key > sa.bindparam("after"))
    .order_by(blobs.c.key)
    .limit(sa.bindparam("most"))
)
_SOME_KEYS = sa.select(blobs.c.key, blobs.c.file_id).where(
    blobs.c.key.in_(sa.bindparam("wanted", expanding=True))
)
_FILES = sa.select(
    files.c.id,
    files.c.project,
    files.c.filename,
    files.c.backend,
    files.c.status,
    files.c.file_path,
    files.c.length,
    files.c.sha256,
    files.c.md5,
    files.c.variations,
).where(files.c.id.in_(sa.bindparam("ids", expanding=True)))
_TOTAL = sa.select(
    sa.func.count(), sa.func.coalesce(sa.func.sum(files.c.length_aggregate), 0)
).where(files.c.backend == sa.bindparam("wanted"))


class Holding(msgspec.Struct, frozen=True):
    """A blob, the file that it is part of, and what is known of its bytes.

    `name` is the file's. `length` is None where the document does not tell of the blob; `sha256`
    and `md5` are empty where they are not known. `is_busy` tells that the file's variations are
    being made, so that their bytes may be replaced at any moment, before the document says so.
    """

    key: str
    backend: str
    file_id: str
    project: str | None
    name: str
    length: int | None
    sha256: str
    md5: str
    is_original: bool
    is_busy: bool


class Page(NamedTuple):
    """Holdings of one backend, and the key after which the next page begins, None at the end."""

    holdings: list[Holding]
    then: str | None


class Total(NamedTuple):
    """How many files a backend has, and the bytes of all their blobs."""

    files: int
    bytes: int


class _Variation(msgspec.Struct):
    file_path: str
    length: int
    sha256: str | None = None
    md5: str = ""


_variations = msgspec.json.Decoder(list[_Variation])


def page(tx: Tx, backend: str, *, after: str, most: int) -> Page:
    """The blobs of `backend` among the `most` blobs, of any backend, whose keys follow `after`."""
    rows = tx.execute(_KEYS, {"after": after, "most": most}).all()
    found = [each for each in _holdings(tx, rows) if each.backend == backend]
    return Page(found, rows[-1].key if len(rows) == most else None)


def by_keys(tx: Tx, keys: Collection[str]) -> dict[str, Holding]:
    """The blobs under these keys, on whichever backend; those without a row are left out."""
    rows = tx.execute(_SOME_KEYS, {"wanted": list(keys)}).all()
    return {each.key: each for each in _holdings(tx, rows)}


def total(tx: Tx, backend: str) -> Total:
    """What there is on a backend altogether."""
    count, size = tx.execute(_TOTAL, {"wanted": backend}).one()
    return Total(count, int(size))


def busy_roots(tx: Tx, roots: Iterable[str]) -> set[str]:
    """Those of `roots`, which have 32 hex digits, whose file's variations are being made."""
    ranges = [
        (files.c.file_path >= root) & (files.c.file_path < root + _AFTER_A_ROOT)
        for root in sorted(set(roots))
    ]
    if not ranges:
        return set()
    query = sa.select(files.c.file_path, files.c.status).where(sa.or_(*ranges))
    return {row.file_path[:32] for row in tx.execute(query) if row.status in _BUSY}


def _holdings(tx: Tx, rows: Sequence[Any]) -> Iterable[Holding]:
    ids = {row.file_id for row in rows}
    owners = {row.id: row for row in tx.execute(_FILES, {"ids": list(ids)})} if ids else {}
    told: dict[str, dict[str, _Variation]] = {}
    for key, file_id in rows:
        file = owners[file_id]
        name = key.rpartition("/")[2]
        is_original = name == file.file_path
        facts: _Variation | None
        if is_original:
            facts = _Variation(name, file.length, file.sha256, file.md5)
        else:
            if file_id not in told:
                variations = _variations.decode(file.variations)
                told[file_id] = {each.file_path: each for each in variations}
            facts = told[file_id].get(name)
        yield Holding(
            key=key,
            backend=file.backend,
            file_id=file_id,
            project=file.project,
            name=file.filename,
            length=None if facts is None else facts.length,
            sha256="" if facts is None else facts.sha256 or "",
            md5="" if facts is None else facts.md5,
            is_original=is_original,
            is_busy=not is_original and file.status in _BUSY,
        )
