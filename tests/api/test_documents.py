"""Reading files: documents, lists, who sees what of them, and conditional requests."""

import json
from collections.abc import Callable
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, NamedTuple

import httpx
import pytest
from tests.api.test_previews import picture
from tests.support.service import Account, Service, Start
from tests.support.wire import connected

from cella.catalog import files
from cella.catalog.files import BlobRef
from cella.clock import ManualClock
from cella.ids import new_etag, new_id
from cella.model import File, Grant, Project, Variation

NOON = 1_800_000_000.0
WINDOW = 30 * 24 * 3600 // 4
SIZES = ["s", "b", "t", "m", "l", "h"]


def listed(
    service: Service, by: Account | None = None, where: dict[str, Any] | None = None, **query: Any
) -> dict[str, Any]:
    """A page of files."""
    parameters = query if where is None else {"where": json.dumps(where), **query}
    answer = service.get("/api/files", by, params=parameters)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    assert answer.headers["x-total-count"] == str(page["_meta"]["total"])
    return page


def add_files(service: Service, owner: Account, project: Project, count: int) -> list[str]:
    """Put that many files without blobs into the catalogue; their ids, oldest first."""
    ids = [new_id() for _ in range(count)]

    def work(tx: Any) -> None:
        for number, file_id in enumerate(ids):
            file = File(
                id=file_id,
                created=int(NOON) + number // 3,
                updated=int(NOON),
                etag=new_etag(),
                project=project.id,
                user=owner.id,
                name=f"{number:032x}",
                filename=f"shot {number % 7}.exr",
                content_type="application/x-exr",
                length=number,
                backend=service.assembly.backend,
                file_path=f"{number:032x}",
                status="complete",
            )
            files.add(tx, file, [])

    service.assembly.db.write_now(work)
    return ids


# One document


def test_a_document_has_what_the_wire_promises(service: Service) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    answer = service.get(f"/api/files/{document['_id']}", owner)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["etag"] == f'"{document["_etag"]}"'
    assert None not in document.values(), "absent fields are left out"
    assert "_links" not in document
    for name in ("_created", "_updated", "link_expires"):
        seconds = int(parsedate_to_datetime(document[name]).timestamp())
        assert document[name] == formatdate(seconds, usegmt=True)
    assert parsedate_to_datetime(document["link_expires"]) > parsedate_to_datetime(
        answer.headers["date"]
    )


@pytest.mark.parametrize("change", [str.upper, lambda _: "0" * 24, lambda _: "x", lambda i: i[:23]])
def test_other_ids_are_not_found(service: Service, change: Callable[[str], str]) -> None:
    owner = service.account("admin")
    document = service.upload(owner, service.project(owner))
    # An id without a letter would be the same in upper case.
    file_id = change(document["_id"]) if change is not str.upper else "ABCDEF" * 4
    answer = service.get(f"/api/files/{file_id}", owner)
    assert answer.status_code == 404
    assert answer.json()["_error"]["name"] == "not_found"
    assert document["name"] not in answer.text


def test_trailing_slashes_mean_nothing(local: Service) -> None:
    owner = local.account()
    project = local.project(owner)
    document = local.upload(owner, project)
    for path in (f"/api/files/{document['_id']}", "/api/files", f"/api/projects/{project.id}"):
        plain, slashed = (local.get(path + end, owner) for end in ("", "/"))
        assert (slashed.status_code, slashed.content) == (plain.status_code, plain.content)
    answer = local.request(
        "PUT", f"/api/storage/stream/{project.id}/with.txt/", owner, content=b"x"
    )
    assert local.document(owner, answer.json()["file_id"])["filename"] == "with.txt"


@pytest.mark.parametrize("path", ["/api/files/{file}", "/api/files", "/api/projects/{project}"])
def test_head_is_get_without_the_body(service: Service, path: str) -> None:
    owner = service.account()
    project = service.project(owner)
    document = service.upload(owner, project)
    path = path.format(file=document["_id"], project=project.id)
    full, head = (service.request(method, path, owner) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    changing = ("date", "x-request-id")
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in full.headers.items() if k not in changing
    }


