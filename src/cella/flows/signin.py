"""Sign-in: from what a request says of itself to the actor that access is judged for."""

import base64

from cella.access.tokens import token_hash
from cella.catalog import people
from cella.clock import Clock
from cella.db import Database
from cella.model import ANONYMOUS, Actor

_LONGEST = 4096


class SignIn:
    """Finds out who asks."""

    def __init__(self, *, db: Database, token_key: str, clock: Clock) -> None:
        self._db = db
        self._token_key = token_key
        self._clock = clock

    async def actor(self, authorization: str | None) -> Actor:
        """Who an `Authorization` header speaks for.

        Basic (RFC 7617, with the token as user name and the sub-client as password) and Bearer
        (RFC 6750). Whatever is not a current token of an enabled user is anonymous, never an
        error; asked anew each time, so a token that is revoked dies at once.
        """
        credentials = _credentials(authorization)
        if credentials is None:
            return ANONYMOUS
        token, subclient = credentials
        hashed = token_hash(self._token_key, token)
        now = self._clock.now()
        user = await self._db.read(lambda tx: people.bearer(tx, hashed, subclient, now))
        if user is None:
            return ANONYMOUS
        return Actor(user=user.id, roles=frozenset(user.roles), groups=frozenset(user.groups))


def _credentials(authorization: str | None) -> tuple[str, str] | None:
    if not authorization or len(authorization) > _LONGEST:
        return None
    scheme, _, rest = authorization.strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return (rest, "") if rest else None
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(rest, validate=True).decode()
    except ValueError:
        return None
    token, _, subclient = decoded.partition(":")
    if not token or "\0" in subclient:
        return None
    return token, subclient
