"""Signatures of local links: keyed BLAKE2b (RFC 7693) over the expiry and the blob's key.

`<key id><tag>`: eight hex digits that tell which key signed, then 160 bits of tag in hex. The
first of the configured keys signs and all of them verify, so a key is rotated by putting the
new one in front and dropping the old one when the longest validity has passed.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence

from cella.errors import BadConfig, LinkRefused

_PERSON = b"cella link v1"
_KEY_ID_DIGITS = 8
_TAG_BYTES = 20
_EXPIRES = re.compile(r"[1-9][0-9]{0,11}")


class Signer:
    """Signs blob keys until an instant, and verifies such signatures."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or any(len(key) < 32 for key in keys):
            raise BadConfig(
                "CELLA_LINK_KEYS needs at least one key, each of 32 characters or more."
            )
        hashed = [hashlib.blake2b(key.encode(), digest_size=32).digest() for key in keys]
        self._keys = {
            hashlib.blake2b(key, digest_size=_KEY_ID_DIGITS // 2).hexdigest(): key for key in hashed
        }
        self._signing_id = next(iter(self._keys))

    def signing(self, expires: int) -> "Signing":
        """What signs any number of keys until `expires` (seconds since the epoch)."""
        return Signing(self._signing_id, self._keys[self._signing_id], expires)

    def verify(self, blob_key: str, expires: str, signature: str, now: float) -> None:
        """Raise `LinkRefused`, saying what is wrong, unless the signature holds and is current."""
        key = self._keys.get(signature[:_KEY_ID_DIGITS])
        if key is None:
            raise LinkRefused(
                "The link's signature was made with a key that is not in use here. "
                "Read the file's document again for a fresh link."
            )
        if _EXPIRES.fullmatch(expires) is None:
            raise LinkRefused("The link's expiry is not a number: the link was changed.")
        expected = Signing(signature[:_KEY_ID_DIGITS], key, int(expires)).sign(blob_key)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise LinkRefused("The link's signature does not fit: the link was changed.")
        if now >= int(expires):
            raise LinkRefused(
                "The link has expired. Read the file's document again for a fresh link."
            )


class Signing:
    """Signs blob keys that share one expiry; the work on the expiry is done once."""

    def __init__(self, key_id: str, key: bytes, expires: int) -> None:
        self._key_id = key_id
        self._started = hashlib.blake2b(
            f"{expires}\n".encode(), key=key, digest_size=_TAG_BYTES, person=_PERSON
        )

    def sign(self, blob_key: str) -> str:
        """The signature for the blob."""
        tag = self._started.copy()
        tag.update(blob_key.encode())
        return self._key_id + tag.hexdigest()
