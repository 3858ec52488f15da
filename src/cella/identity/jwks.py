"""The keys that a provider publishes (RFC 7517, RFC 7518 section 6, RFC 8037)."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jwt
import msgspec

from cella.errors import CallFailed

_MOST_KEYS = 64
_LONGEST_MODULUS = 1366
_LONGEST_EXPONENT = 11
"""Characters of base64url: 8192 and 64 bits. Longer ones make each check slow."""

_LEAST_RSA_BITS = 2048

_ALGORITHMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""By kind of key and curve: what its signatures may be called. A secret key has none."""

_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
"""What a public key consists of, in the order of RFC 7638."""


class Key(NamedTuple):
    """A public key; `fingerprint` is its thumbprint (RFC 7638), which no other key has."""

    kid: str | None
    algorithms: frozenset[str]
    fingerprint: str
    public: Any


class _Jwk(msgspec.Struct, frozen=True):
    kty: str
    kid: str | None = None
    use: str | None = None
    key_ops: tuple[str, ...] | None = None
    alg: str | None = None
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""
    d: str | None = None


class _JwkSet(msgspec.Struct, frozen=True):
    keys: tuple[dict[str, Any], ...]


def parse_keys(document: bytes) -> tuple[Key, ...]:
    """The keys of a JWKS document that verify signatures; others in it are passed over.

    Raises `CallFailed` where the document is none.
    """
    try:
        entries = msgspec.json.decode(document, type=_JwkSet).keys
    except (msgspec.DecodeError, RecursionError):
        raise CallFailed("The provider's keys are not a JWKS document.") from None
    keys = (_parse_key(entry) for entry in entries[:_MOST_KEYS])
    return tuple(key for key in keys if key is not None)


def pick_key(keys: Iterable[Key], kid: str | None, algorithm: str) -> Key | None:
    """The key that a token says it is signed with.

    A token that names none is only taken where one key alone comes into question
    (OpenID Connect Core 1.0, section 10.1).
    """
    fitting = [key for key in keys if algorithm in key.algorithms and kid in (None, key.kid)]
    return fitting[0] if len({key.fingerprint for key in fitting}) == 1 else None


def _parse_key(entry: dict[str, Any]) -> Key | None:
    try:
        jwk = msgspec.convert(entry, _Jwk)
    except msgspec.ValidationError:
        return None
    algorithms = frozenset(_ALGORITHMS.get((jwk.kty, jwk.crv), ()))
    if jwk.alg is not None:
        algorithms &= {jwk.alg}
    if not algorithms or not _is_for_verifying(jwk):
        return None
    members = {name: getattr(jwk, name) for name in _MEMBERS[jwk.kty]}
    public = _load(members, sorted(algorithms))
    if public is None:
        return None
    fingerprint = hashlib.sha256(msgspec.json.encode(members)).hexdigest()
    return Key(jwk.kid, algorithms, fingerprint, public)


def _is_for_verifying(jwk: _Jwk) -> bool:
    """Whether the key is meant for that, and its secret part is still one."""
    is_meant = jwk.use in (None, "sig") and (jwk.key_ops is None or "verify" in jwk.key_ops)
    is_sane = len(jwk.n) <= _LONGEST_MODULUS and len(jwk.e) <= _LONGEST_EXPONENT
    return is_meant and is_sane and jwk.d is None


def _load(members: dict[str, str], algorithms: Sequence[str]) -> Any:
    try:
        public = jwt.PyJWK(members, algorithms[0]).key
    except (jwt.PyJWTError, ValueError):
        return None
    # RFC 7518, section 3.3: shorter keys must not be used.
    if members["kty"] == "RSA" and public.key_size < _LEAST_RSA_BITS:
        return None
    return public
