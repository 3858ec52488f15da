"""Files in the catalogue, and which blobs are theirs.

Every function here keeps three things true in its transaction: `blobs` lists exactly the
original and the variations of each file, but for one whose bytes an encoder has yet to bring,
`length_aggregate` is their sum, and the project's totals follow.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cella.catalog import projects
from cella.catalog.tables import blobs, files, links
from cella.catalog.tables import projects as owners
from cella.db import Tx
from cella.errors import Conflict, NotFound, PreconditionFailed
from cella.ids import new_etag
from cella.model import File, Media, Processing, Variation

COLUMNS: tuple[sa.Column[Any], ...] = tuple(
    files.c["user_id" if name == "user" else name] for name in File.__struct_fields__
)
"""The columns of a file, in the order of the fields of `File`."""

ORIGINAL = ""
"""What `blobs.size` says of an original; a variation's has its size."""

# Statements of the hot paths are built once: building one costs more than running it.
_INSERT = files.insert()
_INSERT_REFS = blobs.insert()
_GET = sa.select(*COLUMNS).where(files.c.id == sa.bindparam("file_id"))
_GET_FOR_CHANGE = _GET.with_for_update()
_REPLACE = files.update().where(
    files.c.id == sa.bindparam("old_id"), files.c.etag == sa.bindparam("old_etag")
)
_LIVING = (
    sa.select(files.c.id)
    .where(files.c.project == sa.bindparam("project_id"), files.c.deleted.is_(None))
    .order_by(files.c.id)
    .limit(sa.bindparam("most"))
    .with_for_update()
)
_DELETE = (
    files.update()
    .where(files.c.id == sa.bindparam("file_id"))
    .values(deleted=sa.bindparam("at"), updated=sa.bindparam("at"), etag=sa.bindparam("new_etag"))
)
_DROP_LINKS = links.delete().where(links.c.file_id == sa.bindparam("of_file"))
_BY_BLOB = (
    sa.select(*COLUMNS, blobs.c.size)
    .join(blobs, blobs.c.file_id == files.c.id)
    .outerjoin(owners, owners.c.id == files.c.project)
    .where(
        blobs.c.key == sa.bindparam("blob_key"),
        files.c.deleted.is_(None),
        owners.c.deleted.is_(None),
    )
)

_variations = msgspec.json.Decoder(tuple[Variation, ...])
_processing = msgspec.json.Decoder(Processing)
_media = msgspec.json.Decoder(Media)
_NO_VARIATIONS = "[]"


class BlobRef(msgspec.Struct, frozen=True):
    """A blob of a file: its key, and the variation's size or `ORIGINAL`."""

    key: str
    size: str


def add(tx: Tx, file: File, refs: Iterable[BlobRef]) -> None:
    """Put a new file into the catalogue."""
    tx.execute(_INSERT, values(file))
    _add_refs(tx, file.id, refs)
    _count(tx, file, 1)


def add_all(tx: Tx, new: Sequence[File]) -> None:
    """Put new files without blobs into the catalogue.

    Raises `Conflict` where an id is taken.
    """
    try:
        tx.execute(_INSERT, [values(file) for file in new])
    except IntegrityError:
        raise Conflict("One of these documents has an _id that is taken.") from None
    shown, size = Counter[str](), Counter[str]()
    for file in new:
        if file.project is not None:
            shown[file.project] += file.deleted is None
            size[file.project] += file.length_aggregate
    for project_id in sorted(shown):
        projects.count(tx, project_id, files=shown[project_id], size=size[project_id])


def taken(tx: Tx, file_ids: Collection[str]) -> set[str]:
    """Those of the ids that files have, deleted ones included."""
    return set(tx.execute(sa.select(files.c.id).where(files.c.id.in_(file_ids))).scalars())


def get(tx: Tx, file_id: str, *, deleted: bool = False, for_change: bool = False) -> File:
    """The file; raises `NotFound` where there is none, or a deleted one is not wanted.

    With `for_change` nobody else changes it until the transaction ends.
    """
    query = _GET_FOR_CHANGE if for_change else _GET
    row = tx.execute(query, {"file_id": file_id}).one_or_none()
    if row is None or (row.deleted is not None and not deleted):
        raise NotFound(f"File {file_id} does not exist.")
    return from_row(row)


def by_blob(tx: Tx, key: str) -> tuple[File, str]:
    """The file that a blob belongs to, and the blob's size label.

    Raises `NotFound`, also where the file or its project was deleted.
    """
    row = tx.execute(_BY_BLOB, {"blob_key": key}).one_or_none()
    if row is None:
        raise NotFound("There is no such file, or it was deleted.")
    return from_row(row), row[-1]


def known_keys(tx: Tx, keys: Sequence[str]) -> set[str]:
    """Those of `keys` that belong to a file, deleted ones included."""
    return set(tx.execute(sa.select(blobs.c.key).where(blobs.c.key.in_(keys))).scalars())


