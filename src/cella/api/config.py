"""Settings of the HTTP entrances."""

import msgspec


class ApiConfig(msgspec.Struct, kw_only=True, frozen=True):
    """`cors_origins`: the origins that may send credentials, for example `https://studio.example`.

    All other origins get `*`, without credentials. `trusted_proxies`: the networks of the proxies
    whose `X-Forwarded-For` is believed, for example `10.0.0.0/8`.
    """

    cors_origins: frozenset[str] = frozenset()
    trusted_proxies: frozenset[str] = frozenset()
