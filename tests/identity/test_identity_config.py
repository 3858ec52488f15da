"""Settings of providers that do not fit one another."""

from pathlib import Path
from typing import Any

import pytest

from cella.assembly import Assembly
from cella.clock import ManualClock
from cella.config import load
from cella.errors import BadConfig
from cella.identity.config import BlenderIdConfig, OidcConfig
from cella.identity.opening import open_blender_id, open_oidc
from cella.outbound import Outbound, OutboundConfig

OIDC: dict[str, Any] = {"issuer": "https://id.studio.example/realms/a", "audience": "cella"}
NO_ADDRESS = [
    *("id.studio.example", "ftp://id.example", "https://", "https:///x", "https://a b", "//a"),
    *("https://user:hunter2@id.example", "https://id.example#a", "https://id.example:99999"),
    *("https://id.example/\n", "javascript:alert(1)", "https://id.example?a=b"),
]


def oidc(**settings: Any) -> object:
    """The provider of signed tokens with these settings, or None."""
    return open_oidc(OidcConfig(**settings), Outbound(OutboundConfig()), ManualClock(0))


def blender_id(**settings: Any) -> object:
    """The provider that is asked with these settings, or None."""
    config = BlenderIdConfig(**settings)
    return open_blender_id(config, Outbound(OutboundConfig()), ManualClock(0))


def test_without_settings_there_is_no_provider() -> None:
    assert oidc() is None
    assert blender_id() is None


def test_settings_that_fit() -> None:
    assert oidc(**OIDC)
    assert oidc(**OIDC, jwks_url="https://id.example/keys?tenant=a", roles={"A b": "admin"})
    assert blender_id(endpoint="https://id.blender.example/")


@pytest.mark.parametrize("address", NO_ADDRESS)
def test_addresses_that_do_not_fit_are_refused_by_name(address: str) -> None:
    with pytest.raises(BadConfig, match="CELLA_OIDC_ISSUER") as caught:
        oidc(issuer=address, audience="cella")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(BadConfig, match="CELLA_BLENDER_ID_ENDPOINT") as caught:
        blender_id(endpoint=address)
    assert "hunter2" not in str(caught.value)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("CELLA_OIDC_AUDIENCE", {"issuer": "https://id.example"}),
    ("CELLA_OIDC_AUDIENCE", {"audience": "cella"}),
    ("CELLA_OIDC_JWKS_URL", {"jwks_url": "https://id.example/keys"}),
    ("CELLA_OIDC_JWKS_URL", {**OIDC, "jwks_url": "keys"}),
    ("CELLA_OIDC_ALGORITHMS", {**OIDC, "algorithms": frozenset()}),
    ("CELLA_OIDC_ROLES", {**OIDC, "roles": {"a": "No Role"}}),
    ("CELLA_OIDC_ROLES", {**OIDC, "roles": {"a": ""}}),
    ("CELLA_OIDC_CLIENT_ID", {"client_id": "cella-web"}),
    ("CELLA_OIDC_CLIENT_SECRET", {**OIDC, "client_secret": "x"}),
    ("CELLA_OIDC_SCOPE", {**OIDC, "scope": "profile email"}),
]


@pytest.mark.parametrize(("name", "settings"), WRONG)
def test_settings_that_do_not_fit_are_refused_by_name(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(BadConfig, match=name):
        oidc(**settings)


def test_roles_that_are_none_are_refused_by_name() -> None:
    with pytest.raises(BadConfig, match="CELLA_BLENDER_ID_ROLES"):
        blender_id(endpoint="https://id.example", roles={"a": "ADMIN"})


@pytest.mark.parametrize("algorithm", ["HS256", "none", "rs256", "RS1", "ES256K", "A256GCM"])
def test_algorithms_that_are_not_asymmetric_are_refused_by_name(
    tmp_path: Path, algorithm: str
) -> None:
    with pytest.raises(BadConfig, match="CELLA_OIDC_ALGORITHMS"):
        load({"CELLA_OIDC_ALGORITHMS": f"RS256,{algorithm}"}, folder=tmp_path)


@pytest.mark.parametrize(("name", "text"), [("LEEWAY", "-1"), ("LEEWAY", "601"), ("REFRESH", "0")])
def test_times_that_do_not_fit_are_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(BadConfig, match=f"CELLA_OIDC_{name}"):
        load({f"CELLA_OIDC_{name}": text}, folder=tmp_path)


def test_the_service_does_not_begin_with_settings_that_do_not_fit(tmp_path: Path) -> None:
    environment = {"CELLA_DATA": str(tmp_path), "CELLA_OIDC_ISSUER": "https://id.example"}
    with pytest.raises(BadConfig, match="CELLA_OIDC_AUDIENCE"):
        Assembly(load(environment, folder=tmp_path))
