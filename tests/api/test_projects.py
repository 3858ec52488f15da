"""Projects: read, founded, changed and deleted; who may, and what is refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from threading import Barrier
from typing import Any

import httpx
import pytest
from tests.support.servers import wait_until
from tests.support.service import Account, Service, Start
from tests.support.wire import connected

from cella.clock import ManualClock
from cella.ids import is_id, new_id
from cella.model import Grant, Project

ALL = ["GET", "POST", "PUT", "DELETE"]
AUTOMATIC = ("_id", "_created", "_updated", "_etag")
NOON = 1_800_000_000.0
UNKNOWN = "5f0123456789abcdef012345"


def document(service: Service, by: Account | None, project_id: str) -> dict[str, Any]:
    """A project's document as `by` sees it."""
    answer = service.get(f"/api/projects/{project_id}", by)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["etag"] == f'"{found["_etag"]}"'
    return found


def listed(service: Service, by: Account | None = None, **query: Any) -> dict[str, Any]:
    """A page of projects; what is a dict goes as JSON."""
    parameters = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in query.items()}
    answer = service.get("/api/projects", by, params=parameters)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    assert answer.headers["x-total-count"] == str(page["_meta"]["total"])
    return page


def ids(page: dict[str, Any]) -> list[str]:
    """The ids of a page's items, in order."""
    return [item["_id"] for item in page["_items"]]


def post(service: Service, by: Account | None, sent: Any, **arguments: Any) -> httpx.Response:
    """A POST of a document, or of several."""
    return service.request("POST", "/api/projects", by, json=sent, **arguments)


def found(service: Service, by: Account, **fields: Any) -> dict[str, Any]:
    """A project that `by` has founded over HTTP, as `by` sees it."""
    answer = post(service, by, {"name": "Spring", "category": "film", **fields})
    assert answer.status_code == 201, answer.text
    return document(service, by, answer.json()["_id"])


def change(
    service: Service,
    by: Account | None,
    project: dict[str, Any],
    fields: dict[str, Any],
    method: str = "PATCH",
    if_match: str | None = "",
) -> httpx.Response:
    """A PATCH or PUT; `if_match` is the etag of `project` unless it is said."""
    headers = {} if if_match is None else {"If-Match": if_match or project["_etag"]}
    path = f"/api/projects/{project['_id']}"
    return service.request(method, path, by, json=fields, headers=headers)


def delete(
    service: Service, by: Account | None, project: dict[str, Any], **arguments: Any
) -> httpx.Response:
    """A DELETE with the project's etag."""
    headers = {"If-Match": project["_etag"]} | arguments
    return service.request("DELETE", f"/api/projects/{project['_id']}", by, headers=headers)


def issues(answer: httpx.Response) -> Any:
    """What is wrong with the one document that was sent."""
    assert answer.status_code == 422, answer.text
    assert answer.json()["_status"] == "ERR"
    assert answer.json()["_error"]["code"] == 422
    return answer.json()["_issues"]


# Reading


def test_a_document_has_what_the_wire_promises(service: Service) -> None:
    owner = service.account("subscriber")
    project = found(service, owner)
    assert project.keys() == {
        *AUTOMATIC,
        *("_deleted", "name", "url", "user", "category", "status"),
        *("is_private", "permissions", "allowed_methods"),
    }
    assert project["_deleted"] is False
    assert project["is_private"] is True
    assert project["status"] == "published"
    assert project["user"] == owner.id
    assert project["url"] == f"p-{project['_id']}"
    assert sorted(project["allowed_methods"]) == sorted(ALL)
    parsedate_to_datetime(project["_created"])
    where = {"_id": project["_id"]}
    assert listed(service, owner, where=where)["_items"] == [project]


def test_optional_fields_are_there_when_they_have_a_value(local: Service) -> None:
    project = found(local, local.account("demo"), summary="Ä dog", description="Many\nlines")
    assert (project["summary"], project["description"]) == ("Ä dog", "Many\nlines")


def test_allowed_methods_are_those_of_the_reader(service: Service) -> None:
    owner, reader = service.account(), service.account()
    project = service.project_with(owner, world=("GET",), grants=(Grant(reader.id, ("POST",)),))
    for who, allowed in ((reader, ["GET", "POST"]), (owner, ["GET"]), (None, ["GET"])):
        assert document(service, who, project.id)["allowed_methods"] == allowed
    assert document(service, service.account("admin"), project.id)["allowed_methods"] == ALL


