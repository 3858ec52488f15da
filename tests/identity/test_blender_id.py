"""The provider that is asked about each token, on loopback (contract, section 2.3)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest
from tests.support.providers import BlenderIdServer, Reply, json_reply, until

from cella.clock import ManualClock
from cella.identity import blender_id
from cella.identity.blender_id import BlenderId
from cella.identity.config import BlenderIdConfig
from cella.model import Identity
from cella.outbound import Outbound, OutboundConfig

NOW = 1_800_000_000.0
TOKEN = "a-token-of-blender-id"
HOUR = 3600
USER = {"id": 7, "email": "u7@blender.example", "full_name": "Bea Blender"}
EXPIRES = "Wed, 01 Jan 2500 00:00:00 GMT"


class Opening(Protocol):
    def __call__(self, **settings: Any) -> AbstractAsyncContextManager[BlenderId]: ...


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def server() -> Iterator[BlenderIdServer]:
    made = BlenderIdServer()
    made.add(TOKEN, 7)
    yield made
    made.stop()


@pytest.fixture
def opening(server: BlenderIdServer, clock: ManualClock) -> Opening:
    """What makes a provider that asks the server, with these settings on top."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[BlenderId]:
        outbound = Outbound(OutboundConfig(allow=frozenset({"127.0.0.1"})))
        outbound.open()
        plain = {"endpoint": f"http://127.0.0.1:{server.port}/id"}
        made = BlenderId(BlenderIdConfig(**(plain | settings)), outbound, clock)
        try:
            yield made
        finally:
            await made.close()
            await outbound.close()

    return opened


async def test_a_token_names_a_user(server: BlenderIdServer, opening: Opening) -> None:
    async with opening() as provider:
        assert await provider.identify(TOKEN, "") == Identity(
            provider=f"blender-id:http://127.0.0.1:{server.port}/id",
            subject="7",
            username="u7",
            full_name="Bea Blender",
            email="u7@blender.example",
            roles=(),
            claimed=int(NOW),
            kept_until=int(NOW) + HOUR,
        )
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/id/u/validate_token")
    assert asked.form == {"user_id": "", "token": TOKEN}
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_the_endpoint_may_end_with_a_slash(server: BlenderIdServer, opening: Opening) -> None:
    endpoint = f"http://127.0.0.1:{server.port}/id"
    found = []
    for spelled in (endpoint, endpoint + "/"):
        async with opening(endpoint=spelled) as provider:
            found.append(await provider.identify(TOKEN, ""))
    assert found[0] is not None
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("expires", "kept_for"),
    [
        ("Fri, 15 Jan 2027 08:10:00 GMT", 600),
        ("Fri, 15 Jan 2027 09:10:00 +0100", 600),
        ("2027-01-15T08:10:00", 600),
        ("2027-01-15T08:10:00Z", 600),
        ("2027-01-15T09:10:00.500000+01:00", 600),
        ("2027-01-15 08:10:00", 600),
        ("2100-01-01T00:00:00Z", HOUR),
    ],
)
async def test_a_token_is_kept_until_it_expires_an_hour_at_most(
    server: BlenderIdServer, opening: Opening, expires: str, kept_for: int
) -> None:
    server.token_expires = expires
    async with opening() as provider:
        found = await provider.identify(TOKEN, "")
    assert found is not None
    assert found.kept_until == int(NOW) + kept_for


@pytest.mark.parametrize(
    ("said", "roles"),
    [
        ({"cloud_subscriber": True, "admin": True}, ("subscriber",)),
        ({"cloud_subscriber": False}, ()),
        (["cloud_subscriber"], ("subscriber",)),
        (["subscriber", "admin"], ()),
        (None, ()),
    ],
)
async def test_only_roles_that_are_mapped_count(
    server: BlenderIdServer, opening: Opening, said: Any, roles: tuple[str, ...]
) -> None:
    server.add(TOKEN, 7, roles=said)
    async with opening(roles={"cloud_subscriber": "subscriber"}) as provider:
        found = await provider.identify(TOKEN, "")
    assert found is not None
    assert found.roles == roles


async def test_names_are_made_fit(server: BlenderIdServer, opening: Opening) -> None:
    server.add(TOKEN, 7, email=None, full_name="Bea\r\n\u202eB")
    async with opening() as provider:
        found = await provider.identify(TOKEN, "")
    assert found is not None
    assert (found.username, found.full_name, found.email) == ("BeaB", "BeaB", "")


