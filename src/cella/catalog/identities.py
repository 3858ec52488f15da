"""Users whom a provider outside names, in the catalogue.

Nobody is found by a name or an address here, only by provider and subject: who has the e-mail
of a local user does not become that user.
"""

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cella.catalog import people
from cella.catalog.tables import identities, tokens
from cella.db import Tx
from cella.errors import Conflict
from cella.ids import new_etag, new_id
from cella.model import Identity, Token, User

_FIND = identities.select().where(
    identities.c.provider == sa.bindparam("provider"),
    identities.c.subject == sa.bindparam("subject"),
)
_FIND_FOR_CHANGE = _FIND.with_for_update()
_IS_CURRENT = sa.select(
    sa.exists().where(
        tokens.c.hash == sa.bindparam("hashed"),
        tokens.c.expires.is_(None) | (tokens.c.expires > sa.bindparam("now")),
    )
)

# SQLAlchemy spells this clause for each database apart; it reads the same on both.
_KEEP = sa.text(
    "INSERT INTO tokens (id, hash, user_id, subclient, created, expires)"
    " VALUES (:id, :hash, :user_id, :subclient, :created, :expires)"
    " ON CONFLICT (hash) DO UPDATE SET user_id = excluded.user_id,"
    " subclient = excluded.subclient, created = excluded.created, expires = excluded.expires"
    " WHERE tokens.user_id = excluded.user_id OR tokens.expires <= excluded.created"
)


class Known(NamedTuple):
    """A user whom a provider names, the digest of what it last said, and when it did."""

    user: User
    claims: str
    claimed: int

    def is_behind(self, identity: Identity) -> bool:
        """Whether the provider has said something since.

        A token that is older than what is known changes nothing, so a role that was taken away
        does not come back with it.
        """
        differs = _digest(identity) != self.claims
        return identity.claimed > self.claimed or (identity.claimed == self.claimed and differs)


class Settled(NamedTuple):
    """A user as the provider says, and whether he came to be just now."""

    user: User
    is_new: bool


def find(tx: Tx, identity: Identity, *, for_change: bool = False) -> Known | None:
    """Whom the provider means, disabled or not; None where he was never seen here."""
    asked = {"provider": identity.provider, "subject": identity.subject}
    row = tx.execute(_FIND_FOR_CHANGE if for_change else _FIND, asked).one_or_none()
    if row is None:
        return None
    user = people.get_user(tx, row.user_id, for_change=for_change)
    return Known(user, row.claims, row.claimed)


def settle(tx: Tx, identity: Identity, now: int) -> Settled:
    """Whom the provider means, made where he was never seen, and as it says where it said more.

    A disabled user stays as he is. `now` is in seconds since the epoch.
    """
    for username in _usernames(identity):
        known = find(tx, identity, for_change=True)
        if known is not None:
            return Settled(_follow(tx, known, identity, now), is_new=False)
        user = _user(identity, username, now)
        try:
            with tx.begin_nested():
                people.add_user(tx, user)
                tx.execute(identities.insert(), _values(identity, user.id))
        except (Conflict, IntegrityError):
            # The name is taken, or another request has just made the same user.
            continue
        return Settled(user, is_new=True)
    raise Conflict(f"There is no name left for a user named {identity.username}.")


def adopt(tx: Tx, provider: str, users: Mapping[str, User]) -> set[str]:
    """Have the provider name users who are there already, by its subjects.

    What the provider says counts from when it says something else than their names and
    addresses; until then they keep their roles. Gives the subjects that name others, and stay so.
    """
    is_one = (identities.c.provider == provider) & identities.c.subject.in_(list(users))
    query = sa.select(identities.c.subject, identities.c.user_id).where(is_one)
    known = {row.subject: row.user_id for row in tx.execute(query)}
    rows = [
        _values(
            Identity(
                provider=provider,
                subject=subject,
                username=user.username,
                full_name=user.full_name,
                email=user.email,
                roles=(),
                claimed=0,
            ),
            user.id,
        )
        for subject, user in users.items()
        if subject not in known
    ]
    if rows:
        tx.execute(identities.insert(), rows)
    return {subject for subject, user_id in known.items() if user_id != users[subject].id}


def is_current_token(tx: Tx, hashed: str, now: float) -> bool:
    """Whether the token is known and has not expired, for whatever user and sub-client."""
    return bool(tx.execute(_IS_CURRENT, {"hashed": hashed, "now": int(now)}).scalar_one())


def keep_token(tx: Tx, token: Token, hashed: str) -> None:
    """Keep a token that a provider vouches for, by `hashed`, in the place of what it was before.

    Another user's token that is still current stays what it is.
    """
    values = {
        "id": token.id,
        "hash": hashed,
        "user_id": token.user,
        "subclient": token.subclient,
        "created": token.created,
        "expires": token.expires,
    }
    tx.execute(_KEEP, values)


def _usernames(identity: Identity) -> Iterator[str]:
    """The name that is wanted, and others like it."""
    name = identity.username
    yield name
    whole = f"{identity.provider}\n{identity.subject}"
    yield f"{name}-{hashlib.sha256(whole.encode()).hexdigest()[:6]}"
    for _ in range(3):
        yield f"{name}-{secrets.token_hex(4)}"


def _user(identity: Identity, username: str, now: int) -> User:
    return User(
        id=new_id(),
        created=now,
        updated=now,
        etag=new_etag(),
        username=username,
        full_name=identity.full_name,
        email=identity.email,
        roles=identity.roles,
    )


def _follow(tx: Tx, known: Known, identity: Identity, now: int) -> User:
    if known.user.disabled or not known.is_behind(identity):
        return known.user
    values = _values(identity, known.user.id)
    tx.execute(
        identities.update().where(
            identities.c.provider == identity.provider, identities.c.subject == identity.subject
        ),
        values,
    )
    if _digest(identity) == known.claims:
        return known.user
    user = msgspec.structs.replace(
        known.user,
        full_name=identity.full_name,
        email=identity.email,
        roles=identity.roles,
        updated=now,
        etag=new_etag(),
    )
    people.replace_user(tx, known.user, user)
    return user


def _digest(identity: Identity) -> str:
    """What may change of a user, in 64 hex digits."""
    said = msgspec.json.encode((identity.full_name, identity.email, identity.roles))
    return hashlib.sha256(said).hexdigest()


def _values(identity: Identity, user_id: str) -> dict[str, object]:
    return {
        "provider": identity.provider,
        "subject": identity.subject,
        "user_id": user_id,
        "claims": _digest(identity),
        "claimed": identity.claimed,
    }