@pytest.mark.parametrize("project_id", [UNKNOWN, "x", "ABCDEF" * 4, "0" * 23, "a%00b"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_other_ids_are_not_found_and_never_made(
    local: Service, method: str, project_id: str
) -> None:
    admin, before = local.account("admin"), local.everything()
    body = {"json": {"name": "x", "category": "film"}} if method in ("PUT", "PATCH") else {}
    headers = {"If-Match": "*"}
    answer = local.request(method, f"/api/projects/{project_id}", admin, headers=headers, **body)
    assert answer.status_code == 404
    assert local.everything()["projects"] == before["projects"]


def test_a_private_project_is_for_members_and_administrators(service: Service) -> None:
    owner, admin = service.account("subscriber"), service.account("admin")
    project = found(service, owner, summary="a secret")
    for who in (owner, admin):
        assert ids(listed(service, who, where={"_id": project["_id"]})) == [project["_id"]]
    for stranger in (service.account("subscriber"), None):
        answer = service.get(f"/api/projects/{project['_id']}", stranger)
        assert answer.status_code == 403
        assert "secret" not in answer.text
        page = listed(service, stranger, where={"_id": project["_id"]})
        assert (page["_items"], page["_meta"]["total"]) == ([], 0)


def test_conditional_requests(service: Service) -> None:
    owner = service.account("subscriber")
    project = found(service, owner)
    path = f"/api/projects/{project['_id']}"
    plain = service.get(path, owner)
    assert plain.headers["last-modified"] == project["_updated"]
    etag = project["_etag"]
    for header in (
        *({"If-None-Match": form} for form in (etag, f'"{etag}"', f'W/"{etag}"', "*")),
        {"If-Modified-Since": project["_updated"]},
    ):
        answer = service.get(path, owner, headers=header)
        assert (answer.status_code, answer.content) == (304, b""), header
        assert answer.headers["etag"] == f'"{etag}"'
    for header in (
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": "Sun, 22 Nov 2015 17:38:00 GMT"},
        {"If-Modified-Since": "garbage"},
        {"If-None-Match": '"other"', "If-Modified-Since": project["_updated"]},
    ):
        assert service.get(path, owner, headers=header).status_code == 200, header
    assert service.get(path, owner, headers={"If-Match": '"other"'}).status_code == 412


@pytest.mark.parametrize("path", ["/api/projects", "/api/projects/{id}", "/api/p/{id}/quotas"])
def test_head_is_get_without_the_body(local: Service, path: str) -> None:
    owner = local.account("subscriber")
    path = path.format(id=found(local, owner)["_id"])
    full, head = (local.request(method, path, owner) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == full.headers["content-length"]


# Lists


def test_lists_hold_and_count_only_what_one_may_read(start: Start) -> None:
    service = start()
    owner = service.account("subscriber")
    public, private = service.project(owner), service.project(owner, public=False)
    gone = service.project(owner)
    service.soft_delete(gone)
    for reader, seen in (
        (owner, [public, private]),
        (service.account("admin"), [public, private]),
        (service.account("demo"), [public]),
        (None, [public]),
    ):
        page = listed(service, reader)
        assert ids(page) == [project.id for project in seen]
        assert page["_meta"] == {"page": 1, "max_results": 250, "total": len(seen)}


@pytest.fixture
def shelf(service: Service) -> tuple[Service, Account, list[dict[str, Any]]]:
    """Four projects of somebody, who has no others."""
    owner = service.account("subscriber")
    wanted: list[dict[str, Any]] = [
        {"name": "Alpha", "summary": "one"},
        {"name": "Beta", "category": "game", "is_private": False},
        {"name": "Gamma", "status": "pending", "description": "the third letter"},
        {"name": "Alpha", "category": "game", "summary": "two"},
    ]
    return service, owner, [found(service, owner, **fields) for fields in wanted]


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({}, [0, 1, 2, 3]),
        ({"name": "Alpha"}, [0, 3]),
        ({"category": "game", "name": {"$ne": "Beta"}}, [3]),
        ({"status": "pending"}, [2]),
        ({"is_private": False}, [1]),
        ({"is_private": True, "summary": None}, [2]),
        ({"summary": {"$exists": True}}, [0, 3]),
        ({"$or": [{"name": "Beta"}, {"summary": {"$in": ["two", None]}}]}, [1, 2, 3]),
        ({"name": {"$regex": "^(Al|Ga)"}, "category": "film"}, [0, 2]),
        ({"$text": {"$search": "letter"}}, [2]),
        ({"permissions.world": "GET"}, [1]),
        ({"permissions.users.user": UNKNOWN}, []),
        ({"permissions.users.user": {"$ne": UNKNOWN}}, [0, 1, 2, 3]),
        ({"permissions.users": {"$exists": False}}, None),
        ({"parent": UNKNOWN}, []),
        ({"_created": {"$gt": "Sun, 22 Nov 2015 17:38:00 GMT"}}, [0, 1, 2, 3]),
        ({"_deleted": False}, [0, 1, 2, 3]),
        ({"_deleted": True}, []),
        ({"name": "\u0000"}, []),
        ({"$where": "1"}, None),
        ({"name": {"$frob": 1}}, None),
    ],
)
def test_where(
    shelf: tuple[Service, Account, list[dict[str, Any]]],
    where: dict[str, Any],
    wanted: list[int] | None,
) -> None:
    service, owner, projects = shelf
    parameters = {"where": json.dumps({"$and": [where, {"user": owner.id}]})}
    answer = service.get("/api/projects", owner, params=parameters)
    if wanted is None:
        assert answer.status_code == 400
        assert "where" in answer.json()["_error"]["message"]
    else:
        assert answer.json()["_items"] == [projects[at] for at in wanted]
        assert answer.json()["_meta"]["total"] == len(wanted)


def test_where_finds_by_url_user_etag_and_group(
    shelf: tuple[Service, Account, list[dict[str, Any]]],
) -> None:
    service, owner, projects = shelf
    project = projects[1]
    group = project["permissions"]["groups"][0]["group"]
    for where in (
        {"url": project["url"]},
        {"_etag": project["_etag"]},
        {"_id": {"$in": [project["_id"], UNKNOWN]}},
        {"permissions.groups.group": group},
    ):
        assert listed(service, owner, where=where)["_items"] == [project], where


@pytest.mark.parametrize(
    ("sort", "wanted"),
    [
        ("name,_id", [0, 3, 1, 2]),
        ("-name", [2, 1, 3, 0]),
        ("-_created,-_id", [3, 2, 1, 0]),
        ("summary", [1, 2, 0, 3]),
        ("-summary", [3, 0, 2, 1]),
    ],
)
def test_sort(
    shelf: tuple[Service, Account, list[dict[str, Any]]], sort: str, wanted: list[int]
) -> None:
    service, owner, projects = shelf
    page = listed(service, owner, where={"user": owner.id}, sort=sort)
    assert page["_items"] == [projects[at] for at in wanted]
    for size in (1, 3):
        pages = [
            listed(
                service, owner, where={"user": owner.id}, sort=sort, max_results=size, page=number
            )
            for number in range(1, 5)
        ]
        assert [item for each in pages for item in each["_items"]] == page["_items"]


def test_the_next_page_is_at_its_link(
    shelf: tuple[Service, Account, list[dict[str, Any]]],
) -> None:
    service, owner, projects = shelf
    asked: dict[str, Any] = {"where": {"user": owner.id}, "sort": "-summary", "max_results": 1}
    page, items = listed(service, owner, **asked), []
    while "_links" in page:
        items += page["_items"]
        page = service.get(f"/api/{page['_links']['next']['href']}", owner).json()
        assert page["_meta"] == {"page": 1, "max_results": 1, "total": 4}
    assert items + page["_items"] == [projects[at] for at in (3, 0, 2, 1)]


@pytest.mark.parametrize(
    ("projection", "kept"),
    [
        ({"name": 1, "nonsense": 1}, {"name"}),
        ({"permissions.world": 1}, {"permissions"}),
        ({"_id": 1}, set()),
        ({"permissions": 0, "allowed_methods": 0, "user": 0}, None),
    ],
)
def test_projection(local: Service, projection: dict[str, int], kept: set[str] | None) -> None:
    owner = local.account("subscriber")
    project = found(local, owner)
    page = listed(local, owner, where={"_id": project["_id"]}, projection=projection)
    asked = {"projection": json.dumps(projection)}
    item = local.get(f"/api/projects/{project['_id']}", owner, params=asked).json()
    assert page["_items"] == [item]
    fields = {*AUTOMATIC, "_deleted"}
    wanted = project.keys() - projection.keys() if kept is None else fields | kept
    assert item.keys() == wanted
    if kept == {"permissions"}:
        assert item["permissions"] == {"world": []}


@pytest.mark.parametrize("parameter", ["where", "projection", "sort", "cursor"])
def test_parameters_that_cannot_be_understood_are_named(local: Service, parameter: str) -> None:
    answer = local.get("/api/projects", params={parameter: "]["})
    assert answer.status_code == 400
    assert parameter in answer.json()["_error"]["message"]


@pytest.mark.parametrize("sort", [")(", "permissions", "is_private", "nonsense"])
def test_what_cannot_be_sorted_by_is_refused(local: Service, sort: str) -> None:
    answer = local.get("/api/projects", params={"sort": sort})
    assert answer.status_code == 400
    assert "sort" in answer.json()["_error"]["message"]


# Founding


@pytest.mark.parametrize(
    ("roles", "public"),
    [(("subscriber",), False), (("demo",), False), (("admin",), True), (("admin", "demo"), True)],
)
def test_those_who_may_found_projects(
    service: Service, roles: tuple[str, ...], public: bool
) -> None:
    owner = service.account(*roles)
    answer = post(service, owner, {"name": "Spring", "category": "film"})
    assert answer.status_code == 201
    project = document(service, owner, answer.json()["_id"])
    assert answer.json() == {name: project[name] for name in AUTOMATIC} | {"_status": "OK"}
    assert answer.headers["location"] == f"/api/projects/{project['_id']}"
    assert is_id(project["_id"])
    assert project["permissions"]["world"] == (["GET"] if public else [])
    assert project["is_private"] is not public
    assert project["user"] == owner.id
    (group,) = project["permissions"]["groups"]
    assert group["methods"] == ALL
    assert group["group"] in service.get("/api/users/me", owner).json()["groups"]


@pytest.mark.parametrize("roles", [None, (), ("video-encoder",)])
@pytest.mark.parametrize("path", ["/api/projects", "/api/p/create"])
def test_nobody_else_founds_projects(
    service: Service, roles: tuple[str, ...] | None, path: str
) -> None:
    stranger = None if roles is None else service.account(*roles)
    before = service.everything()
    for body in ({"json": {"name": "Spring", "category": "film"}}, {"content": b"\xff{"}):
        answer = service.request("POST", path, stranger, **body)
        assert answer.status_code == 403
        assert answer.json()["_error"]["name"] == "forbidden"
    assert service.everything() == before


def test_a_user_document_changes_with_its_groups(service: Service) -> None:
    owner = service.account("subscriber")
    before = service.get("/api/users/me", owner).json()
    found(service, owner)
    after = service.get("/api/users/me", owner).json()
    assert after["groups"] != before["groups"]
    assert after["_etag"] != before["_etag"]


@pytest.mark.parametrize(
    ("fields", "field", "issue"),
    [
        ({"name": ...}, "name", "required field"),
        ({"category": ...}, "category", "required field"),
        ({"name": ""}, "name", "empty values not allowed"),
        ({"name": " \t"}, "name", "empty values not allowed"),
        ({"name": "a\nb"}, "name", "must be one line of characters that can be seen"),
        ({"name": "a\u202eb"}, "name", "must be one line of characters that can be seen"),
        ({"name": "x" * 129}, "name", "max length is 128"),
        ({"name": 7}, "name", "must be of string type"),
        ({"name": None}, "name", "null value not allowed"),
        ({"name": "\u0000"}, "name", "must not hold NUL or lone surrogates"),
        ({"summary": "x" * 129}, "summary", "max length is 128"),
        ({"description": "x" * 65537}, "description", "max length is 65536"),
        ({"category": "nonsense"}, "category", "unallowed value nonsense"),
        ({"status": "deleted"}, "status", "unallowed value deleted"),
        ({"user": "me"}, "user", "must be of objectid type"),
        ({"user": UNKNOWN}, "user", "only administrators found projects for others"),
        ({"_id": UNKNOWN}, "_id", "field is read-only"),
        ({"_created": "Sun, 22 Nov 2026 17:38:00 GMT"}, "_created", "unknown field"),
        ({"nonsense": 1}, "nonsense", "unknown field"),
        ({"is_private": "true"}, "is_private", "must be of boolean type"),
        ({"permissions": []}, "permissions", "must be of dict type"),
        ({"permissions": {"word": []}}, "permissions", {"word": "unknown field"}),
        (
            {"permissions": {"world": ["GET", "PATCH"]}},
            "permissions",
            {"world": {"1": "unallowed value PATCH"}},
        ),
        (
            {"permissions": {"users": [{"user": UNKNOWN}]}},
            "permissions",
            {"users": {"0": {"methods": "required field"}}},
        ),
        (
            {"permissions": {"users": [{"user": UNKNOWN, "methods": ["GET"]}]}},
            "permissions",
            {
                "users": {
                    "0": {"user": f"value '{UNKNOWN}' must exist in resource 'users', field '_id'."}
                }
            },
        ),
        (
            {"permissions": {"groups": [{"group": UNKNOWN, "methods": []}]}},
            "permissions",
            {
                "groups": {
                    "0": {
                        "group": f"value '{UNKNOWN}' must exist in resource 'groups', field '_id'."
                    }
                }
            },
        ),
        (
            {"is_private": True, "permissions": {"world": ["GET"]}},
            "is_private",
            "contradicts permissions.world; leave it out",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_field(
    local: Service, fields: dict[str, Any], field: str, issue: Any
) -> None:
    owner, before = local.account("subscriber"), local.everything()
    sent = {"name": "Spring", "category": "film"} | fields
    answer = post(local, owner, {k: v for k, v in sent.items() if v is not ...})
    assert issues(answer).keys() == {field}
    if field != "_id":
        assert issues(answer)[field] == issue
    assert (
        answer.json()["_error"]["message"] == "Insertion failure: 1 document(s) contain(s) error(s)"
    )
    assert local.everything()["projects"] == before["projects"]
    assert local.everything()["groups"] == before["groups"]


def test_urls_are_unique_even_among_the_deleted(service: Service) -> None:
    owner = service.account("subscriber")
    url = f"spring-{new_id()}"
    first = found(service, owner, url=url)
    taken = f"value '{url}' for the field 'url' is not unique"
    sent = {"name": "Spring", "category": "film", "url": url}
    assert issues(post(service, owner, sent)) == {"url": taken}
    assert delete(service, owner, first).status_code == 204
    assert issues(post(service, owner, sent)) == {"url": taken}


@pytest.mark.parametrize("url", ["", "Spring", "a b", "-a", "a/b", "ä", "x" * 129, "a\n", "../a"])
def test_urls_are_words(local: Service, url: str) -> None:
    sent = {"name": "Spring", "category": "film", "url": url}
    assert issues(post(local, local.account("demo"), sent)).keys() == {"url"}


def test_of_two_who_want_one_url_at_once_one_gets_it(service: Service) -> None:
    owners = [service.account("subscriber") for _ in range(4)]
    url, together = f"spring-{new_id()}", Barrier(len(owners))

    def attempt(owner: Account) -> int:
        together.wait()
        return post(service, owner, {"name": "S", "category": "film", "url": url}).status_code

    with ThreadPoolExecutor(len(owners)) as threads:
        codes = sorted(threads.map(attempt, owners))
    assert codes[0] == 201
    assert set(codes[1:]) <= {409, 422}


def test_administrators_found_projects_for_others(service: Service) -> None:
    admin, owner = service.account("admin"), service.account()
    project_id = new_id()
    project = found(service, admin, user=owner.id, _id=project_id, is_private=True)
    assert (project["_id"], project["user"]) == (project_id, owner.id)
    assert sorted(document(service, owner, project_id)["allowed_methods"]) == sorted(ALL)
    wanted = {"name": "Spring", "category": "film"}
    answer = post(service, admin, wanted | {"user": UNKNOWN})
    missing = f"value '{UNKNOWN}' must exist in resource 'users', field '_id'."
    assert issues(answer) == {"user": missing}
    for taken in (project_id, owner.id):
        answer = post(service, admin, wanted | {"_id": taken})
        assert answer.status_code == 409
        assert taken in answer.json()["_error"]["message"]
    with_twins = [wanted | {"_id": UNKNOWN}, wanted | {"_id": UNKNOWN}]
    assert post(service, admin, with_twins).status_code == 409
    assert service.get(f"/api/projects/{UNKNOWN}", admin).status_code == 404


def test_permissions_are_joined_with_those_of_the_own_group(service: Service) -> None:
    owner, guest = service.account("subscriber"), service.account()
    other = found(service, owner)["permissions"]["groups"][0]
    permissions = {
        "world": ["POST", "GET", "GET"],
        "users": [
            {"user": guest.id, "methods": ["PUT"]},
            {"user": guest.id, "methods": ["GET", "PUT"]},
        ],
        "groups": [{"group": other["group"], "methods": ["GET"]}],
    }
    project = found(service, owner, permissions=permissions)
    kept = project["permissions"]
    assert kept["world"] == ["GET", "POST"]
    assert kept["users"] == [{"user": guest.id, "methods": ["GET", "PUT"]}]
    assert kept["groups"][1:] == permissions["groups"]
    assert kept["groups"][0]["methods"] == ALL
    assert project["is_private"] is False
    assert document(service, guest, project["_id"])["allowed_methods"] == ["GET", "POST", "PUT"]


@pytest.mark.parametrize("role", ["subscriber", "admin"])
@pytest.mark.parametrize("is_private", [True, False])
def test_whether_it_is_private_can_be_said(local: Service, role: str, is_private: bool) -> None:
    project = found(local, local.account(role), is_private=is_private)
    assert project["is_private"] is is_private
    world = {"world": [] if is_private else ["GET"]}
    agreed = found(local, local.account(role), is_private=is_private, permissions=world)
    assert agreed["is_private"] is is_private


def test_forms_are_documents_too(local: Service) -> None:
    owner = local.account("subscriber")
    fields = {"name": "Frühling", "category": "course"}
    plain = local.request("POST", "/api/projects", owner, data=fields)
    multipart = {name: (None, value) for name, value in fields.items()}
    parts = local.request("POST", "/api/projects", owner, files=multipart)
    for answer in (plain, parts):
        assert answer.status_code == 201, answer.text
        assert document(local, owner, answer.json()["_id"])["name"] == "Frühling"


def test_several_are_founded_together(service: Service) -> None:
    owner = service.account("subscriber")
    answer = post(service, owner, [{"name": n, "category": "film"} for n in ("One", "Two")])
    assert answer.status_code == 201
    assert answer.json()["_status"] == "OK"
    assert [item["_status"] for item in answer.json()["_items"]] == ["OK", "OK"]
    names = [document(service, owner, item["_id"])["name"] for item in answer.json()["_items"]]
    assert names == ["One", "Two"]
    assert [item["_id"] for item in answer.json()["_items"]] == ids(
        listed(service, owner, where={"user": owner.id})
    )


def test_of_several_all_are_founded_or_none(service: Service) -> None:
    owner, before = service.account("subscriber"), service.everything()
    sent = [
        {"name": "One", "category": "film", "url": "same-url"},
        {"name": "Two", "category": "film", "url": "same-url"},
        {"name": "Three"},
    ]
    answer = post(service, owner, sent)
    assert answer.status_code == 422
    body = answer.json()
    assert body["_items"] == [
        {"_status": "OK"},
        {
            "_status": "ERR",
            "_issues": {"url": "value 'same-url' for the field 'url' is not unique"},
        },
        {"_status": "ERR", "_issues": {"category": "required field"}},
    ]
    assert body["_error"]["message"] == "Insertion failure: 2 document(s) contain(s) error(s)"
    assert service.everything()["projects"] == before["projects"]


@pytest.mark.parametrize(
    ("sent", "hint"),
    [([], "1 to 50"), ([{}] * 51, "1 to 50"), ([1], "array of objects"), ("text", "JSON object")],
)
def test_what_are_no_documents_is_refused(local: Service, sent: Any, hint: str) -> None:
    answer = post(local, local.account("subscriber"), sent)
    assert answer.status_code == 400
    assert hint in answer.json()["_error"]["message"]


# Changing


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("spelling", ["{}", '"{}"', 'W/"{}"', '"x", "{}"', "*"])
def test_a_change_knows_what_it_changes(local: Service, method: str, spelling: str) -> None:
    owner = local.account("subscriber")
    project = found(local, owner)
    answer = change(
        local,
        owner,
        project,
        {"name": "Autumn", "category": "film"},
        method,
        if_match=spelling.format(project["_etag"]),
    )
    assert answer.status_code == 200, answer.text
    new = document(local, owner, project["_id"])
    assert answer.json() == {name: new[name] for name in (*AUTOMATIC, "_deleted")} | {
        "_status": "OK"
    }
    assert answer.headers["etag"] == f'"{new["_etag"]}"'
    assert new["name"] == "Autumn"
    assert new["_etag"] != project["_etag"]


@pytest.mark.parametrize(("if_match", "status"), [(None, 428), ('"other"', 412), ("0" * 40, 412)])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_change_without_the_present_etag_is_none(
    service: Service, method: str, if_match: str | None, status: int
) -> None:
    owner = service.account("subscriber")
    project = found(service, owner)
    answer = change(service, owner, project, {"name": ""}, method, if_match=if_match)
    assert answer.status_code == status
    assert document(service, owner, project["_id"]) == project


def test_put_replaces_what_clients_may_set(service: Service) -> None:
    owner = service.account("subscriber")
    project = found(service, owner, summary="old", description="old", url=f"a-{new_id()}")
    answer = change(service, owner, project, {"name": "New", "category": "film"}, "PUT")
    assert answer.status_code == 200
    new = document(service, owner, project["_id"])
    assert not {"summary", "description"} & new.keys()
    kept = ("url", "user", "status", "permissions", "is_private", "_created")
    assert [new[name] for name in kept] == [project[name] for name in kept]


def test_patch_changes_what_it_names(service: Service) -> None:
    owner, guest = service.account("subscriber"), service.account()
    project = found(service, owner, summary="old", description="old")
    fields = {"summary": None, "permissions": {"users": [{"user": guest.id, "methods": ["GET"]}]}}
    assert change(service, owner, project, fields).status_code == 200
    new = document(service, owner, project["_id"])
    assert "summary" not in new
    assert (new["name"], new["description"]) == ("Spring", "old")
    assert new["permissions"] == project["permissions"] | fields["permissions"]
    assert document(service, guest, project["_id"])["allowed_methods"] == ["GET"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_document_can_be_sent_back_as_it_was_read(service: Service, method: str) -> None:
    owner = service.account("subscriber")
    project = found(service, owner, summary="old")
    sent = project | {"_links": {}, "_status": "OK", "_updated": "whenever", "_id": UNKNOWN}
    answer = change(service, owner, project, sent, method)
    assert answer.status_code == 200
    assert document(service, owner, project["_id"]) == project, "nothing was changed"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_protected_fields_are_for_administrators(service: Service, method: str) -> None:
    owner, admin, heir = service.account("subscriber"), service.account("admin"), service.account()
    project = found(service, owner)
    protected = {
        "category": "game",
        "status": "pending",
        "url": f"new-{new_id()}",
        "user": heir.id,
    }
    sent = {"name": "New", **protected}
    assert change(service, owner, project, sent, method).status_code == 200
    new = document(service, owner, project["_id"])
    assert {name: new[name] for name in sent} == {
        **{name: project[name] for name in protected},
        "name": "New",
    }
    assert change(service, admin, new, sent, method).status_code == 200
    newest = document(service, owner, project["_id"])
    assert {name: newest[name] for name in sent} == sent


def test_whether_it_is_private_follows_from_the_permissions(service: Service) -> None:
    owner = service.account("subscriber")
    project = found(service, owner)
    sent = project | {"is_private": False}
    assert change(service, owner, project, sent, "PUT").status_code == 200
    assert document(service, owner, project["_id"])["is_private"] is True
    sent = project | {"permissions": project["permissions"] | {"world": ["GET"]}}
    assert change(service, owner, project, sent, "PUT").status_code == 200
    assert document(service, None, project["_id"])["is_private"] is False


@pytest.mark.parametrize(
    ("method", "fields", "field"),
    [
        ("PUT", {"category": "film"}, "name"),
        ("PUT", {"name": "x"}, "category"),
        ("PATCH", {"name": None}, "name"),
        ("PATCH", {"name": "  "}, "name"),
        ("PATCH", {"category": "nonsense"}, "category"),
        ("PATCH", {"picture": "x"}, "picture"),
        ("PATCH", {"$set": {"name": "x"}}, "$set"),
        ("PATCH", {"permissions": {"world": "GET"}}, "permissions"),
        ("PATCH", {"permissions": {"users": [{"user": UNKNOWN, "methods": []}]}}, "permissions"),
        ("PATCH", {"permissions": {"groups": []}}, "permissions"),
        ("PUT", {"name": "x", "category": "film", "permissions": {}}, "permissions"),
    ],
)
def test_a_change_that_does_not_fit_changes_nothing(
    local: Service, method: str, fields: dict[str, Any], field: str
) -> None:
    owner = local.account("subscriber")
    project = found(local, owner)
    assert issues(change(local, owner, project, fields, method)).keys() == {field}
    assert document(local, owner, project["_id"]) == project


def test_only_administrators_leave_nobody_who_may_change_it(service: Service) -> None:
    owner, admin = service.account("subscriber"), service.account("admin")
    project = found(service, owner)
    nobody: dict[str, Any] = {"permissions": {"groups": []}}
    assert "PUT" in issues(change(service, owner, project, nobody))["permissions"]
    assert change(service, admin, project, nobody).status_code == 200
    assert service.get(f"/api/projects/{project['_id']}", owner).status_code == 403


def test_an_url_of_another_project_is_refused(service: Service) -> None:
    admin = service.account("admin")
    first, second = found(service, admin), found(service, admin)
    answer = change(service, admin, second, {"url": first["url"]})
    taken = f"value '{first['url']}' for the field 'url' is not unique"
    assert issues(answer) == {"url": taken}
    assert change(service, admin, second, {"url": second["url"]}).status_code == 200


def test_who_may_change_a_project(service: Service) -> None:
    owner, reader, editor = service.account(), service.account(), service.account("subscriber")
    grants = (Grant(reader.id, ("GET", "POST", "DELETE")), Grant(editor.id, ("GET", "PUT")))
    for world in ((), ("GET",)):
        made = service.project_with(owner, world=world, grants=grants)
        project = document(service, editor, made.id)
        for who in (reader, service.account("subscriber"), None):
            for method in ("PUT", "PATCH"):
                answer = change(service, who, project, {"name": "x", "category": "film"}, method)
                assert answer.status_code == 403
        assert document(service, editor, made.id) == project
        assert change(service, editor, project, {"name": "x"}).status_code == 200


def test_permissions_take_effect_at_once(service: Service) -> None:
    owner, guest = service.account("subscriber"), service.account()
    project = found(service, owner)
    path = f"/api/projects/{project['_id']}"
    file_id = service.request(
        "PUT", f"/api/storage/stream/{project['_id']}/a.bin", owner, content=b"x"
    ).json()["file_id"]
    for methods, status in ((["GET"], 200), ([], 403)):
        users = [{"user": guest.id, "methods": methods}]
        project = document(service, owner, project["_id"])
        assert change(service, owner, project, {"permissions": {"users": users}}).is_success
        assert service.get(path, guest).status_code == status
        assert service.get(f"/api/files/{file_id}", guest).status_code == status
        count = int(status == 200)
        assert len(ids(listed(service, guest, where={"_id": project["_id"]}))) == count


def test_of_two_editors_one_has_to_look_again(service: Service) -> None:
    owner = service.account("subscriber")
    project, together = found(service, owner), Barrier(4)

    def edit(name: str) -> int:
        together.wait()
        sent = {"name": name, "category": "film"}
        return change(service, owner, project, sent, "PUT").status_code

    names = ["one", "two", "three", "four"]
    with ThreadPoolExecutor(4) as threads:
        codes = list(threads.map(edit, names))
    assert sorted(codes) == [200, 412, 412, 412]
    assert document(service, owner, project["_id"])["name"] == names[codes.index(200)]


# Deleting


def upload(service: Service, by: Account, project_id: str) -> dict[str, Any]:
    """A small file in the project, as `by` sees it."""
    path = f"/api/storage/stream/{project_id}/a.bin"
    answer = service.request("PUT", path, by, content=b"some bytes")
    assert answer.status_code == 201, answer.text
    return service.document(by, answer.json()["file_id"])


def test_what_is_deleted_is_gone_at_once_and_everywhere(service: Service) -> None:
    owner, admin = service.account("subscriber"), service.account("admin")
    project = found(service, owner, summary="a secret")
    project_id = project["_id"]
    file = upload(service, owner, project_id)
    assert service.get(file["link"]).status_code == 200

    answer = delete(service, owner, project)
    assert (answer.status_code, answer.content) == (204, b"")

    gone = [
        ("GET", f"/api/projects/{project_id}"),
        ("GET", f"/api/files/{file['_id']}"),
        ("GET", f"/api/p/{project_id}/quotas"),
        ("GET", f"/api/p/{project_id}/asset"),
        ("OPTIONS", f"/api/p/{project_id}/asset"),
        ("GET", f"/api/p/users?project_id={project_id}"),
        ("PUT", f"/api/storage/stream/{project_id}/b.bin"),
        ("DELETE", f"/api/projects/{project_id}"),
    ]
    for who in (owner, admin):
        for method, path in gone:
            found_none = service.request(method, path, who, headers={"If-Match": "*"})
            assert found_none.status_code == 404, (method, path)
            assert "secret" not in found_none.text
        for where in ({"_id": project_id}, {"url": project["url"]}):
            assert listed(service, who, where=where)["_meta"]["total"] == 0
        of_project = {"where": json.dumps({"project": project_id})}
        assert service.get("/api/files", who, params=of_project).json()["_items"] == []
        sent = {"name": "x", "category": "film"}
        assert change(service, who, project, sent, "PUT").status_code == 404
    assert service.get(file["link"]).status_code == 404
    assert service.get(f"/api/projects/{project_id}").status_code == 404


def test_deleted_projects_are_shown_to_those_who_may_delete(service: Service) -> None:
    owner, admin, reader = (service.account(role) for role in ("demo", "admin", "demo"))
    for world in ([], ["GET"], ["GET", "DELETE"]):
        users = [{"user": reader.id, "methods": ["GET", "PUT"]}]
        permissions = {"world": world, "users": users}
        project = found(service, owner, permissions=permissions)
        path = f"/api/projects/{project['_id']}"
        assert delete(service, owner, project).status_code == 204
        by_id = {"_id": project["_id"]}
        for who, seen in (
            (owner, True),
            (admin, True),
            (reader, "DELETE" in world),
            (None, False),
        ):
            item = service.get(path, who, params={"show_deleted": "1"})
            pages = [
                listed(service, who, where=by_id, show_deleted=""),
                listed(service, who, where=by_id | {"_deleted": True}),
            ]
            if seen:
                assert item.status_code == 200
                assert item.json()["_deleted"] is True
                assert all(page["_items"] == [item.json()] for page in pages)
                assert all(page["_meta"]["total"] == 1 for page in pages)
            else:
                assert item.status_code == 404
                assert project["url"] not in item.text
                assert all(page["_meta"]["total"] == 0 for page in pages)
            assert listed(service, who, where=by_id)["_items"] == []


def test_only_who_may_delete_deletes(service: Service) -> None:
    owner, reader, remover = service.account(), service.account("subscriber"), service.account()
    grants = (Grant(reader.id, ("GET", "POST", "PUT")), Grant(remover.id, ("GET", "DELETE")))
    made = service.project_with(owner, world=("GET",), grants=grants)
    project = document(service, remover, made.id)
    for who in (reader, owner, None):
        assert delete(service, who, project).status_code == 403
    assert document(service, remover, made.id) == project
    assert delete(service, remover, project).status_code == 204


@pytest.mark.parametrize("role", [None, "subscriber", "admin"])
def test_nobody_deletes_all_projects(service: Service, role: str | None) -> None:
    owner = service.account("subscriber")
    project = found(service, owner)
    who = None if role is None else service.account(role)
    for method in ("DELETE", "PUT", "PATCH"):
        answer = service.request(method, "/api/projects", who, headers={"If-Match": "*"})
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert document(service, owner, project["_id"]) == project


def test_the_bytes_follow_when_the_time_of_grace_is_over(start: Start) -> None:
    clock = ManualClock(NOON)
    service = start(clock=clock, discard_grace=3600)
    owner = service.account("subscriber")
    project, other = found(service, owner), found(service, owner)
    for _ in range(3):
        upload(service, owner, project["_id"])
    upload(service, owner, other["_id"])
    assert delete(service, owner, project).status_code == 204

    for seconds, left in ((0, 3), (3599, 3), (2, 0)):
        clock.advance(seconds)
        service.wait_until_idle()
        assert len(service.blobs(a_project(project))) == left
    service.assert_nothing_left(a_project(project))
    assert len(service.blobs(a_project(other))) == 1
    assert service.get(f"/api/p/{other['_id']}/quotas", owner).json()["file_size_used"] == 10


def test_a_project_that_is_deleted_during_an_upload_gets_no_file(service: Service) -> None:
    owner = service.account("subscriber")
    project = found(service, owner)
    with connected(service.port) as wire:
        wire.send(
            f"PUT /api/storage/stream/{project['_id']}/late.bin HTTP/1.1\nHost: x\n"
            f"Authorization: Bearer {owner.token}\nContent-Length: 200000\n\n"
        )
        wire.send(b"x" * 100_000)
        wait_until(lambda: bool(service.under_way()))
        assert delete(service, owner, project).status_code == 204
        wire.send(b"x" * 100_000)
        assert wire.answer().status == 404
    service.assert_nothing_left(a_project(project))


def a_project(project: dict[str, Any]) -> Project:
    """A project of that id, for what lies in its bucket."""
    return Project(
        id=project["_id"],
        created=0,
        updated=0,
        etag=project["_etag"],
        name=project["name"],
        url=project["url"],
        user=project["user"],
    )


# Below /api/p


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"name": "Spring"}},
        {"data": {"project_name": "Spring"}},
        {"files": {"project_name": (None, "Spring")}},
    ],
)
@pytest.mark.parametrize("role", ["subscriber", "demo", "admin"])
def test_a_project_is_made_of_its_name(local: Service, role: str, body: dict[str, Any]) -> None:
    owner = local.account(role)
    answer = local.request("POST", "/api/p/create", owner, **body)
    assert answer.status_code == 201, answer.text
    project = answer.json()
    assert answer.headers["location"] == f"/api/projects/{project['_id']}"
    assert answer.headers["etag"] == f'"{project["_etag"]}"'
    assert document(local, owner, project["_id"]) == project
    assert (project["name"], project["category"]) == ("Spring", "film")
    assert project["is_private"] is (role != "admin")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"json": {}}, 422),
        ({"json": {"name": ""}}, 422),
        ({"json": {"name": ["x"]}}, 422),
        ({"json": {"name": "a\tb"}}, 422),
        ({"data": {"project_name": " "}}, 422),
        ({"json": ["name"]}, 400),
        ({"content": b""}, 400),
        ({"content": b'{"name": "x"}'}, 400),
    ],
)
def test_a_project_needs_a_name(local: Service, body: dict[str, Any], status: int) -> None:
    owner = local.account("subscriber")
    answer = local.request("POST", "/api/p/create", owner, **body)
    assert answer.status_code == status
    assert listed(local, owner, where={"user": owner.id})["_items"] == []
    if status == 422:
        assert issues(answer).keys() == {"name"}


