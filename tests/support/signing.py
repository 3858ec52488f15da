"""A store that signs as the clouds' stores do: by RSA, over all that a link promises."""

import hashlib
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from cella.store.memory import MemoryStore

DAY = 24 * 3600


@cache
def rsa_key() -> RSAPrivateKey:
    """One key for all tests: making one takes a while."""
    return generate_private_key(65537, 2048)


class Promise(NamedTuple):
    """What a link of the store promises."""

    key: str
    content_type: str
    disposition: str
    begins: int
    expires: int


class SigningStore(MemoryStore):
    """Blobs in memory, with links that lead nowhere and that `read` verifies.

    `signed` are the digests of all promises so far, and `threads` the names of those that signed.
    """

    longest_link = 7 * DAY

    def __init__(self, *, signs_slowly: bool = True, host: str = "blobs.example") -> None:
        super().__init__()
        self.signs_slowly = signs_slowly
        self.signed: list[str] = []
        self.threads: set[str] = set()
        self._address = f"https://{host}"

    def sign(self, blobs: Sequence[tuple[str, str, str]], begins: int, expires: int) -> list[str]:
        """Links that a store of these settings would make."""
        self.threads.add(threading.current_thread().name.rpartition("_")[0])
        return [self._link(Promise(*blob, begins, expires)) for blob in blobs]

    def public_link(self, key: str) -> str:
        """A link without a signature."""
        return f"{self._address}/{key}"

    def _link(self, promise: Promise) -> str:
        told = promise._asdict()
        del told["key"]
        query = urlencode(told)
        url = f"{self._address}/{promise.key}?{query}"
        self.signed.append(hashlib.sha256(url.encode()).hexdigest())
        signature = rsa_key().sign(url.encode(), PKCS1v15(), SHA256())
        return f"{url}&signature={urlsafe_b64encode(signature).decode()}"


def read(link: str) -> Promise:
    """What the link promises; fails where its signature does not hold."""
    url, _, signature = link.partition("&signature=")
    rsa_key().public_key().verify(urlsafe_b64decode(signature), url.encode(), PKCS1v15(), SHA256())
    parts = urlsplit(url)
    said = dict(parse_qsl(parts.query))
    return Promise(
        parts.path.removeprefix("/"),
        said["content_type"],
        said["disposition"],
        int(said["begins"]),
        int(said["expires"]),
    )
