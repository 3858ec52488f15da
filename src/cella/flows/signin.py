"""Sign-in: from what a request says of itself to the actor that access is judged for."""

import base64
from typing import NamedTuple

from cella.access.tokens import token_hash
from cella.catalog import identities, people
from cella.catalog.identities import Known, Settled
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import NotFound
from cella.identity.contract import Provider
from cella.identity.tokens import looks_signed
from cella.ids import new_id
from cella.model import ANONYMOUS, Actor, Identity, Token, User

_LONGEST = 20 << 10
_EXPIRED_STAY = 7 * 24 * 3600


class _Found(NamedTuple):
    """What the catalogue knows of a token: whose it is, else whom the provider means by it."""

    user: User | None
    named: Known | None
    is_known: bool


class SignIn:
    """Finds out who asks.

    Tokens of our own come first. `oidc` judges those that are signed, `blender_id` is asked about
    all others that nobody here knows; either may be None.
    """

    def __init__(
        self,
        *,
        db: Database,
        token_key: str,
        clock: Clock,
        oidc: Provider | None = None,
        blender_id: Provider | None = None,
    ) -> None:
        self._db = db
        self._token_key = token_key
        self._clock = clock
        self._oidc = oidc
        self._blender_id = blender_id

    async def actor(self, authorization: str | None) -> Actor:
        """Who an `Authorization` header speaks for.

        Basic (RFC 7617, with the token as user name and the sub-client as password) and Bearer
        (RFC 6750). Whatever is not a current token of an enabled user is anonymous, never an
        error; asked anew each time, so a token that is revoked dies at once.
        """
        credentials = _credentials(authorization)
        if credentials is None:
            return ANONYMOUS
        user = await self._user(*credentials)
        if user is None or user.disabled:
            return ANONYMOUS
        return Actor(user=user.id, roles=frozenset(user.roles), groups=frozenset(user.groups))

    async def store_subclient_token(
        self, provider_id: str, subclient: str, token: str
    ) -> Settled | None:
        """Take over a sub-client's token that Blender-ID vouches for; None where it does not.

        `provider_id` is the user's id there; where it is not empty, the token must be his.
        Raises `NotFound` where Blender-ID is not used.
        """
        identity = await self.require_blender_id().identify(token, subclient)
        if identity is None or provider_id not in ("", identity.subject):
            return None
        settled = await self._settle(identity, token_hash(self._token_key, token), subclient)
        return None if settled.user.disabled else settled

    def require_blender_id(self) -> Provider:
        """The provider that is asked about tokens; raises `NotFound` where there is none."""
        if self._blender_id is None:
            raise NotFound("This server does not use Blender-ID, so it takes none of its tokens.")
        return self._blender_id

    async def close(self) -> None:
        """End what is being asked of providers."""
        for provider in (self._oidc, self._blender_id):
            if provider is not None:
                await provider.close()

    async def _user(self, token: str, subclient: str) -> User | None:
        """Whose token that is; the user may be disabled."""
        signed = self._oidc if self._oidc is not None and looks_signed(token) else None
        identity = await signed.identify(token, subclient) if signed else None
        hashed = token_hash(self._token_key, token)
        found = await self._db.read(lambda tx: self._find(tx, hashed, subclient, identity))
        if found.user is not None or found.is_known:
            return found.user
        if signed is None and self._blender_id is not None:
            identity = await self._blender_id.identify(token, subclient)
        if identity is None:
            return None
        if found.named is not None and not found.named.is_behind(identity):
            return found.named.user
        return (await self._settle(identity, hashed, subclient)).user

    def _find(self, tx: Tx, hashed: str, subclient: str, identity: Identity | None) -> _Found:
        now = self._clock.now()
        user = people.bearer(tx, hashed, subclient, now)
        if user is not None:
            return _Found(user, None, is_known=True)
        if identity is not None:
            return _Found(None, identities.find(tx, identity), is_known=False)
        # What is known here is judged here: no other sub-client gets in by way of the provider.
        is_known = self._blender_id is not None and identities.is_current_token(tx, hashed, now)
        return _Found(None, None, is_known)

    async def _settle(self, identity: Identity, hashed: str, subclient: str) -> Settled:
        """The identity's user, as the provider says; the token is kept where it is to be."""
        now = int(self._clock.now())

        def work(tx: Tx) -> Settled:
            settled = identities.settle(tx, identity, now)
            if identity.kept_until is not None and not settled.user.disabled:
                token = Token(
                    id=new_id(),
                    user=settled.user.id,
                    created=now,
                    expires=identity.kept_until,
                    subclient=subclient,
                )
                people.drop_expired(tx, settled.user.id, now - _EXPIRED_STAY)
                identities.keep_token(tx, token, hashed)
            return settled

        return await self._db.write(work)


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
