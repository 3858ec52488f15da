"""Uploads in pieces: what has arrived of them, and which blobs that is."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from cella.catalog.tables import pieces, uploads
from cella.db import Tx
from cella.errors import NotFound
from cella.model import Piece, Upload

_COLUMNS = (
    uploads.c.id,
    uploads.c.created,
    uploads.c.user_id,
    uploads.c.project,
    uploads.c.filename,
    uploads.c.declared_type,
    uploads.c.length,
    uploads.c.received,
    uploads.c.backend,
    uploads.c.state,
    uploads.c.expires,
    uploads.c.file_id,
    uploads.c.reason,
)
_GET = sa.select(*_COLUMNS).where(uploads.c.id == sa.bindparam("upload_id"))
_GET_LOCKED = _GET.with_for_update()
# Those that failed count: what came of them takes room until they are dropped.
_COUNT = (
    sa.select(sa.func.count())
    .select_from(uploads)
    .where(
        uploads.c.user_id == sa.bindparam("of"),
        uploads.c.state.in_(("receiving", "storing", "failed")),
    )
)
_PIECES = (
    sa.select(pieces.c.key, pieces.c.start, pieces.c.length)
    .where(
        pieces.c.upload_id == sa.bindparam("upload_id"), pieces.c.start >= sa.bindparam("offset")
    )
    .order_by(pieces.c.start)
    .limit(sa.bindparam("most"))
)
# What is being made one blob goes on, however long that takes; its job ends it.
_EXPIRED = (
    sa.select(uploads.c.expires, uploads.c.id)
    .where(
        uploads.c.expires <= sa.bindparam("now"),
        uploads.c.state != "storing",
        sa.tuple_(uploads.c.expires, uploads.c.id)
        > sa.tuple_(sa.bindparam("since", type_=sa.BigInteger), sa.bindparam("beyond")),
    )
    .order_by(uploads.c.expires, uploads.c.id)
    .limit(sa.bindparam("most"))
)


class Expired(NamedTuple):
    """An upload that is to be dropped."""

    expires: int
    id: str


def add(tx: Tx, upload: Upload) -> None:
    """Add one, of which nothing has arrived."""
    tx.execute(
        uploads.insert().values(
            id=upload.id,
            created=upload.created,
            user_id=upload.user,
            project=upload.project,
            filename=upload.filename,
            declared_type=upload.declared_type,
            length=upload.length,
            received=upload.received,
            backend=upload.backend,
            state=upload.state,
            expires=upload.expires,
            file_id=upload.file,
            reason=upload.reason,
        )
    )


def get(tx: Tx, upload_id: str, *, for_change: bool = False) -> Upload:
    """The upload; with `for_change` it stays as it is. Raises `NotFound`."""
    query = _GET_LOCKED if for_change else _GET
    row = tx.execute(query, {"upload_id": upload_id}).one_or_none()
    if row is None:
        raise NotFound(f"Upload {upload_id[:80]} does not exist.")
    return Upload(
        id=row.id,
        created=row.created,
        user=row.user_id,
        project=row.project,
        filename=row.filename,
        declared_type=row.declared_type,
        length=row.length,
        received=row.received,
        backend=row.backend,
        state=row.state,
        expires=row.expires,
        file=row.file_id,
        reason=row.reason,
    )


def unfinished_of(tx: Tx, user_id: str) -> int:
    """How many uploads of a user have not come to their end."""
    return int(tx.execute(_COUNT, {"of": user_id}).scalar_one())


def add_piece(tx: Tx, upload_id: str, piece: Piece) -> None:
    """Know of a blob that is a piece of the upload."""
    tx.execute(
        pieces.insert().values(
            key=piece.key, upload_id=upload_id, start=piece.start, length=piece.length
        )
    )


def settle(tx: Tx, upload: Upload) -> None:
    """Write the state of the upload, and what belongs to it, as `upload` has it."""
    tx.execute(
        uploads.update()
        .where(uploads.c.id == upload.id)
        .values(
            state=upload.state,
            received=upload.received,
            expires=upload.expires,
            file_id=upload.file,
            reason=upload.reason,
        )
    )


def pieces_of(tx: Tx, upload_id: str, *, offset: int = 0, most: int) -> list[Piece]:
    """Up to `most` of what has arrived, in order: what begins at `offset` or after it."""
    rows = tx.execute(_PIECES, {"upload_id": upload_id, "offset": offset, "most": most})
    return [Piece(row.key, row.start, row.length) for row in rows]


def known_keys(tx: Tx, keys: Sequence[str]) -> set[str]:
    """Those of `keys` that are pieces of an upload."""
    return set(tx.execute(sa.select(pieces.c.key).where(pieces.c.key.in_(keys))).scalars())


def drop_pieces(tx: Tx, keys: Sequence[str]) -> None:
    """Know these pieces no more."""
    if keys:
        tx.execute(pieces.delete().where(pieces.c.key.in_(keys)))


def expired(tx: Tx, now: float, *, after: Expired | None = None, most: int) -> list[Expired]:
    """Up to `most` uploads that are to be dropped, the oldest first; those that follow `after`."""
    since, beyond = after or (-1, "")
    given = {"now": int(now), "since": since, "beyond": beyond, "most": most}
    return [Expired(*row) for row in tx.execute(_EXPIRED, given)]


def remove(tx: Tx, upload_id: str) -> None:
    """Forget one of which no piece is left."""
    tx.execute(uploads.delete().where(uploads.c.id == upload_id))
