"""Links that CDNsun serves, signed as the original signed them (contract, 5.2).

`?secure=<hash>,<expires>`: the hash is the MD5 of expiry, folder, path and key, one after the
other, in base64 with `-` and `_` for `+` and `/`, and with its two `=` at the end. A path is hashed
as it is named, in UTF-8, and stands in the URL percent-encoded: the servers there are nginx, which
hashes what it has decoded.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated

from cella.links.addresses import address, quoted, required, rooted
from cella.settings import SECRET, Settings


class CdnsunConfig(Settings, kw_only=True, frozen=True):
    """`url` has scheme, host and folder; without `signing` links are plain and need no `key`."""

    url: str = ""
    key: Annotated[str, SECRET] = ""
    signing: bool = True


class Cdnsun:
    """Signs for CDNsun; see `cella.links.cdn.Cdn`."""

    is_slow = False

    def __init__(self, config: CdnsunConfig) -> None:
        self._origin, self._folder = address("CELLA_CDNSUN_URL", config.url)
        self._key = required("CELLA_CDNSUN_KEY", config.key) if config.signing else ""

    def signed(self, paths: Sequence[str], expires: int) -> list[str]:
        """Links that end at `expires`, or plain ones where signing is off."""
        plain = [self._plain(path) for path in paths]
        if not self._key:
            return plain
        start = f"{expires}{self._folder}"
        return [
            f"{url}?secure={_hash(start + rooted(path) + self._key)},{expires}"
            for url, path in zip(plain, paths, strict=True)
        ]

    def public(self, path: str) -> str:
        """The plain link where signing is off, else nothing."""
        return "" if self._key else self._plain(path)

    def _plain(self, path: str) -> str:
        return self._origin + self._folder + quoted(rooted(path))


def _hash(text: str) -> str:
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return urlsafe_b64encode(digest).decode()