async def test_a_sub_client_s_token_is_asked_about_with_its_name(
    server: BlenderIdServer, opening: Opening
) -> None:
    server.add("token-of-addon", 7, subclient="addon")
    async with opening() as provider:
        assert await provider.identify("token-of-addon", "addon") is not None
        assert await provider.identify("token-of-addon", "other") is None
        assert await provider.identify("token-of-addon", "") is None
        assert await provider.identify(TOKEN, "addon") is None
    assert server.asked[0].form["subclient_id"] == "addon"
    assert "subclient_id" not in server.asked[2].form


async def test_only_sub_clients_on_the_list_are_asked_about(
    server: BlenderIdServer, opening: Opening
) -> None:
    for subclient in ("addon", "other"):
        server.add("token-of-addon", 7, subclient=subclient)
    async with opening(subclients=frozenset({"addon"})) as provider:
        assert await provider.identify("token-of-addon", "other") is None
        assert await provider.identify("token-of-addon", "Addon") is None
        assert server.asked == []
        assert await provider.identify("token-of-addon", "addon") is not None
        assert await provider.identify(TOKEN, "") is not None


@pytest.mark.parametrize(
    ("token", "subclient"),
    [
        *(("", ""), ("short", ""), ("x" * 1025, ""), ("with a space", ""), ("with\nbreak", "")),
        *(("t\u00f6ken-token", ""), (TOKEN, "x" * 129), (TOKEN, "a b"), (TOKEN, "p\u00e4ss")),
    ],
)
async def test_what_can_be_no_token_is_not_asked_about(
    server: BlenderIdServer, opening: Opening, token: str, subclient: str
) -> None:
    async with opening() as provider:
        assert await provider.identify(token, subclient) is None
    assert server.asked == []


REFUSED: dict[str, Reply] = {
    "403": json_reply({"status": "fail"}, 403),
    "404": Reply(404),
    "another status": json_reply({"status": "fail", "user": USER, "token_expires": EXPIRES}),
    "success with another status of HTTP": json_reply(
        {"status": "success", "user": USER, "token_expires": EXPIRES}, 201
    ),
    "a redirect": Reply(302, headers={"Location": "/id/elsewhere"}),
    "expired": json_reply(
        {"status": "success", "user": USER, "token_expires": "2027-01-15T08:00:00Z"}
    ),
    "an empty id": json_reply({"status": "success", "user": {"id": ""}, "token_expires": EXPIRES}),
    "an id with NUL": json_reply(
        {"status": "success", "user": {"id": "a\0"}, "token_expires": EXPIRES}
    ),
}
BROKEN: dict[str, Reply] = {
    "500": Reply(500, b"<html>"),
    "503": json_reply({"status": "success", "user": USER, "token_expires": EXPIRES}, 503),
    "429": Reply(429),
    "a page": Reply(200, b"<html>sign in</html>"),
    "nothing": Reply(200),
    "a list": json_reply([]),
    "deep": Reply(200, b'{"a":' * 50_000),
    "no user": json_reply({"status": "success", "token_expires": EXPIRES}),
    "a user without id": json_reply(
        {"status": "success", "user": {"email": "a@b"}, "token_expires": EXPIRES}
    ),
    "an id of another kind": json_reply(
        {"status": "success", "user": {"id": True}, "token_expires": EXPIRES}
    ),
    "no expiry": json_reply({"status": "success", "user": USER}),
    "an expiry that is no date": json_reply(
        {"status": "success", "user": USER, "token_expires": "soon"}
    ),
    "too many bytes": Reply(200, b" " * (300 << 10)),
}


@pytest.mark.parametrize(
    ("reply", "pause"),
    [*((reply, 300) for reply in REFUSED.values()), *((reply, 10) for reply in BROKEN.values())],
    ids=[*REFUSED, *BROKEN],
)
async def test_other_answers_name_nobody_and_are_not_asked_for_again_at_once(
    server: BlenderIdServer, opening: Opening, clock: ManualClock, reply: Reply, pause: int
) -> None:
    good, server.reply = server.reply, lambda _: reply
    async with opening() as provider:
        for _ in range(3):
            assert await provider.identify(TOKEN, "") is None
        assert server.paths == ["/id/u/validate_token"]
        server.reply = good
        clock.advance(pause - 1)
        assert await provider.identify(TOKEN, "") is None
        clock.advance(1)
        assert await provider.identify(TOKEN, "") is not None
        assert len(server.asked) == 2


