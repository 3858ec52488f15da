"""Links that Amazon CloudFront serves: signed URLs with a canned policy.

`?Expires=<instant>&Signature=<signature>&Key-Pair-Id=<id>`: RSA with PKCS #1 v1.5 and SHA-1, which
is what CloudFront verifies, over a policy that follows from URL and instant; in base64 with `-`,
`_` and `~` for `+`, `=` and `/`
(https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html).
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cella.errors import BadConfig
from cella.links.addresses import address, quoted, required, rooted
from cella.settings import SECRET, Settings

_SAFE = str.maketrans("+=/", "-_~")


class CloudfrontConfig(Settings, kw_only=True, frozen=True):
    """`url` has scheme, host and folder; `key` is the private key of `key_pair_id`, in PEM.

    In place of its line feeds the key may have `\\n`, so that it fits into one line.
    """

    url: str = ""
    key: Annotated[str, SECRET] = ""
    key_pair_id: str = ""


class Cloudfront:
    """Signs for CloudFront; see `cella.links.cdn.Cdn`."""

    is_slow = True

    def __init__(self, config: CloudfrontConfig) -> None:
        self._address = "".join(address("CELLA_CLOUDFRONT_URL", config.url))
        self._key = _private_key(required("CELLA_CLOUDFRONT_KEY", config.key))
        self._key_pair_id = required("CELLA_CLOUDFRONT_KEY_PAIR_ID", config.key_pair_id)

    def signed(self, paths: Sequence[str], expires: int) -> list[str]:
        """Links that end at `expires`."""
        return [self._signed(self._address + quoted(rooted(path)), expires) for path in paths]

    def public(self, _path: str) -> str:
        """Nothing: each link is verified."""
        return ""

    def _signed(self, url: str, expires: int) -> str:
        # SHA-1 is CloudFront's choice. What is signed is ours, so nobody can look for collisions.
        signature = self._key.sign(policy(url, expires).encode(), PKCS1v15(), SHA1())  # noqa: S303
        encoded = b64encode(signature).decode().translate(_SAFE)
        return f"{url}?Expires={expires}&Signature={encoded}&Key-Pair-Id={self._key_pair_id}"


def policy(url: str, expires: int) -> str:
    """The canned policy for a URL, to the letter."""
    return (
        f'{{"Statement":[{{"Resource":"{url}",'
        f'"Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}'
    )


def _private_key(text: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(text.replace("\\n", "\n").encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise BadConfig("CELLA_CLOUDFRONT_KEY must be an RSA private key in PEM, without password.")
    return key
