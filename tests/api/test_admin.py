"""Running the place over HTTP: `/api/admin/…`, and trying a file again."""

import asyncio
from typing import Any

import pytest
from tests.api.test_make_token import PASSWORD
from tests.support.service import Account, Service, Start

from cella.ids import new_id
from cella.jobs import queue
from cella.jobs.statements import DEAD, READY

NONE = "0" * 24
BROKEN = b"\x89PNG\r\n\x1a\n but broken"


@pytest.fixture
def admin(service: Service) -> Account:
    return service.account("admin")


def dead_job(service: Service, kind: str = "nothing that is done") -> str:
    """A job that was given up."""

    def work(tx: Any) -> str:
        job_id = queue.put(tx, kind=kind, subject=new_id(), now=service.assembly.clock.now())
        queue.cancel(tx, job_id)
        return job_id

    return service.assembly.db.write_now(work)


def state_of(service: Service, job_id: str) -> str:
    return service.assembly.db.read_now(lambda tx: queue.get(tx, job_id)).state


@pytest.mark.parametrize("roles", [None, (), ("subscriber", "demo", "service", "badger")])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "overview"),
        ("GET", "reports"),
        ("GET", "jobs"),
        ("POST", f"jobs/{NONE}/retry"),
        ("POST", f"jobs/{NONE}/cancel"),
        ("POST", "links/refresh"),
        ("POST", "users"),
        ("PUT", f"users/{NONE}/password"),
        ("GET", "tokens"),
        ("POST", "tokens"),
        ("DELETE", f"tokens/{NONE}"),
    ],
)
def test_only_administrators_run_the_place(
    sqlite_disk: Service, roles: tuple[str, ...] | None, method: str, path: str
) -> None:
    by = None if roles is None else sqlite_disk.account(*roles)
    answer = sqlite_disk.request(
        method, f"/api/admin/{path}", by, json={"username": "eve", "roles": ["admin"]}
    )
    assert answer.status_code == 403
    assert sqlite_disk.get("/api/users/me", by).status_code == (403 if by is None else 200)


def test_the_overview_tells_what_lies_where(service: Service, admin: Account) -> None:
    owner = service.account("subscriber")
    project = service.project(owner)
    file = service.upload(owner, project, b"x" * 1000)
    seen = service.get("/api/admin/overview", admin).json()
    assert seen["health"] == {"database": "ok", "store": "ok"}
    held = {each["backend"]: each for each in seen["backends"]}[file["backend"]]
    assert held["files"] >= 1
    mine = [each for each in seen["projects"] if each["_id"] == project.id]
    if mine:
        assert mine == [{"_id": project.id, "name": project.name, "files": 1, "bytes": 1000}]
    else:
        assert seen["counted"]


def test_reports_of_sweep_and_verify_are_shown(start: Start) -> None:
    service = start()
    admin = service.account("admin")
    assert service.get("/api/admin/reports", admin).json() == {"sweep": [], "verify": []}
    owner = service.account("subscriber")
    service.upload(owner, service.project(owner), b"x" * 1000)
    backend = service.assembly.backend
    service.wait_until_idle()

    async def look_after() -> None:
        async with service.assembly.sweep.survey(backend):
            pass
        await service.assembly.verify.run(backend)

    asyncio.run(look_after())
    told = service.get("/api/admin/reports", admin).json()
    (swept,), (verified,) = told["sweep"], told["verify"]
    assert (swept["backend"], swept["rows"], swept["missing"]) == (backend, 1, 0)
    assert (verified["backend"], verified["blobs"], verified["bytes"]) == (backend, 1, 1000)
    assert swept["began"].endswith(" GMT")
    assert verified["findings"] == []


def test_jobs_are_listed_tried_again_and_cancelled(service: Service, admin: Account) -> None:
    job_id = dead_job(service)
    listed = service.get("/api/admin/jobs", admin, params={"state": "dead"}).json()["_items"]
    (job,) = [each for each in listed if each["_id"] == job_id]
    assert job["error"] == queue.CANCELLED
    assert job["state"] == "dead"
    where = f"/api/admin/jobs/{job_id}"
    assert service.request("POST", f"{where}/cancel", admin).status_code == 409
    assert service.request("POST", f"{where}/retry", admin).status_code == 204
    assert state_of(service, job_id) == READY
    assert service.request("POST", f"{where}/retry", admin).status_code == 409
    assert service.request("POST", f"{where}/cancel", admin).status_code == 204
    assert state_of(service, job_id) == DEAD


def test_links_are_renewed_when_somebody_says_so(start: Start) -> None:
    service = start(jobs_limits={"links_refresh": 0})
    admin = service.account("admin")
    for _ in range(2):
        assert service.request("POST", "/api/admin/links/refresh", admin).status_code == 204
    asked = {"kind": "links_refresh"}
    (job,) = service.get("/api/admin/jobs", admin, params=asked).json()["_items"]
    assert job["state"] == "ready"
    assert service.request("POST", f"/api/admin/jobs/{job['_id']}/cancel", admin).status_code == 204
    assert service.request("POST", "/api/admin/links/refresh", admin).status_code == 204
    (other,) = service.get("/api/admin/jobs", admin, params=asked).json()["_items"]
    assert (other["state"], other["_id"] == job["_id"]) == ("ready", False)


