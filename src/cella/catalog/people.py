"""Users, their passwords and tokens in the catalogue. Of both only hashes are kept."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cella.catalog.tables import groups, memberships, passwords, tokens, users
from cella.db import Tx
from cella.errors import Conflict, NotFound, PreconditionFailed
from cella.ids import new_etag
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
_WITH_PASSWORD = (
    sa.select(users, passwords.c.hash)
    .outerjoin(passwords, passwords.c.user_id == users.c.id)
    .where(users.c.username == sa.bindparam("username"))
)
_GROUPS = (
    sa.select(memberships.c.group_id)
    .where(memberships.c.user_id == sa.bindparam("user_id"))
    .order_by(memberships.c.group_id)
)

# SQLAlchemy spells this clause for each database apart; it reads the same on both.
_SET_PASSWORD = sa.text(
    "INSERT INTO passwords (user_id, hash) VALUES (:user_id, :hash)"
    " ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash"
)

_strings = msgspec.json.Decoder(tuple[str, ...])
_settings = msgspec.json.Decoder(dict[str, Any])


class Login(NamedTuple):
    """A user, and the hash of the password, if there is one."""

    user: User
    password: str | None


class Issued(NamedTuple):
    """A token that is kept, and the name of its user."""

    token: Token
    username: str


def add_user(tx: Tx, user: User) -> None:
    """Put a new user into the catalogue; raises `Conflict` where the name is taken."""
    try:
        tx.execute(users.insert(), values(user))
    except IntegrityError:
        raise _taken(user) from None


def replace_user(tx: Tx, old: User, new: User) -> None:
    """Write `new` in the place of `old`, groups included, all of which exist.

    Raises `PreconditionFailed` where the user has changed since `old` was read, and `Conflict`
    where the name is taken.
    """
    change = users.update().where(users.c.id == old.id, users.c.etag == old.etag)
    try:
        done = tx.execute(change, values(new))
    except IntegrityError:
        raise _taken(new) from None
    if done.rowcount != 1:
        raise PreconditionFailed("The user has changed meanwhile; read the document again.")
    left, joined = set(old.groups) - set(new.groups), set(new.groups) - set(old.groups)
    if left:
        is_left = memberships.c.group_id.in_(left)
        tx.execute(memberships.delete().where(memberships.c.user_id == new.id, is_left))
    if joined:
        rows = [{"user_id": new.id, "group_id": group_id} for group_id in sorted(joined)]
        tx.execute(memberships.insert(), rows)


def renew(tx: Tx, user_ids: Iterable[str], now: int) -> None:
    """Have the users' documents count as changed, because the groups that they are in have.

    `now` is in seconds since the epoch.
    """
    change = users.update().where(users.c.id == sa.bindparam("user_id"))
    # In one order everywhere, or two transactions would wait for each other.
    for user_id in sorted(user_ids):
        tx.execute(change.values(etag=new_etag(), updated=now), {"user_id": user_id})


def find_user(tx: Tx, username: str) -> User | None:
    """The user of that name, if any."""
    row = tx.execute(users.select().where(users.c.username == username)).one_or_none()
    return None if row is None else _user(tx, row)


def get_user(tx: Tx, user_id: str, *, for_change: bool = False) -> User:
    """The user; raises `NotFound`.

    With `for_change` nobody else changes it until the transaction ends.
    """
    query = users.select().where(users.c.id == user_id)
    row = tx.execute(query.with_for_update() if for_change else query).one_or_none()
    if row is None:
        raise NotFound(f"User {user_id} does not exist.")
    return _user(tx, row)


def by_email(tx: Tx, email: str) -> list[User]:
    """Two at most of the users with this address, held until the transaction ends.

    Small and capital letters of ASCII are the same: hardly any mailbox tells them apart (RFC 5321,
    section 2.4), so who asks may have the address in another case than its user.
    """
    is_it = sa.func.lower(users.c.email) == email.encode().lower().decode()
    query = users.select().where(is_it).order_by(users.c.id).limit(2)
    return [_user(tx, row) for row in tx.execute(query.with_for_update()).all()]


def all_users(tx: Tx) -> list[User]:
    """Every user, by name."""
    rows = tx.execute(users.select().order_by(users.c.username)).all()
    return from_rows(tx, rows)


def any_exists(tx: Tx) -> bool:
    """Whether there is any user."""
    return tx.execute(sa.select(users.c.id).limit(1)).first() is not None


def oldest_admin(tx: Tx) -> User | None:
    """The first user who was made an administrator."""
    query = users.select().where(users.c.roles.contains('"admin"')).order_by(users.c.id).limit(1)
    row = tx.execute(query).one_or_none()
    return None if row is None else _user(tx, row)


def enabled_admins(tx: Tx) -> set[str]:
    """The ids of administrators who may sign in; all stay so until the transaction ends."""
    query = sa.select(users.c.id).where(
        users.c.roles.contains('"admin"'), users.c.disabled.is_(False)
    )
    return set(tx.execute(query.order_by(users.c.id).with_for_update()).scalars())


def known_users(tx: Tx, user_ids: Collection[str]) -> set[str]:
    """Those of the ids that are a user's."""
    return set(tx.execute(sa.select(users.c.id).where(users.c.id.in_(user_ids))).scalars())


