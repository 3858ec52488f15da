"""Signing in with a browser at an OpenID provider: there, and back with a session.

What belongs to a sign-in that is under way is kept by the browser alone, sealed. So any process
can end it, and nothing has to be swept up where nobody comes back.
"""

import hmac
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from cella.access.networks import network_of
from cella.access.tokens import attempt_key, new_token, seal, session_hash, unseal
from cella.catalog import attempts, identities, sessions
from cella.catalog.attempts import Budget
from cella.catalog.sessions import Session
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import CallFailed, CallRefused, Forbidden, NotFound, TooManyRequests
from cella.flows.config import LoginConfig
from cella.identity.code_flow import CodeFlow
from cella.model import Identity
from cella.slots import Slots

SECONDS = 600
"""How long somebody may take to sign in at the provider."""

_DAY = 24 * 3600
_PER_NETWORK = 10
_AT_ONCE = 32
_LONGEST = 4096
_PURPOSE = "sign-in at the OIDC provider"


class Leaving(NamedTuple):
    """Where the browser goes to sign in, and what it has to bring back."""

    url: str
    kept: str


class Arrived(NamedTuple):
    """The secret of the new session, and the path that the browser wanted to see."""

    secret: str
    to: str


class _Kept(msgspec.Struct, frozen=True):
    state: str
    nonce: str
    verifier: str
    to: str
    until: float


class Federate:
    """Begins sessions of people who sign in at the provider, which is None where there is none."""

    def __init__(
        self,
        *,
        db: Database,
        provider: CodeFlow | None,
        token_key: str,
        clock: Clock,
        config: LoginConfig,
    ) -> None:
        self._db = db
        self._provider = provider
        self._token_key = token_key
        self._clock = clock
        self._config = config
        self._slots = Slots(_AT_ONCE, "sign-ins at the provider")

    @property
    def is_offered(self) -> bool:
        """Whether there is a provider to sign in at."""
        return self._provider is not None

    async def begin(self, to: str) -> Leaving:
        """Send somebody to the provider who wants to see `to`, a path of this server.

        Raises `NotFound` without a provider, and `CallFailed` where it does not say where to go.
        """
        begun = await self._require().begin()
        kept = _Kept(begun.state, begun.nonce, begun.verifier, to, self._clock.now() + SECONDS)
        return Leaving(begun.url, seal(self._token_key, _PURPOSE, msgspec.json.encode(kept)))

    async def finish(self, kept: str, told: Mapping[str, str], address: str) -> Arrived:
        """Begin a session for whom the provider sends back, who keeps what `begin` said.

        `told` is what came back, `address` the client's. Raises `NotFound` without a provider;
        `Forbidden` where this is not the sign-in that was begun, where the provider refuses, and
        where its user is disabled; `TooManyRequests` and `Overloaded` where too many ask; and
        `CallFailed` or `CallRefused` where the provider does not answer.
        """
        provider = self._require()
        begun = self._begun(kept, told.get("state", ""))
        code = told.get("code", "")
        if not code or len(code) > _LONGEST or not provider.is_issuer(told.get("iss")):
            raise Forbidden("The provider did not sign anybody in.")
        network = network_of(address)
        budget = self._budget(network)
        with self._slots.held_by(network):
            await self._db.write(lambda tx: self._count(tx, budget))
            try:
                identity = await provider.finish(code, begun.nonce, begun.verifier)
            except (CallFailed, CallRefused):
                # That the provider is away is nobody's fault who comes from there.
                await self._db.write(lambda tx: attempts.take_back(tx, budget.key))
                raise
            secret = new_token()

            def work(tx: Tx) -> None:
                self._keep(tx, identity, secret)
                attempts.take_back(tx, budget.key)

            await self._db.write(work)
        return Arrived(secret, begun.to)

    def _require(self) -> CodeFlow:
        if self._provider is None:
            raise NotFound("Nobody signs in at a provider here.")
        return self._provider

    def _begun(self, kept: str, state: str) -> _Kept:
        """What the browser keeps, where it is ours, of this sign-in, and not too old."""
        content = unseal(self._token_key, _PURPOSE, kept) if len(kept) <= _LONGEST else None
        if content is None:
            raise Forbidden("This browser has not begun to sign in at the provider.")
        begun = msgspec.json.decode(content, type=_Kept)
        if not hmac.compare_digest(begun.state.encode(), state.encode("utf-8", "surrogatepass")):
            raise Forbidden("This is not the sign-in that this browser has begun.")
        if not 0 <= begun.until - self._clock.now() <= SECONDS:
            raise Forbidden("It took too long to sign in at the provider.")
        return begun

    def _count(self, tx: Tx, budget: Budget) -> None:
        """Count an attempt: strangers must not make us ask the provider as often as they like."""
        now = int(self._clock.now())
        if not attempts.count(tx, budget, now):
            seconds = attempts.wait(tx, budget, now)
            raise TooManyRequests(
                f"Too many sign-ins have failed; try again in {seconds} seconds.", seconds
            )
        attempts.sweep(tx, now - self._config.window)

    def _keep(self, tx: Tx, identity: Identity, secret: str) -> None:
        now = int(self._clock.now())
        user = identities.settle(tx, identity, now).user
        if user.disabled:
            raise Forbidden("This user is disabled.")
        sessions.make_room(tx, user.id, now)
        expires = now + int(self._config.session_days * _DAY)
        kept = Session(user=user.id, token=None, created=now, expires=expires)
        sessions.add(tx, kept, session_hash(self._token_key, secret))

    def _budget(self, network: str) -> Budget:
        key = attempt_key(self._token_key, "sign-in at the provider", network)
        return Budget(key, self._config.attempts * _PER_NETWORK, self._config.window)