def test_jobs_come_a_page_at_a_time(service: Service, admin: Account) -> None:
    kind = f"kind {new_id()}"
    made = [dead_job(service, kind) for _ in range(103)]
    first = service.get("/api/admin/jobs", admin, params={"kind": kind}).json()
    more = service.get(
        "/api/admin/jobs", admin, params={"kind": kind, "after": first["_next"]}
    ).json()
    assert [each["_id"] for each in first["_items"] + more["_items"]] == made
    assert len(first["_items"]) == 100
    assert "_next" not in more


def test_what_is_no_job_or_no_state_is_told(service: Service, admin: Account) -> None:
    assert service.request("POST", f"/api/admin/jobs/{new_id()}/retry", admin).status_code == 404
    wrong = service.get("/api/admin/jobs", admin, params={"state": "asleep"})
    assert wrong.status_code == 400
    assert "ready, running, dead" in wrong.json()["_error"]["message"]


def test_a_user_is_added_and_can_sign_in(service: Service, admin: Account) -> None:
    name = f"grace{new_id()}"
    document = {"username": name, "roles": ["demo"], "password": PASSWORD, "email": None}
    added = service.request("POST", "/api/admin/users", admin, json=document)
    assert added.status_code == 201
    assert service.get(added.headers["location"], admin).json()["roles"] == ["demo"]
    credentials = {"username": name, "password": PASSWORD}
    assert service.request("POST", "/api/session", json=credentials).status_code == 200
    assert service.request("POST", "/api/admin/users", admin, json=document).status_code == 409


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"username": 1},
        {"username": "a b"},
        {"username": "grace", "roles": "admin"},
        {"username": "grace", "roles": [1]},
        {"username": "grace", "roles": ["Admin"]},
        {"username": "grace", "email": "nowhere"},
        {"username": "grace", "password": "short"},
        {"username": "grace", "colour": "red"},
        {"username": True},
    ],
)
def test_a_user_that_does_not_fit_is_refused(
    sqlite_disk: Service, document: dict[str, Any]
) -> None:
    admin = sqlite_disk.account("admin")
    answer = sqlite_disk.request("POST", "/api/admin/users", admin, json=document)
    assert answer.status_code == 400
    assert (
        sqlite_disk.get("/api/users", admin, params={"where": '{"username": "grace"}'}).json()[
            "_items"
        ]
        == []
    )


def test_a_token_is_shown_once_listed_and_revoked(service: Service, admin: Account) -> None:
    user = service.account()
    made = service.request(
        "POST", "/api/admin/tokens", admin, json={"username": user.username, "days": 1.5}
    )
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    signed = {"Authorization": f"Bearer {made.json()['token']}"}
    assert service.get("/api/users/me", headers=signed).json()["_id"] == user.id
    listed = service.get("/api/admin/tokens", admin, params={"username": user.username})
    first, second = listed.json()["_items"]
    assert made.json()["token"] not in listed.text
    assert "expires" in second
    assert "expires" not in first
    where = f"/api/admin/tokens/{second['_id']}"
    assert service.request("DELETE", where, admin).status_code == 204
    assert service.get("/api/users/me", headers=signed).status_code == 403
    assert service.request("DELETE", where, admin).status_code == 404


@pytest.mark.parametrize(
    ("document", "status"),
    [({}, 400), ({"username": "nobody there"}, 404), ({"username": "x", "days": 0}, 400)],
)
def test_no_token_for_what_does_not_fit(
    sqlite_disk: Service, document: dict[str, Any], status: int
) -> None:
    admin = sqlite_disk.account("admin")
    answer = sqlite_disk.request("POST", "/api/admin/tokens", admin, json=document)
    assert answer.status_code == status


# Trying a file again


def test_a_file_that_failed_is_tried_again(service: Service) -> None:
    owner = service.account("subscriber")
    file = service.upload(owner, service.project(owner), BROKEN, "a.png", "image/png")
    assert file["status"] == "failed"
    where = f"/api/files/{file['_id']}/process"
    stale = service.request("POST", where, owner, headers={"If-Match": '"0"'})
    assert stale.status_code == 412
    answer = service.request("POST", where, owner, headers={"If-Match": file["_etag"]})
    assert answer.status_code == 200
    assert answer.json()["_etag"] != file["_etag"]
    service.wait_until_idle()
    again = service.document(owner, file["_id"])
    assert again["status"] == "failed"
    assert again["processing"]["error"] == file["processing"]["error"]


def test_a_file_that_did_not_fail_is_left_alone(service: Service) -> None:
    owner = service.account("subscriber")
    file = service.upload(owner, service.project(owner))
    answer = service.request("POST", f"/api/files/{file['_id']}/process", owner)
    assert answer.status_code == 409
    assert service.document(owner, file["_id"])["_etag"] == file["_etag"]


def test_who_may_not_change_a_file_cannot_have_it_tried_again(service: Service) -> None:
    owner, other = service.account("subscriber"), service.account("subscriber")
    file = service.upload(owner, service.project(owner), BROKEN, "a.png", "image/png")
    where = f"/api/files/{file['_id']}/process"
    assert service.request("POST", where, other).status_code == 403
    assert service.request("POST", where).status_code == 403
    assert service.request("POST", f"/api/files/{new_id()}/process", owner).status_code == 404