def test_quotas_count_what_is_stored(service: Service) -> None:
    owner, member = service.account("subscriber"), service.account()
    users = [{"user": member.id, "methods": ["GET"]}]
    project = found(service, owner, permissions={"users": users})
    path = f"/api/p/{project['_id']}/quotas"
    assert service.get(path, owner).json() == {"file_size_quota": None, "file_size_used": 0}
    file = upload(service, owner, project["_id"])
    for who in (owner, member, service.account("admin")):
        assert service.get(path, who).json()["file_size_used"] == file["length"] == 10
    for stranger in (service.account("subscriber"), None):
        assert service.get(path, stranger).status_code == 403
    public = found(service, owner, is_private=False)
    path = f"/api/p/{public['_id']}/quotas"
    assert service.get(path).status_code == 403, "quotas need a login"
    assert service.get(path, service.account()).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_allowed_tells_what_one_may_do(service: Service, method: str) -> None:
    owner, reader, poster = service.account("subscriber"), service.account(), service.account()
    users = [
        {"user": reader.id, "methods": ["GET"]},
        {"user": poster.id, "methods": ["POST", "GET"]},
    ]
    project = found(service, owner, permissions={"users": users})
    path = f"/api/p/{project['_id']}/asset"
    for who, allowed in (
        (owner, "DELETE, GET, POST, PUT"),
        (service.account("admin"), "DELETE, GET, POST, PUT"),
        (poster, "GET, POST"),
        (reader, "GET"),
    ):
        answer = service.request(method, path, who)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["allowed"] == allowed
    for stranger in (service.account("subscriber"), None):
        assert service.request(method, path, stranger).status_code == 403
    assert service.request(method, f"/api/p/{UNKNOWN}/asset", owner).status_code == 404


