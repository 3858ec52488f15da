"""Signing in with a browser at an OpenID provider: `/api/session/oidc`, there and back."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from tests.support.providers import (
    CLIENT,
    CLIENT_SECRET,
    OidcServer,
    Reply,
    forged,
    json_reply,
    rsa_key,
)
from tests.support.service import Service, Start, loopback_client, running

from cella.clock import ManualClock

NOW = 1_800_000_000.0
BEGIN = "/api/session/oidc"
BACK = "/api/session/oidc/callback"
FAILED = "/?signin=failed"
TOKEN = "/realms/studio/token"


class Browser:
    """Follows no redirect by itself, and keeps cookies."""

    def __init__(self, service: Service) -> None:
        self.http = loopback_client(service.port)

    def leave(self, to: str | None = None) -> httpx.Response:
        """Begin, as the button of the page does."""
        return self.http.get(BEGIN, params={} if to is None else {"to": to})

    def come_back(self, left: httpx.Response) -> httpx.Response:
        """Be signed in at the provider, and follow its redirect."""
        return self.http.get(self.way_back(left))

    def way_back(self, left: httpx.Response) -> str:
        """Where the provider sends the browser; the public address is not the one of tests."""
        with httpx.Client(verify=False, trust_env=False) as elsewhere:
            sent = elsewhere.get(left.headers["location"])
        assert sent.status_code == 302
        back = urlsplit(sent.headers["location"])
        assert back.netloc == "cella.studio.example"
        return f"{back.path}?{back.query}"

    @property
    def name(self) -> str | None:
        """Who the server takes this browser for."""
        user = self.http.get("/api/session").json()["user"]
        return None if user is None else user["username"]


class Place(NamedTuple):
    """A service, and the provider that people sign in at."""

    service: Service
    server: OidcServer
    clock: ManualClock

    def advance(self, seconds: float) -> None:
        """Let time pass, here and at the provider."""
        self.clock.advance(seconds)
        self.server.now = self.clock.now()


def settings(server: OidcServer) -> dict[str, Any]:
    """What a service is told."""
    return server.browser_settings | {"server_name": "cella.studio.example"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    server, clock = OidcServer(), ManualClock(NOW)
    with ExitStack() as stack:
        stack.callback(server.stop)
        folder = tmp_path_factory.mktemp("federation")
        yield Place(stack.enter_context(running(folder, clock, **settings(server))), server, clock)


@pytest.fixture
def place(shared: Place) -> Place:
    """The shared place; its provider does what one should again, and all failures are over."""
    shared.server.replies.clear()
    shared.server.said = {}
    shared.server.id_token = None
    shared.server.asked.clear()
    shared.advance(1000)
    return shared


@pytest.fixture
def browser(place: Place) -> Iterator[Browser]:
    browser = Browser(place.service)
    yield browser
    browser.http.close()


def refused(answer: httpx.Response) -> bool:
    """Whether the answer leads back to the page, without a session."""
    assert answer.status_code == 303
    assert not answer.content
    cookies = answer.headers.get_list("set-cookie")
    return answer.headers["location"] == FAILED and not any("cella_session" in c for c in cookies)


# --- There and back ---


def test_the_page_is_told_where_to_sign_in(browser: Browser, local: Service) -> None:
    assert browser.http.get("/api/session").json()["sign_in"] == {"oidc": BEGIN}
    assert "sign_in" not in local.get("/api/session").json()


@pytest.mark.parametrize("path", [BEGIN, BACK])
def test_without_a_provider_there_is_no_such_place(local: Service, path: str) -> None:
    answer = local.get(path)
    assert answer.status_code == 404
    assert answer.json()["_error"]["name"] == "not_found"


def test_there(place: Place, browser: Browser) -> None:
    left = browser.leave("/p/1")
    assert left.status_code == 302
    assert left.headers["cache-control"] == "no-store"
    place_, _, query = left.headers["location"].partition("?")
    assert place_ == f"{place.server.issuer}/auth"
    asked = dict(parse_qsl(query))
    assert {name: asked[name] for name in ("client_id", "redirect_uri", "scope")} == {
        "client_id": CLIENT,
        "redirect_uri": f"http://cella.studio.example{BACK}",
        "scope": "openid profile email",
    }
    cookie = left.headers["set-cookie"]
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts == {"httponly", "max-age=600", f"path={BEGIN}", "samesite=lax"}


def test_and_back_with_a_session(place: Place, browser: Browser) -> None:
    place.server.said = {"sub": "there", "preferred_username": "grace", "roles": ["cella-admin"]}
    back = browser.come_back(browser.leave("/f/1?a=b"))
    assert (back.status_code, back.headers["location"]) == (303, "/f/1?a=b")
    assert (back.headers["cache-control"], back.headers["referrer-policy"]) == (
        "no-store",
        "no-referrer",
    )
    session = next(c for c in back.headers.get_list("set-cookie") if "cella_session" in c)
    parts = {part.strip().lower() for part in session.split(";")[1:]}
    assert parts == {"httponly", "max-age=1209600", "path=/api", "samesite=strict"}
    told = browser.http.get("/api/session").json()
    assert (told["user"]["username"], told["user"]["roles"]) == ("grace", ["admin"])
    assert browser.http.delete("/api/session").status_code == 403, "it needs the proof"
    assert "cella_sign_in" not in browser.http.cookies


def test_it_is_the_user_whom_tokens_name(place: Place, browser: Browser) -> None:
    bearer = place.server.token(place.clock.now(), sub="same", preferred_username="same")
    headers = {"Authorization": f"Bearer {bearer}"}
    by_token = place.service.get("/api/users/me", headers=headers).json()["_id"]
    place.server.said = {"sub": "same", "preferred_username": "renamed"}
    browser.come_back(browser.leave())
    assert browser.http.get("/api/session").json()["user"]["_id"] == by_token


def test_an_id_token_is_no_bearer_token(place: Place) -> None:
    token = place.server.token(place.clock.now(), aud=CLIENT)
    headers = {"Authorization": f"Bearer {token}"}
    assert place.service.get("/api/users/me", headers=headers).status_code == 403


def test_a_session_ends_by_itself(place: Place, browser: Browser) -> None:
    browser.come_back(browser.leave())
    place.advance(14 * 24 * 3600 - 1)
    assert browser.name is not None
    place.advance(1)
    assert browser.name is None


def test_a_public_client_and_tls(start: Start) -> None:
    server = OidcServer()
    server.client_secret, server.now = "", NOW
    try:
        told = settings(server) | {"scheme": "https"}
        browser = Browser(start(clock=ManualClock(NOW), **told))
        left = browser.leave()
        assert "secure" in left.headers["set-cookie"].lower()
        asked = dict(parse_qsl(urlsplit(left.headers["location"]).query))
        assert asked["redirect_uri"] == f"https://cella.studio.example{BACK}"
        # The test speaks no TLS, so that its cookies would stay behind.
        kept = left.headers["set-cookie"].partition(";")[0]
        back = browser.http.get(browser.way_back(left), headers={"Cookie": kept})
        assert back.headers["location"] == "/"
        assert len(back.headers.get_list("set-cookie")) == 2
        browser.http.close()
    finally:
        server.stop()


# --- Only to places on this server ---


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "evil.example",
        "/\t/evil.example",
        "/a\r\nSet-Cookie: a=b",
        "/a\0",
        "/a b",
        "/ä",
        " //evil.example",
        "",
        "/" + "a" * 2000,
    ],
)
def test_it_leads_nowhere_else(browser: Browser, to: str) -> None:
    back = browser.come_back(browser.leave(to))
    assert (back.status_code, back.headers["location"]) == (303, "/")


def test_the_request_does_not_say_where_to_come_back(browser: Browser) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    assert "evil" not in browser.http.get(BEGIN, headers=headers).headers["location"]


# --- What fails ---


def test_another_state(place: Place, browser: Browser) -> None:
    way = browser.way_back(browser.leave())
    query = dict(parse_qsl(urlsplit(way).query))
    for state in ("", "x", query["state"][:-1], query["state"].swapcase(), "ä€"):
        browser.leave()
        assert refused(browser.http.get(BACK, params=query | {"state": state}))
    assert TOKEN not in place.server.paths
    assert browser.name is None


def test_a_browser_that_has_not_begun(place: Place, browser: Browser) -> None:
    """Nobody is signed in as somebody else by a link to the way back."""
    stranger = Browser(place.service)
    way = stranger.way_back(stranger.leave())
    stranger.http.close()
    assert refused(browser.http.get(way))
    browser.leave()
    assert refused(browser.http.get(way))
    assert TOKEN not in place.server.paths


def changed(kept: str) -> Iterator[str]:
    """The cookie in other forms."""
    content, _, seal = kept.partition(".")
    yield from ("", ".", "x", content, f"{content}.", f".{seal}", f"{content}.{seal[::-1]}")
    yield from (f"A{content[1:]}.{seal}", f"{content}A.{seal}", "a" * 5000, "%00", '"', "ä")


def test_a_cookie_that_was_changed(place: Place, browser: Browser) -> None:
    left = browser.leave()
    way = browser.way_back(left)
    kept = browser.http.cookies["cella_sign_in"]
    browser.http.cookies.clear()
    for other in changed(kept):
        headers = {b"Cookie": f"cella_sign_in={other}".encode("latin-1")}
        assert refused(browser.http.get(way, headers=headers)), other
    assert TOKEN not in place.server.paths


def test_a_code_counts_once(browser: Browser) -> None:
    left = browser.leave()
    way = browser.way_back(left)
    kept = {"Cookie": f"cella_sign_in={browser.http.cookies['cella_sign_in']}"}
    assert not refused(browser.http.get(way))
    browser.http.cookies.clear()
    assert refused(browser.http.get(way, headers=kept))


def test_it_must_not_take_too_long(place: Place, browser: Browser) -> None:
    way = browser.way_back(browser.leave())
    place.advance(601)
    assert refused(browser.http.get(way))
    place.advance(-2000)
    assert refused(browser.http.get(way))
    assert TOKEN not in place.server.paths


@pytest.mark.parametrize(
    "told",
    [
        {"error": "access_denied"},
        {"code": ""},
        {"code": "a" * 5000},
        {"iss": "https://evil.example"},
    ],
)
def test_a_provider_that_says_no(place: Place, browser: Browser, told: dict[str, str]) -> None:
    query = dict(parse_qsl(urlsplit(browser.way_back(browser.leave())).query))
    if "error" in told:
        del query["code"]
    assert refused(browser.http.get(BACK, params=query | told))
    assert TOKEN not in place.server.paths


def test_a_code_of_another_sign_in(place: Place, browser: Browser) -> None:
    """A code that was stolen is of no use: its verifier is in another browser (RFC 7636)."""
    victim = Browser(place.service)
    stolen = dict(parse_qsl(urlsplit(victim.way_back(victim.leave())).query))["code"]
    victim.http.close()
    own = dict(parse_qsl(urlsplit(browser.way_back(browser.leave())).query))
    assert refused(browser.http.get(BACK, params=own | {"code": stolen}))


CLAIMS: dict[str, dict[str, Any]] = {
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "a nonce that is no text": {"nonce": ["x"]},
    "for the audience of bearer tokens": {"aud": "cella"},
    "for another client": {"aud": "other"},
    "given to another client": {"aud": [CLIENT, "other"], "azp": "other"},
    "expired": {"exp": NOW},
    "of another issuer": {"iss": "https://evil.example"},
    "about nobody": {"sub": ""},
}


@pytest.mark.parametrize("said", CLAIMS.values(), ids=CLAIMS)
def test_an_id_token_that_does_not_count(
    place: Place, browser: Browser, said: dict[str, Any]
) -> None:
    place.server.said = said
    assert refused(browser.come_back(browser.leave()))
    assert browser.name is None


def test_an_id_token_that_is_not_signed_by_the_provider(place: Place, browser: Browser) -> None:
    server = place.server

    def unsigned(claims: dict[str, Any]) -> str:
        return forged({"alg": "none"}, server.claims(server.now, **claims), lambda _: b"")

    def by_another(claims: dict[str, Any]) -> str:
        return server.token(server.now, key=rsa_key("stranger"), **claims)

    makers: list[Callable[[dict[str, Any]], str]] = [unsigned, by_another, lambda _: "x"]
    for server.id_token in makers:
        assert refused(browser.come_back(browser.leave()))
    assert browser.name is None


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500),
        Reply(302, headers={"Location": "/realms/studio/certs"}),
        Reply(200, b"<html>"),
        json_reply({"access_token": "x"}),
        json_reply({"id_token": 7}),
        json_reply({"error": "<script>"}, 400),
        Reply(200, b" " * (300 << 10)),
    ],
)
def test_a_token_endpoint_that_answers_otherwise(
    place: Place, browser: Browser, reply: Reply
) -> None:
    place.server.replies[TOKEN] = reply
    assert refused(browser.come_back(browser.leave()))


def test_that_the_provider_is_away_counts_against_nobody(place: Place, browser: Browser) -> None:
    """Else one outage would keep a whole office out for the time of the window."""
    most = place.service.assembly.config.login.attempts * 10
    place.server.replies[TOKEN] = Reply(503, b"")
    for _ in range(most + 5):
        assert refused(browser.come_back(browser.leave()))
    del place.server.replies[TOKEN]
    assert not refused(browser.come_back(browser.leave()))


def test_a_provider_that_is_away(place: Place, browser: Browser) -> None:
    way = browser.way_back(browser.leave())
    place.server.stop()
    try:
        assert refused(browser.http.get(way))
        place.advance(4000)
        assert refused(browser.leave())
    finally:
        place.server.start()
    assert refused(browser.leave()), "it is left in peace for a while"
    place.advance(10)
    assert not refused(browser.come_back(browser.leave()))


@pytest.mark.parametrize("endpoint", ["", "javascript:alert(1)", "/auth", "https://a/#b", "x\r\ny"])
def test_a_provider_that_says_strange_things_of_itself(
    place: Place, browser: Browser, endpoint: str
) -> None:
    about = "/realms/studio/.well-known/openid-configuration"
    issuer = place.server.issuer
    document = {"issuer": issuer, "jwks_uri": f"{issuer}/certs", "authorization_endpoint": endpoint}
    place.server.replies[about] = json_reply(document)
    assert refused(browser.leave())


def test_a_disabled_user(place: Place, browser: Browser) -> None:
    place.server.said = {"sub": "gone", "preferred_username": "gone"}
    browser.come_back(browser.leave())
    name = browser.name
    assert name is not None
    place.service.assembly.administer.disable(name, disabled=True)
    browser.http.cookies.clear()
    assert refused(browser.come_back(browser.leave()))
    assert browser.name is None


def test_who_fails_often_has_to_wait(place: Place, browser: Browser) -> None:
    left = browser.leave()
    query = dict(parse_qsl(urlsplit(left.headers["location"]).query))
    kept = {"Cookie": f"cella_sign_in={browser.http.cookies['cella_sign_in']}"}
    for _ in range(110):
        params = {"code": "guess", "state": query["state"]}
        assert refused(browser.http.get(BACK, params=params, headers=kept))
    assert place.server.paths.count(TOKEN) == 100


def test_no_secret_shows(place: Place, browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answers = []
    for said in ({}, {"nonce": "x"}):
        place.server.said = said
        left = browser.leave()
        way = browser.way_back(left)
        answers += [left, browser.http.get(way)]
    place.server.replies[TOKEN] = json_reply({"error": "invalid_client"}, 401)
    answers.append(browser.come_back(browser.leave()))
    told = repr([(answer.headers, answer.content) for answer in answers])
    # What the test's own client writes about its requests is not the server's.
    logged = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("cella")
    )
    assert "invalid_client" in logged
    assert "of another sign-in" in logged
    asked = next(each for each in place.server.asked if each.path == TOKEN)
    secrets = [CLIENT_SECRET, asked.form["code_verifier"], asked.headers["authorization"]]
    for secret in secrets:
        assert secret not in told
        assert secret not in logged
    assert asked.form["code"] not in logged
    kept = repr(place.service.everything())
    assert CLIENT_SECRET not in kept
