"""Which content delivery networks there are, and how links are spelled that they serve.

A network fetches blobs from the store, or from this server, by the same paths that its links have,
verifies its own links, and keeps copies. Nothing here calls it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from cella.links.bunny import Bunny, BunnyConfig
from cella.links.cdnsun import Cdnsun, CdnsunConfig
from cella.links.cloudfront import Cloudfront, CloudfrontConfig
from cella.links.nginx import Nginx, NginxConfig
from cella.links.validity import CdnName


class Cdn(Protocol):
    """Signs links that a network serves. Pure: it calls nobody and remembers nothing."""

    is_slow: bool
    """Whether a signature takes so long (RSA) that it is to be made in a thread."""

    def signed(self, paths: Sequence[str], expires: int) -> list[str]:
        """Links to paths that work until `expires`, seconds since the epoch, and no longer."""
        ...

    def public(self, path: str) -> str:
        """A link that needs no signature; empty where the network asks for one everywhere."""
        ...


class CdnConfigs(msgspec.Struct, kw_only=True, frozen=True):
    """How each of the networks is reached, and signed for."""

    bunny: BunnyConfig = BunnyConfig()
    cdnsun: CdnsunConfig = CdnsunConfig()
    cloudfront: CloudfrontConfig = CloudfrontConfig()
    nginx: NginxConfig = NginxConfig()


_MAKERS: dict[CdnName, Callable[[CdnConfigs], Cdn]] = {
    "bunny": lambda configs: Bunny(configs.bunny),
    "cdnsun": lambda configs: Cdnsun(configs.cdnsun),
    "cloudfront": lambda configs: Cloudfront(configs.cloudfront),
    "nginx": lambda configs: Nginx(configs.nginx),
}


def make_cdn(name: CdnName, configs: CdnConfigs) -> Cdn:
    """The network of that name; raises `BadConfig` where a setting of it is missing or wrong."""
    return _MAKERS[name](configs)
