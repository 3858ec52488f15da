"""Who asks, in the words of providers outside: signed tokens, and Blender-ID's (contract, 2)."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import httpx
import pytest
from tests.support.databases import PostgreSQL
from tests.support.providers import (
    BlenderIdServer,
    OidcServer,
    forged,
    rsa_key,
    until,
)
from tests.support.service import Account, Service, Start, postgresql_database, running

from cella.clock import ManualClock

NOW = 1_800_000_000.0
HOUR = 3600
TOKEN = "a-token-of-blender-id"
SCST = "/api/blender_id/store_scst"


class Oidc(NamedTuple):
    """A service that takes tokens of a provider."""

    service: Service
    server: OidcServer
    clock: ManualClock

    def token(self, **claims: Any) -> str:
        """A token of a user of its own."""
        return self.server.token(self.clock.now(), **claims)


class BlenderId(NamedTuple):
    """A service that asks Blender-ID."""

    service: Service
    server: BlenderIdServer
    clock: ManualClock


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """What a service is told about its database, on each of the two."""
    if request.param == "sqlite":
        yield {}
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    with postgresql_database(server) as (_, url):
        yield {"database_url": url}


@pytest.fixture(scope="module")
def shared_oidc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oidc]:
    server, clock = OidcServer(), ManualClock(NOW)
    with ExitStack() as stack:
        stack.callback(server.stop)
        folder = tmp_path_factory.mktemp("oidc")
        yield Oidc(stack.enter_context(running(folder, clock, **server.settings)), server, clock)


@pytest.fixture
def oidc(shared_oidc: Oidc) -> Oidc:
    """The shared service; its provider has one key again."""
    shared_oidc.server.keys = {"first": rsa_key("first")}
    shared_oidc.clock.advance(1000)
    return shared_oidc


@pytest.fixture
def starting(start: Start) -> Iterator[Callable[..., Oidc]]:
    """Starts a service of the test's own that takes tokens, and its provider."""
    with ExitStack() as stack:

        def begin(**settings: Any) -> Oidc:
            server, clock = OidcServer(), ManualClock(NOW)
            stack.callback(server.stop)
            service = start(clock=clock, **(server.settings | settings))
            return Oidc(service, server, clock)

        yield begin


@pytest.fixture
def blender(start: Start, settings: dict[str, Any]) -> Iterator[BlenderId]:
    """A service of the test's own that asks Blender-ID, on each database."""
    server, clock = BlenderIdServer(), ManualClock(NOW)
    server.add(TOKEN, 7)
    server.add("token-of-addon", 7, subclient="addon")
    try:
        service = start(clock=clock, **(server.settings | settings))
        yield BlenderId(service, server, clock)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def shared_asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlenderId]:
    server, clock = BlenderIdServer(), ManualClock(NOW)
    with ExitStack() as stack:
        stack.callback(server.stop)
        folder = tmp_path_factory.mktemp("blender")
        service = stack.enter_context(running(folder, clock, **server.settings))
        yield BlenderId(service, server, clock)


@pytest.fixture
def asking(shared_asking: BlenderId) -> BlenderId:
    """A shared service that asks Blender-ID, for what the database does not matter to."""
    shared_asking.clock.advance(2 * HOUR)
    shared_asking.server.users.clear()
    shared_asking.server.asked.clear()
    shared_asking.server.add(TOKEN, 7)
    shared_asking.server.add("token-of-addon", 7, subclient="addon")
    return shared_asking


def bearer(token: str) -> dict[str, str]:
    """Credentials by RFC 6750."""
    return {"Authorization": f"Bearer {token}"}


def basic(token: str, subclient: str = "") -> dict[str, str]:
    """Credentials by RFC 7617, with the token as user name."""
    return {"Authorization": f"Basic {b64encode(f'{token}:{subclient}'.encode()).decode()}"}