def test_reading_changes_nothing(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    document = service.upload(owner, project, picture(300, 200), "a.png", "image/png")
    service.wait_until_idle()
    before = service.everything()
    path = f"/api/files/{document['_id']}"
    for _ in range(25):
        assert service.document(owner, document["_id"]) == document
        assert service.request("HEAD", path, owner).status_code == 200
        assert listed(service, owner, {"project": project.id})["_items"] == [document]
        assert service.get(document["link"]).status_code == 200
    assert service.everything() == before


# Who sees what


class Stage(NamedTuple):
    """A file with previews and an encoded film, and people who stand differently to it."""

    service: Service
    project: Project
    file_id: str
    people: dict[str, Account | None]

    def sees(self, who: str) -> dict[str, Any]:
        """The document as somebody gets it, the same from both routes."""
        account = self.people[who]
        item = self.service.get(f"/api/files/{self.file_id}", account)
        assert item.status_code == 200
        page = listed(self.service, account, {"project": self.project.id})
        assert page["_items"] == [item.json()]
        assert page["_meta"]["total"] == 1
        everywhere = listed(self.service, account, {"_id": self.file_id})
        assert everywhere["_items"] == [item.json()]
        document: dict[str, Any] = item.json()
        return document


def stage(service: Service, *, public: bool) -> Stage:
    """A project of somebody else, with a member and a file by one who is none."""
    owner, member, uploader = service.account(), service.account(), service.account()
    grants = (Grant(member.id, ("GET",)), Grant(uploader.id, ("POST",)))
    project = service.project_with(owner, world=("GET",) if public else (), grants=grants)
    answer = service.request(
        "PUT",
        f"/api/storage/stream/{project.id}/a.png",
        uploader,
        content=picture(300, 200),
        headers={"Content-Type": "image/png"},
    )
    assert answer.status_code == 201, answer.text
    file_id = answer.json()["file_id"]
    service.wait_until_idle()
    file = service.file(file_id)
    film = Variation(
        content_type="video/mp4",
        size="1080p",
        format="mp4",
        length=4,
        file_path=file.name.replace(".png", "-1080p.mp4"),
    )
    key = f"{project.id}/_/{film.file_path}"
    service.put_blob(key, b"film")
    service.change(file_id, BlobRef(key, "1080p"), variations=(*file.variations, film))
    people = {
        "admin": service.account("admin"),
        "subscriber": service.account("subscriber"),
        "demo": service.account("demo"),
        "member": member,
        "uploader": uploader,
        "stranger": service.account("video-encoder"),
        "anonymous": None,
    }
    return Stage(service, project, file_id, people)


def test_who_has_full_access_gets_everything(service: Service) -> None:
    scene = stage(service, public=True)
    for who in ("admin", "subscriber", "demo", "member"):
        document = scene.sees(who)
        assert [v["size"] for v in document["variations"]] == [*SIZES, "1080p"]
        assert {"link", "link_expires"} <= document.keys()
        for item in (document, *document["variations"]):
            assert service.get(item["link"]).status_code == 200


def test_the_uploader_has_full_access_though_no_member(service: Service) -> None:
    uploader = service.account()
    project = service.project_with(service.account(), world=("GET", "POST"))
    document = service.upload(uploader, project)
    assert "link" in document
    assert "link" not in service.document(service.account(), document["_id"])


def test_others_who_may_read_get_pictures_and_public_links_only(service: Service) -> None:
    scene = stage(service, public=True)
    full = scene.sees("admin")
    for who in ("stranger", "anonymous"):
        document = scene.sees(who)
        assert not {"link", "link_expires"} & document.keys()
        assert [v["size"] for v in document["variations"]] == SIZES
        linked = {v["size"]: v["link"] for v in document["variations"] if "link" in v}
        assert linked.keys() == {"t"}
        assert service.get(linked["t"]).status_code == 200
        same = ("_id", "_etag", "filename", "length", "sha256", "status")
        assert [document[name] for name in same] == [full[name] for name in same]


def test_what_is_private_is_for_members_and_administrators(service: Service) -> None:
    scene = stage(service, public=False)
    for who in ("admin", "member"):
        assert "link" in scene.sees(who)
    for who in ("subscriber", "demo", "stranger", "anonymous", "uploader"):
        account = scene.people[who]
        answer = service.get(f"/api/files/{scene.file_id}", account)
        assert answer.status_code == 403
        assert scene.file_id not in answer.text
        for where in ({"project": scene.project.id}, {"_id": scene.file_id}):
            page = listed(service, account, where)
            assert (page["_items"], page["_meta"]["total"]) == ([], 0)


def test_lists_hold_and_count_only_what_one_may_read(start: Start) -> None:
    service = start()
    owner, stranger = service.account(), service.account()
    public, private = service.project(owner), service.project(owner, public=False)
    for project in (public, private, private):
        service.upload(owner, project)
    for reader, count in ((service.account("admin"), 3), (owner, 3), (stranger, 1), (None, 1)):
        page = listed(service, reader)
        assert page["_meta"]["total"] == len(page["_items"]) == count


def test_files_of_a_deleted_project_are_gone(service: Service) -> None:
    owner, admin = service.account(), service.account("admin")
    project = service.project(owner)
    document = service.upload(owner, project)
    service.soft_delete(project)
    for reader in (owner, admin, None):
        assert service.get(f"/api/files/{document['_id']}", reader).status_code == 404
        assert service.get(f"/api/projects/{project.id}", reader).status_code == 404
        for where in ({"project": project.id}, {"_id": document["_id"]}):
            page = listed(service, reader, where)
            assert (page["_items"], page["_meta"]["total"]) == ([], 0)


def test_a_file_without_path_breaks_no_list(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    document = service.upload(owner, project)
    service.change(document["_id"], file_path=None)
    broken = service.document(owner, document["_id"])
    assert not {"link", "link_expires", "file_path"} & broken.keys()
    assert listed(service, owner, {"project": project.id})["_items"] == [broken]


# Lists


def test_an_empty_list_is_a_list(service: Service) -> None:
    owner = service.account()
    page = listed(service, owner, {"project": service.project(owner).id})
    assert page == {"_items": [], "_meta": {"page": 1, "max_results": 250, "total": 0}}


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (None, 250),
        ("1", 1),
        ("249", 249),
        ("250", 250),
        ("251", 250),
        ("99999999999999999999", 250),
        ("0", 250),
        ("-5", 250),
        ("", 250),
        ("many", 250),
        ("2.5", 250),
        ("٣", 250),
    ],
)
def test_pages_have_at_most_250_items(local: Service, asked: str | None, granted: int) -> None:
    owner = local.account()
    project = local.project(owner)
    add_files(local, owner, project, 260)
    query = {} if asked is None else {"max_results": asked}
    page = listed(local, owner, {"project": project.id}, **query)
    assert page["_meta"] == {"page": 1, "max_results": granted, "total": 260}
    assert len(page["_items"]) == granted


