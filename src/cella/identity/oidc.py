"""Tokens that an OpenID provider signs: judged here, without asking it about each of them.

OpenID Connect Core 1.0 and RFC 9068: ID tokens and access tokens in the form of JWT, as Keycloak,
Authentik and others hand them out.
"""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from cella.clock import Clock
from cella.identity.config import OidcConfig
from cella.identity.discovery import Discovery
from cella.identity.jwks import Key
from cella.identity.keys import Keys
from cella.identity.limits import Memory
from cella.identity.names import fit_email, fit_line, fit_username
from cella.identity.roles import mapped_roles
from cella.identity.tokens import (
    Claims,
    NotValid,
    claim_at,
    looks_signed,
    read_claims,
    read_header,
    verify,
)
from cella.model import Identity
from cella.outbound import Outbound

_REMEMBERED = 4096

_log = logging.getLogger("cella.identity")


class _Verified(NamedTuple):
    identity: Identity
    key: Key


class Oidc:
    """One issuer, whose tokens name users. A `cella.identity.contract.Provider`.

    Tokens that were verified are remembered until they expire or their key is no longer the
    issuer's. `discovery` is what the issuer says of itself.
    """

    def __init__(self, config: OidcConfig, outbound: Outbound, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.discovery = Discovery(config, outbound, clock)
        self._keys = Keys(config, self.discovery, outbound, clock)
        self._verified: Memory[bytes, _Verified] = Memory(_REMEMBERED)

    async def identify(self, token: str, subclient: str) -> Identity | None:
        """Whose token that is; None where it is nobody's. Signed tokens have no sub-clients."""
        if subclient or not looks_signed(token):
            return None
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest, self._clock.now())
        if known is not None and await self._keys.has(known.key):
            return known.identity
        try:
            claims, everything, key = await self._verify(token, self._config.audience)
        except NotValid as error:
            _log.info("a token of the OIDC provider does not count: %s", error)
            return None
        identity, until = self._identity(claims, everything), claims.exp + self._config.leeway
        self._verified.keep(digest, _Verified(identity, key), self._clock.now(), until)
        return identity

    async def signed_in(self, token: str, nonce: str) -> Identity:
        """Whom an ID token names that came for a code (OpenID Connect Core 1.0, 3.1.3.7).

        It has to be meant for `client_id`, and for the sign-in that `nonce` was made for. Raises
        `NotValid` where it is not.
        """
        if not looks_signed(token):
            raise NotValid("its ID token is no signed token")
        claims, everything, _ = await self._verify(token, self._config.client_id)
        if everything.get("azp", self._config.client_id) != self._config.client_id:
            raise NotValid("its ID token was given to somebody else")
        if not hmac.compare_digest(_text(everything.get("nonce")).encode(), nonce.encode()):
            raise NotValid("its ID token is of another sign-in")
        return self._identity(claims, everything)

    async def close(self) -> None:
        """End what is under way."""
        await self._keys.close()
        await self.discovery.close()

    async def _verify(self, token: str, audience: str) -> tuple[Claims, dict[str, Any], Key]:
        header = read_header(token, self._config.algorithms)
        key = await self._keys.find(header.kid, header.alg)
        if key is None:
            raise NotValid("its key is not one of the provider's")
        payload = await asyncio.to_thread(verify, token, header, key)
        claims, everything = read_claims(
            payload,
            issuer=self._config.issuer,
            audience=audience,
            now=self._clock.now(),
            leeway=self._config.leeway,
        )
        return claims, everything, key

    def _identity(self, claims: Claims, everything: Mapping[str, Any]) -> Identity:
        # An address that the provider has not verified may be somebody else's. Some providers
        # say it as a text, and some verify all addresses and say nothing.
        is_own = everything.get("email_verified", True) in (True, "true")
        email = fit_email(_text(everything.get("email"))) if is_own else ""
        wish = _text(claim_at(everything, self._config.username_claim))
        username = fit_username(wish, email.partition("@")[0])
        return Identity(
            provider=f"oidc:{self._config.issuer}",
            subject=claims.sub,
            username=username,
            full_name=fit_line(_text(everything.get("name"))) or username,
            email=email,
            roles=mapped_roles(claim_at(everything, self._config.roles_claim), self._config.roles),
            claimed=int(claims.iat),
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
