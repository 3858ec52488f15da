"""What a provider says about itself (OpenID Connect Discovery 1.0, section 4)."""

import logging

import msgspec

from cella.clock import Clock
from cella.errors import CallFailed, CallRefused
from cella.identity.config import OidcConfig
from cella.identity.limits import Flights
from cella.outbound import Outbound

_PLACE = "/.well-known/openid-configuration"
_PAUSE = 10.0
"""Seconds between two attempts to reach a provider that does not answer."""

_log = logging.getLogger("cella.identity")


class Discovered(msgspec.Struct, frozen=True):
    """Where a provider's keys are, and where browsers and codes go; both empty for nowhere."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""


class Discovery:
    """The document of one issuer: as it is now, or as this process has it in memory."""

    def __init__(self, config: OidcConfig, outbound: Outbound, clock: Clock) -> None:
        self._config = config
        self._outbound = outbound
        self._clock = clock
        self._known: Discovered | None = None
        self._fetched = self._failed = float("-inf")
        self._flights: Flights[None, None] = Flights()

    async def known(self) -> Discovered:
        """The document, `refresh` old at most, or `outage` more where the provider is away.

        Asked for once where several need it, and not again at once where that failed. Raises
        `CallFailed` where there is none.
        """
        if not self._is_within(self._fetched, self._config.refresh) and not self._is_within(
            self._failed, _PAUSE
        ):
            await self._flights.join(None, self._renew)
        longest = self._config.refresh + self._config.outage
        if self._known is None or not self._is_within(self._fetched, longest):
            raise CallFailed("The OIDC provider does not say where to sign in.")
        return self._known

    async def ask(self) -> Discovered:
        """The document as it is now; raises `CallFailed` or `CallRefused` without one."""
        answer = await self._outbound.call("GET", self._config.issuer.rstrip("/") + _PLACE)
        if answer.status != 200:
            raise CallFailed(f"The provider answered {answer.status} instead of about itself.")
        try:
            discovered = msgspec.json.decode(answer.body, type=Discovered)
        except (msgspec.DecodeError, RecursionError):
            raise CallFailed("The provider's document about itself cannot be read.") from None
        if discovered.issuer != self._config.issuer:
            raise CallFailed(
                "The provider calls itself otherwise than CELLA_OIDC_ISSUER does; "
                "both must be the same to the letter."
            )
        return discovered

    async def close(self) -> None:
        """End what is under way."""
        await self._flights.close()

    async def _renew(self) -> None:
        try:
            self._known = await self.ask()
        except (CallFailed, CallRefused) as error:
            self._failed = self._clock.now()
            _log.warning("the OIDC provider does not say where to sign in: %s", error.message)
        else:
            self._fetched = self._clock.now()

    def _is_within(self, since: float, seconds: float) -> bool:
        """Whether that was so short ago; the clock may have been set back since."""
        return 0 <= self._clock.now() - since < seconds