@pytest.mark.parametrize(
    ("asked", "granted"), [("1", 1), ("2", 2), ("-2", 2), ("0", 1), ("x", 1), ("", 1), ("9", 9)]
)
def test_pages_are_counted_from_one(local: Service, asked: str, granted: int) -> None:
    owner = local.account()
    project = local.project(owner)
    ids = add_files(local, owner, project, 5)
    page = listed(local, owner, {"project": project.id}, page=asked, max_results="2")
    assert page["_meta"] == {"page": granted, "max_results": 2, "total": 5}
    wanted = ids[2 * (granted - 1) : 2 * granted]
    assert [item["_id"] for item in page["_items"]] == wanted


def test_all_pages_together_are_the_whole(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    ids = add_files(service, owner, project, 23)
    for sort, wanted in (
        ({}, ids),
        ({"sort": "-_created"}, None),
        ({"sort": "filename,-length"}, None),
    ):
        found = [
            item
            for number in (1, 2, 3, 4, 5)
            for item in listed(
                service, owner, {"project": project.id}, max_results=5, page=number, **sort
            )["_items"]
        ]
        assert sorted(item["_id"] for item in found) == ids
        if wanted is not None:
            assert [item["_id"] for item in found] == wanted
        elif sort["sort"] == "-_created":
            created = [parsedate_to_datetime(item["_created"]) for item in found]
            assert created == sorted(created, reverse=True)
        else:
            keys = [(item["filename"], -item["length"]) for item in found]
            assert keys == sorted(keys)
    assert listed(service, owner, {"project": project.id}, page=6, max_results=5)["_items"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"where": "garbage"},
        {"where": "[]"},
        {"where": "1"},
        {"where": '{"$where": "1"}'},
        {"where": '{"filename": {"$regex": "(a+)+"}}'},
        {"where": '{"filename": {"$in": "a"}}'},
        {"where": '{"filename": "\\ud800"}'},
        {"where": "{" * 3000},
        {"where": '{"filename": "' + "x" * 20_000 + '"}'},
        {"sort": ")("},
        {"sort": "no_such_field"},
        {"sort": "filename;drop"},
    ],
    ids=lambda query: next(iter(query.items()))[1][:24],
)
def test_queries_that_make_no_sense_are_refused(service: Service, query: dict[str, str]) -> None:
    answer = service.get("/api/files", service.account("admin"), params=query)
    assert answer.status_code == 400
    assert answer.json()["_error"]["name"] == "bad_request"
    assert next(iter(query)) in answer.json()["_error"]["message"].replace("$in", "where")


