"""Sessions of browsers in the catalogue, by the HMAC of the secret that is in the cookie."""

import msgspec
import sqlalchemy as sa

from cella.catalog.tables import sessions, tokens
from cella.db import Tx

MOST = 100
"""Sessions that one user has at once; who signs in once more ends the oldest."""

_CURRENT = (
    sa.select(sessions.c.user_id)
    .outerjoin(tokens, tokens.c.id == sessions.c.token_id)
    .where(
        sessions.c.hash == sa.bindparam("hashed"),
        sessions.c.expires > sa.bindparam("now"),
        sessions.c.token_id.is_(None)
        | (
            tokens.c.id.is_not(None)
            & (tokens.c.expires.is_(None) | (tokens.c.expires > sa.bindparam("now")))
        ),
    )
)
_TOKEN = sa.select(tokens.c.id, tokens.c.user_id).where(
    tokens.c.hash == sa.bindparam("hashed"),
    tokens.c.subclient == "",
    tokens.c.expires.is_(None) | (tokens.c.expires > sa.bindparam("now")),
)


_NEWEST = (
    sa.select(sessions.c.hash)
    .where(sessions.c.user_id == sa.bindparam("of"))
    .order_by(sessions.c.created.desc(), sessions.c.hash)
    .limit(MOST - 1)
)
_MAKE_ROOM = sessions.delete().where(
    sessions.c.user_id == sa.bindparam("of"),
    (sessions.c.expires <= sa.bindparam("now")) | sessions.c.hash.not_in(_NEWEST),
)


class Session(msgspec.Struct, kw_only=True, frozen=True):
    """A browser that somebody has signed in with. Times are whole seconds since the epoch.

    `token` is the id of the token that it was begun with, None where that was a password.
    """

    user: str
    token: str | None
    created: int
    expires: int


def add(tx: Tx, session: Session, hashed: str) -> None:
    """Keep a session by `hashed`, the HMAC of its secret."""
    tx.execute(
        sessions.insert().values(
            hash=hashed,
            user_id=session.user,
            token_id=session.token,
            created=session.created,
            expires=session.expires,
        )
    )


def holder(tx: Tx, hashed: str, now: float) -> str | None:
    """The id of the user whose session that is, if it goes on; the user may be disabled."""
    found: str | None = tx.execute(
        _CURRENT, {"hashed": hashed, "now": int(now)}
    ).scalar_one_or_none()
    return found


def begun_with(tx: Tx, hashed: str, now: float) -> tuple[str, str] | None:
    """The ids of a current token and of its user, by the token's HMAC."""
    row = tx.execute(_TOKEN, {"hashed": hashed, "now": int(now)}).one_or_none()
    return None if row is None else (row.id, row.user_id)


def remove(tx: Tx, hashed: str) -> None:
    """End one session."""
    tx.execute(sessions.delete().where(sessions.c.hash == hashed))


def remove_all(tx: Tx, user_id: str, *, but: str | None = None) -> None:
    """End all sessions of a user, but the one that is kept by this HMAC."""
    ended = sessions.delete().where(sessions.c.user_id == user_id)
    tx.execute(ended if but is None else ended.where(sessions.c.hash != but))


def make_room(tx: Tx, user_id: str, now: float) -> None:
    """Drop those of the user's sessions that are over, and the oldest where there are many."""
    tx.execute(_MAKE_ROOM, {"of": user_id, "now": int(now)})
