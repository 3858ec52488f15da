"""Signing in with a browser: `/api/session`, its cookie, and what changes need beside it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.api.test_make_token import PASSWORD, with_password
from tests.support.service import Account, Service, Start

from cella.clock import ManualClock

NOW = 1_800_000_000
DAY = 24 * 3600


class Browser:
    """Keeps cookies, and sends what a page of ours would."""

    def __init__(self, service: Service) -> None:
        self.http = httpx.Client(base_url=service.url, timeout=30, verify=False)
        self.proof = ""

    def sign_in(self, **credentials: str) -> httpx.Response:
        """Sign in, and keep what changes need."""
        answer = self.http.post("/api/session", json=credentials)
        self.proof = answer.json().get("csrf", "")
        return answer

    def told(self) -> dict[str, Any]:
        """What the page is told of its session."""
        answer = self.http.get("/api/session")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        document: dict[str, Any] = answer.json()
        return document

    def change(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A change as the page makes it."""
        headers = {"X-CSRF-Token": self.proof, **arguments.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **arguments)

    @property
    def name(self) -> str | None:
        """Who the server takes this browser for."""
        user = self.told()["user"]
        return None if user is None else user["username"]


@pytest.fixture
def browser(service: Service) -> Iterator[Browser]:
    browser = Browser(service)
    yield browser
    browser.http.close()


@pytest.fixture
def ada(service: Service) -> Account:
    return with_password(service)


def test_nobody_has_signed_in_at_first(browser: Browser) -> None:
    assert browser.told() == {"user": None, "upload_limit": None}


def test_a_password_begins_a_session(browser: Browser, service: Service, ada: Account) -> None:
    answer = browser.sign_in(username=ada.username, password=PASSWORD)
    assert answer.status_code == 200
    assert answer.json() == browser.told()
    assert answer.json()["user"]["_id"] == ada.id
    assert (
        answer.json()["upload_limit"] == service.assembly.config.access.filesize_limit_bytes_nonsubs
    )
    assert browser.http.get("/api/users/me").json()["username"] == ada.username


def test_no_script_can_read_the_cookie_and_no_other_site_sends_it(
    browser: Browser, ada: Account
) -> None:
    cookie = browser.sign_in(username=ada.username, password=PASSWORD).headers["set-cookie"]
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts == {"httponly", "max-age=1209600", "path=/api", "samesite=strict"}


def test_behind_tls_the_cookie_is_sent_over_tls_only(start: Start) -> None:
    service = start(scheme="https", server_name="cella.studio.example")
    account = with_password(service)
    answer = service.request(
        "POST", "/api/session", json={"username": account.username, "password": PASSWORD}
    )
    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_token_begins_a_session_that_ends_with_it(browser: Browser, service: Service) -> None:
    account = service.account("admin")
    assert browser.sign_in(token=account.token).json()["upload_limit"] is None
    assert browser.name == account.username
    issued = service.assembly.administer.tokens(account.username)
    service.assembly.administer.revoke([each.token.id for each in issued])
    assert browser.name is None


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"username": "nobody", "password": "wrong password"}, 403),
        ({"token": "no token of ours"}, 403),
        ({"token": "€"}, 403),
        ({"username": "ada"}, 400),
        ({"token": 1}, 400),
        ({}, 400),
    ],
)
def test_what_is_wrong_begins_none(browser: Browser, document: dict[str, Any], status: int) -> None:
    answer = browser.http.post("/api/session", json=document)
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers
    assert browser.name is None


def test_a_form_begins_none(browser: Browser, ada: Account) -> None:
    """Any page could have a browser send one, to sign somebody in as somebody else."""
    form = {"username": ada.username, "password": PASSWORD}
    assert browser.http.post("/api/session", data=form).status_code == 400
    as_text = browser.http.post(
        "/api/session", content=b'{"token": "x"}', headers={"Content-Type": "text/plain"}
    )
    assert as_text.status_code == 400


def test_guessing_is_slow(browser: Browser, ada: Account) -> None:
    wrong = {"username": ada.username, "password": "not this one"}
    statuses = [browser.http.post("/api/session", json=wrong).status_code for _ in range(11)]
    assert statuses == [403] * 10 + [429]
    assert browser.sign_in(username=ada.username, password=PASSWORD).status_code == 429


