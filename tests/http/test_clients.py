"""Whom a request is counted under, with and without proxies in front."""

import pytest
from starlette.requests import Request

from cella.errors import BadConfig
from cella.http.clients import client_address, trusted_networks

TRUSTED = trusted_networks({"10.0.0.0/8", "fd00::/8"})


def a_request(peer: str | None, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    client = None if peer is None else (peer, 1)
    return Request({"type": "http", "headers": headers, "client": client})


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", ("198.51.100.7",), "192.0.2.1"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", ("made up, 198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", ("203.0.113.9, 198.51.100.7 , 10.2.3.4",), "198.51.100.7"),
        ("10.0.0.1", ("203.0.113.9", "198.51.100.7", "10.2.3.4"), "198.51.100.7"),
        ("10.0.0.1", ("10.9.9.9",), "10.9.9.9"),
        ("10.0.0.1", ("198.51.100.7, nonsense",), "10.0.0.1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("::ffff:10.0.0.1", ("2001:db8::1",), "2001:db8::1"),
        ("fd00::5", ("198.51.100.7",), "198.51.100.7"),
        (None, ("198.51.100.7",), ""),
        ("", ("198.51.100.7",), ""),
    ],
)
def test_only_trusted_proxies_are_believed(
    peer: str | None, forwarded: tuple[str, ...], address: str
) -> None:
    assert client_address(a_request(peer, *forwarded), TRUSTED) == address


def test_nobody_is_trusted_unless_named() -> None:
    assert client_address(a_request("127.0.0.1", "198.51.100.7"), ()) == "127.0.0.1"


@pytest.mark.parametrize("name", ["proxy", "10.0.0.1/8", "10.0.0.0/33", ""])
def test_what_is_no_network_is_refused_by_name(name: str) -> None:
    with pytest.raises(BadConfig, match="CELLA_TRUSTED_PROXIES"):
        trusted_networks({name})