def known_groups(tx: Tx, group_ids: Collection[str]) -> set[str]:
    """Those of the ids that are a group's."""
    return set(tx.execute(sa.select(groups.c.id).where(groups.c.id.in_(group_ids))).scalars())


def login(tx: Tx, username: str) -> Login | None:
    """The user of that name and the hash of the password; None where there is no such user."""
    row = tx.execute(_WITH_PASSWORD, {"username": username}).one_or_none()
    return None if row is None else Login(_user(tx, row), row.hash)


def set_password(tx: Tx, user_id: str, hashed: str) -> None:
    """Keep a password by its hash (`cella.access.passwords`), in the place of the one before."""
    tx.execute(_SET_PASSWORD, {"user_id": user_id, "hash": hashed})


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


def issued(tx: Tx, username: str | None = None) -> list[Issued]:
    """The tokens that are kept, or those of one user, by name and age."""
    query = sa.select(tokens, users.c.username).join(users, users.c.id == tokens.c.user_id)
    if username is not None:
        query = query.where(users.c.username == username)
    rows = tx.execute(query.order_by(users.c.username, tokens.c.id)).all()
    return [
        Issued(
            Token(
                id=row.id,
                user=row.user_id,
                created=row.created,
                expires=row.expires,
                subclient=row.subclient,
            ),
            row.username,
        )
        for row in rows
    ]


def remove_token(tx: Tx, token_id: str) -> bool:
    """Make a token invalid; whether there was one of that id."""
    return tx.execute(tokens.delete().where(tokens.c.id == token_id)).rowcount == 1


def drop_expired(tx: Tx, user_id: str, before: int) -> None:
    """Drop those of the user's tokens that have expired before that time."""
    tx.execute(tokens.delete().where(tokens.c.user_id == user_id, tokens.c.expires < before))


def from_rows(tx: Tx, rows: Sequence[sa.Row[Any]]) -> list[User]:
    """The users of many rows, with one statement for the groups of all."""
    found: dict[str, list[str]] = {row.id: [] for row in rows}
    query = sa.select(memberships).where(memberships.c.user_id.in_(found))
    for membership in tx.execute(query.order_by(memberships.c.group_id)):
        found[membership.user_id].append(membership.group_id)
    return [_from_row(row, found[row.id]) for row in rows]


def _taken(user: User) -> Conflict:
    return Conflict(f"There is a user named {user.username} already.")


def values(user: User) -> dict[str, Any]:
    """The row of the table that holds the user."""
    return {
        "id": user.id,
        "created": user.created,
        "updated": user.updated,
        "etag": user.etag,
        "username": user.username,
        "full_name": user.full_name,
        "email": user.email,
        "roles": msgspec.json.encode(user.roles).decode(),
        "settings": msgspec.json.encode(user.settings).decode(),
        "disabled": user.disabled,
    }


def _user(tx: Tx, row: sa.Row[Any]) -> User:
    return _from_row(row, tx.execute(_GROUPS, {"user_id": row.id}).scalars())


def _from_row(row: sa.Row[Any], group_ids: Iterable[str]) -> User:
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
        settings=_settings.decode(row.settings),
        disabled=bool(row.disabled),
    )
