"""The networks that requests come from, as far as attempts are counted under them."""

import ipaddress


def network_of(address: str) -> str:
    """What attempts from an address are counted under.

    Of IPv6 the first half: the second is the client's own choice (RFC 4291, section 2.5.1).
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((int(parsed), 64), strict=False))
