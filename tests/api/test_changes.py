"""Writing files' documents: POST, PATCH, PUT, and what DELETE has of it (contract section 3)."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest
from tests.api.test_previews import picture, upload_async
from tests.support.forms import form, part
from tests.support.servers import wait_until
from tests.support.service import Account, Service, Start
from tests.support.wire import connected

from cella.catalog import files, projects
from cella.catalog.files import BlobRef
from cella.clock import ManualClock, http_date
from cella.flows.config import PROCESS
from cella.ids import new_blob_root, new_etag, new_id
from cella.jobs import queue
from cella.model import File, Grant, Processing, Project, Variation
from cella.model.project import Method

NOWHERE = "0" * 24
NOON = 1_800_000_000.0
PLAIN = {"name": "n", "filename": "shot.exr", "content_type": "application/x-exr"}
RECEIPT = {"_id", "_created", "_updated", "_etag", "_status"}
BIGGEST = (1 << 53) - 1


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at noon."""
    return ManualClock(NOON)


def add(service: Service, by: Account | None, document: Any, **arguments: Any) -> httpx.Response:
    """POST documents as JSON."""
    return service.request("POST", "/api/files", by, json=document, **arguments)


def added(service: Service, by: Account, **fields: Any) -> dict[str, Any]:
    """A new document without bytes, as `by` reads it."""
    answer = add(service, by, {**PLAIN, **fields})
    assert answer.status_code == 201, answer.text
    return service.document(by, answer.json()["_id"])


def write(
    service: Service,
    method: str,
    by: Account | None,
    document: dict[str, Any],
    change: Any,
    etag: str | None = "",
) -> httpx.Response:
    """PATCH or PUT a document; the etag is its own unless another one, or None, is given."""
    etag = document["_etag"] if etag == "" else etag
    headers = {} if etag is None else {"If-Match": etag}
    path = f"/api/files/{document['_id']}"
    return service.request(method, path, by, headers=headers, json=change)


def issues(answer: httpx.Response) -> Any:
    """What is wrong, by field, of a refusal."""
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert body["_status"] == "ERR"
    assert (body["_error"]["code"], body["_error"]["name"]) == (422, "invalid_document")
    return body["_issues"]


def totals(service: Service, project: Project) -> tuple[int, int]:
    """How many files the project has, and how many bytes."""
    stats = service.assembly.db.read_now(lambda tx: projects.stats(tx, project.id))
    return stats.files, stats.bytes


def stored_file(
    service: Service,
    owner: Account,
    project: Project | None,
    content: bytes = b"bytes",
    **fields: Any,
) -> File:
    """A file with a blob, put behind the service's back."""
    root = new_blob_root()
    plain = File(
        id=new_id(),
        created=int(NOON),
        updated=int(NOON),
        etag=new_etag(),
        project=None if project is None else project.id,
        user=owner.id,
        name=f"{root}.bin",
        filename="some.bin",
        content_type="application/octet-stream",
        length=5,
        backend=service.assembly.backend,
        file_path=f"{root}.bin",
        status="complete",
    )
    file = msgspec.structs.replace(plain, **fields)
    key = f"{file.bucket}/_/{file.file_path}"
    service.put_blob(key, content)
    service.assembly.db.write_now(lambda tx: files.add(tx, file, [BlobRef(key, "")]))
    return file


# Adding documents