def test_where_finds_what_it_says(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    ids = add_files(service, owner, project, 10)
    for condition, wanted in (
        ({"_id": ids[4]}, [4]),
        ({"_id": {"$in": [ids[1], ids[7], "0" * 24]}}, [1, 7]),
        ({"length": {"$gte": 3, "$lt": 6}}, [3, 4, 5]),
        ({"length": {"$ne": 3}, "filename": "shot 3.exr"}, []),
        ({"filename": "shot 1.exr"}, [1, 8]),
        ({"_created": formatdate(NOON, usegmt=True)}, [0, 1, 2]),
        ({"_created": {"$gt": formatdate(NOON + 2, usegmt=True)}}, [9]),
        ({"parent": "0" * 24, "size": "t"}, []),
        ({"width": None, "length": {"$nin": [0, 1, 2, 3, 4, 5, 6, 7]}}, [8, 9]),
        ({"length": 1.5}, []),
    ):
        page = listed(service, owner, {"project": project.id, **condition})
        assert [item["_id"] for item in page["_items"]] == [ids[n] for n in wanted], condition
        assert page["_meta"]["total"] == len(wanted)


# Conditions


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands shortly after a window of links has begun."""
    return ManualClock(NOON // WINDOW * WINDOW + 1000)


def conditional(service: Service, by: Account, file_id: str, **headers: str) -> httpx.Response:
    """A GET with conditions."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return service.get(f"/api/files/{file_id}", by, headers=named)


@pytest.mark.parametrize("form", ['"{}"', "{}", 'W/"{}"', '"other", "{}"', "*"])
def test_a_current_etag_is_answered_304(service: Service, form: str) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    given = form.format(document["_etag"])
    answer = conditional(service, owner, document["_id"], If_None_Match=given)
    full = service.get(f"/api/files/{document['_id']}", owner)
    assert (answer.status_code, answer.content) == (304, b"")
    for name in ("etag", "last-modified", "vary", "cache-control"):
        assert answer.headers[name] == full.headers[name]


def test_another_etag_is_answered_in_full(service: Service) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    other = conditional(service, owner, document["_id"], If_None_Match='"' + "0" * 40 + '"')
    assert other.json() == document


def test_a_copy_is_stale_when_the_window_of_its_links_has_turned(
    start: Start, clock: ManualClock
) -> None:
    service = start(clock=clock)
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    file_id = document["_id"]
    first = service.get(f"/api/files/{file_id}", owner)
    by_etag = {"If_None_Match": first.headers["etag"]}
    by_date = {"If_Modified_Since": first.headers["last-modified"]}
    for conditions in (by_etag, by_date, by_etag | by_date):
        assert conditional(service, owner, file_id, **conditions).status_code == 304

    clock.time = clock.time // WINDOW * WINDOW + WINDOW - 1
    for conditions in (by_etag, by_date, by_etag | by_date):
        assert conditional(service, owner, file_id, **conditions).status_code == 304

    clock.advance(1)
    for conditions in (by_etag, by_date, by_etag | by_date):
        fresh = conditional(service, owner, file_id, **conditions)
        assert fresh.status_code == 200
        assert fresh.json()["link"] != document["link"]
        assert fresh.json()["_etag"] == document["_etag"]
    again = {"If_Modified_Since": fresh.headers["last-modified"]}
    assert conditional(service, owner, file_id, **again).status_code == 304
    assert conditional(service, owner, file_id, **again, **by_etag).status_code == 304


def test_of_two_conditions_both_must_hold(start: Start, clock: ManualClock) -> None:
    service = start(clock=clock)
    owner = service.account()
    file_id = service.upload(owner, service.project(owner))["_id"]
    full = service.get(f"/api/files/{file_id}", owner)
    etag, date = full.headers["etag"], full.headers["last-modified"]
    early = formatdate(clock.time - 3600, usegmt=True)
    for tag, since, status in (
        (etag, date, 304),
        (etag, early, 200),
        ('"0"', date, 200),
        ('"0"', early, 200),
    ):
        answer = conditional(service, owner, file_id, If_None_Match=tag, If_Modified_Since=since)
        assert answer.status_code == status


@pytest.mark.parametrize(
    "date", ["garbage", "", "Mon, 99 Foo 2016 99:99:99 GMT", "0", "2016-01-01"]
)
def test_a_date_that_is_none_is_ignored(service: Service, date: str) -> None:
    owner = service.account()
    file_id = service.upload(owner, service.project(owner))["_id"]
    answer = conditional(service, owner, file_id, If_Modified_Since=date)
    assert answer.status_code == 200


def test_who_wants_one_state_gets_that_or_412(service: Service) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    good = conditional(service, owner, document["_id"], If_Match=f'"{document["_etag"]}"')
    assert good.status_code == 200
    stale = conditional(service, owner, document["_id"], If_Match='"0"')
    assert stale.status_code == 412
    assert stale.json()["_error"]["name"] == "precondition_failed"


def test_lists_are_never_answered_304(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    service.upload(owner, project)
    answer = service.get(
        "/api/files",
        owner,
        params={"where": json.dumps({"project": project.id})},
        headers={"If-Modified-Since": formatdate(4_000_000_000, usegmt=True)},
    )
    assert answer.status_code == 200
    assert answer.headers["last-modified"] == answer.json()["_items"][0]["_updated"]


# Habits of old clients


def test_a_body_on_get_and_delete_keeps_the_connection_in_step(service: Service) -> None:
    """pillarsdk sends the four bytes `null` with every request."""
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    path = f"/api/files/{document['_id']}"
    head = f"HTTP/1.1\nHost: test\nAuthorization: Bearer {owner.token}\n"
    body = "Content-Type: application/json\nContent-Length: 4\n\nnull"
    with connected(service.port) as wire:
        wire.send(f"GET {path} {head}{body}")
        assert json.loads(wire.answer().body) == document
        wire.send(f"DELETE {path} {head}If-Match: {document['_etag']}\n{body}")
        assert wire.answer().status == 204
        wire.send(f"GET {path} {head}{body}GET {path} {head}{body}")
        assert [wire.answer().status for _ in range(2)] == [404, 404]


def test_a_method_may_be_overridden(service: Service) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    path = f"/api/files/{document['_id']}"
    assert service.request("POST", path, owner).status_code == 405
    read = service.request("POST", path, owner, headers={"X-HTTP-Method-Override": "get"})
    assert read.json() == document
    gone = service.request(
        "POST",
        path,
        owner,
        headers={"X-HTTP-Method-Override": "DELETE", "If-Match": document["_etag"]},
    )
    assert gone.status_code == 204
    assert service.get(path, owner).status_code == 404


def test_an_override_never_changes_whether_an_answer_has_a_body(local: Service) -> None:
    with connected(local.port) as wire:
        wire.send("HEAD /healthz HTTP/1.1\nHost: x\nX-HTTP-Method-Override: GET\n\n")
        wire.send("GET /healthz HTTP/1.1\nHost: x\nX-HTTP-Method-Override: HEAD\n\n")
        wire.send("POST /healthz HTTP/1.1\nHost: x\nX-HTTP-Method-Override: HEAD\n\n")
        wire.send("GET /healthz HTTP/1.1\nHost: x\n\n")
        assert wire.answer(has_body=False).status == 200
        assert wire.answer().body == b'{"status":"ok"}'
        assert wire.answer().status == 405
        assert wire.answer().body == b'{"status":"ok"}'


# Deleting


def delete(service: Service, by: Account | None, file_id: str, etag: str | None) -> httpx.Response:
    """A DELETE with that `If-Match`."""
    headers = {} if etag is None else {"If-Match": etag}
    return service.request("DELETE", f"/api/files/{file_id}", by, headers=headers)


@pytest.mark.parametrize("form", ["{}", '"{}"', 'W/"{}"', '"other", "{}"', "*"])
def test_a_delete_knows_what_it_deletes(service: Service, form: str) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    file_id, etag = document["_id"], document["_etag"]
    missing = delete(service, owner, file_id, None)
    assert missing.status_code == 428
    assert missing.json()["_error"]["name"] == "precondition_required"
    stale = delete(service, owner, file_id, "0" * 40)
    assert stale.status_code == 412
    assert service.document(owner, file_id) == document
    done = delete(service, owner, file_id, form.format(etag))
    assert (done.status_code, done.content) == (204, b"")
    assert delete(service, owner, file_id, etag).status_code == 404


def test_what_is_deleted_is_gone_at_once_and_everywhere(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    kept = service.upload(owner, project)
    document = service.upload(owner, project, picture(300, 200), "a.png", "image/png")
    links = [document["link"], *(v["link"] for v in document["variations"])]
    assert {service.get(link).status_code for link in links} == {200}
    assert listed(service, owner, {"project": project.id})["_meta"]["total"] == 2

    assert delete(service, owner, document["_id"], document["_etag"]).status_code == 204

    assert service.get(f"/api/files/{document['_id']}", owner).status_code == 404
    for by in (None, owner, service.account("admin")):
        assert {service.get(link, by).status_code for link in links} == {404}
    for where in ({"project": project.id}, {"_id": {"$in": [kept["_id"], document["_id"]]}}):
        page = listed(service, owner, where)
        assert [item["_id"] for item in page["_items"]] == [kept["_id"]]
        assert page["_meta"]["total"] == 1
    assert service.get(kept["link"]).status_code == 200


def test_the_bytes_follow_when_the_time_of_grace_is_over(start: Start, clock: ManualClock) -> None:
    service = start(clock=clock, discard_grace=3600, jobs_poll_seconds=0.05)
    owner = service.account()
    project = service.project(owner)
    document = service.upload(owner, project, picture(30, 20), "a.png", "image/png")
    assert len(service.blobs(project)) == 7
    delete(service, owner, document["_id"], document["_etag"])
    clock.advance(3599)
    service.wait_until_idle()
    assert len(service.blobs(project)) == 7
    clock.advance(2)
    service.wait_until_idle()
    service.assert_nothing_left(project)


def test_only_who_may_delete_deletes(service: Service) -> None:
    owner, reader, uploader = (service.account() for _ in range(3))
    grants = (
        Grant(reader.id, ("GET",)),
        Grant(uploader.id, ("GET", "POST")),
        Grant(owner.id, ("GET", "POST", "DELETE")),
    )
    project = service.project_with(owner, world=("GET", "DELETE"), grants=())
    private = service.project_with(owner, world=(), grants=grants)
    for place, refused in (
        (private, (None, reader, uploader, service.account("subscriber"))),
        (project, (None,)),
    ):
        admin = service.account("admin")
        document = service.upload(admin, place)
        for account in refused:
            answer = delete(service, account, document["_id"], document["_etag"])
            assert answer.status_code == 403
            assert answer.json()["_error"]["name"] == "forbidden"
        assert service.document(admin, document["_id"]) == document
        assert delete(service, owner, document["_id"], document["_etag"]).status_code == 204
