"""Signed tokens, against a provider that runs on loopback (RFC 7515, 7517, 7519, 8725)."""

import asyncio
import json
import secrets
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hashes import SHA256
from tests.support.providers import (
    PATIENCE,
    OidcServer,
    Reply,
    base64url,
    ec_key,
    ed_key,
    forged,
    hmac_sha256,
    json_reply,
    jwk,
    pem,
    rsa_key,
    until,
)

from cella.clock import ManualClock
from cella.identity.config import OidcConfig
from cella.identity.jwks import parse_keys
from cella.identity.oidc import Oidc
from cella.model import Identity
from cella.outbound import Outbound, OutboundConfig

NOW = 1_800_000_000.0
LEEWAY = 60
REFRESH = 300
OUTAGE = 3600
CERTS = "/realms/studio/certs"
DISCOVERY = "/realms/studio/.well-known/openid-configuration"


class Opening(Protocol):
    def __call__(self, **settings: Any) -> AbstractAsyncContextManager[Oidc]: ...


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def server() -> Iterator[OidcServer]:
    made = OidcServer()
    yield made
    made.stop()


@pytest.fixture
def opening(server: OidcServer, clock: ManualClock) -> Opening:
    """What makes a provider that trusts the server, with these settings on top."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Oidc]:
        plain = {
            "issuer": server.issuer,
            "audience": "cella",
            "roles": {"cella-admin": "admin", "artist": "subscriber", "painter": "subscriber"},
        }
        outbound = Outbound(OutboundConfig(allow=frozenset({"127.0.0.1"})))
        outbound.open()
        made = Oidc(OidcConfig(**(plain | settings)), outbound, clock)
        try:
            yield made
        finally:
            await made.close()
            await outbound.close()

    return opened


async def named(oidc: Oidc, token: str) -> bool:
    """Whether the token names somebody."""
    return await oidc.identify(token, "") is not None


# --- What a token says ---


async def test_a_token_names_a_user(server: OidcServer, opening: Opening) -> None:
    async with opening() as oidc:
        assert await oidc.identify(server.token(NOW, roles=["artist"]), "") == Identity(
            provider=f"oidc:{server.issuer}",
            subject="0a1b",
            username="ada",
            full_name="Ada Lovelace",
            email="ada@studio.example",
            roles=("subscriber",),
            claimed=int(NOW),
        )
        assert await oidc.identify(server.token(NOW), "addon") is None, "no sub-clients"


NAMES: list[tuple[dict[str, Any], tuple[str, str, str]]] = [
    ({"preferred_username": None}, ("ada", "Ada Lovelace", "ada@studio.example")),
    (
        {"preferred_username": None, "email": None, "name": None},
        ("user", "user", ""),
    ),
    ({"preferred_username": "Ada Ω/\\ <b>\0"}, ("Ada-Ω-b", "Ada Lovelace", "ada@studio.example")),
    ({"preferred_username": ["ada"], "name": 7, "email": {}}, ("user", "user", "")),
    ({"email": "no address"}, ("ada", "Ada Lovelace", "")),
    *(
        ({"email": "a@b.example", "email_verified": said}, ("ada", "Ada Lovelace", ""))
        for said in (False, "false", [True])
    ),
    ({"email": "a@b.example", "email_verified": "true"}, ("ada", "Ada Lovelace", "a@b.example")),
    (
        {"email": "a@b.example", "email_verified": True},
        ("ada", "Ada Lovelace", "a@b.example"),
    ),
    ({"name": "  Ada\n\u202eL  "}, ("ada", "AdaL", "ada@studio.example")),
    ({"name": "x" * 5000}, ("ada", "x" * 128, "ada@studio.example")),
]


@pytest.mark.parametrize(("claims", "expected"), NAMES)
async def test_names_are_made_fit(
    server: OidcServer, opening: Opening, claims: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    async with opening() as oidc:
        found = await oidc.identify(server.token(NOW, **claims), "")
    assert found is not None
    assert (found.username, found.full_name, found.email) == expected


async def test_the_name_may_come_from_another_claim(server: OidcServer, opening: Opening) -> None:
    async with opening(username_claim="studio.login") as oidc:
        found = await oidc.identify(server.token(NOW, studio={"login": "al"}), "")
    assert found is not None
    assert found.username == "al"


ROLES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("roles", {"roles": ["artist", "cella-admin"]}, ("admin", "subscriber")),
    ("roles", {"roles": ["artist", "painter", "artist"]}, ("subscriber",)),
    ("roles", {"roles": ["admin", "subscriber", "Artist", ""]}, ()),
    ("roles", {"roles": "artist other"}, ("subscriber",)),
    ("roles", {"roles": {"artist": True, "cella-admin": False, "painter": "yes"}}, ("subscriber",)),
    ("roles", {"roles": [["artist"], None, 1, {"artist": True}]}, ()),
    ("roles", {"roles": None}, ()),
    ("roles", {"roles": 7}, ()),
    ("realm_access.roles", {"realm_access": {"roles": ["artist"]}}, ("subscriber",)),
    ("realm_access.roles", {"realm_access": ["roles"]}, ()),
    ("realm_access.roles", {"roles": ["artist"]}, ()),
    ("https://studio.example/roles", {"https://studio.example/roles": ["artist"]}, ("subscriber",)),
    (
        "resource_access.cella.example.roles",
        {"resource_access": {"cella.example": {"roles": ["artist"]}}},
        ("subscriber",),
    ),
]


@pytest.mark.parametrize(("path", "claims", "expected"), ROLES)
async def test_only_roles_that_are_mapped_count(
    server: OidcServer,
    opening: Opening,
    path: str,
    claims: dict[str, Any],
    expected: tuple[str, ...],
) -> None:
    async with opening(roles_claim=path) as oidc:
        found = await oidc.identify(server.token(NOW, **claims), "")
    assert found is not None
    assert found.roles == expected


# --- Which tokens count ---

VALID: dict[str, dict[str, Any]] = {
    "several audiences": {"aud": ["other", "cella"]},
    "expired within the leeway": {"exp": NOW - LEEWAY + 1},
    "begins within the leeway": {"nbf": NOW + LEEWAY},
    "made within the leeway": {"iat": NOW + LEEWAY},
    "times with fractions": {"exp": NOW + 0.5, "iat": NOW - 0.5, "nbf": NOW - 0.25},
    "very far expiry": {"exp": 1e300},
    "longest subject": {"sub": "x" * 255},
    "other claims of any kind": {"a": [[[{"b": None}]]], "roles": {"c": 1.5}},
}


@pytest.mark.parametrize("claims", VALID.values(), ids=VALID)
async def test_a_token_that_counts(
    server: OidcServer, opening: Opening, claims: dict[str, Any]
) -> None:
    async with opening() as oidc:
        assert await named(oidc, server.token(NOW, **claims))


INVALID: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://id.other.example"},
    "nearly the issuer": {"iss": "{issuer}/"},
    "no issuer": {"iss": None},
    "several issuers": {"iss": ["{issuer}"]},
    "another audience": {"aud": "other"},
    "another letter case": {"aud": "Cella"},
    "other audiences": {"aud": ["other", "cella2"]},
    "no audience": {"aud": None},
    "empty audience": {"aud": []},
    "audience of another kind": {"aud": {"cella": True}},
    "expired": {"exp": NOW - LEEWAY},
    "no expiry": {"exp": None},
    "expiry as text": {"exp": str(int(NOW) + 300)},
    "expiry that is a truth value": {"exp": True},
    "not valid yet": {"nbf": NOW + LEEWAY + 1},
    "begin as text": {"nbf": "0"},
    "made in the future": {"iat": NOW + LEEWAY + 1},
    "made before all time": {"iat": -1e300},
    "no time of making": {"iat": None},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
    "subject that is a number": {"sub": 7},
    "subject without end": {"sub": "x" * 256},
    "subject with NUL": {"sub": "a\0b"},
    "subject with a line break": {"sub": "a\nb"},
    "a logout": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
}


@pytest.mark.parametrize("claims", INVALID.values(), ids=INVALID)
async def test_a_token_that_does_not_count(
    server: OidcServer, opening: Opening, claims: dict[str, Any]
) -> None:
    whole = json.loads(json.dumps(claims).replace("{issuer}", server.issuer))
    async with opening() as oidc:
        assert not await named(oidc, server.token(NOW, **whole))
        assert await named(oidc, server.token(NOW))


async def test_the_leeway_may_be_none(server: OidcServer, opening: Opening) -> None:
    async with opening(leeway=0.0) as oidc:
        assert await named(oidc, server.token(NOW, exp=NOW + 1, nbf=NOW, iat=NOW))
        assert not await named(oidc, server.token(NOW, exp=NOW))
        assert not await named(oidc, server.token(NOW, nbf=NOW + 1))


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
async def test_types_that_are_taken(server: OidcServer, opening: Opening, typ: str) -> None:
    async with opening() as oidc:
        assert await named(oidc, server.token(NOW, header={"typ": typ}))


async def test_the_type_may_be_absent(server: OidcServer, opening: Opening) -> None:
    async with opening() as oidc:
        assert await named(oidc, server.token(NOW, header={"typ": None}))


HEADERS: dict[str, dict[str, Any]] = {
    "a logout token": {"typ": "logout+jwt"},
    "a proof": {"typ": "dpop+jwt"},
    "a token inside": {"typ": "JWE"},
    "a type that is a number": {"typ": 7},
    "an extension": {"crit": ["exp"], "exp": 1},
    "no extension": {"crit": []},
    "a payload that is not encoded": {"crit": ["b64"], "b64": True},
    "a key id that is a number": {"kid": 7},
    "a key id that is a list": {"kid": ["first"]},
    "another key id": {"kid": "First"},
    "an empty key id": {"kid": ""},
    "a key id that leads elsewhere": {"kid": "../../../../dev/null"},
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
async def test_headers_that_are_not_taken(
    server: OidcServer, opening: Opening, header: dict[str, Any]
) -> None:
    def sign(data: bytes) -> bytes:
        return rsa_key("first").sign(data, padding.PKCS1v15(), SHA256())

    async with opening() as oidc:
        whole = {"alg": "RS256", "kid": "first"}
        assert await named(oidc, forged(whole, server.claims(NOW), sign))
        assert not await named(oidc, forged(whole | header, server.claims(NOW), sign))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
async def test_a_token_without_signature_does_not_count(
    server: OidcServer, opening: Opening, alg: str
) -> None:
    header = {"alg": alg, "kid": "first", "typ": "JWT"}
    unsigned = forged(header, server.claims(NOW), lambda _: b"")
    assert unsigned.endswith(".")
    async with opening() as oidc:
        assert not await named(oidc, unsigned)
        assert not await named(oidc, unsigned + "AAAA")
        assert not await named(oidc, unsigned.removesuffix("."))
        assert not await named(oidc, server.token(NOW).rpartition(".")[0] + ".")


async def test_a_public_key_is_no_secret(server: OidcServer, opening: Opening) -> None:
    """HS256 with the public key as secret: RFC 8725, section 2.1."""
    key = rsa_key("first")
    published = jwk(key)
    secrets_to_try = [
        *(pem(key), pem(key).strip(), json.dumps(published).encode()),
        *(published["n"].encode(), urlsafe_b64decode(published["n"] + "=="), b""),
    ]
    async with opening() as oidc:
        for alg in ("HS256", "hs256", "HS512"):
            for secret in secrets_to_try:
                header = {"alg": alg, "kid": "first", "typ": "JWT"}
                assert not await named(
                    oidc, forged(header, server.claims(NOW), hmac_sha256(secret))
                )


async def test_a_published_secret_is_no_key(server: OidcServer, opening: Opening) -> None:
    """A JWKS document with a symmetric key: everybody has it."""
    oct_key = {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "first"}
    server.replies[CERTS] = json_reply({"keys": [oct_key | {"alg": alg} for alg in ("HS256", "")]})
    header = {"alg": "HS256", "kid": "first"}
    secret = b"secretsecretsecretsecretsecret"
    async with opening() as oidc:
        assert not await named(oidc, forged(header, server.claims(NOW), hmac_sha256(secret)))


async def test_a_key_that_comes_with_the_token_does_not_count(
    server: OidcServer, opening: Opening
) -> None:
    stranger = rsa_key("stranger")
    elsewhere = f"http://127.0.0.1:{server.port}/stranger"
    server.replies["/stranger"] = json_reply({"keys": [jwk(stranger, kid="first")]})
    async with opening() as oidc:
        for header in (
            {"jwk": jwk(stranger)},
            {"jwk": jwk(stranger, kid="first")},
            {"jku": elsewhere},
            {"x5u": elsewhere},
            {"x5c": ["AAAA"]},
        ):
            for kid in ("first", "stranger", None):
                token = server.token(NOW, kid, key=stranger, header=header)
                assert not await named(oidc, token)
            assert await named(oidc, server.token(NOW, header=header)), "it is not even looked at"
    assert "/stranger" not in server.paths


async def test_what_was_changed_does_not_count(server: OidcServer, opening: Opening) -> None:
    header, payload, signature = server.token(NOW).split(".")
    other = forged({"alg": "RS256", "kid": "first"}, server.claims(NOW, sub="other")).split(".")
    flipped = signature[:-4] + ("AAAA" if signature[-4:] != "AAAA" else "BBBB")
    async with opening() as oidc:
        for token in (
            f"{header}.{other[1]}.{signature}",
            f"{other[0]}.{payload}.{signature}",
            f"{header}.{payload}.{flipped}",
            f"{header}.{payload}.{signature}AA",
            f"{header}.{payload}.{signature[:-2]}",
            f"{header}.{payload}.",
        ):
            assert not await named(oidc, token)


GARBAGE: dict[str, str] = {
    "nothing": "",
    "dots": "..",
    "no token": "a.b.c",
    "not base64": "!!!.???.***",
    "padded": "eyJhbGciOiJSUzI1NiJ9==.e30=.AA==",
    "five parts": "eyJhbGciOiJSUzI1NiJ9.a.b.c.d",
    "not UTF-8": "__79.__79.AA",
    "a list": forged([], []),
    "a number": forged(1, 1),
    "no algorithm": forged({"kid": "first"}, {}),
    "an algorithm that is a list": forged({"alg": ["RS256"], "kid": "first"}, {}),
    "huge": forged({"alg": "RS256", "kid": "first"}, {"a": "x" * 50_000}),
    "a huge header": forged({"alg": "RS256", "kid": "x" * 8_000}, {}),
    "long": "a" * 100_000,
    "long parts": ".".join(["a" * 5_000] * 3),
}


@pytest.mark.parametrize("token", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_names_nobody(server: OidcServer, opening: Opening, token: str) -> None:
    async with opening() as oidc:
        assert not await named(oidc, token)


async def test_a_token_that_is_too_long_names_nobody(server: OidcServer, opening: Opening) -> None:
    async with opening() as oidc:
        assert await named(oidc, server.token(NOW, padding="x" * 8_000))
        assert not await named(oidc, server.token(NOW, padding="x" * 9_000))


async def test_depth_names_nobody(server: OidcServer, opening: Opening) -> None:
    deep = b'"x":' + b"[" * 3000 + b"]" * 3000 + b","

    def sign(data: bytes) -> bytes:
        return rsa_key("first").sign(data, padding.PKCS1v15(), SHA256())

    parts = [{"alg": "RS256", "kid": "first"}, server.claims(NOW)]
    header, payload = (json.dumps(part).encode() for part in parts)
    async with opening() as oidc:
        assert await named(oidc, forged(header, payload, sign))
        assert not await named(oidc, forged(b"{" + deep + header[1:], payload, sign))
        assert not await named(oidc, forged(header, b"{" + deep + payload[1:], sign))


# --- Keys ---


async def test_each_kind_of_key_is_understood(server: OidcServer, opening: Opening) -> None:
    server.keys |= {
        "p256": ec_key("p256"),
        "p384": ec_key("p384", ec.SECP384R1),
        "p521": ec_key("p521", ec.SECP521R1),
        "ed": ed_key("ed"),
    }
    pairs = {
        "first": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        "p256": ("ES256",),
        "p384": ("ES384",),
        "p521": ("ES512",),
        "ed": ("EdDSA",),
    }
    async with opening() as oidc:
        for kid, algorithms in pairs.items():
            for algorithm in algorithms:
                assert await named(oidc, server.token(NOW, kid, algorithm)), algorithm


async def test_only_algorithms_on_the_list_count(server: OidcServer, opening: Opening) -> None:
    server.keys["p256"] = ec_key("p256")
    async with opening(algorithms=frozenset({"ES256"})) as oidc:
        assert await named(oidc, server.token(NOW, "p256", "ES256"))
        assert not await named(oidc, server.token(NOW, "first", "RS256"))


async def test_a_key_s_own_algorithm_is_the_only_one(server: OidcServer, opening: Opening) -> None:
    server.replies[CERTS] = json_reply({"keys": [jwk(rsa_key("first"), kid="first", alg="PS256")]})
    async with opening() as oidc:
        assert await named(oidc, server.token(NOW, "first", "PS256"))
        assert not await named(oidc, server.token(NOW, "first", "RS256"))


UNFIT: dict[str, dict[str, Any]] = {
    "for secrecy": {"use": "enc"},
    "for wrapping": {"key_ops": ["encrypt", "wrapKey"]},
    "for something that is a number": {"use": 7},
    "for an unknown algorithm": {"alg": "RS1"},
    "for a secret one": {"alg": "HS256"},
    "of another kind": {"kty": "EC"},
    "of an unknown kind": {"kty": "XYZ"},
    "without modulus": {"n": ""},
    "with a broken modulus": {"n": "!!"},
    "with a modulus that is too long": {"n": base64url(b"\xff" * 1025)},
    "with an exponent that is too long": {"e": base64url(b"\x01" * 100)},
    "with its secret": {"d": "AQAB"},
}


@pytest.mark.parametrize("members", UNFIT.values(), ids=UNFIT)
async def test_a_key_that_is_not_fit_is_passed_over(
    server: OidcServer, opening: Opening, members: dict[str, Any]
) -> None:
    fit = jwk(rsa_key("second"), kid="second")
    server.keys["second"] = rsa_key("second")
    unfit = jwk(rsa_key("first"), kid="first") | members
    server.replies[CERTS] = json_reply({"keys": [unfit, fit]})
    assert [key.kid for key in parse_keys(server.replies[CERTS].body)] == ["second"]
    async with opening() as oidc:
        assert not await named(oidc, server.token(NOW))
        assert await named(oidc, server.token(NOW, "second"))


async def test_a_short_key_is_passed_over(server: OidcServer, opening: Opening) -> None:
    short = rsa_key("short", 1024)
    server.replies[CERTS] = json_reply({"keys": [jwk(short, kid="short")]})
    token = forged(
        {"alg": "RS256", "kid": "short"},
        server.claims(NOW),
        lambda data: short.sign(data, padding.PKCS1v15(), SHA256()),
    )
    async with opening() as oidc:
        assert not await named(oidc, token)


async def test_a_key_of_another_curve_does_not_fit(server: OidcServer, opening: Opening) -> None:
    server.replies[CERTS] = json_reply({"keys": [jwk(ec_key("p256"), kid="p", crv="P-384")]})
    async with opening() as oidc:
        assert not await named(oidc, server.token(NOW, "p", "ES256", key=ec_key("p256")))


async def test_without_key_id_one_key_alone_must_come_into_question(
    server: OidcServer, opening: Opening, clock: ManualClock
) -> None:
    server.keys["p256"] = ec_key("p256")
    async with opening() as oidc:
        assert await named(oidc, server.token(NOW, None))
        assert not await named(oidc, server.token(NOW, None, key=rsa_key("stranger")))
        server.keys["second"] = rsa_key("second")
        clock.advance(REFRESH)
        assert not await named(oidc, server.token(clock.now(), None))
        assert await named(oidc, server.token(clock.now(), None, "ES256", key=ec_key("p256")))


async def test_the_same_key_twice_is_one(server: OidcServer, opening: Opening) -> None:
    key = jwk(rsa_key("first"), kid="first")
    server.replies[CERTS] = json_reply({"keys": [key, key | {"use": "sig"}]})
    async with opening() as oidc:
        assert await named(oidc, server.token(NOW))
    other = jwk(rsa_key("second"), kid="first")
    server.replies[CERTS] = json_reply({"keys": [key, other]})
    async with opening() as oidc:
        assert not await named(oidc, server.token(NOW)), "which of them is it?"


# --- When keys are asked for ---


async def test_keys_are_asked_for_once_and_when_they_are_due(
    server: OidcServer, opening: Opening, clock: ManualClock
) -> None:
    async with opening() as oidc:
        assert server.asked == []
        tokens = [server.token(NOW, sub=f"user{number}", exp=NOW + 9000) for number in range(20)]
        found = await asyncio.gather(*(named(oidc, token) for token in tokens))
        assert all(found)
        assert server.paths == [DISCOVERY, CERTS]
        clock.advance(REFRESH - 1)
        assert await named(oidc, tokens[0])
        assert server.fetches == 1
        clock.advance(1)
        assert all(await asyncio.gather(*(named(oidc, token) for token in tokens)))
        assert server.fetches == 2


async def test_keys_may_be_where_a_setting_says(server: OidcServer, opening: Opening) -> None:
    async with opening(jwks_url=f"{server.issuer}/certs") as oidc:
        assert await named(oidc, server.token(NOW))
    assert server.paths == [CERTS]


async def test_a_verified_token_is_remembered_until_it_expires(
    server: OidcServer, opening: Opening, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []

    async def counted(*arguments: Any) -> Any:
        verified.append(arguments[0].__name__)
        return await original(*arguments)

    original = asyncio.to_thread
    monkeypatch.setattr(asyncio, "to_thread", counted)
    token = server.token(NOW, exp=NOW + 100)
    async with opening() as oidc:
        for _ in range(3):
            assert await named(oidc, token)
        assert verified == ["parse_keys", "verify"]
        clock.advance(100 + LEEWAY - 1)
        assert await named(oidc, token)
        assert verified == ["parse_keys", "verify"]
        clock.advance(1)
        assert not await named(oidc, token)
        clock.advance(-1000)
        assert not await named(oidc, token), "made in the future of a clock that was set back"


async def test_a_new_key_works_with_its_first_token(
    server: OidcServer, opening: Opening, clock: ManualClock
) -> None:
    async with opening() as oidc:
        assert await named(oidc, server.token(NOW))
        server.keys["second"] = rsa_key("second")
        assert await named(oidc, server.token(NOW, "second"))
        assert await named(oidc, server.token(NOW, "second", sub="other"))
        assert server.fetches == 2


async def test_a_removed_key_dies_when_keys_are_asked_for_again(
    server: OidcServer, opening: Opening, clock: ManualClock
) -> None:
    old = server.token(NOW, exp=NOW + 9000)
    async with opening() as oidc:
        assert await named(oidc, old)
        server.keys = {"second": rsa_key("second")}
        clock.advance(REFRESH - 1)
        assert await named(oidc, old)
        clock.advance(1)
        assert not await named(oidc, old), "although it was remembered"
        assert not await named(oidc, server.token(NOW, sub="other", key=rsa_key("first")))
        assert await named(oidc, server.token(NOW, "second", exp=NOW + 9000))


async def test_a_removed_key_dies_at_once_when_its_successor_shows(
    server: OidcServer, opening: Opening
) -> None:
    old = server.token(NOW)
    async with opening() as oidc:
        assert await named(oidc, old)
        server.keys = {"second": rsa_key("second")}
        assert await named(oidc, server.token(NOW, "second"))
        assert not await named(oidc, old)


async def test_a_key_that_is_replaced_under_its_name_dies_too(
    server: OidcServer, opening: Opening, clock: ManualClock
) -> None:
    old = server.token(NOW, exp=NOW + 9000)
    async with opening() as oidc:
        assert await named(oidc, old)
        server.keys = {"first": rsa_key("second")}
        clock.advance(REFRESH)
        assert not await named(oidc, old)
        assert await named(oidc, server.token(clock.now()))


async def test_key_ids_out_of_the_air_do_not_make_us_hammer_the_provider(
    server: OidcServer, opening: Opening, clock: ManualClock
) -> None:
    async with opening() as oidc:
        good = server.token(NOW)
        assert await named(oidc, good)
        header = {"alg": "RS256", "typ": "JWT"}

        async def flood(count: int) -> None:
            for _ in range(count):
                token = forged(header | {"kid": secrets.token_hex(8)}, server.claims(NOW))
                assert not await named(oidc, token)

        await flood(200)
        assert server.fetches == 6, "one, and five for unknown keys"
        assert await named(oidc, good)
        clock.advance(10)
        await flood(50)
        assert server.fetches == 7
        clock.advance(10)
        server.keys["second"] = rsa_key("second")
        assert await named(oidc, server.token(clock.now(), "second"))
        assert server.fetches == 8


async def test_keys_that_have_just_come_are_not_asked_for_again(
    server: OidcServer, opening: Opening
) -> None:
    async with opening() as oidc:
        stranger = server.token(NOW, "stranger", key=rsa_key("stranger"))
        assert not await named(oidc, stranger)
        assert server.fetches == 1


async def test_unknown_keys_at_once_are_one_question(server: OidcServer, opening: Opening) -> None:
    async with opening() as oidc:
        assert await named(oidc, server.token(NOW))
        server.keys["second"] = rsa_key("second")
        server.hold()
        tokens = [server.token(NOW, "second", sub=f"user{number}") for number in range(4)]
        asking = [asyncio.ensure_future(named(oidc, token)) for token in tokens]
        await until(lambda: len(server.asked) == 3)
        server.release()
        assert all(await asyncio.gather(*asking))
        assert server.fetches == 2


# --- A provider that is not there ---


async def test_a_provider_that_is_down_at_the_start_and_comes_back(
    server: OidcServer, opening: Opening, clock: ManualClock
) -> None:
    server.stop()
    async with opening() as oidc:
        assert not await named(oidc, server.token(NOW))
        server.start()
        assert not await named(oidc, server.token(NOW)), "it is left in peace for a while"
        assert server.asked == []
        clock.advance(10)
        assert await named(oidc, server.token(NOW))


async def test_keys_in_memory_work_on_while_the_provider_is_down(
    server: OidcServer, opening: Opening, clock: ManualClock
) -> None:
    token = server.token(NOW, exp=NOW + 9000)
    async with opening() as oidc:
        assert await named(oidc, token)
        server.stop()
        for _ in range(REFRESH + OUTAGE - 1):
            clock.advance(1)
            assert await named(oidc, token)
        clock.advance(1)
        assert not await named(oidc, token), "but not for ever"
        server.start()
        clock.advance(10)
        assert await named(oidc, token)


async def test_nobody_waits_twice_for_a_provider_that_is_silent(
    server: OidcServer, opening: Opening, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = server.token(NOW, exp=NOW + 9000)
    async with opening() as oidc:
        assert await named(oidc, token)
        server.stop()
        clock.advance(REFRESH)
        assert await named(oidc, token), "waited for the refusal"
        server.start()
        server.hold()
        clock.advance(10)
        assert await asyncio.wait_for(named(oidc, token), 1), "asked behind its back"
        await until(lambda: len(server.asked) == 3)
        server.keys = {"second": rsa_key("second")}
        server.release()
        async with asyncio.timeout(PATIENCE):
            while await named(oidc, token):
                await asyncio.sleep(0.01)


BROKEN: dict[str, dict[str, Reply]] = {
    "no document": {DISCOVERY: Reply(404)},
    "a document with an error": {
        DISCOVERY: json_reply({"issuer": "{issuer}", "jwks_uri": "{issuer}/certs"}, 500)
    },
    "keys with an error": {CERTS: json_reply({"keys": [jwk(rsa_key("first"), kid="first")]}, 503)},
    "another issuer": {
        DISCOVERY: json_reply({"issuer": "https://other.example", "jwks_uri": "{issuer}/certs"})
    },
    "no issuer": {DISCOVERY: json_reply({"jwks_uri": "{issuer}/certs"})},
    "no place of keys": {DISCOVERY: json_reply({"issuer": "{issuer}"})},
    "keys in the private network": {
        DISCOVERY: json_reply({"issuer": "{issuer}", "jwks_uri": "http://169.254.169.254/keys"})
    },
    "keys in a file": {
        DISCOVERY: json_reply({"issuer": "{issuer}", "jwks_uri": "file:///etc/passwd"})
    },
    "a redirect to the document": {
        DISCOVERY: Reply(302, headers={"Location": "/realms/studio/other"})
    },
    "a redirect to the keys": {CERTS: Reply(307, headers={"Location": "/realms/studio/other"})},
    "keys that are a page": {CERTS: Reply(200, b"<html>sign in</html>")},
    "keys that are a list": {CERTS: json_reply([])},
    "keys that are no list": {CERTS: json_reply({"keys": {}})},
    "keys that are no objects": {CERTS: json_reply({"keys": [1, "a", None]})},
    "deep keys": {CERTS: Reply(200, b'{"keys":' + b"[" * 5000)},
    "too many bytes": {CERTS: Reply(200, b" " * (300 << 10))},
    "no keys": {CERTS: json_reply({"keys": []})},
}


@pytest.mark.parametrize("replies", BROKEN.values(), ids=BROKEN)
async def test_a_provider_that_answers_otherwise_is_none(
    server: OidcServer, opening: Opening, clock: ManualClock, replies: dict[str, Reply]
) -> None:
    server.replies["/realms/studio/other"] = json_reply(
        {"issuer": server.issuer, "jwks_uri": f"{server.issuer}/certs", "keys": [jwk(rsa_key("x"))]}
    )
    for path, reply in replies.items():
        body = reply.body.replace(b"{issuer}", server.issuer.encode())
        server.replies[path] = reply._replace(body=body)
    async with opening() as oidc:
        assert not await named(oidc, server.token(NOW))
        assert "/realms/studio/other" not in server.paths
        server.replies.clear()
        clock.advance(REFRESH)
        assert await named(oidc, server.token(NOW, exp=NOW + 9000))


async def test_too_many_keys_are_cut_off(server: OidcServer, opening: Opening) -> None:
    strangers = [jwk(ec_key("stranger"), kid=f"s{number}") for number in range(64)]
    server.replies[CERTS] = json_reply({"keys": [*strangers, jwk(rsa_key("first"), kid="first")]})
    async with opening() as oidc:
        assert not await named(oidc, server.token(NOW))


async def test_closing_ends_what_is_being_asked(server: OidcServer, opening: Opening) -> None:
    server.hold()
    async with opening() as oidc:
        asking = asyncio.ensure_future(named(oidc, server.token(NOW)))
        await until(lambda: bool(server.asked))
        await oidc.close()
        with pytest.raises(asyncio.CancelledError):
            await asking