def me(service: Service, headers: dict[str, str]) -> dict[str, Any] | None:
    """Whom the service takes one for, None for nobody in particular."""
    answer = service.get("/api/users/me", headers=headers)
    if answer.status_code == 403:
        assert "www-authenticate" not in answer.headers
        return None
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def number_of_users(service: Service) -> int:
    """How many users there are."""
    return len(service.everything()["users"])


def account(document: dict[str, Any]) -> Account:
    """The user, for what is done behind the service's back."""
    return Account(document["_id"], document["username"], "")


# --- Signed tokens ---


def test_a_signed_token_signs_in(oidc: Oidc) -> None:
    token = oidc.token(sub="signs-in", preferred_username="ada.l", roles=["artist"])
    found = me(oidc.service, bearer(token))
    assert found is not None
    assert found["username"] == "ada.l"
    assert found["full_name"] == "Ada Lovelace"
    assert found["email"] == "ada@studio.example"
    assert found["roles"] == ["subscriber"]
    assert me(oidc.service, basic(token)) == found, "as the SDK sends it"
    assert me(oidc.service, {"Authorization": f"bEaReR   {token}"}) == found
    assert token not in str(oidc.service.everything())
    assert token.rpartition(".")[2] not in str(oidc.service.everything())


def test_a_signed_token_works_in_a_project(oidc: Oidc) -> None:
    token = oidc.token(sub="uploads", preferred_username="uploads", roles=["artist"])
    found = me(oidc.service, bearer(token))
    assert found is not None
    user = Account(found["_id"], found["username"], token)
    project = oidc.service.project(user, public=False)
    document = oidc.service.upload(user, project, content=b"x" * 30_000)
    assert "link" in document
    found = me(oidc.service, bearer(token))
    assert found is not None
    assert found["groups"] == [grant.subject for grant in project.permissions.groups]
    stranger = oidc.token(sub="reads", preferred_username="reads")
    answer = oidc.service.get(f"/api/files/{document['_id']}", headers=bearer(stranger))
    assert answer.status_code == 403


def test_local_tokens_work_beside_signed_ones(oidc: Oidc) -> None:
    user = oidc.service.account("demo")
    asked = len(oidc.server.asked)
    found = me(oidc.service, user.headers)
    assert found is not None
    assert found["username"] == user.username
    for headers in (bearer("nobody"), basic("nobody"), basic(user.token, "addon")):
        assert me(oidc.service, headers) is None
    assert len(oidc.server.asked) == asked


def test_a_token_that_does_not_count_is_nobody_s_and_never_an_error(oidc: Oidc) -> None:
    now = oidc.clock.now()
    claims = oidc.server.claims(now, sub="does-not-count")
    tokens = [
        oidc.token(sub="does-not-count", iss="https://other.example"),
        oidc.token(sub="does-not-count", aud="other"),
        oidc.token(sub="does-not-count", exp=now - 60),
        oidc.token(sub="does-not-count", nbf=now + 61),
        oidc.token(sub="does-not-count", key=rsa_key("stranger")),
        oidc.token(sub="does-not-count", kid="stranger", key=rsa_key("stranger")),
        forged({"alg": "none", "kid": "first"}, claims, lambda _: b""),
        forged({"alg": "HS256", "kid": "first"}, claims),
        forged({"alg": "RS256", "kid": "first"}, {"a": "x" * 8_000}),
        "a.b.c",
        "..",
        "eyJ.eyJ.",
    ]
    before = number_of_users(oidc.service)
    project = oidc.service.project(oidc.service.account())
    for token in tokens:
        for headers in (bearer(token), basic(token)):
            assert me(oidc.service, headers) is None
            answer = oidc.service.get("/api/files", headers=headers)
            assert answer.status_code == 200
            upload = oidc.service.request(
                "PUT",
                f"/api/storage/stream/{project.id}/a.bin",
                headers=headers,
                content=b"x",
            )
            assert upload.status_code == 403
    assert number_of_users(oidc.service) == before + 1