def test_allowed_can_be_read_by_other_origins(local: Service) -> None:
    project = found(local, local.account("admin"))
    path = f"/api/p/{project['_id']}/asset"
    origin = {"Origin": "https://elsewhere.example"}
    answer = local.request("OPTIONS", path, headers=origin)
    assert (answer.status_code, answer.headers["allowed"]) == (204, "GET")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Allowed" in answer.headers["access-control-expose-headers"]


def test_a_preflight_needs_no_permission(local: Service) -> None:
    project = found(local, local.account("subscriber"))
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    for path in (f"/api/p/{project['_id']}/asset", f"/api/projects/{project['_id']}"):
        assert local.request("OPTIONS", path, headers=asked).status_code == 200


def members(service: Service, by: Account | None, project: dict[str, Any]) -> httpx.Response:
    """Who the members are."""
    return service.get("/api/p/users", by, params={"project_id": project["_id"]})


def member_ids(service: Service, by: Account, project: dict[str, Any]) -> list[str]:
    """The ids of the members."""
    answer = members(service, by, project)
    assert answer.status_code == 200, answer.text
    assert answer.json()["_status"] == "OK"
    return [item["_id"] for item in answer.json()["_items"]]


def manage(
    service: Service, by: Account | None, project: dict[str, Any], user_id: str, action: str
) -> httpx.Response:
    """Add or remove a member, as pillarsdk does."""
    sent = {"project_id": project["_id"], "user_id": user_id, "action": action}
    return service.request("POST", "/api/p/users", by, json=sent)


