"""Users over HTTP: contract section 2.5, badgers, and the root of the API."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.support.service import Account, Service, Start

UNKNOWN = "5f0123456789abcdef012345"
KEYS = {
    *("_id", "_created", "_updated", "_etag", "username", "full_name", "email"),
    *("roles", "groups", "settings"),
}


def path(account: Account) -> str:
    """Where the user is."""
    return f"/api/users/{account.id}"


def read(service: Service, account: Account, by: Account | None = None) -> dict[str, Any]:
    """The user, as oneself or somebody else sees it."""
    answer = service.get(path(account), by or account)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def change(
    service: Service,
    account: Account,
    document: object,
    by: Account | None = None,
    *,
    method: str = "PATCH",
    etag: str | None = None,
) -> httpx.Response:
    """Change the user from its present state, or from the one of `etag`."""
    headers = {"If-Match": etag or read(service, account)["_etag"]}
    return service.request(method, path(account), by or account, headers=headers, json=document)


def issues(answer: httpx.Response) -> dict[str, Any]:
    """What a 422 says, by field."""
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert body["_status"] == "ERR"
    found: dict[str, Any] = body["_issues"]
    return found


# --- Reading ---


def test_oneself_and_administrators_get_the_whole(service: Service) -> None:
    user, admin = service.account("demo"), service.account("admin")
    document = read(service, user)
    assert document.keys() == KEYS
    assert document["username"] == user.username
    assert document["email"] == f"{user.username}@studio.example"
    assert document["roles"] == ["demo"]
    assert read(service, user, admin) == document
    assert service.get("/api/users/me", user).json() == document


def test_all_others_get_a_name_and_an_address(service: Service) -> None:
    user, other = service.account("admin"), service.account("subscriber", "service", "badger")
    seen = {"full_name": user.username, "email": f"{user.username}@studio.example"}
    for by in (other, None):
        answer = service.get(path(user), by)
        assert (answer.status_code, answer.json()) == (200, seen)
        assert "etag" not in answer.headers


@pytest.mark.parametrize("user_id", [UNKNOWN, "nobody", UNKNOWN.upper(), "%00", "a" * 300])
def test_an_unknown_user_is_not_found(service: Service, user_id: str) -> None:
    for by in (None, service.account(), service.account("admin")):
        assert service.get(f"/api/users/{user_id}", by).status_code == 404


def test_a_current_copy_is_not_sent_again(service: Service) -> None:
    user, admin = service.account(), service.account("admin")
    for place, by in ((path(user), user), ("/api/users/me", user), (path(user), admin)):
        answer = service.get(place, by)
        etag = answer.headers["etag"]
        assert etag == f'"{answer.json()["_etag"]}"'
        again = service.get(place, by, headers={"If-None-Match": etag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        since = {"If-Modified-Since": answer.headers["last-modified"]}
        assert service.get(place, by, headers=since).status_code == 304
        assert service.get(place, by, headers={"If-Match": '"x"'}).status_code == 412
        head = service.request("HEAD", place, by)
        assert (head.status_code, head.headers["etag"], head.content) == (200, etag, b"")


def test_joining_a_project_is_a_change_of_the_user(service: Service) -> None:
    user = service.account()
    before = read(service, user)
    service.project(user)
    after = read(service, user)
    assert len(after["groups"]) == 1
    assert after["_etag"] != before["_etag"]


# --- Lists ---


def test_a_list_has_oneself_or_everybody(service: Service) -> None:
    user, other, admin = service.account(), service.account(), service.account("admin")
    assert service.get("/api/users").status_code == 403
    own = service.get("/api/users", user)
    assert own.json()["_items"] == [read(service, user)]
    assert own.json()["_meta"] == {"page": 1, "max_results": 250, "total": 1}
    assert own.headers["x-total-count"] == "1"
    everybody = service.get("/api/users?sort=-_id&max_results=3", admin).json()
    assert everybody["_items"] == [read(service, each, admin) for each in (admin, other, user)]
    assert everybody["_meta"]["total"] >= 4


def test_a_list_is_searched_and_sorted(service: Service) -> None:
    user, other, admin = service.account(), service.account(), service.account("admin")

    def found(by: Account, where: str, **more: str) -> tuple[int, list[str]]:
        answer = service.get("/api/users", by, params={"where": where, **more})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return body["_meta"]["total"], [item["username"] for item in body["_items"]]

    by_name = f'{{"username": "{other.username}"}}'
    both = f'{{"_id": {{"$in": ["{user.id}", "{other.id}"]}}}}'
    assert found(admin, by_name) == (1, [other.username])
    assert found(admin, both, sort="-_created,_id") == (2, [user.username, other.username])
    assert found(admin, both, sort="-_id", max_results="1", page="2") == (2, [user.username])
    assert found(admin, f'{{"email": "{user.username}@studio.example"}}') == (1, [user.username])
    assert found(user, by_name) == (0, []), "nobody finds others"
    assert found(user, both) == (1, [user.username])
    assert found(admin, '{"auth": "x"}') == (0, [])


def test_a_list_goes_on_behind_its_cursor(service: Service) -> None:
    users, admin = [service.account() for _ in range(5)], service.account("admin")
    where = f'{{"_id": {{"$in": {json.dumps([user.id for user in users])}}}}}'
    answer = service.get("/api/users", admin, params={"where": where, "max_results": "2"}).json()
    found = answer["_items"]
    while "_links" in answer:
        answer = service.get(f"/api/{answer['_links']['next']['href']}", admin).json()
        assert answer["_meta"]["total"] == 5
        found += answer["_items"]
    assert [item["_id"] for item in found] == [user.id for user in users]
    assert service.get("/api/users?cursor=x", admin).status_code == 400


def test_a_projection_narrows_what_is_sent(service: Service) -> None:
    user = service.account("demo")
    automatic = {"_id", "_created", "_updated", "_etag"}
    for place in (path(user), "/api/users/me", "/api/users"):
        for projection, keys in (
            ('{"roles": 1, "password": 1}', {"roles"}),
            ('{"_id": 0, "email": 0}', KEYS - automatic - {"email"}),
        ):
            found = service.get(place, user, params={"projection": projection}).json()
            for document in found.get("_items", [found]):
                assert document.keys() == automatic | keys
        refused = service.get(place, user, params={"projection": "roles"})
        assert refused.status_code == 400
        assert "projection" in refused.json()["_error"]["message"]


def test_a_projection_is_judged_for_strangers_too(service: Service) -> None:
    user = service.account()
    for by in (service.account(), None):
        some = service.get(path(user), by, params={"projection": '{"email": 1, "roles": 1}'})
        assert some.json() == {"email": f"{user.username}@studio.example"}
        refused = service.get(path(user), by, params={"projection": '{"email": "x"}'})
        assert refused.status_code == 400
        assert "projection" in refused.json()["_error"]["message"]


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"where": "username=='x'"}, "where"),
        ({"where": "[]"}, "where"),
        ({"where": '{"username": {"$what": 1}}'}, "$what"),
        ({"where": '{"$where": "1"}'}, "$where"),
        ({"sort": ")("}, "sort"),
        ({"sort": "password"}, "sort"),
    ],
)
def test_a_list_that_cannot_be_is_a_400(
    local: Service, parameters: dict[str, str], named: str
) -> None:
    answer = local.get("/api/users", local.account("admin"), params=parameters)
    assert answer.status_code == 400
    assert named in answer.json()["_error"]["message"]


# --- Changing ---


def test_users_change_what_is_theirs(service: Service) -> None:
    user = service.account()
    before = read(service, user)
    answer = change(
        service,
        user,
        {"full_name": "Ada Ä. \U0001f3ac", "email": "ada@x.example", "settings": {"a": {"b": 1}}},
    )
    assert answer.status_code == 200, answer.text
    after = read(service, user)
    assert answer.json() == {
        **{name: after[name] for name in ("_id", "_created", "_updated", "_etag")},
        "_status": "OK",
    }
    assert answer.headers["etag"] == f'"{after["_etag"]}"'
    assert after["_etag"] != before["_etag"]
    assert (after["full_name"], after["email"]) == ("Ada Ä. \U0001f3ac", "ada@x.example")
    assert after["username"] == before["username"]

    merged = change(service, user, {"settings": {"a": {"c": [2]}, "d": None}})
    assert merged.status_code == 200
    assert read(service, user)["settings"] == {"a": {"b": 1, "c": [2]}, "d": None}


def test_a_form_does_too(local: Service) -> None:
    user = local.account()
    headers = {"If-Match": read(local, user)["_etag"]}
    answer = local.request("PATCH", path(user), user, headers=headers, data={"full_name": "Ada"})
    assert answer.status_code == 200, answer.text
    assert read(local, user)["full_name"] == "Ada"


def test_a_put_replaces_what_is_theirs(service: Service) -> None:
    user = service.account("demo")
    change(service, user, {"settings": {"a": 1}})
    group = read(service, user)["groups"]
    answer = change(service, user, {"full_name": "Ada"}, method="PUT")
    assert answer.status_code == 200, answer.text
    after = read(service, user)
    assert (after["full_name"], after["email"], after["settings"]) == ("Ada", "", {})
    assert (after["username"], after["roles"]) == (user.username, ["demo"])
    assert after["groups"] == group
    assert issues(change(service, user, {}, method="PUT")) == {"full_name": "required field"}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_document_may_come_back_as_it_was_read(service: Service, method: str) -> None:
    user = service.account("demo", "video-encoder")
    service.project(user)
    service.project(user)
    before = read(service, user)
    sent = {**before, "_status": "OK", "_links": {}, "groups": before["groups"][::-1]}
    answer = change(service, user, sent, method=method)
    assert answer.status_code == 200, answer.text
    assert read(service, user) == before, "nothing changed, so not even the etag"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("roles", ["demo", "admin"]),
        ("roles", []),
        ("groups", [UNKNOWN]),
        ("username", "somebody-else"),
        ("disabled", True),
        ("_id", UNKNOWN),
        ("_created", "Sun, 22 Nov 2020 17:38:00 GMT"),
    ],
)
def test_what_is_not_theirs_is_read_only(
    service: Service, method: str, field: str, value: object
) -> None:
    user = service.account("demo")
    before = read(service, user)
    answer = change(service, user, {**before, "full_name": "New", field: value}, method=method)
    assert issues(answer) == {field: "field is read-only"}
    assert read(service, user) == before


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("password", "new password", "unknown field"),
        ("auth", [], "unknown field"),
        ("token", "x", "unknown field"),
        ("$set", {"roles": ["admin"]}, "unknown field"),
        ("full_name", "", "empty values not allowed"),
        ("full_name", " ", "can be seen"),
        ("full_name", "two\nlines", "can be seen"),
        ("full_name", "x" * 129, "max length is 128"),
        ("full_name", 7, "must be of string type"),
        ("full_name", None, "null value not allowed"),
        ("full_name", "\0", "NUL"),
        ("email", "nobody", "address"),
        ("email", "a@b\0", "NUL"),
        ("email", f"{'x' * 128}@x.example", "max length is 128"),
        ("settings", [], "must be of dict type"),
        ("settings", {"x": "y" * (16 << 10)}, "max length is 16384 bytes"),
        ("settings", {"x": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}, "max depth is 16"),
        ("roles", "admin", "must be of list type"),
    ],
)
def test_what_does_not_fit_is_told_by_field(
    local: Service, method: str, field: str, value: object, said: str
) -> None:
    user = local.account()
    before = read(local, user)
    found = issues(change(local, user, {"full_name": "New", field: value}, method=method))
    assert found.keys() == {field}
    assert said in found[field]
    assert read(local, user) == before


def test_settings_may_be_large_but_not_too_large_in_all(local: Service) -> None:
    user = local.account()
    large = {"a": "\0" * 2000, "b": "Ä" * 1900}
    assert change(local, user, {"settings": large}).status_code == 200
    assert read(local, user)["settings"] == large
    assert "settings" in issues(change(local, user, {"settings": {"c": "x" * 1000}}))


def test_a_change_needs_the_present_etag(service: Service) -> None:
    user = service.account()
    etag = read(service, user)["_etag"]
    for method in ("PUT", "PATCH"):
        missing = service.request(method, path(user), user, json={"full_name": "New"})
        assert missing.status_code == 428
        stale = change(service, user, {"full_name": "New"}, method=method, etag="0" * 40)
        assert stale.status_code == 412
    assert read(service, user)["_etag"] == etag
    for form in (etag, f'"{etag}"', f'W/"{etag}"'):
        same = change(service, user, {"full_name": user.username}, etag=form)
        assert same.status_code == 200


def test_of_changes_at_once_one_wins(service: Service) -> None:
    user = service.account()
    etag = read(service, user)["_etag"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda n: change(service, user, {"full_name": f"Name {n}"}, etag=etag), range(8)
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    winner = [answer.status_code for answer in answers].index(200)
    assert read(service, user)["full_name"] == f"Name {winner}"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_nobody_changes_others(service: Service, method: str) -> None:
    user = service.account()
    before = read(service, user)
    for by in (service.account("subscriber", "service", "badger"), None):
        for content in (b'{"full_name": "New"}', b'{"op": "set-username"}', b"nonsense"):
            answer = service.request(
                method, path(user), by, headers={"If-Match": before["_etag"]}, content=content
            )
            assert answer.status_code == 403, "before the body is looked at"
    assert read(service, user) == before


def test_users_come_and_go_by_the_operator_only(service: Service) -> None:
    user, admin = service.account(), service.account("admin")
    before = service.everything()
    for by in (None, user, admin):
        for method, place, allowed in (
            ("POST", "/api/users", "GET"),
            ("DELETE", "/api/users", "GET"),
            ("POST", path(user), "GET, PATCH, PUT"),
            ("DELETE", path(user), "GET, PATCH, PUT"),
        ):
            answer = service.request(method, place, by, json={"username": "x"})
            assert answer.status_code == 405
            assert {*allowed.split(", ")} <= {*answer.headers["allow"].split(", ")}
            assert method not in answer.headers["allow"]
    assert service.everything() == before


def test_me_is_oneself_in_every_method(service: Service) -> None:
    user, admin = service.account(), service.account("admin")
    for n, (method, by) in enumerate((m, u) for m in ("PUT", "PATCH") for u in (user, admin)):
        headers = {"If-Match": read(service, by)["_etag"]}
        wish = {"full_name": f"Name {n}"}
        answer = service.request(method, "/api/users/me", by, headers=headers, json=wish)
        assert answer.status_code == 200, answer.text
        assert read(service, by)["full_name"] == f"Name {n}"
        assert service.request(method, "/api/users/me", json=wish).status_code == 403


@pytest.mark.parametrize("user_id", [UNKNOWN, "nobody", "%00"])
def test_an_unknown_user_is_not_made(service: Service, user_id: str) -> None:
    admin = service.account("admin")
    for method in ("PUT", "PATCH"):
        for document in ({"full_name": "New"}, {"op": "set-username", "username": "new"}):
            answer = service.request(
                method, f"/api/users/{user_id}", admin, headers={"If-Match": "*"}, json=document
            )
            assert answer.status_code == 404


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", "application/json"),
        (b"null", "application/json"),
        (b"[]", "application/json"),
        (b'{"full_name":', "application/json"),
        (b'{"full_name": NaN}', "application/json"),
        (b'{"full_name": "\\ud800"}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"settings":' * 5000 + b"1" + b"}" * 5000, "application/json"),
        (b"\xff", "application/json"),
        (b"{}", "text/plain"),
    ],
)
def test_a_body_that_is_no_document_is_a_400(
    local: Service, content: bytes, content_type: str
) -> None:
    user = local.account()
    before = read(local, user)
    headers = {"If-Match": before["_etag"], "Content-Type": content_type}
    for method in ("PUT", "PATCH"):
        answer = local.request(method, path(user), user, headers=headers, content=content)
        assert answer.status_code == 400
    assert read(local, user) == before


def test_an_address_is_one_user_s(service: Service) -> None:
    user, other = service.account(), service.account()
    taken = f"{other.username}@studio.example"
    found = issues(change(service, user, {"email": taken}))
    assert found == {"email": f"value '{taken}' for the field 'email' is not unique"}
    assert "email" in issues(change(service, user, {"email": taken.upper()}))
    assert change(service, other, {"email": taken.upper()}).status_code == 200
    assert "email" in issues(change(service, user, {"email": taken}))
    assert change(service, user, {"email": ""}).status_code == 200
    assert change(service, other, {"email": ""}).status_code == 200
    assert change(service, user, {"email": taken}).status_code == 200


# --- Names ---


def test_one_gives_oneself_another_name_without_an_etag(service: Service) -> None:
    user = service.account()
    new = f"{user.username}.new"
    wish = {"op": "set-username", "username": new}
    answer = service.request("PATCH", path(user), user, json=wish)
    assert answer.status_code == 200, answer.text
    after = read(service, user)
    assert after["username"] == new
    assert answer.json()["_etag"] == after["_etag"]
    assert answer.json()["_status"] == "OK"
    stale = service.request("PATCH", path(user), user, json=wish, headers={"If-Match": "x"})
    assert stale.status_code == 412


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 129, None, 7, "\0", "\u202eevil"])
def test_a_name_that_cannot_be_is_told(local: Service, name: object) -> None:
    user = local.account()
    wish = {"op": "set-username", "username": name}
    answer = local.request("PATCH", path(user), user, json=wish)
    assert issues(answer).keys() == {"username"}
    assert read(local, user)["username"] == user.username


def test_a_rename_names_the_name_and_nothing_else(local: Service) -> None:
    user = local.account()
    for document, field in (
        ({"op": "set-username"}, "username"),
        ({"op": "set-username", "username": "fine", "roles": ["admin"]}, "roles"),
    ):
        answer = local.request("PATCH", path(user), user, json=document)
        assert issues(answer).keys() == {field}
    for document in ({"op": "set-roles", "username": "fine"}, {"op": ""}, {"op": "", "x": ""}):
        answer = local.request("PATCH", path(user), user, json=document)
        assert answer.status_code == 400
        assert "op" in answer.json()["_error"]["message"]


def test_a_name_is_one_user_s(service: Service) -> None:
    user, other, admin = service.account(), service.account(), service.account("admin")
    said = {"username": f"value '{other.username}' for the field 'username' is not unique"}
    wish = {"op": "set-username", "username": other.username}
    assert issues(service.request("PATCH", path(user), user, json=wish)) == said
    assert issues(change(service, user, {"username": other.username}, admin)) == said
    assert read(service, user)["username"] == user.username


def test_of_those_who_want_a_name_at_once_one_gets_it(service: Service) -> None:
    users = [service.account() for _ in range(6)]
    wish = {"op": "set-username", "username": f"{users[0].username}.wanted"}
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(lambda user: service.request("PATCH", path(user), user, json=wish), users)
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 5


# --- Administrators ---


def test_administrators_change_everything_of_others(service: Service) -> None:
    user, admin = service.account(), service.account("admin")
    service.project(admin)
    (group,) = read(service, admin)["groups"]
    new = f"{user.username}.new"
    wish = {"username": new, "roles": ["demo", "x-ray", "demo"], "groups": [group], "email": ""}
    answer = change(service, user, wish, admin)
    assert answer.status_code == 200, answer.text
    after = read(service, user)
    assert (after["username"], after["roles"], after["groups"]) == (new, ["demo", "x-ray"], [group])
    gone = change(
        service, user, {"full_name": "Ada", "groups": [], "roles": []}, admin, method="PUT"
    )
    assert gone.status_code == 200
    after = read(service, user)
    assert (after["username"], after["roles"], after["groups"]) == (new, [], [])


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ({"roles": ["Über"]}, {"roles": "a role is 1 to 64 signs of a-z, 0-9, _ and -"}),
        ({"roles": [7]}, {"roles": {"0": "must be of string type"}}),
        ({"roles": ["x"] * 101}, {"roles": "max length is 100"}),
        ({"groups": ["x"]}, {"groups": {"0": "must be of objectid type"}}),
        (
            {"groups": [UNKNOWN]},
            {"groups": {"0": f"value '{UNKNOWN}' must exist in resource 'groups', field '_id'."}},
        ),
        ({"disabled": "no"}, {"disabled": "must be of boolean type"}),
    ],
)
def test_administrators_too_are_told_what_does_not_fit(
    service: Service, document: dict[str, Any], wrong: dict[str, Any]
) -> None:
    user, admin = service.account(), service.account("admin")
    before = read(service, user)
    assert issues(change(service, user, document, admin)) == wrong
    assert read(service, user) == before


def test_a_disabled_user_is_nobody_at_once(service: Service) -> None:
    user, admin = service.account("demo"), service.account("admin")
    document = service.upload(user, service.project(user))
    assert change(service, user, {"disabled": True}, admin).status_code == 200
    assert service.get("/api/users/me", user).status_code == 403
    assert service.get("/api/users", user).status_code == 403
    assert "link" not in service.document(user, document["_id"])
    seen = read(service, user, admin)
    assert seen["disabled"] is True

    etag = seen["_etag"]
    assert change(service, user, {"disabled": False}, admin, etag=etag).status_code == 200
    assert service.get("/api/users/me", user).status_code == 200
    assert "disabled" not in read(service, user, admin)


def test_a_role_that_is_taken_away_counts_at_once(service: Service) -> None:
    user, admin = service.account("admin"), service.account("admin")
    assert service.get("/api/users", user).json()["_meta"]["total"] > 1
    assert change(service, user, {"roles": []}, admin).status_code == 200
    assert service.get("/api/users", user).json()["_meta"]["total"] == 1


def test_the_last_administrator_stays(start: Start) -> None:
    service = start()
    admin, other = service.account("admin"), service.account("admin")
    assert change(service, other, {"disabled": True}, admin).status_code == 200
    before = read(service, admin)
    for document, field in (
        ({"roles": ["demo"]}, "roles"),
        ({"disabled": True}, "disabled"),
        ({"disabled": True, "roles": []}, "disabled"),
    ):
        found = issues(change(service, admin, document))
        assert found == {field: "the last administrator who can sign in must stay one"}
    assert read(service, admin) == before
    assert change(service, admin, {"roles": ["demo", "admin"]}).status_code == 200
    etag = read(service, other, admin)["_etag"]
    assert change(service, other, {"disabled": False}, admin, etag=etag).status_code == 200
    assert change(service, admin, {"roles": ["demo"]}).status_code == 200


# --- Badgers ---


def badge(
    service: Service, by: Account | None, action: str, role: str, email: str
) -> httpx.Response:
    """Grant or revoke a role."""
    document = {"action": action, "role": role, "user_email": email}
    return service.request("POST", "/api/service/badger", by, json=document)


def test_a_badger_grants_and_revokes(service: Service) -> None:
    badger, user = service.account("service", "badger"), service.account("demo")
    email = f"{user.username}@studio.example"
    for action, role, roles in (
        ("grant", "subscriber", ["demo", "subscriber"]),
        ("grant", "subscriber", ["demo", "subscriber"]),
        ("revoke", "demo", ["subscriber"]),
        ("revoke", "demo", ["subscriber"]),
    ):
        answer = badge(service, badger, action, role, email)
        assert (answer.status_code, answer.content) == (204, b"")
        assert read(service, user)["roles"] == roles


def test_a_grant_counts_at_once(service: Service) -> None:
    badger, user = service.account("service", "badger"), service.account()
    project = service.project(service.account())
    wish = {"project_name": "My film"}
    assert service.get(f"/api/projects/{project.id}", user).status_code == 200
    assert service.request("POST", "/api/p/create", user, data=wish).status_code == 403
    badge(service, badger, "grant", "subscriber", f"{user.username}@studio.example")
    assert service.request("POST", "/api/p/create", user, data=wish).status_code == 201


def test_an_address_is_found_in_small_and_capital_letters(service: Service) -> None:
    badger, user = service.account("service", "badger"), service.account()
    email = f"{user.username}@Studio.Example".upper()
    assert badge(service, badger, "grant", "demo", email).status_code == 204
    assert read(service, user)["roles"] == ["demo"]


@pytest.mark.parametrize("roles", [None, (), ("service",), ("badger",), ("admin",)])
def test_only_a_service_that_is_a_badger_may(
    service: Service, roles: tuple[str, ...] | None
) -> None:
    user = service.account()
    by = None if roles is None else service.account(*roles)
    email = f"{user.username}@studio.example"
    assert badge(service, by, "grant", "demo", email).status_code == 403
    unread = service.request("POST", "/api/service/badger", by, content=b"")
    assert unread.status_code == 403, "before the body is looked at"
    assert read(service, user)["roles"] == []


@pytest.mark.parametrize("action", ["grant", "revoke"])
@pytest.mark.parametrize("role", ["admin", "service", "badger"])
def test_roles_of_power_are_not_a_badger_s(service: Service, action: str, role: str) -> None:
    badger, user = service.account("service", "badger"), service.account(role)
    for email in (f"{user.username}@studio.example", "nobody@studio.example"):
        assert badge(service, badger, action, role, email).status_code == 403
    assert read(service, user)["roles"] == [role]


@pytest.mark.parametrize(
    ("changed", "status", "named"),
    [
        ({"action": "give"}, 400, "action"),
        ({"action": None}, 400, "action"),
        ({"action": ["grant"]}, 400, "action"),
        ({"role": "Über"}, 400, "role"),
        ({"role": ""}, 400, "role"),
        ({"role": 7}, 400, "role"),
        ({"user_email": "nobody"}, 400, "user_email"),
        ({"user_email": "a@b\0"}, 400, "user_email"),
        ({"user_email": None}, 400, "user_email"),
        ({"user_email": "nobody@studio.example"}, 404, "nobody@studio.example"),
    ],
)
def test_a_badge_that_cannot_be_is_told(
    service: Service, changed: dict[str, Any], status: int, named: str
) -> None:
    badger = service.account("service", "badger")
    before = service.everything()
    document = {"action": "grant", "role": "demo", "user_email": "a@b.example", **changed}
    answer = service.request("POST", "/api/service/badger", badger, json=document)
    assert answer.status_code == status
    assert named in answer.json()["_error"]["message"]
    assert service.everything() == before


def test_an_address_of_two_users_is_nobody_s_badge(service: Service) -> None:
    badger = service.account("service", "badger")
    twins = [service.account(), service.account()]
    email = f"{twins[0].username}@both.example"
    for n, twin in enumerate(twins):
        service.assembly.administer.add_user(f"{twin.username}.{n}", email, [])
    assert badge(service, badger, "grant", "demo", email).status_code == 409


# --- The rest ---


def test_the_root_is_empty(service: Service) -> None:
    for place in ("/api", "/api/"):
        answer = service.get(place)
        assert (answer.status_code, answer.json()) == (200, {})
        assert service.request("HEAD", place).status_code == 200


@pytest.mark.parametrize("place", ["/api/tokens", "/api/tokens/", f"/api/tokens/{UNKNOWN}"])
def test_there_is_no_tokens_resource(service: Service, place: str) -> None:
    """Fault 1 of the original: it listed all tokens to everybody."""
    admin = service.account("admin")
    for by in (None, admin):
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            answer = service.request(method, place, by, json={})
            assert answer.status_code == 404
            assert admin.token not in answer.text