def test_changes_need_the_proof(browser: Browser, service: Service) -> None:
    account = service.account("subscriber")
    project = service.project(account)
    browser.sign_in(token=account.token)
    files = {"file": ("a.bin", b"bytes")}
    where = f"/api/storage/stream/{project.id}"
    wrong: list[dict[str, str]] = [
        {},
        {"X-CSRF-Token": "x"},
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "0" * 64},
    ]
    for headers in wrong:
        refused = browser.http.post(where, headers=headers, files=files)
        assert refused.status_code == 403
        assert refused.json()["_error"]["name"] == "csrf"
    own = {"where": f'{{"project": "{project.id}"}}'}
    assert service.get("/api/files", account, params=own).json()["_meta"]["total"] == 0
    done = browser.change("POST", where, files=files)
    assert done.status_code == 201
    assert browser.http.get(f"/api/files/{done.json()['file_id']}").status_code == 200


def test_the_method_that_counts_is_the_one_that_is_meant(
    browser: Browser, service: Service
) -> None:
    account = service.account("subscriber")
    file = service.upload(account, service.project(account))
    browser.sign_in(token=account.token)
    refused = browser.http.get(
        f"/api/files/{file['_id']}",
        headers={"X-HTTP-Method-Override": "DELETE", "If-Match": file["_etag"]},
    )
    assert refused.status_code == 403
    assert refused.json()["_error"]["name"] == "csrf"


def test_a_proof_is_of_one_session(browser: Browser, service: Service) -> None:
    account = service.account("subscriber")
    browser.sign_in(token=account.token)
    other = Browser(service)
    other.sign_in(token=account.token)
    assert other.proof != browser.proof
    browser.proof = other.proof
    assert browser.change("DELETE", "/api/session").status_code == 403
    other.http.close()


def test_who_sends_a_token_needs_no_proof(browser: Browser, service: Service) -> None:
    account = service.account("subscriber")
    project = service.project(account)
    browser.sign_in(token=account.token)
    answer = browser.http.post(
        f"/api/storage/stream/{project.id}",
        headers=account.headers,
        files={"file": ("a.bin", b"bytes")},
    )
    assert answer.status_code == 201


def test_signing_out_ends_this_session_alone(
    browser: Browser, service: Service, ada: Account
) -> None:
    other = Browser(service)
    for each in (browser, other):
        each.sign_in(username=ada.username, password=PASSWORD)
    stolen = browser.http.cookies["cella_session"]
    assert browser.change("DELETE", "/api/session").status_code == 204
    assert browser.name is None
    cookie = {"Cookie": f"cella_session={stolen}"}
    assert service.get("/api/session", headers=cookie).json()["user"] is None
    assert other.name == ada.username
    other.http.close()


def test_signing_out_everywhere_ends_all_sessions_and_no_token(
    browser: Browser, service: Service, ada: Account
) -> None:
    other = Browser(service)
    for each in (browser, other):
        each.sign_in(username=ada.username, password=PASSWORD)
    answer = browser.change("DELETE", "/api/session", params={"everywhere": "true"})
    assert answer.status_code == 204
    assert browser.name is None
    assert other.name is None
    assert service.get("/api/users/me", ada).status_code == 200
    other.http.close()


def test_signing_out_without_a_session_is_no_error(browser: Browser) -> None:
    assert browser.http.delete("/api/session").status_code == 204


def test_a_new_password_signs_browsers_out(
    browser: Browser, service: Service, ada: Account
) -> None:
    browser.sign_in(username=ada.username, password=PASSWORD)
    administer = service.assembly.administer
    hashed = service.assembly.passwords.hash("another one, and long")
    administer.set_password(administer.user(ada.username), hashed)
    assert browser.name is None


NEW = "staple battery horse correct"


def test_who_changes_the_own_password_stays_and_all_others_are_out(
    browser: Browser, service: Service, ada: Account
) -> None:
    other = Browser(service)
    for each in (browser, other):
        assert each.sign_in(username=ada.username, password=PASSWORD).json()["has_password"]
    answer = change_password(browser, PASSWORD, NEW)
    assert (answer.status_code, answer.headers["cache-control"]) == (204, "no-store")
    assert browser.name == ada.username
    assert other.name is None
    assert service.get("/api/users/me", ada).status_code == 200
    assert other.sign_in(username=ada.username, password=PASSWORD).status_code == 403
    assert other.sign_in(username=ada.username, password=NEW).status_code == 200
    other.http.close()


def change_password(browser: Browser, current: str, new: str) -> httpx.Response:
    """Ask for another password."""
    document = {"current": current, "new": new}
    return browser.change("POST", "/api/session/password", json=document)


def test_a_wrong_current_password_counts_as_a_failed_sign_in(
    browser: Browser, ada: Account
) -> None:
    browser.sign_in(username=ada.username, password=PASSWORD)
    refused = change_password(browser, "not this one", NEW)
    assert refused.status_code == 403
    assert refused.json()["_error"]["message"] == "The current password is wrong."
    statuses = [change_password(browser, "not this one", NEW).status_code for _ in range(10)]
    assert statuses == [403] * 9 + [429]
    assert change_password(browser, PASSWORD, NEW).status_code == 429
    assert browser.sign_in(username=ada.username, password=PASSWORD).status_code == 429


