"""A provider that is asked about tokens it may know, as Blender-ID is (contract, section 2.3)."""

import asyncio
import hashlib
import logging
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NamedTuple

import msgspec

from cella.clock import Clock
from cella.errors import CallFailed, CallRefused
from cella.identity.config import BlenderIdConfig
from cella.identity.limits import Allowance, Flights, Memory
from cella.identity.names import fit_email, fit_line, fit_username
from cella.identity.roles import mapped_roles
from cella.model import Identity
from cella.outbound import PATIENCE, Outbound

_VALIDATE = "/u/validate_token"
_LONGEST_KEPT = 3600
"""Seconds that a token is taken as valid before the provider is asked again."""

_ACCEPTED = 10.0
_REFUSED = 300.0
_NOT_ANSWERED = 10.0
"""Seconds that an answer, or that there was none, is remembered before it is asked for again.

Who accepts a token keeps it; that it was accepted is remembered for those who asked meanwhile.
"""

_REMEMBERED = 8192
_AT_ONCE = 16
_BURST = 100
_EVERY = 0.5
"""Calls at once; calls in a row, and after those one in so many seconds."""

_TOKEN = re.compile(r"[\x21-\x7e]{8,1024}")
_SUBCLIENT = re.compile(r"[A-Za-z0-9._-]{1,128}")
_LONGEST_SUBJECT = 255

_log = logging.getLogger("cella.identity")


class _User(msgspec.Struct, frozen=True):
    id: int | str
    email: str | None = None
    full_name: str | None = None
    roles: Any = None


class _Status(msgspec.Struct, frozen=True):
    status: str


class _Validated(msgspec.Struct, frozen=True):
    user: _User
    token_expires: str


class _NotAnswered(Exception):
    """The provider gave no answer that says yes or no; the message says why."""


class _Asked(NamedTuple):
    token: str
    subclient: str


class _Answered(NamedTuple):
    identity: Identity | None


class BlenderId:
    """One such provider. A `cella.identity.contract.Provider`.

    Its answers are remembered for a while, equal questions are asked once, and how many it is
    asked is bounded; beyond, tokens count as nobody's. What it accepts is for the caller to keep.
    """

    def __init__(self, config: BlenderIdConfig, outbound: Outbound, clock: Clock) -> None:
        self._config = config
        self._outbound = outbound
        self._clock = clock
        self._endpoint = config.endpoint.rstrip("/")
        self._answered: Memory[bytes, _Answered] = Memory(_REMEMBERED)
        self._allowance = Allowance(_BURST, _EVERY)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._flights: Flights[bytes, Identity | None] = Flights()

    async def identify(self, token: str, subclient: str) -> Identity | None:
        """Whose token that is for that sub-client; None where it is nobody's."""
        if not self._may_be_one(token, subclient):
            return None
        digest = hashlib.sha256(f"{token}\0{subclient}".encode()).digest()
        answered = self._answered.get(digest, self._clock.now())
        if answered is not None:
            return answered.identity
        asked = _Asked(token, subclient)
        return await self._flights.join(digest, partial(self._settle, digest, asked))

    async def close(self) -> None:
        """End what is under way."""
        await self._flights.close()

    def _may_be_one(self, token: str, subclient: str) -> bool:
        if _TOKEN.fullmatch(token) is None:
            return False
        if not subclient:
            return True
        known = self._config.subclients
        return subclient in known if known else _SUBCLIENT.fullmatch(subclient) is not None

    async def _settle(self, digest: bytes, asked: _Asked) -> Identity | None:
        """Ask, and remember what came of it."""
        if not self._allowance.take(self._clock.now()):
            _log.warning("Blender-ID is not asked about a token: it was asked too often lately")
            return None
        try:
            identity = await self._ask(asked)
            lasting = _REFUSED if identity is None else _ACCEPTED
        except _NotAnswered as error:
            _log.warning("Blender-ID does not tell whose a token is: %s", error)
            identity, lasting = None, _NOT_ANSWERED
        now = self._clock.now()
        until = now + lasting
        if identity is not None and identity.kept_until is not None:
            until = min(until, identity.kept_until)
        self._answered.keep(digest, _Answered(identity), now, until)
        return identity

    async def _ask(self, asked: _Asked) -> Identity | None:
        form = {"user_id": "", "token": asked.token}
        if asked.subclient:
            form["subclient_id"] = asked.subclient
        try:
            async with asyncio.timeout(PATIENCE), self._slots:
                answer = await self._outbound.call("POST", self._endpoint + _VALIDATE, form=form)
        except TimeoutError:
            raise _NotAnswered("too much is being asked at once") from None
        except (CallFailed, CallRefused) as error:
            raise _NotAnswered(error.message) from None
        if answer.status >= 500 or answer.status == 429:
            raise _NotAnswered(f"it answered {answer.status}")
        return self._read(answer.body) if answer.status == 200 else None

    def _read(self, body: bytes) -> Identity | None:
        try:
            if msgspec.json.decode(body, type=_Status).status != "success":
                return None
            said = msgspec.json.decode(body, type=_Validated)
            expires = _instant(said.token_expires)
        except (msgspec.DecodeError, RecursionError, ValueError, OverflowError):
            raise _NotAnswered("its answer cannot be read") from None
        now = int(self._clock.now())
        subject = str(said.user.id)
        if expires <= now or not subject.isprintable() or not 0 < len(subject) <= _LONGEST_SUBJECT:
            return None
        email, full_name = fit_email(said.user.email or ""), fit_line(said.user.full_name or "")
        username = fit_username(email.partition("@")[0], full_name)
        return Identity(
            provider=provider_name(self._endpoint),
            subject=subject,
            username=username,
            full_name=full_name or username,
            email=email,
            roles=mapped_roles(said.user.roles, self._config.roles),
            claimed=now,
            kept_until=min(int(expires), now + _LONGEST_KEPT),
        )


def provider_name(endpoint: str) -> str:
    """What the provider at this address is called among the identities."""
    return f"blender-id:{endpoint.rstrip('/')}"


def _instant(text: str) -> float:
    """Seconds since the epoch of a date as HTTP or as ISO 8601 writes it; UTC where it says none.

    Raises ValueError where it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = parsedate_to_datetime(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