def test_a_signed_token_ends_with_its_time(oidc: Oidc) -> None:
    token = oidc.token(sub="ends", exp=oidc.clock.now() + 100)
    assert me(oidc.service, bearer(token)) is not None
    oidc.clock.advance(100 + 59)
    assert me(oidc.service, bearer(token)) is not None
    oidc.clock.advance(1)
    assert me(oidc.service, bearer(token)) is None


def test_a_disabled_user_stays_refused_whatever_the_provider_says(oidc: Oidc) -> None:
    token = oidc.token(sub="disabled", preferred_username="disabled", roles=["cella-admin"])
    found = me(oidc.service, bearer(token))
    assert found is not None
    assert found["roles"] == ["admin"]
    oidc.service.disable(account(found))
    assert me(oidc.service, bearer(token)) is None, "at once"
    oidc.clock.advance(5)
    later = oidc.token(sub="disabled", preferred_username="disabled", roles=["artist"])
    assert me(oidc.service, bearer(later)) is None
    assert me(oidc.service, bearer(token)) is None


def test_a_role_that_is_taken_away_dies_with_the_next_token(oidc: Oidc) -> None:
    first = oidc.token(sub="roles", roles=["cella-admin"], exp=oidc.clock.now() + 9000)
    project = oidc.service.project(oidc.service.account(), public=False)
    path = f"/api/projects/{project.id}"
    assert oidc.service.get(path, headers=bearer(first)).status_code == 200
    oidc.clock.advance(1)
    second = oidc.token(sub="roles", roles=["artist"], name="Ada King", exp=NOW * 2)
    found = me(oidc.service, bearer(second))
    assert found is not None
    assert (found["roles"], found["full_name"]) == (["subscriber"], "Ada King")
    assert oidc.service.get(path, headers=bearer(second)).status_code == 403
    assert oidc.service.get(path, headers=bearer(first)).status_code == 403, "nor come back"
    again = me(oidc.service, bearer(first))
    assert again == found


def test_the_same_token_again_writes_nothing(oidc: Oidc, monkeypatch: pytest.MonkeyPatch) -> None:
    token = oidc.token(sub="reads-only", preferred_username="reads-only")
    assert me(oidc.service, bearer(token)) is not None

    async def refuse(_: object) -> None:
        raise AssertionError("something was to be written")

    monkeypatch.setattr(oidc.service.assembly.db, "write", refuse)
    for _ in range(3):
        assert me(oidc.service, bearer(token)) is not None


def test_a_local_user_is_never_taken_over(oidc: Oidc) -> None:
    local = oidc.service.account("admin")
    token = oidc.token(
        sub="takes-over",
        preferred_username=local.username,
        email=f"{local.username}@studio.example",
    )
    found = me(oidc.service, bearer(token))
    assert found is not None
    assert found["_id"] != local.id
    assert found["username"] != local.username
    assert found["roles"] == []
    document = me(oidc.service, local.headers)
    assert document is not None
    assert (document["_id"], document["roles"]) == (local.id, ["admin"])


def test_a_rotated_key_works_at_once_and_a_removed_one_dies(oidc: Oidc) -> None:
    old = oidc.token(sub="rotates", exp=NOW * 2)
    assert me(oidc.service, bearer(old)) is not None
    oidc.server.keys = {"second": rsa_key("second")}
    new = oidc.token(sub="rotates", kid="second", exp=NOW * 2)
    assert me(oidc.service, bearer(new)) is not None
    assert me(oidc.service, bearer(old)) is None
    oidc.clock.advance(300)
    assert me(oidc.service, bearer(old)) is None
    assert me(oidc.service, bearer(new)) is not None


def test_roles_may_lie_deep_in_the_token(starting: Callable[..., Oidc]) -> None:
    """As Keycloak has them."""
    oidc = starting(oidc_roles_claim="realm_access.roles", oidc_username_claim="email")
    token = oidc.token(realm_access={"roles": ["artist", "offline_access"]})
    found = me(oidc.service, bearer(token))
    assert found is not None
    assert (found["roles"], found["username"]) == (["subscriber"], "ada@studio.example")