def test_a_document_without_bytes_is_added(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    answer = add(service, owner, {**PLAIN, "project": project.id, "length": 7})
    assert answer.status_code == 201
    receipt = answer.json()
    assert receipt.keys() == RECEIPT
    assert receipt["_status"] == "OK"
    assert answer.headers["etag"] == f'"{receipt["_etag"]}"'
    assert answer.headers["location"] == f"/api/files/{receipt['_id']}"
    document = service.document(owner, receipt["_id"])
    assert document == PLAIN | {
        **{name: receipt[name] for name in RECEIPT - {"_status"}},
        "project": project.id,
        "user": owner.id,
        "length": 7,
        "length_aggregate_in_bytes": 7,
        "md5": "",
        "backend": service.assembly.backend,
        "status": "complete",
    }
    assert totals(service, project) == (1, 7)


BOUND = form(*(part(value.encode(), None, None, name) for name, value in PLAIN.items()))


@pytest.mark.parametrize(
    "body",
    [
        {"json": PLAIN},
        {"data": PLAIN},
        {"content": BOUND.body, "headers": BOUND.headers},
        {
            "content": b"\xef\xbb\xbf" + json.dumps(PLAIN).encode(),
            "headers": {"Content-Type": "APPLICATION/JSON; charset=utf-8"},
        },
    ],
    ids=["json", "urlencoded", "multipart", "json with a mark"],
)
def test_documents_come_as_json_and_as_forms(service: Service, body: dict[str, Any]) -> None:
    owner = service.account()
    answer = service.request("POST", "/api/files", owner, **body)
    assert answer.status_code == 201, answer.text
    document = service.document(owner, answer.json()["_id"])
    assert {name: document[name] for name in PLAIN} == PLAIN


def test_forms_have_numbers_as_text(service: Service) -> None:
    owner = service.account()
    text = {**PLAIN, "length": "12", "width": "3", "description": "Zoë & Ärger"}
    answer = service.request("POST", "/api/files", owner, data=text)
    document = service.document(owner, answer.json()["_id"])
    assert (document["length"], document["width"]) == (12, 3)
    assert document["description"] == "Zoë & Ärger"


def test_all_that_clients_give_comes_out_again(service: Service) -> None:
    owner = service.account()
    given = {
        "_id": new_id(),
        "description": "Ä\n\U0001f3ac",
        "format": "exr",
        "size": "original",
        "width": 1 << 40,
        "height": 0,
        "duration": 3,
        "length": BIGGEST,
        "md5": "0" * 32,
        "user": owner.id,
        "backend": "pillar",
        "status": "complete",
        "file_path": "",
        "variations": [],
    }
    document = added(service, owner, **given)
    unsaid = ("file_path", "variations")
    assert {name: document[name] for name in given if name not in unsaid} == {
        name: value for name, value in given.items() if name not in unsaid
    }
    assert not {*unsaid, "link", "link_expires", "sha256"} & document.keys()


def test_a_name_is_cleaned_as_those_of_uploads_are(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    hostile = '..\\..\x00\r\n\u202egpj.exe\u2066/etc/pass "wd".PNG'
    answer = service.request(
        "POST",
        f"/api/storage/stream/{project.id}",
        owner,
        files={"file": (hostile.replace("\x00", ""), b"x")},
    )
    uploaded = service.document(owner, answer.json()["file_id"])
    document = added(service, owner, filename=hostile)
    assert document["filename"] == uploaded["filename"] == '..\\..gpj.exe/etc/pass "wd".PNG'
    changed = write(service, "PATCH", owner, document, {"filename": "\u202e" + "x" * 300 + ".exr"})
    assert changed.status_code == 200
    assert service.document(owner, document["_id"])["filename"] == "x" * 251 + ".exr"


def test_without_a_project_it_is_the_users_own(service: Service) -> None:
    owner = service.account("subscriber")
    document = added(service, owner)
    assert "project" not in document
    path = f"/api/files/{document['_id']}"
    for other in (None, service.account(), service.account("subscriber")):
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            answer = service.request(method, path, other, json={"description": "x"})
            assert answer.status_code == 404, method
            assert document["_etag"] not in answer.text
    assert service.document(service.account("admin"), document["_id"]) == document
    assert write(service, "PATCH", owner, document, {"description": "mine"}).status_code == 200
    document = service.document(owner, document["_id"])
    gone = service.request("DELETE", path, owner, headers={"If-Match": document["_etag"]})
    assert gone.status_code == 204


def test_several_are_added_in_order(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    some = [{**PLAIN, "project": project.id, "name": f"n{at}", "length": at} for at in range(250)]
    answer = add(service, owner, some)
    assert answer.status_code == 201
    body = answer.json()
    assert body.keys() == {"_status", "_items"}
    assert body["_status"] == "OK"
    assert {frozenset(item) for item in body["_items"]} == {frozenset(RECEIPT)}
    ids = [item["_id"] for item in body["_items"]]
    assert len(set(ids)) == 250
    assert [service.file(file_id).name for file_id in ids[::50]] == [
        each["name"] for each in some[::50]
    ]
    assert totals(service, project) == (250, sum(range(250)))


def test_one_wrong_document_keeps_all_out(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    good = {**PLAIN, "project": project.id}
    before = service.everything()
    answer = add(service, owner, [good, {**good, "lenght": 5, "name": ""}, {"project": NOWHERE}])
    assert answer.status_code == 422
    body = answer.json()
    assert body["_items"] == [
        {"_status": "OK"},
        {
            "_status": "ERR",
            "_issues": {"lenght": "unknown field", "name": "empty values not allowed"},
        },
        {
            "_status": "ERR",
            "_issues": {
                "project": missing(NOWHERE),
                "name": "required field",
                "filename": "required field",
                "content_type": "required field",
            },
        },
    ]
    assert body["_error"]["message"] == "Insertion failure: 2 document(s) contain(s) error(s)"
    single = add(service, owner, {})
    assert set(issues(single)) == {"name", "filename", "content_type"}
    assert single.json()["_error"]["message"].startswith("Insertion failure: 1 document(s)")
    assert service.everything() == before


def missing(project_id: str) -> str:
    """The issue of a project that is not there, as the original's clients know it."""
    return f"value '{project_id}' must exist in resource 'projects', field '_id'."


@pytest.mark.parametrize(
    ("field", "value", "issue"),
    [
        ("name", 5, "must be of string type"),
        ("name", None, "null value not allowed"),
        ("filename", ["x"], "must be of string type"),
        ("content_type", "nonsense", "value does not match regex"),
        ("content_type", "a/b/c", "value does not match regex"),
        ("content_type", "text/html; charset=x", "value does not match regex"),
        ("content_type", "text/html\n", "value does not match regex"),
        ("length", -1, "min value is 0"),
        ("length", BIGGEST + 1, "max value is"),
        ("length", 10**300, "must be of integer type"),
        ("length", 1.5, "must be of integer type"),
        ("length", True, "must be of integer type"),
        ("width", "1e3", "must be of integer type"),
        ("width", -1, "min value is 0"),
        ("md5", "0" * 33, "max length is 32"),
        ("description", "a\0b", "must not hold NUL"),
        ("backend", "floppy", "unallowed value floppy"),
        ("status", "done", "unallowed value done"),
        ("status", "failed", "unallowed value failed"),
        ("user", "me", "must be of objectid type"),
        ("user", NOWHERE, "only administrators may name another user"),
        ("project", "mine", "must be of objectid type"),
        ("project", {"_id": NOWHERE}, "must be of objectid type"),
        ("_id", "x", "must be of objectid type"),
        ("file_path", "../../etc/passwd", "field is read-only"),
        ("file_path", ["a"], "must be of string type"),
        ("link", "https://example.com", "field is read-only"),
        ("link_expires", "Sun, 22 Nov 2026 17:38:00 GMT", "field is read-only"),
        ("length_aggregate_in_bytes", 1, "field is read-only"),
        ("sha256", "0" * 64, "field is read-only"),
        ("processing", {"status": "finished"}, "field is read-only"),
        ("variations", [{"content_type": "image/png", "length": 1}], "field is read-only"),
        ("variations", "s", "must be of list type"),
        ("_created", "Sun, 22 Nov 2026 17:38:00 GMT", "unknown field"),
        ("_etag", "x", "unknown field"),
        ("_deleted", False, "unknown field"),
        ("parent", NOWHERE, "unknown field"),
        ("$set", {"name": "x"}, "unknown field"),
        ("", "", "unknown field"),
    ],
)
def test_what_does_not_fit_is_told_by_field(
    local: Service, field: str, value: Any, issue: str
) -> None:
    owner = local.account()
    before = local.everything()
    found = issues(add(local, owner, {**PLAIN, field: value}))
    assert found.keys() == {field}
    assert str(found[field]).startswith(issue)
    assert local.everything() == before


def test_administrators_bring_what_the_original_had(service: Service) -> None:
    admin, owner = service.account("admin"), service.account()
    project = service.project(owner)
    fields = {
        "user": owner.id,
        "project": project.id,
        "backend": "gcs",
        "status": "processing",
        "length": 100,
        "processing": {"status": "pending", "job_id": "17", "backend": "zencoder"},
        "variations": [
            {"content_type": "video/mp4", "length": 20, "format": "mp4", "size": "720p"},
            {"content_type": "image/jpeg", "length": 3, "size": "t", "is_public": True},
        ],
    }
    document = added(service, admin, **fields)
    assert {name: document[name] for name in fields if name != "variations"} == {
        name: value for name, value in fields.items() if name != "variations"
    }
    assert [
        {name: value for name, value in each.items() if name != "md5"}
        for each in document["variations"]
    ] == fields["variations"]
    assert document["length_aggregate_in_bytes"] == 123
    assert totals(service, project) == (1, 123)
    assert issues(add(service, admin, {**PLAIN, "user": NOWHERE})) == {
        "user": f"value '{NOWHERE}' must exist in resource 'users', field '_id'."
    }


def test_bytes_are_counted_and_never_too_many_to_count(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    huge = [{**PLAIN, "project": project.id, "length": BIGGEST}] * 250
    assert [add(service, owner, huge).status_code for _ in range(3)] == [201, 201, 422]
    assert add(service, owner, huge[:12]).status_code == 201
    before = service.everything()
    assert issues(add(service, owner, huge[0])).keys() == {"length"}
    assert service.everything() == before
    admin = service.account("admin")
    small = added(service, admin, project=project.id)
    assert issues(write(service, "PATCH", admin, small, {"length": BIGGEST})).keys() == {"length"}
    assert totals(service, project) == (513, 512 * BIGGEST)


# Who may add


def test_nobody_adds_without_signing_in(service: Service) -> None:
    """And nothing that they send is looked at."""
    before = service.everything()
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        for content in (json.dumps(PLAIN), "{", ""):
            answer = service.request(
                "POST",
                "/api/files",
                headers={"Content-Type": "application/json", **headers},
                content=content,
            )
            assert answer.status_code == 403
            assert answer.json()["_error"]["name"] == "forbidden"
    assert service.everything() == before


def test_a_document_needs_permission_to_add_to_its_project(service: Service) -> None:
    owner, reader, sender, stranger = (service.account() for _ in range(4))
    admin = service.account("admin")
    grants = (
        Grant(owner.id, ("GET", "POST")),
        Grant(reader.id, ("GET", "PUT", "DELETE")),
        Grant(sender.id, ("POST",)),
    )
    private = service.project_with(owner, world=(), grants=grants)
    public = service.project_with(owner, world=("GET",), grants=grants)
    deleted = service.project_with(owner, world=("GET", "POST"))
    service.soft_delete(deleted)

    def status(by: Account, project: Project) -> int:
        several = add(service, by, [PLAIN, {**PLAIN, "project": project.id}])
        answer = add(service, by, {**PLAIN, "project": project.id})
        assert several.status_code == answer.status_code
        if answer.status_code == 422:
            assert issues(answer) == {"project": missing(project.id)}
            assert project.name not in answer.text
        return answer.status_code

    everybody = (owner, reader, sender, stranger, admin)
    assert [status(by, private) for by in everybody] == [201, 403, 201, 422, 201]
    assert [status(by, public) for by in everybody] == [201, 403, 201, 403, 201]
    assert [status(by, deleted) for by in everybody] == [422] * 5
    assert issues(add(service, owner, {**PLAIN, "project": NOWHERE})) == {
        "project": missing(NOWHERE)
    }


# Ids


def test_an_id_that_is_taken_is_refused(service: Service) -> None:
    owner = service.account()
    file_id, other_id = new_id(), new_id()
    document, admin = added(service, owner, _id=file_id), service.account("admin")
    before = service.everything()
    taken = add(service, admin, {**PLAIN, "_id": file_id})
    assert (taken.status_code, taken.json()["_error"]["name"]) == (409, "conflict")
    assert file_id in taken.json()["_error"]["message"]
    for some in ([other_id, file_id], [other_id, other_id]):
        answer = add(service, owner, [{**PLAIN, "_id": each} for each in some])
        assert answer.status_code == 409
    assert service.everything() == before
    headers = {"If-Match": document["_etag"]}
    assert service.request("DELETE", f"/api/files/{file_id}", owner, headers=headers).is_success
    assert add(service, owner, {**PLAIN, "_id": file_id}).status_code == 409
    assert add(service, owner, {**PLAIN, "_id": other_id}).status_code == 201


def test_of_racing_documents_with_one_id_one_is_added(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    document = {**PLAIN, "_id": new_id(), "project": project.id, "length": 5}
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: add(service, owner, document), range(16)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] + [409] * 15
    assert totals(service, project) == (1, 5)


# Bodies

JSON = {"Content-Type": "application/json"}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
CUT = form(part(b"n", None, None, "name"), is_closed=False)
FILE_IN_FORM = form(part(b"n", "n.txt", None, "name"))
NOT_UTF8 = form(part(b"\xff", None, None, "name"))


@pytest.mark.parametrize(
    ("headers", "content", "status", "told"),
    [
        ({}, b"{}", 400, "Unknown or no Content-Type header supplied"),
        ({"Content-Type": "text/plain"}, b"{}", 400, "Unknown or no Content-Type"),
        ({"Content-Type": "application/jsonx"}, b"{}", 400, "Unknown or no Content-Type"),
        (JSON, b"", 400, "empty"),
        (JSON, b" \n", 400, "empty"),
        (JSON, b"{", 400, "not valid JSON"),
        (JSON, b'{"name": }', 400, "byte 9"),
        (JSON, b'{"name": NaN}', 400, "not valid JSON"),
        (JSON, b'{"length": 1e999}', 400, "not valid JSON"),
        (JSON, b'{"length": ' + b"1" * 5000 + b"}", 400, "not valid JSON"),
        (JSON, b'{"name": "\xff"}', 400, "not UTF-8: see byte 10"),
        (JSON, b'{"name": "\\ud800"}', 400, "not valid JSON"),
        (JSON, b"[" * 100_000, 400, "nested too deeply"),
        (JSON, b'{"a":' * 100_000, 400, "nested too deeply"),
        (JSON, b"null", 400, "JSON object"),
        (JSON, b'"name"', 400, "JSON object"),
        (JSON, b"5", 400, "JSON object"),
        (JSON, b"[]", 400, "1 to 250"),
        (JSON, b"[" + b"{}," * 250 + b"{}]", 400, "1 to 250"),
        (JSON, b"[{}, 5]", 400, "Item 1"),
        (JSON, b'{"name": "' + b"x" * (1 << 20) + b'"}', 413, "1 MiB"),
        (JSON | {"Content-Encoding": "gzip"}, b"{}", 415, "Content-Encoding"),
        (URLENCODED, b"", 400, "empty"),
        (URLENCODED, b"name=%ff", 400, "not UTF-8"),
        (URLENCODED, b"name=\xff", 400, "not UTF-8"),
        (URLENCODED, b"a=b&" * 2000, 400, "1000 fields"),
        (CUT.headers, CUT.body, 400, "ends early"),
        (CUT.headers, b"", 400, "ends early"),
        ({"Content-Type": "multipart/form-data"}, b"x", 400, "boundary"),
        (FILE_IN_FORM.headers, FILE_IN_FORM.body, 400, "text fields only"),
        (NOT_UTF8.headers, NOT_UTF8.body, 400, "part 'name' is not UTF-8"),
        (CUT.headers, CUT.body + b"x" * (1 << 20), 413, "1 MiB"),
    ],
)
def test_bodies_that_are_no_documents(
    local: Service, headers: dict[str, str], content: bytes, status: int, told: str
) -> None:
    owner = local.account()
    before = local.everything()
    answer = local.request("POST", "/api/files", owner, headers=headers, content=content)
    assert answer.status_code == status, answer.text
    assert told in answer.json()["_error"]["message"]
    assert local.everything() == before


def test_a_body_that_does_not_tell_its_length_is_cut_off(local: Service) -> None:
    owner = local.account()

    def body() -> Any:
        yield b'{"name": "'
        for _ in range(20):
            yield b"x" * (1 << 16)

    answer = local.request("POST", "/api/files", owner, headers=JSON, content=body())
    assert (answer.status_code, answer.json()["_error"]["name"]) == (413, "too_large")


def test_of_fields_with_one_name_the_last_counts(local: Service) -> None:
    owner = local.account()
    twice = json.dumps(PLAIN)[:-1] + ', "name": "second"}'
    pairs = form(
        *(part(value.encode(), None, None, name) for name, value in PLAIN.items()),
        part(b"second", None, None, "name"),
    )
    for headers, content in (
        (JSON, twice.encode()),
        (URLENCODED, str(httpx.QueryParams([*PLAIN.items(), ("name", "second")])).encode()),
        (pairs.headers, pairs.body),
    ):
        answer = local.request("POST", "/api/files", owner, headers=headers, content=content)
        assert local.file(answer.json()["_id"]).name == "second"


def test_a_body_that_dawdles_is_given_up(start: Start) -> None:
    service = start(upload_stall=0.2)
    owner = service.account()
    with connected(service.port) as wire:
        wire.send(
            f"POST /api/files HTTP/1.1\nHost: x\nAuthorization: Bearer {owner.token}\n"
            'Content-Type: application/json\nContent-Length: 100\n\n{"name": '
        )
        answer = wire.answer()
    assert answer.status == 408
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_one_file_is_changed_by_one_document(local: Service, method: str) -> None:
    owner = local.account()
    document = added(local, owner)
    answer = write(local, method, owner, document, [{"name": "x"}])
    assert answer.status_code == 400
    assert "not an array" in answer.json()["_error"]["message"]
    path = f"/api/files/{document['_id']}"
    headers = {"If-Match": document["_etag"]}
    data = {"name": "x", "filename": "y.exr"}
    assert local.request(method, path, owner, headers=headers, data=data).status_code == 200
    assert local.file(document["_id"]).filename == "y.exr"


# Documents without bytes break nothing


def test_a_document_without_bytes_breaks_nothing(start: Start, clock: ManualClock) -> None:
    service = start(clock=clock, discard_grace=3600, jobs_poll_seconds=0.05)
    owner, admin = service.account(), service.account("admin")
    project = service.project(owner)
    uploaded = service.upload(owner, project)
    empty = [added(service, owner, project=project.id), added(service, owner)]
    variation = {"content_type": "image/jpeg", "length": 3, "size": "t", "is_public": True}
    empty += [
        added(service, admin, project=project.id, backend=backend, variations=[variation])
        for backend in ("gcs", service.assembly.backend)
    ]
    for reader in (admin, owner, None):
        answer = service.get("/api/files", reader)
        assert answer.status_code == 200
        for document in answer.json()["_items"]:
            assert "file_path" in document or "link" not in document
            assert all("link" not in each for each in document.get("variations", [])) or (
                document["_id"] == uploaded["_id"]
            )
    for document in empty:
        path = f"/api/files/{document['_id']}"
        assert service.request("HEAD", path, admin).status_code == 200
        assert not {"link", "link_expires", "file_path"} & document.keys()
        headers = {"If-Match": document["_etag"]}
        assert service.request("DELETE", path, admin, headers=headers).status_code == 204
    clock.advance(3601)
    service.wait_until_idle()
    rows = service.everything()
    assert [row[0] for row in rows["files"]] == [uploaded["_id"]]
    assert not service.assembly.db.read_now(queue.counts).dead
    assert totals(service, project) == (1, uploaded["length"])
    assert service.get(uploaded["link"]).status_code == 200


# Changing documents

WRITES = ["PATCH", "PUT"]


@pytest.mark.parametrize("method", WRITES)
def test_everybody_who_may_sets_three_fields(start: Start, clock: ManualClock, method: str) -> None:
    service = start(clock=clock)
    owner = service.account()
    before = service.upload(owner, service.project(owner), picture(300, 200), "a.png", "image/png")
    clock.advance(5)
    change = {"name": "plate", "filename": "plate 0041.png", "description": "the one"}
    answer = write(service, method, owner, before, change)
    assert answer.status_code == 200
    receipt = answer.json()
    assert receipt.keys() == RECEIPT
    assert answer.headers["etag"] == f'"{receipt["_etag"]}"'
    assert receipt["_etag"] != before["_etag"]
    assert (receipt["_id"], receipt["_created"]) == (before["_id"], before["_created"])
    assert receipt["_updated"] == http_date(int(clock.now())) != before["_updated"]
    after = service.get(f"/api/files/{before['_id']}", owner)
    assert after.headers["etag"] == answer.headers["etag"]
    assert after.headers["last-modified"] == receipt["_updated"]
    receipt.pop("_status")
    assert after.json() == before | change | receipt
    assert service.get(before["link"]).status_code == 200
    assert "plate 0041.png" in service.get(before["link"]).headers["content-disposition"]


def test_a_part_leaves_the_rest_and_a_whole_replaces_it(service: Service) -> None:
    owner = service.account()
    document = added(service, owner, description="old", width=5)
    write(service, "PATCH", owner, document, {"name": "x"})
    document = service.document(owner, document["_id"])
    assert (document["name"], document["description"]) == ("x", "old")
    names = {"name": "y", "filename": "y.exr"}
    assert write(service, "PUT", owner, document, names).status_code == 200
    document = service.document(owner, document["_id"])
    assert "description" not in document
    assert (document["name"], document["filename"], document["width"]) == ("y", "y.exr", 5)
    assert issues(write(service, "PUT", owner, document, {"description": "d"})) == {
        "name": "required field",
        "filename": "required field",
    }
    write(service, "PATCH", owner, document, {"description": "d"})
    document = service.document(owner, document["_id"])
    assert document["description"] == "d"
    assert write(service, "PATCH", owner, document, {"description": None}).status_code == 200
    assert "description" not in service.document(owner, document["_id"])


@pytest.mark.parametrize("method", WRITES)
def test_what_changes_nothing_keeps_the_etag(service: Service, method: str) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner), picture(30, 20), "a.png", "image/png")
    service.wait_until_idle()
    before = service.everything()
    for change in (document, {name: document[name] for name in ("name", "filename")}):
        answer = write(service, method, owner, document, change)
        assert answer.status_code == 200, answer.text
        assert answer.json()["_etag"] == document["_etag"]
    assert service.everything() == before


def film_of(service: Service, file_id: str) -> None:
    """Give the file a variation that is no picture."""
    file = service.file(file_id)
    film = Variation(
        content_type="video/mp4", size="1080p", format="mp4", length=4, file_path="f-1080p.mp4"
    )
    service.change(file_id, variations=(*file.variations, film))


@pytest.mark.parametrize("method", WRITES)
def test_a_document_comes_back_as_it_was_shown(service: Service, method: str) -> None:
    """To each who may change it, whatever of it they see."""
    owner, uploader, helper = (service.account() for _ in range(3))
    project = service.project_with(owner, world=("GET", "POST", "PUT"))
    document = service.upload(uploader, project, picture(30, 20), "a.png", "image/png")
    film_of(service, document["_id"])
    service.change(document["_id"], processing=Processing(status="finished", error="It's fine."))
    seen = {}
    for who in (service.account("admin"), uploader, helper):
        document = service.document(who, document["_id"])
        seen[who] = len(document["variations"])
        answer = write(service, method, who, document, {**document, "description": who.username})
        assert answer.status_code == 200, answer.text
        after = service.document(who, document["_id"])
        changed = {"description", "_etag", "_updated"}
        assert {name for name in after if after[name] != document.get(name)} <= changed
        assert after["description"] == who.username
        embedded = {**after, "project": {"_id": project.id, "name": "any"}, "_status": "OK"}
        assert write(service, method, who, after, embedded).status_code == 200
    assert list(seen.values()) == [7, 7, 6], "the helper sees pictures only"
    full = service.document(uploader, document["_id"])
    assert issues(write(service, method, helper, full, full)) == {
        "variations": "field is read-only"
    }


READ_ONLY: dict[str, Any] = {
    "_id": NOWHERE,
    "_created": "Sun, 22 Nov 2009 17:38:00 GMT",
    "_etag": "0" * 40,
    "_deleted": True,
    "content_type": "text/html",
    "format": "html",
    "size": "xl",
    "width": 7,
    "height": 7,
    "duration": 7,
    "length": 7,
    "length_aggregate_in_bytes": 7,
    "md5": "7" * 32,
    "sha256": "7" * 64,
    "user": NOWHERE,
    "project": NOWHERE,
    "backend": "gcs",
    "file_path": "../../etc/passwd",
    "status": "failed",
    "processing": {"status": "failed"},
    "variations": [],
}


def test_what_is_cellas_own_is_not_changed(service: Service) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner), picture(30, 20), "a.png", "image/png")
    service.wait_until_idle()
    before = service.everything()
    for method in WRITES:
        for name, value in READ_ONLY.items():
            answer = write(service, method, owner, document, {**document, name: value})
            assert issues(answer).keys() == {name}, (method, name)
    bare = [{**each, "file_path": "x.jpg"} for each in document["variations"]]
    assert issues(write(service, "PATCH", owner, document, {"variations": bare}))
    assert issues(write(service, "PATCH", owner, document, {"$set": {"name": "x"}})) == {
        "$set": "unknown field"
    }
    assert service.everything() == before


def test_administrators_correct_what_does_not_tell_where_bytes_lie(service: Service) -> None:
    owner, admin = service.account(), service.account("admin")
    project = service.project(owner)
    document = service.upload(owner, project, picture(30, 20), "a.png", "image/png")
    film_of(service, document["_id"])
    document = service.document(admin, document["_id"])
    allowed = {
        "content_type": "image/x-png",
        "format": "x-png",
        "size": "original",
        "width": 31,
        "height": 21,
        "duration": 0,
        "status": "failed",
        "processing": {"status": "failed", "backend": "local", "error": "Seen by eye."},
        "user": admin.id,
    }
    assert write(service, "PATCH", admin, document, allowed).status_code == 200
    after = service.document(admin, document["_id"])
    assert {name: after[name] for name in allowed} == allowed
    assert service.get(after["link"]).headers["content-type"] == "image/x-png"
    for name in READ_ONLY.keys() - allowed.keys():
        answer = write(service, "PATCH", admin, after, {name: READ_ONLY[name]})
        assert issues(answer).keys() == {name}
    unknown = write(service, "PATCH", admin, after, {"user": NOWHERE})
    assert issues(unknown) == {
        "user": f"value '{NOWHERE}' must exist in resource 'users', field '_id'."
    }
    merged = write(service, "PATCH", admin, after, {"processing": {"status": "finished"}})
    assert merged.status_code == 200
    assert service.file(document["_id"]).processing == Processing(
        status="finished", error="Seen by eye."
    )
    service.wait_until_idle()
    assert totals(service, project) == (1, after["length_aggregate_in_bytes"])


def test_nobody_moves_bytes_by_way_of_the_document(service: Service) -> None:
    """The blob of a file without a project lies in a bucket that is named for its user."""
    owner, admin = service.account(), service.account("admin")
    own = stored_file(service, owner, None)
    document = service.document(admin, own.id)
    assert issues(write(service, "PATCH", admin, document, {"user": admin.id})) == {
        "user": "field is read-only"
    }
    other = service.project(owner)
    for by in (owner, admin):
        refused = write(service, "PATCH", by, document, {"project": other.id})
        assert issues(refused) == {"project": "a file cannot change its project this way"}
    in_project = stored_file(service, owner, service.project(owner))
    document = service.document(admin, in_project.id)
    for target in (other.id, None):
        refused = write(service, "PATCH", admin, document, {"project": target})
        assert issues(refused) == {"project": "a file cannot change its project this way"}


def test_a_new_name_does_not_tell_where_previews_go(service: Service) -> None:
    owner = service.account()
    content = picture(30, 20)
    file = stored_file(
        service,
        owner,
        service.project(owner),
        content=content,
        content_type="image/png",
        length=len(content),
        status="queued_for_processing",
    )
    document = service.document(owner, file.id)
    change = {"name": "../../elsewhere.x"}
    assert write(service, "PATCH", owner, document, change).status_code == 200
    service.assembly.db.write_now(
        lambda tx: queue.put(tx, kind=PROCESS, subject=file.id, now=service.assembly.clock.now())
    )
    wait_until(lambda: service.file(file.id).status == "complete")
    document = service.document(owner, file.id)
    assert document["name"] == change["name"]
    root = file.file_path.partition(".")[0] if file.file_path else ""
    paths = [each["file_path"] for each in document["variations"]]
    assert paths == [f"{root}-{size}.jpg" for size in "sbtmlh"]


def test_a_change_of_words_leaves_the_numbers(service: Service) -> None:
    """The original counted the length of what was in the PATCH alone."""
    owner, admin = service.account(), service.account("admin")
    project = service.project(owner)
    document = service.upload(owner, project, picture(300, 200), "a.png", "image/png")
    whole = document["length_aggregate_in_bytes"]
    assert whole == document["length"] + sum(each["length"] for each in document["variations"])
    for method, by, change in (
        ("PATCH", owner, {"description": "words"}),
        ("PATCH", owner, {"variations": document["variations"]}),
        ("PUT", owner, {"name": "n", "filename": "f.png"}),
        ("PATCH", admin, {"width": 1}),
    ):
        document = service.document(owner, document["_id"])
        assert write(service, method, by, document, change).status_code == 200
        after = service.document(owner, document["_id"])
        assert after["length_aggregate_in_bytes"] == whole
        assert totals(service, project) == (1, whole)


def test_the_length_of_a_document_without_bytes_counts_as_it_is_said(service: Service) -> None:
    admin, owner = service.account("admin"), service.account()
    project = service.project(owner)
    document = added(service, admin, project=project.id, length=100)
    assert totals(service, project) == (1, 100)
    change = {"length": 30, "md5": "3" * 32, "user": owner.id}
    assert write(service, "PATCH", admin, document, change).status_code == 200
    document = service.document(owner, document["_id"])
    assert {name: document[name] for name in change} == change
    assert totals(service, project) == (1, 30)
    assert issues(write(service, "PATCH", owner, document, {"length": 0})).keys() == {"length"}


# Who may change, and when


@pytest.mark.parametrize("method", WRITES)
def test_who_may_read_but_not_change_is_refused(service: Service, method: str) -> None:
    owner, reader, editor = (service.account() for _ in range(3))
    grants = (
        Grant(owner.id, ("GET", "POST", "DELETE")),
        Grant(reader.id, ("GET",)),
        Grant(editor.id, ("GET", "PUT")),
    )
    worlds: tuple[tuple[Method, ...], ...] = ((), ("GET", "PUT"))
    for world in worlds:
        project = service.project_with(owner, world=world, grants=grants)
        document = service.upload(owner, project)
        strangers = [service.account("subscriber"), owner, reader]
        refused = [None] if world else [None, *strangers]
        for account in refused:
            answer = write(service, method, account, document, {"name": "x", "filename": "x"})
            assert (answer.status_code, answer.json()["_error"]["name"]) == (403, "forbidden")
        assert service.document(owner, document["_id"]) == document
        for account in (editor, service.account("admin")):
            document = service.document(owner, document["_id"])
            change = {"name": account.id, "filename": "x"}
            assert write(service, method, account, document, change).status_code == 200


@pytest.mark.parametrize("method", WRITES)
def test_a_change_knows_what_it_changes(service: Service, method: str) -> None:
    owner = service.account()
    document = added(service, owner)
    change = {"name": "x", "filename": "y"}
    absent = write(service, method, owner, document, change, None)
    assert (absent.status_code, absent.json()["_error"]["name"]) == (428, "precondition_required")
    for stale in ("0" * 40, '"0"', 'W/"x", "y"'):
        answer = write(service, method, owner, document, change, stale)
        assert (answer.status_code, answer.json()["_error"]["name"]) == (412, "precondition_failed")
    assert service.document(owner, document["_id"]) == document
    for form_of in ("{}", '"{}"', 'W/"{}"', '"other", "{}"', "*"):
        document = service.document(owner, document["_id"])
        etag = form_of.format(document["_etag"])
        answer = write(service, method, owner, document, {**change, "description": etag}, etag)
        assert answer.status_code == 200
        assert answer.json()["_etag"] != document["_etag"]


@pytest.mark.parametrize("method", WRITES)
def test_refusals_come_in_order(service: Service, method: str) -> None:
    """Is it there, may one read it, may one change it, is it the one that is meant, does it fit."""
    owner, reader = service.account(), service.account()
    private = service.project_with(owner, world=(), grants=(Grant(reader.id, ("GET",)),))
    document = service.upload(service.account("admin"), private)

    def status(by: Account | None, file_id: str, etag: str | None = None) -> int:
        headers = {**JSON, **({} if etag is None else {"If-Match": etag})}
        path = f"/api/files/{file_id}"
        return service.request(method, path, by, headers=headers, content=b"{").status_code

    admin = service.account("admin")
    for unknown in (NOWHERE, "x", document["_id"].upper() + "F", document["_id"][1:]):
        assert status(None, unknown) == status(admin, unknown) == 404
    assert status(None, document["_id"]) == status(owner, document["_id"]) == 403
    assert status(reader, document["_id"]) == 403
    assert status(admin, document["_id"]) == 428
    assert status(admin, document["_id"], "x") == 412
    assert status(admin, document["_id"], document["_etag"]) == 400
    service.soft_delete(private)
    assert status(admin, document["_id"], document["_etag"]) == 404


def test_what_is_deleted_cannot_be_changed(service: Service) -> None:
    owner = service.account()
    document = added(service, owner)
    headers = {"If-Match": "*"}
    service.request("DELETE", f"/api/files/{document['_id']}", owner, headers=headers)
    for method in WRITES:
        assert write(service, method, owner, document, {"name": "x"}).status_code == 404


def test_of_two_editors_one_wins_and_the_other_gets_to_know(service: Service) -> None:
    owner = service.account()
    document = added(service, owner)
    with ThreadPoolExecutor(8) as threads:

        def edit(number: int) -> httpx.Response:
            change = {"name": f"n{number}", "filename": "f"}
            return write(service, WRITES[number % 2], owner, document, change)

        answers = list(threads.map(edit, range(16)))
    won = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.status_code for answer in answers} == {200, 412}
    after = service.document(owner, document["_id"])
    assert after["name"] == f"n{won[0]}"
    assert after["_etag"] == answers[won[0]].json()["_etag"]


