"""Settings of the providers of identity."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from cella.errors import BadConfig
from cella.settings import SECRET, Seconds, Settings, SomeSeconds

Algorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]
"""How tokens may be signed (RFC 7518, RFC 8037): with keys whose secret only the provider has."""

ALGORITHMS: frozenset[Algorithm] = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)

_LONGEST_LEEWAY = 600.0
_ROLE = re.compile(r"[a-z0-9_-]{1,64}")


class OidcConfig(Settings, kw_only=True, frozen=True):
    """Whose signed tokens are taken, and what is read from them. Times are in seconds.

    `issuer` is empty where none are. A token has to be meant for `audience`. Keys come from
    `jwks_url`, or from where the issuer's own document says, are asked for again after `refresh`,
    and work on for `outage` while the provider does not answer. `roles_claim` is where a token
    has its roles, `roles` what they are called here; others do not count. `leeway` is how far
    the provider's clock may be off.

    `client_id` is who Cella is to the provider when people sign in with browsers, empty where
    they do not; `client_secret` is empty where it is a public client. `scope` is what is asked
    for, with blanks between.
    """

    issuer: str = ""
    audience: str = ""
    jwks_url: str = ""
    algorithms: frozenset[Algorithm] = ALGORITHMS
    username_claim: str = "preferred_username"
    roles_claim: str = "roles"
    roles: dict[str, str] = msgspec.field(default_factory=dict)
    leeway: Annotated[float, msgspec.Meta(ge=0, le=_LONGEST_LEEWAY)] = 60.0
    refresh: SomeSeconds = 300.0
    outage: Seconds = 3600.0
    client_id: str = ""
    client_secret: Annotated[str, SECRET] = ""
    scope: str = "openid profile email"


class BlenderIdConfig(Settings, kw_only=True, frozen=True):
    """The provider that is asked about tokens which nobody here knows.

    `endpoint` is empty where there is none. `subclients`: the only sub-clients whose tokens it
    is asked about, where it is not empty. `roles`: what its roles are called here.
    """

    endpoint: str = ""
    subclients: frozenset[str] = frozenset()
    roles: dict[str, str] = msgspec.field(default_factory=dict)


def check_oidc(config: OidcConfig) -> None:
    """Raise `BadConfig`, naming the setting, where one does not fit the others."""
    if config.client_secret and not config.client_id:
        raise BadConfig("CELLA_OIDC_CLIENT_SECRET is set, and CELLA_OIDC_CLIENT_ID is not.")
    if "openid" not in config.scope.split():
        raise BadConfig("CELLA_OIDC_SCOPE must have `openid`: without it nobody is named.")
    if not config.issuer:
        for name, value in (
            ("AUDIENCE", config.audience),
            ("JWKS_URL", config.jwks_url),
            ("CLIENT_ID", config.client_id),
        ):
            if value:
                raise BadConfig(f"CELLA_OIDC_{name} is set, and CELLA_OIDC_ISSUER is not.")
        return
    _check_url("CELLA_OIDC_ISSUER", config.issuer)
    if not config.audience:
        raise BadConfig(
            "CELLA_OIDC_AUDIENCE is needed with CELLA_OIDC_ISSUER: the name that the provider "
            "has for this server. Without it tokens for other services would be taken too."
        )
    if config.jwks_url:
        _check_url("CELLA_OIDC_JWKS_URL", config.jwks_url, with_query=True)
    if not config.algorithms:
        raise BadConfig("CELLA_OIDC_ALGORITHMS must name one algorithm at least.")
    _check_roles("CELLA_OIDC_ROLES", config.roles)


def check_blender_id(config: BlenderIdConfig) -> None:
    """Raise `BadConfig`, naming the setting, where one does not fit."""
    if config.endpoint:
        _check_url("CELLA_BLENDER_ID_ENDPOINT", config.endpoint)
        _check_roles("CELLA_BLENDER_ID_ROLES", config.roles)


def _check_url(variable: str, url: str, *, with_query: bool = False) -> None:
    try:
        parts = urlsplit(url)
        is_fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fit = False
    if not is_fit or not url.isprintable() or " " in url:
        raise BadConfig(f"{variable} must be an address such as https://id.studio.example/realm.")
    if parts.username is not None or parts.fragment or (parts.query and not with_query):
        raise BadConfig(f"{variable} must be an address without user name, query and fragment.")


def _check_roles(variable: str, roles: Mapping[str, str]) -> None:
    for role in roles.values():
        if _ROLE.fullmatch(role) is None:
            raise BadConfig(
                f"{variable}: {role!r} is no role; one is 1 to 64 signs of a-z, 0-9, _ and -."
            )