def test_members_come_and_go(service: Service) -> None:
    owner, guest = service.account("subscriber"), service.account()
    project = found(service, owner)
    assert member_ids(service, owner, project) == [owner.id]
    for _ in range(2):
        answer = manage(service, owner, project, guest.id, "add")
        assert answer.status_code == 200
        assert answer.json() == {
            "_id": guest.id,
            "username": guest.username,
            "full_name": guest.username,
            "email": f"{guest.username}@studio.example",
            "_status": "OK",
        }
        assert member_ids(service, guest, project) == [owner.id, guest.id]
    assert sorted(document(service, guest, project["_id"])["allowed_methods"]) == sorted(ALL)
    for _ in range(2):
        assert manage(service, owner, project, guest.id, "remove").status_code == 200
        assert member_ids(service, owner, project) == [owner.id]
    assert service.get(f"/api/projects/{project['_id']}", guest).status_code == 403
    assert document(service, owner, project["_id"]) == project


def named(service: Service, by: Account, project: dict[str, Any], name: object) -> httpx.Response:
    """Add a member by name or address, as the page does."""
    sent = {"project_id": project["_id"], "user": name, "action": "add"}
    return service.request("POST", "/api/p/users", by, json=sent)


def test_members_are_added_by_exact_name_or_address(service: Service) -> None:
    owner, ada, grace = service.account("subscriber"), service.account(), service.account()
    project = found(service, owner)
    answer = named(service, owner, project, f" {ada.username} ")
    assert (answer.status_code, answer.json()["_id"]) == (200, ada.id)
    answer = named(service, owner, project, f"{grace.username.upper()}@studio.example")
    assert (answer.status_code, answer.json()["_id"]) == (200, grace.id)
    assert member_ids(service, owner, project) == [owner.id, ada.id, grace.id]
    assert named(service, owner, project, 7).status_code == 400
    sent = {"project_id": project["_id"], "user": ada.username, "action": "remove"}
    assert service.request("POST", "/api/p/users", owner, json=sent).status_code == 400