def test_methods_may_be_overridden(service: Service) -> None:
    owner = service.account()
    document = added(service, owner)
    path = f"/api/files/{document['_id']}"
    headers = {"If-Match": document["_etag"], "X-HTTP-Method-Override": "PATCH"}
    answer = service.request("POST", path, owner, headers=headers, json={"name": "x"})
    assert answer.status_code == 200
    assert service.document(owner, document["_id"])["name"] == "x"


def test_collections_are_not_deleted_or_replaced(service: Service) -> None:
    admin = service.account("admin")
    before = service.everything()
    for method in ("DELETE", "PUT", "PATCH"):
        answer = service.request(method, "/api/files", admin, json={})
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert service.everything() == before


# Etags


def test_reading_never_changes_an_etag_and_headers_agree_with_the_body(service: Service) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner), picture(30, 20), "a.png", "image/png")
    etag = write(service, "PATCH", owner, document, {"description": "x"}).json()["_etag"]
    path = f"/api/files/{document['_id']}"
    for _ in range(5):
        answer = service.get(path, owner)
        assert answer.json()["_etag"] == etag
        assert answer.headers["etag"] == f'"{etag}"'
        assert answer.headers["last-modified"] == answer.json()["_updated"]
    document = answer.json()
    assert write(service, "PATCH", owner, document, {"description": "y"}).status_code == 200


def test_each_step_of_processing_is_another_etag(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    begun = upload_async(service, owner, project, picture(30, 20)[:-20])
    wait_until(lambda: service.file(begun["_id"]).status == "failed")
    failed = service.document(owner, begun["_id"])
    assert failed["_etag"] != begun["_etag"]
    assert failed["length"] == begun["length"] > 0
    assert write(service, "PATCH", owner, begun, {"name": "x"}).status_code == 412
    assert write(service, "PATCH", owner, failed, {"name": "x"}).status_code == 200


@pytest.mark.parametrize("change", [str, lambda etag: f'"{etag}"'])
def test_a_copy_is_stale_when_the_document_was_written(
    service: Service, change: Callable[[str], str]
) -> None:
    owner = service.account()
    document = added(service, owner)
    path = f"/api/files/{document['_id']}"
    headers = {"If-None-Match": change(document["_etag"])}
    assert service.get(path, owner, headers=headers).status_code == 304
    write(service, "PATCH", owner, document, {"name": "x"})
    assert service.get(path, owner, headers=headers).status_code == 200
