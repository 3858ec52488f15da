"""Where a request comes from, also behind proxies that the operator trusts.

`X-Forwarded-For` is a list to which each proxy adds whom it was called by. What stands left of the
last trusted proxy is whatever the client liked to write, so the list is read from its end
(https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For#selecting_an_ip_address).
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.requests import Request

from cella.errors import BadConfig

Network = IPv4Network | IPv6Network


def trusted_networks(names: Iterable[str]) -> tuple[Network, ...]:
    """The networks of the setting `trusted_proxies`; raises `BadConfig` where one is none."""
    try:
        return tuple(ip_network(name) for name in sorted(names))
    except ValueError as error:
        raise BadConfig(f"CELLA_TRUSTED_PROXIES: {error}.") from None


def client_address(request: Request, trusted: Sequence[Network]) -> str:
    """The address of the client, as far as it is known for sure; empty where it is not at all.

    That is the connection's other end, or, where that is a trusted proxy, whom it speaks for.
    """
    address = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    while forwarded and _is_one_of(address, trusted):
        before = _parsed(forwarded.pop().strip())
        if before is None:
            break
        address = str(before)
    return address


def _is_one_of(address: str, networks: Sequence[Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return (parsed.version == 6 and parsed.ipv4_mapped) or parsed