@pytest.mark.parametrize("name", ["", "user", "a\0b", "%@studio.example", "x" * 3000, "€@€"])
def test_a_part_of_a_name_finds_nobody(service: Service, name: str) -> None:
    owner = service.account("subscriber")
    assert named(service, owner, found(service, owner), name).status_code == 404


def test_who_is_disabled_is_not_found_and_an_address_of_two_is_told(service: Service) -> None:
    owner, gone = service.account("subscriber"), service.account()
    project = found(service, owner)
    service.disable(gone)
    assert named(service, owner, project, gone.username).status_code == 404
    for each in "ab":
        twin = f"twin.{each}.{project['_id']}"
        service.assembly.administer.add_user(twin, f"{project['_id']}@twins.example", ())
    assert named(service, owner, project, f"{project['_id']}@twins.example").status_code == 409


def test_guessing_names_of_users_ends(service: Service) -> None:
    owner, ada = service.account("subscriber"), service.account()
    project, other = found(service, owner), found(service, service.account("subscriber"))
    assert {named(service, owner, project, ada.username).status_code for _ in range(12)} == {200}
    refused = {named(service, owner, other, "guess").status_code for _ in range(12)}
    assert refused == {403}
    statuses = [named(service, owner, project, f"guess{each}").status_code for each in range(11)]
    assert statuses == [404] * 10 + [429]
    answer = named(service, owner, project, ada.username)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 300
    assert manage(service, owner, project, ada.id, "add").status_code == 200


