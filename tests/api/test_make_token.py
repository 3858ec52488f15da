"""A name and a password for a token: `POST /api/auth/make-token`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher, extract_parameters
from tests.support.service import Account, Service, Start, postgresql_database

from cella.access.networks import network_of
from cella.catalog import people
from cella.catalog.tables import attempts as attempts_table
from cella.clock import ManualClock

PASSWORD = "correct horse battery staple"
NOW = 1_800_000_000
DAY = 24 * 3600
JSON = "application/json"
REFUSED = "The user name or the password is wrong."


@pytest.fixture(params=["sqlite", "postgresql"])
def database_setting(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The setting of a database of the test's own."""
    if request.param == "sqlite":
        yield {}
        return
    with postgresql_database(request.getfixturevalue("postgresql")) as (_, url):
        yield {"database_url": url}


def with_password(service: Service, password: str = PASSWORD, *roles: str) -> Account:
    """A user who can sign in."""
    account = service.account(*roles)
    administer = service.assembly.administer
    hashed = service.assembly.passwords.hash(password)
    administer.set_password(administer.user(account.username), hashed)
    return account


def ask(service: Service, username: str, password: str = PASSWORD) -> httpx.Response:
    """Ask for a token, as the original's clients do: with a form."""
    form = {"username": username, "password": password}
    return service.request("POST", "/api/auth/make-token", data=form)


def signed_in(service: Service, token: str) -> str | None:
    """Whose the token is, if anybody's."""
    answer = service.get("/api/users/me", headers={"Authorization": f"Bearer {token}"})
    return answer.json()["username"] if answer.status_code == 200 else None


def test_a_password_gives_a_token(service: Service) -> None:
    user = with_password(service)
    form = {"username": user.username, "password": PASSWORD, "other": "ignored"}
    tokens = set()
    parts = {name: (None, text) for name, text in form.items()}
    for sent in ({"data": form}, {"json": form}, {"files": parts}):
        answer = service.request("POST", "/api/auth/make-token", **sent)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json().keys() == {"token"}
        tokens.add(answer.json()["token"])
    assert len(tokens) == 3
    assert {signed_in(service, token) for token in tokens} == {user.username}
    everything = str(service.everything())
    assert PASSWORD not in everything
    assert not any(token in everything for token in tokens), "only its HMAC is kept"


def test_such_a_token_ends_after_15_days(start: Start) -> None:
    clock = ManualClock(NOW)
    service = start(clock=clock)
    user = with_password(service)
    token = ask(service, user.username).json()["token"]
    clock.advance(15 * DAY - 1)
    assert signed_in(service, token) == user.username
    clock.advance(1)
    assert signed_in(service, token) is None


def test_how_long_it_lasts_is_a_setting(start: Start) -> None:
    clock = ManualClock(NOW)
    service = start(clock=clock, login_token_days=0.5)
    user = with_password(service)
    token = ask(service, user.username).json()["token"]
    clock.advance(DAY / 2 - 1)
    assert signed_in(service, token) == user.username
    clock.advance(1)
    assert signed_in(service, token) is None


def test_whatever_is_wrong_is_refused_alike(service: Service) -> None:
    user, disabled, without = with_password(service), with_password(service), service.account()
    service.disable(disabled)
    for username, password in (
        (user.username, "wrong password"),
        (user.username, ""),
        (user.username, "x" * 100_000),
        (user.username, PASSWORD + "\0"),
        (f"{user.username}@studio.example", PASSWORD),
        (user.username.upper(), PASSWORD),
        (f" {user.username}", PASSWORD),
        (f"{user.username}\0", PASSWORD),
        (disabled.username, PASSWORD),
        (without.username, PASSWORD),
        (without.username, ""),
        ("nobody", PASSWORD),
        ("", ""),
        ("\0", "\0"),
        ("x" * 100_000, PASSWORD),
        ("' OR 1=1 --", PASSWORD),
    ):
        answer = ask(service, username, password)
        assert (answer.status_code, answer.json()["_error"]["message"]) == (403, REFUSED)
        assert "www-authenticate" not in answer.headers
    assert ask(service, user.username).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        {"data": {"username": "ada"}},
        {"data": {"password": PASSWORD}},
        {"data": {"user": "ada", "pass": PASSWORD}},
        {"json": {"username": "ada", "password": None}},
        {"json": {"username": 7, "password": PASSWORD}},
        {"json": {"username": ["ada"], "password": {"$ne": ""}}},
    ],
)
def test_what_is_missing_is_named(service: Service, sent: dict[str, Any]) -> None:
    before = service.everything()
    answer = service.request("POST", "/api/auth/make-token", **sent)
    assert answer.status_code == 400
    message = answer.json()["_error"]["message"]
    assert "`username`" in message
    assert "`password`" in message
    assert PASSWORD not in answer.text
    assert service.everything() == before


