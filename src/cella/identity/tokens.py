"""Signed tokens: JWT (RFC 7519) in the compact form of JWS (RFC 7515), judged as RFC 8725 says.

What a token says of its own key (`jwk`, `jku`, `x5c`, `x5u`) is never looked at. Nothing of what
a token claims is read before its signature holds.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Set
from typing import Any

import jwt
import msgspec

from cella.identity.jwks import Key

LONGEST = 12 << 10
"""Characters that a token may have."""

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_TYPES = (None, "jwt", "at+jwt", "application/jwt", "application/at+jwt")
_LONGEST_SUBJECT = 255
_UNSET = msgspec.UNSET

_jws = jwt.PyJWS()


class NotValid(Exception):
    """The token is not one that counts; the message says why and holds nothing of it."""


class Header(msgspec.Struct, frozen=True):
    """What of a token's header matters: how it is signed, and with which key."""

    alg: str
    kid: str | None = None
    typ: str | None = None
    crit: msgspec.Raw | msgspec.UnsetType = _UNSET


class Claims(msgspec.Struct, frozen=True):
    """What a token must say. Times are in seconds since the epoch."""

    iss: str
    sub: str
    aud: str | tuple[str, ...]
    exp: float
    iat: float
    nbf: float | msgspec.UnsetType = _UNSET
    events: msgspec.Raw | msgspec.UnsetType = _UNSET


def looks_signed(token: str) -> bool:
    """Whether the token has the shape of a signed one."""
    return len(token) <= LONGEST and _SHAPE.fullmatch(token) is not None


def read_header(token: str, algorithms: Set[str]) -> Header:
    """The header of a token that looks signed; raises `NotValid` where it is not acceptable."""
    encoded = token.partition(".")[0]
    try:
        raw = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        header = msgspec.json.decode(raw, type=Header)
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise NotValid("its header cannot be read") from None
    if header.alg not in algorithms:
        raise NotValid("it is signed in a way that is not allowed")
    if header.typ is not None and header.typ.lower() not in _TYPES:
        raise NotValid("it is a token for something else")
    if header.crit is not _UNSET:
        raise NotValid("it asks for extensions that are not known here")
    return header


def verify(token: str, header: Header, key: Key) -> bytes:
    """What the token says, once its signature holds; else raises `NotValid`."""
    try:
        found = _jws.decode_complete(token, key.public, algorithms=[header.alg])
    except (jwt.PyJWTError, ValueError):
        raise NotValid("its signature does not hold") from None
    payload: bytes = found["payload"]
    return payload


def read_claims(
    payload: bytes, *, issuer: str, audience: str, now: float, leeway: float
) -> tuple[Claims, dict[str, Any]]:
    """What the token claims, the parts that must be there and all of it.

    Raises `NotValid` where it is not from `issuer`, not for `audience`, or not current, where
    clocks may differ by `leeway` seconds.
    """
    try:
        claims = msgspec.json.decode(payload, type=Claims)
        everything: dict[str, Any] = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        raise NotValid("its claims are not those of a token") from None
    if claims.iss != issuer:
        raise NotValid("it is from another issuer")
    if audience not in ([claims.aud] if isinstance(claims.aud, str) else claims.aud):
        raise NotValid("it is meant for another audience")
    if now >= claims.exp + leeway:
        raise NotValid("it has expired")
    begins = max(claims.iat, claims.nbf) if isinstance(claims.nbf, float) else claims.iat
    if now < begins - leeway:
        raise NotValid("it is not valid yet")
    if not 0 < len(claims.sub) <= _LONGEST_SUBJECT or not claims.sub.isprintable():
        raise NotValid("it does not say properly who it is about")
    if claims.iat < 0:
        raise NotValid("it says that it was made before there were tokens")
    if claims.events is not _UNSET:
        raise NotValid("it tells of an event, such as a logout")
    return claims, everything


def claim_at(claims: Any, path: str) -> Any:
    """The claim at a path such as `realm_access.roles`; None where there is none.

    Names of claims may have dots themselves, so the longest name that there is counts first.
    """
    if not isinstance(claims, dict):
        return None
    if path in claims:
        return claims[path]
    at = path.rfind(".")
    while at > 0:
        found = claim_at(claims.get(path[:at]), path[at + 1 :])
        if found is not None:
            return found
        at = path.rfind(".", 0, at)
    return None
