"""The provider's keys, as this process has them in memory.

They are asked for when they are first needed, again when they are older than `refresh`, and at
once where a token names a key that is not among them, so that a rotation shows with its first
token. How often strangers can bring that about is bounded. While the provider does not answer,
the keys that are known work on for `outage`, and nobody waits for it twice.
"""

import asyncio
import logging

from cella.clock import Clock
from cella.errors import CallFailed, CallRefused
from cella.identity.config import OidcConfig
from cella.identity.discovery import Discovery
from cella.identity.jwks import Key, parse_keys, pick_key
from cella.identity.limits import Allowance, Flights
from cella.outbound import Outbound

_PAUSE = 10.0
"""Seconds between two attempts to reach a provider that does not answer."""

_BURST = 5
_EVERY = 10.0
"""How often unknown keys may make us ask: so often in a row, then once in so many seconds."""

_log = logging.getLogger("cella.identity")


class Keys:
    """The keys of one issuer."""

    def __init__(
        self, config: OidcConfig, discovery: Discovery, outbound: Outbound, clock: Clock
    ) -> None:
        self._config = config
        self._discovery = discovery
        self._outbound = outbound
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self._fetched: float | None = None
        self._failed: float | None = None
        self._allowance = Allowance(_BURST, _EVERY)
        self._flights: Flights[None, None] = Flights()

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The key that a token says it is signed with; None where the provider has none such."""
        asked = await self._renew()
        key = pick_key(self._usable(), kid, algorithm)
        if key is None and kid is not None and not asked and self._may_ask_again():
            await self._flights.join(None, self._fetch)
            key = pick_key(self._usable(), kid, algorithm)
        return key

    async def has(self, key: Key) -> bool:
        """Whether the key is still one of the provider's."""
        await self._renew()
        return any(key.fingerprint == known.fingerprint for known in self._usable())

    async def close(self) -> None:
        """End what is under way."""
        await self._flights.close()

    async def _renew(self) -> bool:
        """Ask for keys where they are due; whether they were waited for."""
        if self._age() < self._config.refresh or self._has_just_failed():
            return False
        if self._failed is not None and self._usable():
            self._flights.begin(None, self._fetch)
            return False
        await self._flights.join(None, self._fetch)
        return True

    def _may_ask_again(self) -> bool:
        return not self._has_just_failed() and self._allowance.take(self._clock.now())

    def _has_just_failed(self) -> bool:
        return self._failed is not None and 0 <= self._clock.now() - self._failed < _PAUSE

    def _age(self) -> float:
        """Seconds since the keys came; without end where there are none, or the clock jumped."""
        age = -1.0 if self._fetched is None else self._clock.now() - self._fetched
        return age if age >= 0 else float("inf")

    def _usable(self) -> tuple[Key, ...]:
        """The keys that count: those that are not too old."""
        return self._keys if self._age() < self._config.refresh + self._config.outage else ()

    async def _fetch(self) -> None:
        try:
            url = self._config.jwks_url or (await self._discovery.ask()).jwks_uri
            self._keys = await asyncio.to_thread(parse_keys, await self._get(url))
        except (CallFailed, CallRefused) as error:
            self._failed = self._clock.now()
            _log.warning("no keys from the OIDC provider: %s", error.message)
        else:
            self._fetched, self._failed = self._clock.now(), None

    async def _get(self, url: str) -> bytes:
        answer = await self._outbound.call("GET", url)
        if answer.status != 200:
            raise CallFailed(f"The provider answered {answer.status} where its keys should be.")
        return answer.body