def test_whoever_joins_or_leaves_has_another_document(service: Service) -> None:
    owner, guest = service.account("subscriber"), service.account()
    project, seen = found(service, owner), set()
    for action in ("add", "add", "remove", "remove"):
        assert manage(service, owner, project, guest.id, action).status_code == 200
        seen.add(service.get("/api/users/me", guest).json()["_etag"])
    assert len(seen) == 2


def test_who_may_see_and_choose_the_members(service: Service) -> None:
    owner, reader, stranger = (service.account("subscriber") for _ in range(3))
    users = [{"user": reader.id, "methods": ["GET", "POST"]}]
    for world in ([], ["GET"]):
        project = found(service, owner, permissions={"world": world, "users": users})
        assert member_ids(service, reader, project) == [owner.id]
        assert member_ids(service, service.account("admin"), project) == [owner.id]
        for who in (stranger, None):
            assert members(service, who, project).status_code == 403
        for who in (reader, stranger, None):
            for action in ("add", "remove"):
                assert manage(service, who, project, owner.id, action).status_code == 403
        assert manage(service, reader, project, reader.id, "add").status_code == 403
        assert member_ids(service, owner, project) == [owner.id]


def test_members_may_leave_but_the_owner_stays(service: Service) -> None:
    owner, guest, admin = service.account("demo"), service.account(), service.account("admin")
    project = found(service, owner)
    manage(service, owner, project, guest.id, "add")
    for who in (owner, guest, admin):
        answer = manage(service, who, project, owner.id, "remove")
        assert answer.status_code == 403
        assert "owner" in answer.json()["_error"]["message"]
    assert manage(service, guest, project, guest.id, "remove").status_code == 200
    assert member_ids(service, owner, project) == [owner.id]
    assert change(service, admin, project, {"user": admin.id}).status_code == 200
    assert manage(service, owner, project, owner.id, "remove").status_code == 200


