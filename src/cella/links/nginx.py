"""Links that an nginx of one's own serves, and verifies by its module `secure_link`.

`?md5=<hash>&expires=<instant>`: the hash is that of
`secure_link_md5 "$secure_link_expires$uri KEY"`, in base64url without padding
(https://nginx.org/en/docs/http/ngx_http_secure_link_module.html). `$uri` is decoded, so a path is
hashed as it is named, in UTF-8, and stands in the URL percent-encoded. nginx takes a link until its
very instant and a second longer.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated

from cella.links.addresses import address, quoted, required, rooted
from cella.settings import SECRET, Settings


class NginxConfig(Settings, kw_only=True, frozen=True):
    """`url` has scheme, host and folder; `key` is the secret in `secure_link_md5`."""

    url: str = ""
    key: Annotated[str, SECRET] = ""


class Nginx:
    """Signs for nginx; see `cella.links.cdn.Cdn`."""

    is_slow = False

    def __init__(self, config: NginxConfig) -> None:
        self._origin, self._folder = address("CELLA_NGINX_URL", config.url)
        self._key = required("CELLA_NGINX_KEY", config.key)

    def signed(self, paths: Sequence[str], expires: int) -> list[str]:
        """Links that end at `expires`."""
        links = []
        for path in paths:
            uri = self._folder + rooted(path)
            links.append(
                f"{self._origin}{quoted(uri)}"
                f"?md5={checksum(f'{expires}{uri} {self._key}')}&expires={expires}"
            )
        return links

    def public(self, _path: str) -> str:
        """Nothing: each link is verified."""
        return ""


def checksum(text: str) -> str:
    """What nginx compares: `openssl md5 -binary | openssl base64 | tr +/ -_ | tr -d =`."""
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")