@pytest.mark.parametrize("new", ["", "seven 7", "x" * 1025])
def test_a_password_that_is_none_changes_nothing_and_counts_for_nothing(
    browser: Browser, ada: Account, new: str
) -> None:
    browser.sign_in(username=ada.username, password=PASSWORD)
    statuses = {change_password(browser, PASSWORD, new).status_code for _ in range(11)}
    assert statuses == {400}
    assert browser.sign_in(username=ada.username, password=PASSWORD).status_code == 200


@pytest.mark.parametrize("document", [{}, {"new": NEW}, {"current": PASSWORD, "new": 1}])
def test_half_a_change_of_password_is_none(
    browser: Browser, ada: Account, document: dict[str, Any]
) -> None:
    browser.sign_in(username=ada.username, password=PASSWORD)
    answer = browser.change("POST", "/api/session/password", json=document)
    assert answer.status_code == 400
    assert "`current` and `new`" in answer.json()["_error"]["message"]


def test_a_password_is_changed_with_proof_and_by_who_has_signed_in(
    browser: Browser, ada: Account
) -> None:
    assert change_password(browser, PASSWORD, NEW).status_code == 403
    browser.sign_in(username=ada.username, password=PASSWORD)
    document = {"current": PASSWORD, "new": NEW}
    refused = browser.http.post("/api/session/password", json=document)
    assert refused.status_code == 403
    assert refused.json()["_error"]["name"] == "csrf"
    assert browser.sign_in(username=ada.username, password=PASSWORD).status_code == 200


def test_who_has_no_password_gives_himself_none(browser: Browser, service: Service) -> None:
    """A token that somebody found would else open the door for good."""
    account = service.account("subscriber")
    assert "has_password" not in browser.sign_in(token=account.token).json()
    refused = change_password(browser, "", NEW)
    assert refused.status_code == 409
    assert browser.sign_in(username=account.username, password=NEW).status_code == 403


def test_administrators_give_passwords(browser: Browser, service: Service, ada: Account) -> None:
    admin = service.account("admin")
    administrating = Browser(service)
    administrating.sign_in(token=admin.token)
    browser.sign_in(username=ada.username, password=PASSWORD)

    def give(account: Account, password: object) -> int:
        path = f"/api/admin/users/{account.id}/password"
        return administrating.change("PUT", path, json={"password": password}).status_code

    assert [give(ada, wrong) for wrong in ("short", "x" * 1025, 1, None)] == [400] * 4
    assert browser.name == ada.username
    assert give(ada, NEW) == 204
    assert browser.name is None
    assert browser.sign_in(username=ada.username, password=NEW).status_code == 200
    assert give(admin, NEW) == 204
    assert administrating.told()["has_password"] is True
    nobody = administrating.change(
        "PUT", f"/api/admin/users/{'0' * 24}/password", json={"password": NEW}
    )
    assert nobody.status_code == 404
    administrating.http.close()


def test_a_disabled_user_is_out_at_once(browser: Browser, service: Service, ada: Account) -> None:
    browser.sign_in(username=ada.username, password=PASSWORD)
    service.disable(ada)
    assert browser.name is None
    assert browser.http.get("/api/users/me").status_code == 403


def test_a_session_ends_by_itself(start: Start) -> None:
    clock = ManualClock(NOW)
    service = start(clock=clock)
    account = with_password(service)
    browser = Browser(service)
    browser.sign_in(username=account.username, password=PASSWORD)
    clock.advance(14 * DAY - 1)
    assert browser.name == account.username
    clock.advance(1)
    assert browser.name is None
    browser.http.close()


@pytest.mark.parametrize("cookie", ["", "x", "x" * 5000, "%00", '"quoted"'])
def test_a_strange_cookie_is_nobodys(service: Service, cookie: str) -> None:
    answer = service.get("/api/session", headers={"Cookie": f"cella_session={cookie}"})
    assert answer.status_code == 200
    assert answer.json()["user"] is None
    assert (
        service.get("/api/files", headers={"Cookie": f"cella_session={cookie}"}).status_code == 200
    )


def test_the_secret_is_not_kept(browser: Browser, service: Service, ada: Account) -> None:
    browser.sign_in(username=ada.username, password=PASSWORD)
    secret = browser.http.cookies["cella_session"]
    assert (
        service.get("/api/users/me", headers={"Authorization": f"Bearer {secret}"}).status_code
        == 403
    )