def test_a_provider_that_is_down_at_the_start_and_comes_back(
    starting: Callable[..., Oidc],
) -> None:
    oidc = starting()
    oidc.server.stop()
    assert me(oidc.service, bearer(oidc.token())) is None
    assert oidc.service.get("/api/files", headers=bearer(oidc.token())).status_code == 200
    oidc.server.start()
    oidc.clock.advance(10)
    assert me(oidc.service, bearer(oidc.token())) is not None


def test_a_provider_in_one_s_own_network_has_to_be_allowed(
    starting: Callable[..., Oidc],
) -> None:
    oidc = starting(outbound_allow=["10.0.0.0/8"])
    assert me(oidc.service, bearer(oidc.token())) is None
    assert oidc.server.asked == []


def test_first_requests_at_once_make_one_user(
    starting: Callable[..., Oidc], settings: dict[str, Any]
) -> None:
    oidc = starting(**settings)
    tokens = [oidc.token(jti=str(number), roles=["artist"]) for number in range(12)]
    found = asyncio.run(at_once(oidc.service, [bearer(token) for token in tokens]))
    assert [answer.status_code for answer in found] == [200] * 12
    assert len({answer.json()["_id"] for answer in found}) == 1
    assert {answer.json()["username"] for answer in found} == {"ada"}
    assert number_of_users(oidc.service) == 1
    assert oidc.server.fetches == 1


async def at_once(service: Service, headers: list[dict[str, str]]) -> list[httpx.Response]:
    """Ask who one is with all of these at the same time."""
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=60) as http:
        return await asyncio.gather(*(http.get("/api/users/me", headers=each) for each in headers))


def test_without_a_provider_signed_tokens_are_nobody_s(local: Service) -> None:
    token = forged({"alg": "none"}, {"sub": "a"}, lambda _: b"")
    assert me(local, bearer(token)) is None


# --- Blender-ID ---


def test_a_token_that_blender_id_vouches_for_signs_in(blender: BlenderId) -> None:
    blender.server.add(TOKEN, 7, roles={"cloud_subscriber": True, "admin": True})
    found = me(blender.service, basic(TOKEN))
    assert found is not None
    assert found["username"] == "u7"
    assert found["full_name"] == "Bea Blender"
    assert found["email"] == "u7@blender.example"
    assert found["roles"] == ["subscriber"]
    assert me(blender.service, bearer(TOKEN)) == found
    assert len(blender.server.asked) == 1, "it is known here now"
    assert TOKEN not in str(blender.service.everything())


def test_a_token_is_asked_about_again_after_an_hour(blender: BlenderId) -> None:
    found = me(blender.service, basic(TOKEN))
    assert found is not None
    blender.clock.advance(HOUR - 1)
    assert me(blender.service, basic(TOKEN)) == found
    assert len(blender.server.asked) == 1
    blender.clock.advance(1)
    blender.server.add(TOKEN, 7, full_name="Bea B", email="bea@blender.example")
    changed = me(blender.service, basic(TOKEN))
    assert changed is not None
    assert len(blender.server.asked) == 2
    assert changed["_id"] == found["_id"]
    assert (changed["full_name"], changed["email"]) == ("Bea B", "bea@blender.example")
    blender.clock.advance(HOUR)
    del blender.server.users[TOKEN, ""]
    assert me(blender.service, basic(TOKEN)) is None


def test_a_token_is_not_kept_longer_than_it_lasts(blender: BlenderId) -> None:
    blender.server.token_expires = "Fri, 15 Jan 2027 08:10:00 GMT"
    assert me(blender.service, basic(TOKEN)) is not None
    blender.clock.advance(599)
    assert me(blender.service, basic(TOKEN)) is not None
    blender.clock.advance(1)
    assert me(blender.service, basic(TOKEN)) is None
    assert len(blender.server.asked) == 2


def test_tokens_of_the_same_user_lead_to_the_same_user(blender: BlenderId) -> None:
    blender.server.add("another-token", 7)
    blender.server.add("token-of-eve", 8, email="u7@blender.example")
    found = [
        me(blender.service, basic(token)) for token in (TOKEN, "another-token", "token-of-eve")
    ]
    ids = [each["_id"] for each in found if each is not None]
    assert ids[0] == ids[1] != ids[2]
    assert number_of_users(blender.service) == 2