def test_a_body_that_is_no_form_is_a_400(local: Service) -> None:
    for content, content_type in ((b"", JSON), (b"{", JSON), (b"[]", JSON), (b"x", "")):
        headers = {"Content-Type": content_type}
        answer = local.request("POST", "/api/auth/make-token", content=content, headers=headers)
        assert answer.status_code == 400


def test_a_new_password_ends_the_old_one(service: Service) -> None:
    user = with_password(service)
    administer = service.assembly.administer
    new = service.assembly.passwords.hash("another password")
    administer.set_password(administer.user(user.username), new)
    assert ask(service, user.username).status_code == 403
    assert ask(service, user.username, "another password").status_code == 200


def test_a_cheap_hash_is_renewed_at_the_next_sign_in(service: Service) -> None:
    user = service.account()
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    db = service.assembly.db
    db.write_now(lambda tx: people.set_password(tx, user.id, cheap))

    def kept() -> str:
        login = db.read_now(lambda tx: people.login(tx, user.username))
        assert login is not None
        assert login.password is not None
        return login.password

    assert ask(service, user.username, "wrong password").status_code == 403
    assert kept() == cheap
    assert ask(service, user.username).status_code == 200
    usual = extract_parameters(service.assembly.passwords.hash("another password"))
    assert extract_parameters(kept()) == usual
    assert ask(service, user.username).status_code == 200


def test_tokens_that_ended_long_ago_go_with_the_next_one(start: Start) -> None:
    clock = ManualClock(NOW)
    service = start(clock=clock)
    user, other = with_password(service), service.account(days=1)
    service.assembly.administer.new_token(user.username, 1)
    clock.advance(8 * DAY)
    ask(service, user.username)
    assert len(service.assembly.administer.tokens(user.username)) == 3
    clock.advance(1)
    ask(service, user.username)
    assert len(service.assembly.administer.tokens(user.username)) == 3
    assert len(service.assembly.administer.tokens(other.username)) == 1


# --- Guessing ---


def test_guessing_a_name_s_password_ends(start: Start) -> None:
    clock = ManualClock(NOW)
    service = start(clock=clock, login_attempts=3)
    user, other = with_password(service), with_password(service)
    for _ in range(3):
        assert ask(service, user.username, "wrong password").status_code == 403
    clock.advance(100)
    for password in ("wrong password", PASSWORD):
        refused = ask(service, user.username, password)
        assert refused.status_code == 429
        assert refused.json()["_error"]["name"] == "too_many_requests"
        assert refused.headers["retry-after"] == "200"
    assert ask(service, other.username).status_code == 200

    clock.advance(199)
    assert ask(service, user.username).status_code == 429
    clock.advance(1)
    assert ask(service, user.username).status_code == 200


def test_a_name_that_nobody_has_is_counted_alike(start: Start) -> None:
    service = start(login_attempts=3)
    statuses = [ask(service, "nobody", PASSWORD).status_code for _ in range(5)]
    assert statuses == [403, 403, 403, 429, 429]


def test_signing_in_clears_the_name_s_count(start: Start) -> None:
    service = start(login_attempts=3)
    user = with_password(service)
    for _ in range(4):
        for _ in range(2):
            assert ask(service, user.username, "wrong password").status_code == 403
        assert ask(service, user.username).status_code == 200


