"""Following a file: what is told of the work on it, and to whom."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from tests.api.test_previews import picture
from tests.support.servers import wait_until
from tests.support.service import Account, Service, Start, loopback_client

from cella.model import Project

Told = tuple[str, dict[str, Any]]


@contextmanager
def following(service: Service, by: Account | None, file_id: str) -> Iterator[Iterator[Told]]:
    """The events of a file as they come."""
    headers = by.headers if by else {}
    with (
        loopback_client(service.port) as http,
        http.stream("GET", f"/api/files/{file_id}/events", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield events(answer)


def events(answer: httpx.Response) -> Iterator[Told]:
    """What comes, event by event."""
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def waiting(service: Service, owner: Account, project: Project) -> dict[str, Any]:
    """A picture whose previews nobody makes yet."""
    answer = service.request(
        "POST",
        f"/api/storage/stream/{project.id}",
        owner,
        headers={"Prefer": "respond-async"},
        files={"file": ("a.png", picture(30, 20), "image/png")},
    )
    assert answer.status_code == 201
    return service.document(owner, answer.json()["file_id"])


@pytest.fixture
def idle(start: Start) -> Service:
    """A service where no job is done."""
    return start(embedded_worker=False)


def test_of_a_file_that_is_complete_there_is_one_event(service: Service) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    with following(service, owner, document["_id"]) as told:
        assert list(told) == [
            ("file", {name: document[name] for name in ("_id", "_etag", "status")}),
            ("end", {}),
        ]


def test_every_state_is_told_until_nothing_more_is_made(idle: Service) -> None:
    owner = idle.account()
    document = waiting(idle, owner, idle.project(owner))
    with following(idle, owner, document["_id"]) as told:
        assert next(told)[1]["status"] == "queued_for_processing"
        idle.change(document["_id"], status="processing")
        assert next(told)[1]["status"] == "processing"
        idle.change(document["_id"], status="complete")
        name, last = next(told)
        assert (name, last["status"]) == ("file", "complete")
        assert last["_etag"] == idle.document(owner, document["_id"])["_etag"]
        assert list(told) == [("end", {})]


def test_previews_are_followed_to_their_end(service: Service) -> None:
    owner = service.account()
    document = waiting(service, owner, service.project(owner))
    with following(service, owner, document["_id"]) as told:
        *states, end = list(told)
    assert states[-1][1]["status"] == "complete"
    assert end == ("end", {})


def test_who_may_not_read_the_file_may_not_follow_it(local: Service) -> None:
    owner = local.account()
    document = local.upload(owner, local.project(owner, public=False))
    path = f"/api/files/{document['_id']}/events"
    assert local.get(path).status_code == 403
    assert local.get(path, local.account()).status_code == 403
    assert local.get("/api/files/5f0123456789abcdef012345/events", owner).status_code == 404


def test_rights_that_are_lost_end_it(idle: Service) -> None:
    owner = idle.account()
    document = waiting(idle, owner, idle.project(owner, public=False))
    with following(idle, owner, document["_id"]) as told:
        assert next(told)[0] == "file"
        idle.disable(owner)
        assert list(told) == [("end", {"code": 403, "name": "forbidden"})]


def test_a_file_that_is_deleted_ends_it(idle: Service) -> None:
    owner = idle.account()
    document = waiting(idle, owner, idle.project(owner))
    with following(idle, owner, document["_id"]) as told:
        assert next(told)[0] == "file"
        gone = idle.request(
            "DELETE",
            f"/api/files/{document['_id']}",
            owner,
            headers={"If-Match": document["_etag"]},
        )
        assert gone.status_code == 204
        assert list(told) == [("end", {"code": 404, "name": "not_found"})]


def test_places_are_bounded_and_given_back(start: Start) -> None:
    service = start(embedded_worker=False, event_streams=1)
    owner = service.account()
    document = waiting(service, owner, service.project(owner))
    path = f"/api/files/{document['_id']}/events"
    with following(service, owner, document["_id"]) as told:
        next(told)
        refused = service.get(path, owner)
        assert refused.status_code == 503
        assert refused.json()["_error"]["name"] == "overloaded"
    service.change(document["_id"], status="complete")
    wait_until(lambda: service.get(path, owner).status_code == 200)


def test_a_stream_ends_after_its_time(start: Start) -> None:
    service = start(embedded_worker=False, event_seconds=0.2)
    owner = service.account()
    document = waiting(service, owner, service.project(owner))
    with following(service, owner, document["_id"]) as told:
        assert [name for name, _ in told] == ["file"]


def test_head_answers_without_waiting(idle: Service) -> None:
    owner = idle.account()
    document = waiting(idle, owner, idle.project(owner))
    answer = idle.request("HEAD", f"/api/files/{document['_id']}/events", owner)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content == b""