async def test_a_provider_that_is_down_names_nobody(
    server: BlenderIdServer, opening: Opening, clock: ManualClock
) -> None:
    server.stop()
    async with opening() as provider:
        assert await provider.identify(TOKEN, "") is None
        server.start()
        clock.advance(10)
        assert await provider.identify(TOKEN, "") is not None


async def test_a_provider_that_is_silent_is_not_waited_for(
    server: BlenderIdServer, opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blender_id, "PATIENCE", 0.2)
    server.hold()
    async with opening() as provider:
        assert await provider.identify(TOKEN, "") is None


async def test_equal_tokens_at_once_are_one_question(
    server: BlenderIdServer, opening: Opening
) -> None:
    server.hold()
    async with opening() as provider:
        asking = [asyncio.ensure_future(provider.identify(TOKEN, "")) for _ in range(20)]
        await until(lambda: bool(server.asked))
        for asked in asking[:5]:
            asked.cancel()
        server.release()
        found = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in found[:5])
    assert all(isinstance(each, Identity) for each in found[5:])
    assert len(server.asked) == 1


async def test_what_was_accepted_is_not_asked_again_at_once(
    server: BlenderIdServer, opening: Opening, clock: ManualClock
) -> None:
    """Who asked here before the first one had kept the token."""
    async with opening() as provider:
        found = await provider.identify(TOKEN, "")
        assert found is not None
        assert await provider.identify(TOKEN, "") == found
        assert len(server.asked) == 1
        clock.advance(10)
        server.token_expires = "Fri, 15 Jan 2027 08:00:15 GMT"
        assert await provider.identify(TOKEN, "") is not None
        assert len(server.asked) == 2
        clock.advance(5)
        assert await provider.identify(TOKEN, "") is None, "it has expired meanwhile"


async def test_a_flood_of_tokens_is_bounded_over_time(
    server: BlenderIdServer, opening: Opening, clock: ManualClock
) -> None:
    async with opening() as provider:
        for number in range(150):
            assert await provider.identify(f"random-token-{number}", "") is None
        assert len(server.asked) == 100
        assert await provider.identify(TOKEN, "") is None, "nobody is asked about any more"
        clock.advance(1)
        assert await provider.identify(TOKEN, "") is not None
        assert await provider.identify("random-token-x", "") is None
        assert await provider.identify("random-token-y", "") is None
        assert len(server.asked) == 102


async def test_a_flood_of_tokens_is_bounded_at_once(
    server: BlenderIdServer, opening: Opening
) -> None:
    server.hold()
    async with opening() as provider:
        tokens = [f"random-token-{number}" for number in range(40)]
        asking = [asyncio.ensure_future(provider.identify(token, "")) for token in tokens]
        await until(lambda: len(server.asked) == 16)
        server.release()
        assert await asyncio.gather(*asking) == [None] * 40
    assert len(server.asked) == 40
    assert server.peak == 16


async def test_who_waits_too_long_for_his_turn_names_nobody(
    server: BlenderIdServer, opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.hold()
    async with opening() as provider:
        tokens = [f"random-token-{number}" for number in range(16)]
        asking = [asyncio.ensure_future(provider.identify(token, "")) for token in tokens]
        await until(lambda: len(server.asked) == 16)
        monkeypatch.setattr(blender_id, "PATIENCE", 0.05)
        assert await provider.identify(TOKEN, "") is None
        assert len(server.asked) == 16
        server.release()
        await asyncio.gather(*asking)


async def test_closing_ends_what_is_being_asked(server: BlenderIdServer, opening: Opening) -> None:
    server.hold()
    async with opening() as provider:
        asking = asyncio.ensure_future(provider.identify(TOKEN, ""))
        await until(lambda: bool(server.asked))
        await provider.close()
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_no_token_is_logged(
    server: BlenderIdServer, opening: Opening, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "cella")
    server.reply = lambda _: Reply(500)
    async with opening() as provider:
        assert await provider.identify(TOKEN, "addon") is None
    server.stop()
    async with opening() as provider:
        assert await provider.identify(TOKEN, "addon") is None
    assert "Blender-ID does not tell" in caplog.text
    assert TOKEN not in caplog.text
