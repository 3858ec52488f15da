"""Rights that somebody loses while the body of his request is on its way: they are gone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support.servers import wait_until
from tests.support.service import Account, Service
from tests.support.wire import Answer, Wire, connected

from cella.access.passwords import Passwords
from cella.model import Project

FORM = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\nsome text\r\n'
UPLOADED = FORM % (b"file", b'; filename="a.txt"') + b"--x--\r\n"
STORED = FORM % (b"name", b"") + FORM % (b"data", b'; filename="a.txt"') + b"--x--\r\n"
DOCUMENT = {"name": "a", "filename": "a.txt", "content_type": "text/plain"}
PASSWORD = "correct horse battery staple"
HASHED = Passwords().hash(PASSWORD)
CASES: list[tuple[str, str, bytes | dict[str, Any]]] = [
    ("POST", "/api/storage/stream/{project}", UPLOADED),
    ("PUT", "/api/storage/stream/{project}/a.txt", b"some text"),
    ("POST", "/api/storage/file", STORED),
    ("POST", "/api/files", DOCUMENT),
    ("PATCH", "/api/files/{file}", {"description": "new"}),
    ("PUT", "/api/files/{file}", {"name": "a", "filename": "a.txt"}),
    ("POST", "/api/projects", {"name": "New", "category": "film"}),
    ("PATCH", "/api/projects/{project}", {"name": "New"}),
    ("PUT", "/api/projects/{project}", {"name": "New", "category": "film"}),
    ("POST", "/api/p/create", {"name": "New"}),
    ("POST", "/api/p/users", {"project_id": "{project}", "user_id": "{other}", "action": "add"}),
    ("POST", "/api/p/users", {"project_id": "{project}", "user": "{email}", "action": "add"}),
    ("POST", "/api/session/password", {"current": PASSWORD, "new": "another one"}),
    ("PATCH", "/api/users/{user}", {"full_name": "New"}),
    ("PUT", "/api/users/{user}", {"full_name": "New"}),
    ("POST", "/api/service/badger", {"action": "grant", "role": "demo", "user_email": "{email}"}),
]


@contextmanager
def halted(
    service: Service, by: Account, method: str, path: str, body: bytes | dict[str, Any]
) -> Iterator[Wire]:
    """A request that was admitted; what is sent on the wire is the rest of it: its body."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "multipart/form-data; boundary=x" if content.startswith(b"--x") else "application/json"
    with connected(service.port) as wire:
        wire.send(
            f"{method} {path} HTTP/1.1\nHost: x\nAuthorization: Bearer {by.token}\nIf-Match: *\n"
            f"Content-Type: {kind}\nContent-Length: {len(content)}\nExpect: 100-continue\n\n"
        )
        assert wire.answer().status == 100
        yield wire


def filled(value: Any, names: dict[str, str]) -> Any:
    """The value with what stands for `names` in its texts."""
    if isinstance(value, dict):
        return {key: filled(each, names) for key, each in value.items()}
    return value.format(**names) if isinstance(value, str) else value


def finished(wire: Wire, body: bytes | dict[str, Any]) -> Answer:
    """What is answered when the body has come."""
    wire.send(body if isinstance(body, bytes) else json.dumps(body).encode())
    return wire.answer()


def begun(service: Service) -> tuple[Account, Project, dict[str, str]]:
    """Somebody who may do it all, his project, and names of what there is."""
    user, other = service.account("subscriber", "service", "badger"), service.account()
    project = service.project(user)
    administer = service.assembly.administer
    administer.set_password(administer.user(user.username), HASHED)
    file = service.upload(user, project)
    service.wait_until_idle()
    email = f"{other.username}@studio.example"
    names = {"project": project.id, "user": user.id, "other": other.id, "email": email}
    return user, project, {**names, "file": file["_id"]}


@pytest.mark.parametrize(("method", "path", "body"), CASES)
def test_who_is_disabled_meanwhile_changes_nothing(
    service: Service, method: str, path: str, body: bytes | dict[str, Any]
) -> None:
    user, project, names = begun(service)
    blobs = service.blobs(project)
    path, body = path.format(**names), filled(body, names)
    with halted(service, user, method, path, body) as wire:
        service.disable(user)
        before = service.everything()
        answer = finished(wire, body)
    assert answer.status == 403, answer.body
    wait_until(lambda: not service.under_way())
    assert service.everything() == before
    assert service.blobs(project) == blobs
    assert service.blobs(user) == []


@pytest.mark.parametrize(("method", "path", "body"), CASES)
def test_the_same_works_for_who_stays(
    service: Service, method: str, path: str, body: bytes | dict[str, Any]
) -> None:
    user, _, names = begun(service)
    path, body = path.format(**names), filled(body, names)
    with halted(service, user, method, path, body) as wire:
        assert finished(wire, body).status in (200, 201, 204)


@pytest.mark.parametrize(("method", "path", "body"), [case for case in CASES[:6] if "{" in case[1]])
def test_who_is_no_member_any_more_changes_nothing(
    service: Service, method: str, path: str, body: bytes | dict[str, Any]
) -> None:
    owner, project, names = begun(service)
    member = service.account()

    def change(action: str) -> None:
        wish = {"project_id": project.id, "user_id": member.id, "action": action}
        assert service.request("POST", "/api/p/users", owner, json=wish).status_code == 200

    change("add")
    with halted(service, member, method, path.format(**names), body) as wire:
        change("remove")
        before = service.everything()
        assert finished(wire, body).status == 403
    wait_until(lambda: not service.under_way())
    assert service.everything() == before


def test_who_is_no_administrator_any_more_does_not_become_one_again(service: Service) -> None:
    admin, former = service.account("admin"), service.account("admin")
    path, wish = f"/api/users/{former.id}", {"roles": ["admin"]}
    with halted(service, former, "PATCH", path, wish) as wire:
        headers = {"If-Match": "*"}
        demotion = service.request("PATCH", path, admin, headers=headers, json={"roles": []})
        assert demotion.status_code == 200
        assert finished(wire, wish).status == 422
    assert service.get(path, admin).json()["roles"] == []
