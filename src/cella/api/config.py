"""Settings of the HTTP entrances."""

import msgspec


class ApiConfig(msgspec.Struct, kw_only=True, frozen=True):
    """`cors_origins`: the origins that may send credentials, for example `https://studio.example`.

    All other origins get `*`, without credentials.
    """

    cors_origins: frozenset[str] = frozenset()
