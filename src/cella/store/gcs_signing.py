"""Links of Google Cloud Storage that are signed here, with version 4 of its signatures.

https://cloud.google.com/storage/docs/authentication/signatures and
https://cloud.google.com/storage/docs/authentication/canonical-requests. Nothing here reads a
clock, so the links of one window are equal, and nothing calls the cloud.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from cella.store.service import Place

LONGEST = 604_800
"""Seconds that a link can last at most: a week."""


class Signer(NamedTuple):
    """Who signs, and how: `for_day` makes the function that signs what is signed on one day."""

    algorithm: str
    account: str
    for_day: Callable[[str], Callable[[bytes], bytes]]


class Signed(NamedTuple):
    """A blob, and the headers that it is to be fetched with; no disposition where it is empty."""

    where: Place
    content_type: str
    disposition: str


def rsa(account: str, sign: Callable[[bytes], bytes]) -> Signer:
    """The owner of a service account's key; `sign` is RSASSA-PKCS1-v1_5 over SHA-256."""
    return Signer("GOOG4-RSA-SHA256", account, lambda _day: sign)


def hmac_key(access_id: str, secret: str) -> Signer:
    """The owner of an HMAC key (https://cloud.google.com/storage/docs/authentication/hmackeys)."""

    def for_day(day: str) -> Callable[[bytes], bytes]:
        key = f"GOOG4{secret}".encode()
        for part in (day, "auto", "storage", "goog4_request"):
            key = _hmac(key, part.encode())
        return lambda message: _hmac(key, message)

    return Signer("GOOG4-HMAC-SHA256", access_id, for_day)


def link(base: str, where: Place) -> str:
    """The link to a blob without a signature. `base` is the address of the service."""
    return base + _path(where)


def links(
    signer: Signer, base: str, blobs: Sequence[Signed], begins: int, expires: int
) -> list[str]:
    """Signed links that work from `begins` until `expires`, in seconds since the epoch.

    Raises `ValueError` where they would last longer than they can, or not at all.
    """
    if not 0 < expires - begins <= LONGEST:
        raise ValueError("a link lasts at least a second and at most a week")
    time = datetime.fromtimestamp(begins, UTC).strftime("%Y%m%dT%H%M%SZ")
    day = time[:8]
    scope = f"{day}/auto/storage/goog4_request"
    # Parameters are signed in their order by code point, and these come before all others.
    fixed = (
        f"X-Goog-Algorithm={signer.algorithm}"
        f"&X-Goog-Credential={quote(f'{signer.account}/{scope}', safe='~')}"
        f"&X-Goog-Date={time}&X-Goog-Expires={expires - begins}&X-Goog-SignedHeaders=host"
    )
    headers = f"host:{urlsplit(base).netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    opening = f"{signer.algorithm}\n{time}\n{scope}\n"
    sign = signer.for_day(day)
    signed = []
    for where, content_type, disposition in blobs:
        path = _path(where)
        query = fixed
        if disposition:
            query += f"&response-content-disposition={quote(disposition, safe='~')}"
        if content_type:
            query += f"&response-content-type={quote(content_type, safe='~')}"
        request = f"GET\n{path}\n{query}\n{headers}"
        digest = hashlib.sha256(request.encode()).hexdigest()
        signature = sign((opening + digest).encode()).hex()
        signed.append(f"{base}{path}?{query}&X-Goog-Signature={signature}")
    return signed


def _path(where: Place) -> str:
    return f"/{where.bucket}/{quote(where.name, safe='/~')}"


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