def test_tokens_that_expired_long_ago_are_dropped(blender: BlenderId) -> None:
    assert me(blender.service, basic(TOKEN)) is not None
    blender.clock.advance(8 * 24 * HOUR)
    blender.server.add("another-token", 7)
    assert me(blender.service, basic("another-token")) is not None
    assert len(blender.service.everything()["tokens"]) == 1


def test_a_disabled_user_stays_refused_whatever_blender_id_says(blender: BlenderId) -> None:
    found = me(blender.service, basic(TOKEN))
    assert found is not None
    blender.service.disable(account(found))
    assert me(blender.service, basic(TOKEN)) is None
    assert len(blender.server.asked) == 1
    blender.clock.advance(HOUR)
    assert me(blender.service, basic(TOKEN)) is None
    form = {"user_id": "7", "subclient_id": "addon", "token": "token-of-addon"}
    assert blender.service.request("POST", SCST, data=form).status_code == 403
    assert me(blender.service, basic("token-of-addon", "addon")) is None


def test_what_blender_id_does_not_vouch_for_is_nobody_s(asking: BlenderId) -> None:
    before = number_of_users(asking.service)
    for _ in range(3):
        assert me(asking.service, basic("not-a-token")) is None
    assert len(asking.server.asked) == 1, "a refusal is remembered"
    asking.server.users.clear()
    assert me(asking.service, basic(TOKEN)) is None
    assert asking.service.get("/api/files", headers=basic(TOKEN)).status_code == 200
    assert number_of_users(asking.service) == before


def test_blender_id_may_be_down(asking: BlenderId) -> None:
    user = asking.service.account()
    asking.server.stop()
    assert me(asking.service, basic(TOKEN)) is None
    assert me(asking.service, user.headers) is not None
    asking.server.start()
    asking.clock.advance(10)
    assert me(asking.service, basic(TOKEN)) is not None


def test_who_is_known_does_not_wait_for_a_blender_id_that_is_silent(asking: BlenderId) -> None:
    user = asking.service.account()
    assert me(asking.service, basic(TOKEN)) is not None
    asking.server.hold()

    async def crowd() -> list[int]:
        async with httpx.AsyncClient(
            base_url=asking.service.url, trust_env=False, timeout=60
        ) as http:

            async def ask(headers: dict[str, str]) -> int:
                return (await http.get("/api/users/me", headers=headers)).status_code

            unknown = [asyncio.ensure_future(ask(basic(f"unknown-{n}"))) for n in range(40)]
            await until(lambda: len(asking.server.asked) == 17)
            known = [await ask(user.headers), await ask(basic(TOKEN)), await ask({})]
            assert not any(asked.done() for asked in unknown)
            asking.server.release()
            assert set(await asyncio.gather(*unknown)) == {403}
            return known

    assert asyncio.run(crowd()) == [200, 200, 403]


def test_local_tokens_are_not_told_to_blender_id(asking: BlenderId) -> None:
    user = asking.service.account()
    assert me(asking.service, user.headers) is not None
    assert me(asking.service, basic(user.token, "addon")) is None, "it has no sub-client"
    asking.service.disable(user)
    assert me(asking.service, user.headers) is None
    assert asking.server.asked == []


def test_equal_tokens_at_once_make_one_user_and_one_question(blender: BlenderId) -> None:
    found = asyncio.run(at_once(blender.service, [basic(TOKEN)] * 12))
    assert [answer.status_code for answer in found] == [200] * 12
    assert len({answer.json()["_id"] for answer in found}) == 1
    assert number_of_users(blender.service) == 1
    assert len(blender.server.asked) == 1