def replace(tx: Tx, old: File, new: File, refs: Iterable[BlobRef] = ()) -> None:
    """Write `new` in the place of `old`; `refs` are blobs that the file has got on top.

    Links that were kept of it are dropped where they would be others now. Raises
    `PreconditionFailed` where the file has changed since `old` was read.
    """
    done = tx.execute(_REPLACE, {"old_id": old.id, "old_etag": old.etag, **values(new)})
    if done.rowcount != 1:
        raise PreconditionFailed("The file has changed meanwhile; read it again.")
    _add_refs(tx, new.id, refs)
    if _linked(new) != _linked(old):
        tx.execute(_DROP_LINKS, {"of_file": old.id})
    if new.project != old.project:
        _count(tx, old, -1)
        _count(tx, new, 1)
        return
    grown = new.length_aggregate - old.length_aggregate
    shown = (new.deleted is None) - (old.deleted is None)
    if new.project is not None and (grown or shown):
        projects.count(tx, new.project, files=shown, size=grown)


def delete_some(tx: Tx, project_id: str, now: int, most: int) -> list[str]:
    """Mark up to `most` files of the project as deleted; their ids, none where none are left."""
    query = {"project_id": project_id, "most": most}
    ids = list(tx.execute(_LIVING, query).scalars())
    if ids:
        rows = [{"file_id": file_id, "at": now, "new_etag": new_etag()} for file_id in ids]
        tx.execute(_DELETE, rows)
        projects.count(tx, project_id, files=-len(ids))
    return ids


def deleted_since(tx: Tx, project_id: str, since: int) -> list[str]:
    """The ids of the project's files that were deleted at `since` or later, and are still known."""
    query = sa.select(files.c.id).where(files.c.project == project_id, files.c.deleted >= since)
    return list(tx.execute(query.order_by(files.c.id)).scalars())


def forget(tx: Tx, file_id: str) -> tuple[str, list[str]] | None:
    """Drop a deleted file's row for good: its backend and the keys of its blobs.

    None where there is no such file, or it is not deleted.
    """
    row = tx.execute(
        files.select().where(files.c.id == file_id, files.c.deleted.is_not(None))
    ).one_or_none()
    if row is None:
        return None
    keys = list(
        tx.execute(
            sa.select(blobs.c.key).where(blobs.c.file_id == file_id).order_by(blobs.c.key)
        ).scalars()
    )
    tx.execute(blobs.delete().where(blobs.c.file_id == file_id))
    tx.execute(links.delete().where(links.c.file_id == file_id))
    tx.execute(files.delete().where(files.c.id == file_id))
    if row.project is not None:
        projects.count(tx, row.project, size=-row.length_aggregate)
    return row.backend, keys


def _linked(file: File) -> tuple[object, ...]:
    """What of a file its links depend on."""
    variations = tuple(
        (each.file_path, each.size, each.format, each.content_type, each.is_public)
        for each in file.variations
    )
    return file.bucket, file.backend, file.file_path, file.filename, file.content_type, variations


def _count(tx: Tx, file: File, sign: int) -> None:
    if file.project is not None:
        shown = sign * (file.deleted is None)
        projects.count(tx, file.project, files=shown, size=sign * file.length_aggregate)


def _add_refs(tx: Tx, file_id: str, refs: Iterable[BlobRef]) -> None:
    rows = [{"key": ref.key, "file_id": file_id, "size": ref.size} for ref in refs]
    if rows:
        tx.execute(_INSERT_REFS, rows)


def values(file: File) -> dict[str, Any]:
    """The row of the table that holds the file."""
    return {
        "id": file.id,
        "created": file.created,
        "updated": file.updated,
        "etag": file.etag,
        "project": file.project,
        "user_id": file.user,
        "name": file.name,
        "filename": file.filename,
        "content_type": file.content_type,
        "length": file.length,
        "backend": file.backend,
        "file_path": file.file_path,
        "status": file.status,
        "md5": file.md5,
        "sha256": file.sha256,
        "description": file.description,
        "declared_type": file.declared_type,
        "format": file.format,
        "size": file.size,
        "width": file.width,
        "height": file.height,
        "duration": file.duration,
        "media": _text(file.media),
        "processing": _text(file.processing),
        "job_id": None if file.processing is None else file.processing.job_id,
        "variations": _text(file.variations) or _NO_VARIATIONS,
        "length_aggregate": file.length_aggregate,
        "deleted": file.deleted,
    }


def _text(value: object) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


def from_row(row: Sequence[Any]) -> File:
    """The file that a row of `COLUMNS` holds; what follows them is left to the caller."""
    *plain, media, processing, variations, deleted = row[: len(COLUMNS)]
    nested = (
        None if media is None else _media.decode(media),
        None if processing is None else _processing.decode(processing),
        () if variations == _NO_VARIATIONS else _variations.decode(variations),
    )
    return File(*(*plain, *nested, deleted))
