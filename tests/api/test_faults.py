"""Faults of Pillar that we must not have, as far as no other test shows it.

All of them, with the tests that show it, are in docs/compatibility.md.
"""

import shutil
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from tests.api.test_documents import NOON, WINDOW, listed
from tests.api.test_previews import picture
from tests.support.service import LIMIT, Account, Service, Start

from cella.access.passwords import Passwords
from cella.clock import ManualClock
from cella.model import Project

DAY = 24 * 3600
WRITES = {"post", "put", "patch", "delete"}
PASSWORD = "correct horse battery"
TUS = {
    "Tus-Resumable": "1.0.0",
    "Upload-Length": "9",
    "Upload-Offset": "0",
    "Content-Type": "application/offset+octet-stream",
}
HARMLESS = {"/api/auth/make-token": {"post"}, "/api/session": {"post", "delete"}}
"""What signs somebody in or out, and needs no login."""


def drawn(service: Service, owner: Account, project: Project) -> dict[str, Any]:
    """A picture that is uploaded, with its previews."""
    return service.upload(owner, project, picture(60, 40), "a.png", "image/png")


def test_the_anonymous_change_nothing(start: Start) -> None:
    service = start()
    owner = service.account()
    project = service.project(owner)
    file = drawn(service, owner, project)
    ids = {
        "project_id": project.id,
        "file_id": file["_id"],
        "user_id": owner.id,
        "filename": "a.bin",
        "path": "a/b",
        "job_id": file["_id"],
        "token_id": file["_id"],
        "upload_id": file["_id"],
    }
    sent = {"name": "x", "filename": "x", "content_type": "text/plain", "category": "film"}
    before = service.everything()
    asked = 0
    for path, item in service.get("/api/openapi.json").json()["paths"].items():
        for method in WRITES & item.keys() - HARMLESS.get(path, set()):
            for body in ({**sent, "user": owner.id}, {**sent, "project": project.id}):
                headers = {"If-Match": "*", **(TUS if path.startswith("/api/uploads/") else {})}
                answer = service.request(
                    method.upper(), path.format(**ids), headers=headers, json=body
                )
                assert answer.status_code in (403, 404), f"{method} {path}: {answer.text}"
                asked += 1
    for path in ("/api/files", "/api/projects", "/api/tokens"):
        assert service.request("DELETE", path).status_code in (404, 405)
    assert asked > 20
    assert service.everything() == before


def test_no_token_and_no_password_is_kept_as_it_is(service: Service) -> None:
    user = service.account()
    administer = service.assembly.administer
    administer.set_password(administer.user(user.username), Passwords().hash(PASSWORD))
    given = service.request(
        "POST",
        "/api/auth/make-token",
        data={"username": user.username, "password": PASSWORD},
    ).json()["token"]
    kept = repr(service.everything())
    assert user.username in kept
    for secret in (user.token, given, PASSWORD):
        assert secret not in kept


@pytest.mark.parametrize("wanted", ['{"link": 1}', '{"filename": 1, "link_expires": 1}'])
def test_a_projection_leaves_no_link_behind(start: Start, wanted: str) -> None:
    clock = ManualClock(NOON)
    service = start(clock=clock)
    owner = service.account()
    project = service.project(owner)
    old = drawn(service, owner, project)
    clock.advance(4 * WINDOW)
    service.get(f"/api/files/{old['_id']}", owner, params={"projection": wanted})
    listed(service, owner, {"project": project.id}, projection=wanted)

    new = service.document(owner, old["_id"])
    assert new["_etag"] == old["_etag"]
    assert new["link_expires"] != old["link_expires"]
    for item in (new, *new["variations"]):
        assert service.get(item["link"]).status_code == 200


def test_links_need_no_store(start: Start) -> None:
    service = start()
    owner = service.account()
    project = service.project(owner)
    file = drawn(service, owner, project)
    shutil.rmtree(service.assembly.config.data / "blobs")
    assert listed(service, owner, {"project": project.id})["_items"] == [file]
    assert len([each for each in (file, *file["variations"]) if each["link"]]) == 7


def test_the_limit_that_is_told_is_the_limit(local: Service) -> None:
    owner = local.account()
    answer = local.request(
        "POST",
        f"/api/storage/stream/{local.project(owner).id}",
        owner,
        files={"file": ("a.bin", bytes(LIMIT))},
    )
    assert answer.status_code == 413
    assert f"{LIMIT / (1 << 20):.4g} MiB" in answer.json()["_error"]["message"]
    assert " 0 MiB" not in answer.json()["_error"]["message"]


@pytest.mark.parametrize("year", [2001, 2090])
def test_one_clock_tells_every_time(start: Start, year: int) -> None:
    clock = ManualClock((year - 1970) * 365.25 * DAY)
    service = start(clock=clock)
    owner = service.account(days=1)
    file = drawn(service, owner, service.project(owner))
    created, expires = (
        parsedate_to_datetime(file[name]).timestamp() for name in ("_created", "link_expires")
    )
    assert created == int(clock.now())
    assert 3 * WINDOW <= expires - created <= 4 * WINDOW

    clock.advance(DAY + 1)
    assert service.get("/api/users/me", owner).status_code == 403
    assert service.get(file["link"]).status_code == 200
    clock.advance(4 * WINDOW)
    assert service.get(file["link"]).status_code == 403


def test_a_file_that_is_deleted_is_never_brought_back_by_reading(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    file, other = drawn(service, owner, project), drawn(service, owner, project)
    path = f"/api/files/{file['_id']}"
    headers = {"If-Match": file["_etag"]}
    assert service.request("DELETE", path, owner, headers).status_code == 204

    shown = service.get(path, owner, params={"show_deleted": ""}).json()
    listed(service, owner, {"project": project.id}, show_deleted="")
    service.document(owner, other["_id"])
    for method in ("PATCH", "PUT"):
        answer = service.request(
            method, path, owner, {"If-Match": shown["_etag"]}, json={"name": "x", "filename": "x"}
        )
        assert answer.status_code == 404
    assert service.get(path, owner).status_code == 404
    assert service.get(path, owner, params={"show_deleted": ""}).json() == shown
