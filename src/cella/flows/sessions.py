"""Sessions: who a browser's cookie speaks for, and when that ends.

The cookie is sent along whatever page asks. So a change also needs the session's proof, which only
pages of ours can read (`cella.access.tokens.session_proof`).
"""

import msgspec

from cella.access import rules
from cella.access.rules import AccessConfig
from cella.access.tokens import is_proof, new_token, session_hash, session_proof, token_hash
from cella.catalog import people, sessions
from cella.catalog.sessions import Session
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import Forbidden, ProofMissing
from cella.model import ANONYMOUS, Actor, User

_DAY = 24 * 3600
_LONGEST = 200


class Holder(msgspec.Struct, frozen=True):
    """Whose session it is, its proof, and what files of the user must stay below, in bytes.

    `has_password` is whether the user has a password of Cella's own.
    """

    user: User
    proof: str
    upload_limit: int | None
    has_password: bool


class Sessions:
    """Begins sessions with tokens, looks them up, and ends them.

    `seconds` is how long one goes on.
    """

    def __init__(
        self, *, db: Database, token_key: str, clock: Clock, days: float, access: AccessConfig
    ) -> None:
        self._db = db
        self._token_key = token_key
        self._clock = clock
        self._access = access
        self.seconds = int(days * _DAY)

    async def begin(self, token: str) -> str:
        """The secret of a new session, which goes on no longer than the token.

        Raises `Forbidden` where that is no current token of Cella's own.
        """
        secret = new_token()

        def check(tx: Tx) -> tuple[str, str]:
            found = sessions.begun_with(tx, hashed, self._clock.now())
            if found is None or people.get_user(tx, found[1]).disabled:
                raise Forbidden("This is no token that is valid here.")
            return found

        def work(tx: Tx) -> None:
            token_id, user_id = check(tx)
            now = int(self._clock.now())
            sessions.make_room(tx, user_id, now)
            kept = Session(user=user_id, token=token_id, created=now, expires=now + self.seconds)
            sessions.add(tx, kept, session_hash(self._token_key, secret))

        hashed = token_hash(self._token_key, token)
        # Anybody may try: what comes to nothing is not to keep those waiting who write.
        await self._db.read(check)
        await self._db.write(work)
        return secret

    async def actor(self, secret: str, proof: str | None, *, is_change: bool) -> Actor:
        """Who the session speaks for; anonymous where it is over, or its user disabled.

        Raises `ProofMissing` where something `is_change` that comes without the session's proof.
        """
        user = await self._user(secret)
        if user is None:
            return ANONYMOUS
        if is_change and not is_proof(self._token_key, secret, proof or ""):
            raise ProofMissing(
                "A change by a browser's session needs the header X-CSRF-Token, which "
                "GET /api/session tells."
            )
        return _actor(user)

    async def holder(self, secret: str) -> Holder | None:
        """Whose session that is, if it goes on and its user is not disabled."""
        user = await self._user(secret)
        if user is None:
            return None
        login = await self._db.read(lambda tx: people.login(tx, user.username))
        return Holder(
            user,
            session_proof(self._token_key, secret),
            rules.upload_limit(_actor(user), self._access),
            has_password=login is not None and login.password is not None,
        )

    async def _user(self, secret: str) -> User | None:
        if len(secret) > _LONGEST:
            return None

        def work(tx: Tx) -> User | None:
            user_id = sessions.holder(tx, self._hash(secret), self._clock.now())
            user = None if user_id is None else people.get_user(tx, user_id)
            return None if user is None or user.disabled else user

        return await self._db.read(work)

    async def end(self, secret: str, *, everywhere: bool) -> None:
        """End the session, or with `everywhere` all of its user's."""

        def work(tx: Tx) -> None:
            user_id = sessions.holder(tx, self._hash(secret), self._clock.now())
            if everywhere and user_id is not None:
                sessions.remove_all(tx, user_id)
            sessions.remove(tx, self._hash(secret))

        await self._db.write(work)

    def _hash(self, secret: str) -> str:
        return session_hash(self._token_key, secret)


def _actor(user: User) -> Actor:
    return Actor(user=user.id, roles=frozenset(user.roles), groups=frozenset(user.groups))