def test_sub_client_tokens_are_checked_for_real(blender: BlenderId) -> None:
    """The original took any other name for the right one (contract, section 2.2)."""
    for _ in range(2):
        assert me(blender.service, basic("token-of-addon", "addon")) is not None
        for headers in (
            basic("token-of-addon", "other"),
            basic("token-of-addon"),
            bearer("token-of-addon"),
            basic(TOKEN, "addon"),
        ):
            assert me(blender.service, headers) is None
        assert me(blender.service, basic(TOKEN)) is not None


def test_signed_tokens_are_not_told_to_blender_id(blender: BlenderId, start: Start) -> None:
    server = OidcServer()
    try:
        service = start(
            clock=blender.clock,
            **(blender.server.settings | server.settings | {"outbound_allow": ["127.0.0.1"]}),
        )
        token = server.token(NOW)
        assert me(service, bearer(token)) is not None
        assert me(service, bearer(token[:-10] + "AAAAAAAAAA")) is None
        assert blender.server.asked == []
        assert me(service, basic(TOKEN)) is not None
    finally:
        server.stop()


# --- Tokens of Blender-ID's sub-clients ---


def store(service: Service, **fields: str) -> httpx.Response:
    """Hand over a sub-client's token."""
    form = {"user_id": "7", "subclient_id": "addon", "token": "token-of-addon", **fields}
    return service.request("POST", SCST, data=form)


def test_a_sub_client_s_token_is_handed_over(blender: BlenderId) -> None:
    answer = store(blender.service)
    assert answer.status_code == 201
    document = answer.json()
    assert document == {"status": "success", "subclient_user_id": document["subclient_user_id"]}
    found = me(blender.service, basic("token-of-addon", "addon"))
    assert found is not None
    assert found["_id"] == document["subclient_user_id"]
    assert len(blender.server.asked) == 1
    again = store(blender.service, user_id="")
    assert (again.status_code, again.json()) == (200, document)
    assert me(blender.service, basic("token-of-addon", "other")) is None
    assert me(blender.service, basic("token-of-addon")) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"token": "another-token"},
        {"subclient_id": "other"},
        {"user_id": "8"},
        {"user_id": "07"},
        {"token": "with a space"},
        {"subclient_id": "x" * 500},
    ],
)
def test_what_blender_id_does_not_vouch_for_is_not_taken(
    asking: BlenderId, fields: dict[str, str]
) -> None:
    before = asking.service.everything()
    answer = store(asking.service, **fields)
    assert answer.status_code == 403
    assert answer.json() == {"status": "fail", "error": "BLENDER ID ERROR"}
    assert asking.service.everything() == before


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"subclient_id": "addon", "token": "t"}, "user_id"),
        ({"user_id": "7", "token": "t"}, "subclient_id"),
        ({"user_id": "7", "subclient_id": "addon"}, "token"),
        ({"user_id": "7", "subclient_id": "", "token": "t"}, "subclient_id"),
        ({"user_id": "7", "subclient_id": "addon", "token": ""}, "token"),
    ],
)
def test_fields_that_are_missing_are_named(
    asking: BlenderId, form: dict[str, str], field: str
) -> None:
    answer = asking.service.request("POST", SCST, data=form)
    assert answer.status_code == 400
    assert f"'{field}'" in answer.json()["_error"]["message"]
    assert asking.server.asked == []


def test_a_body_that_is_no_form_is_refused(asking: BlenderId) -> None:
    bodies: tuple[dict[str, Any], ...] = (
        {"json": {"user_id": 7, "subclient_id": "addon", "token": "token-of-addon"}},
        {"json": []},
        {"content": b"x", "headers": {"Content-Type": "application/json"}},
        {"content": b"a=%ff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"content": b""},
    )
    for arguments in bodies:
        answer = asking.service.request("POST", SCST, **arguments)
        assert answer.status_code == 400, arguments
    assert asking.server.asked == []


def test_without_blender_id_there_is_nothing_to_hand_over(local: Service) -> None:
    for form in ({"token": "a"}, {}):
        answer = local.request("POST", SCST, data=form)
        assert answer.status_code == 404
        assert "Blender-ID" in answer.json()["_error"]["message"]
