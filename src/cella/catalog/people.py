"""Users and tokens in the catalogue. Tokens are kept as HMAC only."""

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cella.catalog.tables import memberships, tokens, users
from cella.db import Tx
from cella.errors import Conflict, NotFound
from cella.model import Token, User

_BEARER = (
    sa.select(users)
    .join(tokens, tokens.c.user_id == users.c.id)
    .where(
        tokens.c.hash == sa.bindparam("hashed"),
        tokens.c.subclient == sa.bindparam("subclient"),
        tokens.c.expires.is_(None) | (tokens.c.expires > sa.bindparam("now")),
        users.c.disabled.is_(False),
    )
)
_GROUPS = (
    sa.select(memberships.c.group_id)
    .where(memberships.c.user_id == sa.bindparam("user_id"))
    .order_by(memberships.c.group_id)
)

_strings = msgspec.json.Decoder(tuple[str, ...])


def add_user(tx: Tx, user: User) -> None:
    """Put a new user into the catalogue; raises `Conflict` where the name is taken."""
    row = {
        "id": user.id,
        "created": user.created,
        "updated": user.updated,
        "etag": user.etag,
        "username": user.username,
        "full_name": user.full_name,
        "email": user.email,
        "roles": msgspec.json.encode(user.roles).decode(),
        "disabled": user.disabled,
    }
    try:
        tx.execute(users.insert(), row)
    except IntegrityError:
        raise Conflict(f"There is a user named {user.username} already.") from None


def find_user(tx: Tx, username: str) -> User | None:
    """The user of that name, if any."""
    row = tx.execute(users.select().where(users.c.username == username)).one_or_none()
    return None if row is None else _user(tx, row)


def get_user(tx: Tx, user_id: str) -> User:
    """The user; raises `NotFound`."""
    row = tx.execute(users.select().where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise NotFound(f"User {user_id} does not exist.")
    return _user(tx, row)


def any_exists(tx: Tx) -> bool:
    """Whether there is any user."""
    return tx.execute(sa.select(users.c.id).limit(1)).first() is not None


def oldest_admin(tx: Tx) -> User | None:
    """The first user who was made an administrator."""
    query = users.select().where(users.c.roles.contains('"admin"')).order_by(users.c.id).limit(1)
    row = tx.execute(query).one_or_none()
    return None if row is None else _user(tx, row)


def add_token(tx: Tx, token: Token, hashed: str) -> None:
    """Keep a token by `hashed`, its HMAC (`cella.access.tokens.token_hash`)."""
    tx.execute(
        tokens.insert().values(
            id=token.id,
            hash=hashed,
            user_id=token.user,
            subclient=token.subclient,
            created=token.created,
            expires=token.expires,
        )
    )


def bearer(tx: Tx, hashed: str, subclient: str, now: float) -> User | None:
    """Whose token that is: it is current, for that sub-client, and its user not disabled."""
    asked = {"hashed": hashed, "subclient": subclient, "now": int(now)}
    row = tx.execute(_BEARER, asked).one_or_none()
    return None if row is None else _user(tx, row)


def _user(tx: Tx, row: sa.Row[Any]) -> User:
    group_ids = tx.execute(_GROUPS, {"user_id": row.id}).scalars()
    return User(
        id=row.id,
        created=row.created,
        updated=row.updated,
        etag=row.etag,
        username=row.username,
        full_name=row.full_name,
        email=row.email,
        roles=_strings.decode(row.roles),
        groups=tuple(group_ids),
        disabled=bool(row.disabled),
    )