@pytest.mark.parametrize(
    ("wrong", "status", "named"),
    [
        ({"project_id": "x"}, 400, "project_id"),
        ({"project_id": ...}, 400, "project_id"),
        ({"project_id": 7}, 400, "project_id"),
        ({"user_id": None}, 400, "user_id"),
        ({"user_id": UNKNOWN.upper()}, 400, "user_id"),
        ({"action": "promote"}, 400, "action"),
        ({"action": ...}, 400, "action"),
        ({"action": ["add"]}, 400, "action"),
        ({"project_id": UNKNOWN}, 404, UNKNOWN),
        ({"user_id": UNKNOWN}, 404, UNKNOWN),
    ],
)
def test_what_cannot_be_understood_is_named(
    local: Service, wrong: dict[str, Any], status: int, named: str
) -> None:
    owner, guest = local.account("subscriber"), local.account()
    project = found(local, owner)
    sent = {"project_id": project["_id"], "user_id": guest.id, "action": "add"} | wrong
    body = {name: value for name, value in sent.items() if value is not ...}
    answer = local.request("POST", "/api/p/users", owner, json=body)
    assert answer.status_code == status
    assert named in answer.json()["_error"]["message"]
    assert member_ids(local, owner, project) == [owner.id]


@pytest.mark.parametrize("query", ["", "?project_id=", "?project_id=x"])
def test_members_of_what(local: Service, query: str) -> None:
    answer = local.get(f"/api/p/users{query}", local.account())
    assert answer.status_code == 400
    assert "project_id" in answer.json()["_error"]["message"]


def test_another_projects_group_is_not_ones_own(service: Service) -> None:
    """Else whoever may change one project could join any other."""
    victim, thief = service.account("subscriber"), service.account("subscriber")
    private, own = found(service, victim), found(service, thief)
    stolen = private["permissions"]["groups"][0]["group"]
    groups = [{"group": stolen, "methods": ["GET"]}, {"group": stolen, "methods": ALL}]
    users = [{"user": thief.id, "methods": ALL}]
    permissions = {"permissions": {"groups": groups, "users": users}}
    assert change(service, thief, own, permissions).status_code == 200
    assert members(service, thief, own).json()["_items"] == []
    answer = manage(service, thief, own, thief.id, "add")
    assert answer.status_code == 409
    assert service.get(f"/api/projects/{private['_id']}", thief).status_code == 403
    assert member_ids(service, victim, private) == [victim.id]


def test_members_can_be_added_at_once(service: Service) -> None:
    owner, guest = service.account("subscriber"), service.account()
    project, together = found(service, owner), Barrier(6)

    def attempt(action: str) -> int:
        together.wait()
        return manage(service, owner, project, guest.id, action).status_code

    with ThreadPoolExecutor(6) as threads:
        assert set(threads.map(attempt, ["add"] * 6)) == {200}
        assert member_ids(service, owner, project) == [owner.id, guest.id]
        assert set(threads.map(attempt, ["add", "remove"] * 3)) == {200}
