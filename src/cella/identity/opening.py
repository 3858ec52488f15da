"""Which providers there are."""

from cella.clock import Clock
from cella.identity.blender_id import BlenderId
from cella.identity.code_flow import CodeFlow
from cella.identity.config import BlenderIdConfig, OidcConfig, check_blender_id, check_oidc
from cella.identity.oidc import Oidc
from cella.outbound import Outbound


def open_oidc(config: OidcConfig, outbound: Outbound, clock: Clock) -> Oidc | None:
    """The provider of signed tokens, None where none is configured; raises `BadConfig`."""
    check_oidc(config)
    return Oidc(config, outbound, clock) if config.issuer else None


def open_code_flow(
    config: OidcConfig, oidc: Oidc | None, outbound: Outbound, redirect_uri: str
) -> CodeFlow | None:
    """How browsers sign in at the provider, None where they do not."""
    if oidc is None or not config.client_id:
        return None
    return CodeFlow(config, oidc, outbound, redirect_uri)


def open_blender_id(config: BlenderIdConfig, outbound: Outbound, clock: Clock) -> BlenderId | None:
    """The provider that is asked, None where none is configured; raises `BadConfig`."""
    check_blender_id(config)
    return BlenderId(config, outbound, clock) if config.endpoint else None
