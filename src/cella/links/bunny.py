"""Links that Bunny serves, by its token authentication with HMAC-SHA256.

`?token=HS256-<tag>&expires=<instant>`: the tag is over the path, as it stands in the URL, and the
expiry, in base64url without padding
(https://docs.bunny.net/cdn/security/token-authentication/advanced).
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated

from cella.links.addresses import address, quoted, required, rooted
from cella.settings import SECRET, Settings


class BunnyConfig(Settings, kw_only=True, frozen=True):
    """`url` has scheme, host and folder; `key` is the zone's URL Token Authentication Key."""

    url: str = ""
    key: Annotated[str, SECRET] = ""


class Bunny:
    """Signs for Bunny; see `cella.links.cdn.Cdn`."""

    is_slow = False

    def __init__(self, config: BunnyConfig) -> None:
        self._origin, self._folder = address("CELLA_BUNNY_URL", config.url)
        self._key = required("CELLA_BUNNY_KEY", config.key).encode()

    def signed(self, paths: Sequence[str], expires: int) -> list[str]:
        """Links that end at `expires`."""
        links = []
        for path in paths:
            shown = self._folder + quoted(rooted(path))
            tag = hmac.digest(self._key, f"{shown}{expires}".encode(), "sha256")
            token = urlsafe_b64encode(tag).decode().rstrip("=")
            links.append(f"{self._origin}{shown}?token=HS256-{token}&expires={expires}")
        return links

    def public(self, _path: str) -> str:
        """Nothing: each link is verified."""
        return ""