def test_guessing_from_one_address_ends(start: Start) -> None:
    clock = ManualClock(NOW)
    service = start(clock=clock, login_attempts=1)
    users = [with_password(service) for _ in range(2)]
    for n in range(8):
        assert ask(service, f"nobody{n}").status_code == 403
    for user in users * 3:
        assert ask(service, user.username).status_code == 200, "success does not count"
    for n in range(2):
        assert ask(service, f"nobody{8 + n}").status_code == 403
    for forged in ("203.0.113.7", "203.0.113.8"):
        headers = {"X-Forwarded-For": forged, "X-Real-IP": forged, "Forwarded": f"for={forged}"}
        form = {"username": users[0].username, "password": PASSWORD}
        answer = service.request("POST", "/api/auth/make-token", data=form, headers=headers)
        assert answer.status_code == 429
    assert service.get("/api/users/me", users[0]).status_code == 200, "tokens go on working"
    clock.advance(300)
    assert ask(service, users[0].username).status_code == 200


def test_clients_of_a_trusted_proxy_are_counted_apart(start: Start) -> None:
    service = start(login_attempts=1, trusted_proxies=["127.0.0.0/8"])
    user = with_password(service)
    form = {"username": user.username, "password": PASSWORD}
    for n in range(10):
        answer = service.request(
            "POST",
            "/api/auth/make-token",
            data={**form, "username": f"nobody{n}"},
            headers={"X-Forwarded-For": "203.0.113.7"},
        )
        assert answer.status_code == 403
    for address, status in (("203.0.113.7", 429), ("203.0.113.8", 200)):
        headers = {"X-Forwarded-For": f"made up, {address}"}
        answer = service.request("POST", "/api/auth/make-token", data=form, headers=headers)
        assert answer.status_code == status


def test_asking_at_once_gives_no_more_guesses(
    database_setting: dict[str, str], start: Start
) -> None:
    service = start(login_attempts=4, **database_setting)
    user = with_password(service)
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda n: ask(service, user.username, f"wrong password {n}"), range(16))
        )
    assert sorted(answer.status_code for answer in answers) == [403] * 4 + [429] * 12
    assert ask(service, user.username).status_code == 429


def test_processes_count_together(start: Start) -> None:
    settings = {"login_attempts": 4, "auth_token_hmac_key": "k" * 32}
    one = start(**settings)
    other = start(**settings, database_url=one.assembly.db.description)
    user = with_password(one)
    for service in (one, other, one, other):
        assert ask(service, user.username, "wrong password").status_code == 403
    for service in (one, other):
        assert ask(service, user.username).status_code == 429


def test_what_is_counted_tells_no_names(start: Start) -> None:
    clock = ManualClock(NOW)
    service = start(clock=clock)
    ask(service, "somebody-i-know", "wrong password")
    rows = service.everything()["attempts"]
    assert len(rows) == 2
    assert "somebody-i-know" not in str(rows)
    assert "127.0.0.1" not in str(rows)
    clock.advance(301)
    ask(service, "another", "wrong password")
    query = sa.select(sa.func.count()).select_from(attempts_table)
    assert service.assembly.db.read_now(lambda tx: tx.execute(query).scalar_one()) == 2, "swept"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
    ],
)
def test_addresses_of_one_network_count_together(address: str, network: str) -> None:
    assert network_of(address) == network


# --- What a password does not do ---


def test_a_password_is_in_no_document_and_no_log(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    user, admin = with_password(service), service.account("admin")
    token = ask(service, user.username).json()["token"]
    ask(service, user.username, "another wrong one")
    documents = [
        service.get(place, admin).text for place in (f"/api/users/{user.id}", "/api/users")
    ]
    for secret in (PASSWORD, token, "another wrong one", "argon2"):
        assert secret not in "".join(documents)
        assert secret not in caplog.text


def test_a_revoked_token_is_nobody_s(service: Service) -> None:
    user = with_password(service)
    token = ask(service, user.username).json()["token"]
    administer = service.assembly.administer
    made = administer.tokens(user.username)[-1].token
    administer.revoke([made.id])
    assert signed_in(service, token) is None
    assert signed_in(service, user.token) == user.username
