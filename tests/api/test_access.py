"""One rule on every way in and out: who × way × project, asked over HTTP, and printed.

The wanted table is worked out by a model of its own, a few lines that say in plain words what
docs/promises.md says; the service is asked for every cell and has to answer just that. The table
stands in docs/access.md: `make access` writes that page anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from tests.support.service import Account, Service

from cella.catalog import files as catalog_files
from cella.catalog import projects as catalog_projects
from cella.catalog.files import ORIGINAL, BlobRef
from cella.ids import new_blob_root, new_etag, new_id
from cella.model import File, Grant, Group, Permissions, Project, Variation
from cella.model.project import METHODS, Method

PAGE = Path(__file__).parents[2] / "docs" / "access.md"
ALL: tuple[Method, ...] = METHODS
READ: tuple[Method, ...] = ("GET",)


class Who(NamedTuple):
    """A column: somebody, and what the project grants to them as a member."""

    title: str
    roles: tuple[str, ...] = ()
    by: str = ""
    methods: tuple[Method, ...] = ()

    @property
    def is_anonymous(self) -> bool:
        return self.title == "anonymous"

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles


PEOPLE = (
    Who("anonymous"),
    Who("no role"),
    Who("subscriber", ("subscriber",)),
    Who("demo", ("demo",)),
    Who("admin", ("admin",)),
    Who("reader by user", (), "user", READ),
    Who("member by user", (), "user", ALL),
    Who("reader by group", (), "group", READ),
    Who("member by group", (), "group", ALL),
    Who("uploader"),
    Who("owner", (), "group", ALL),
)


class Place(NamedTuple):
    """A kind of project."""

    title: str
    world: tuple[Method, ...] = ()
    is_deleted: bool = False
    is_none: bool = False


PLACES = (
    Place("A public project", READ),
    Place("A public project that everybody may add to", ("GET", "POST")),
    Place("A private project"),
    Place("A deleted project", READ, is_deleted=True),
    Place("No project", is_none=True),
)


# The model


def granted(who: Who, place: Place) -> set[Method]:
    """What somebody may do in a project."""
    if who.is_admin:
        return set(ALL)
    if who.is_anonymous:
        return set(place.world) & {"GET"}
    return set(place.world) | set(who.methods)


def is_there(who: Who, place: Place) -> bool:
    """Whether somebody may know of the files there at all."""
    if place.is_none:
        return who.is_admin or who.title == "uploader"
    return not place.is_deleted


def may(who: Who, place: Place, method: Method) -> str:
    """`yes`, or the status of the refusal."""
    if not is_there(who, place):
        return "404"
    if place.is_none:
        return "yes"
    return "yes" if {"GET", method} <= granted(who, place) else "403"


def sees_all(who: Who, place: Place) -> bool:
    """Whether a reader gets links of what is not public, and the movies."""
    is_member = bool(who.methods) and not place.is_none
    return bool(who.roles) or is_member or who.title == "uploader"


def reading(who: Who, place: Place) -> str:
    """How a document is read."""
    answer = may(who, place, "GET")
    if answer != "yes":
        return answer
    return "all" if sees_all(who, place) else "bare"


def listing(who: Who, place: Place) -> str:
    """How a document is found in a list."""
    answer = reading(who, place)
    return answer if answer in ("all", "bare") else "none"


def writing(who: Who, place: Place, method: Method, done: str) -> str:
    """What a change answers."""
    answer = may(who, place, method)
    return done if answer == "yes" else answer


def adding(who: Who, place: Place) -> str:
    """What an upload answers."""
    if who.is_anonymous:
        return "403"
    if place.is_deleted:
        return "404"
    if who.is_admin or "POST" in granted(who, place):
        return "201"
    return "403"


def posting(who: Who, place: Place) -> str:
    """What a document without bytes answers; a project one may not know of is an invalid value."""
    if who.is_anonymous:
        return "403"
    if place.is_deleted or "GET" not in granted(who, place):
        return "422"
    return adding(who, place)


def reading_deleted(who: Who, place: Place) -> str:
    """What a deleted file answers to who asks for deleted ones."""
    return "200" if may(who, place, "DELETE") == "yes" else "404"


def fetching(who: Who, place: Place) -> str:
    """What the bytes answer to who has no signature."""
    if place.is_deleted:
        return "404"
    return "200" if reading(who, place) == "all" else "403"


def of_project(who: Who, place: Place, method: Method, done: str) -> str:
    """What a project answers."""
    if place.is_deleted:
        return "404"
    return done if {"GET", method} <= granted(who, place) else "403"


# The cells


class Asked(NamedTuple):
    """One cell's question: who asks what about which file in which project."""

    service: Service
    by: Account | None
    who: Who
    place: Place
    project: Project | None
    file: File

    def send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """The answer; none is a failure of the service."""
        answer = self.service.request(method, path, self.by, **arguments)
        assert answer.status_code < 500, answer.text
        if answer.status_code in (403, 404):
            self.tells_nothing(answer)
        return answer

    def tells_nothing(self, answer: httpx.Response) -> None:
        """A refusal holds nothing of what it refuses."""
        for secret in (self.file.filename, self.file.file_path or "", self.file.etag):
            assert secret not in answer.text
        if self.project is not None:
            assert self.project.name not in answer.text


def shown(document: dict[str, Any]) -> str:
    """How much of a file a document shows; nothing in between is right."""
    sizes = {variation["size"]: "link" in variation for variation in document["variations"]}
    if sizes == {"t": True, "s": True, "1080p": True}:
        assert "link" in document
        assert "link_expires" in document
        return "all"
    assert sizes == {"t": True, "s": False}
    assert "link" not in document
    assert "link_expires" not in document
    return "bare"


def read(asked: Asked, method: str = "GET", query: str = "") -> str:
    answer = asked.send(method, f"/api/files/{asked.file.id}{query}")
    if answer.status_code != 200:
        return str(answer.status_code)
    return shown(answer.json()) if method == "GET" else "200"


def head(asked: Asked) -> str:
    return read(asked, "HEAD")


def read_embedded(asked: Asked) -> str:
    query = httpx.QueryParams({"embedded": '{"project": 1}'})
    answer = asked.send("GET", f"/api/files/{asked.file.id}?{query}")
    if answer.status_code != 200:
        return str(answer.status_code)
    document = answer.json()
    if asked.project is not None:
        assert document["project"]["_id"] == asked.project.id
    return shown(document)


def listed(asked: Asked, where: dict[str, Any], **parameters: str) -> str:
    query = httpx.QueryParams({"where": json.dumps(where), **parameters})
    answer = asked.send("GET", f"/api/files?{query}")
    assert answer.status_code == 200, answer.text
    items = {item["_id"]: item for item in answer.json()["_items"]}
    assert answer.json()["_meta"]["total"] == len(items)
    return shown(items[asked.file.id]) if asked.file.id in items else "none"


def in_list_by_id(asked: Asked) -> str:
    return listed(asked, {"_id": {"$in": [asked.file.id]}})


def in_list_of_project(asked: Asked) -> str:
    return listed(asked, {"project": asked.project.id if asked.project else None})


def in_list_with_deleted(asked: Asked) -> str:
    return listed(asked, {"_id": asked.file.id}, show_deleted="1")


def read_deleted(asked: Asked) -> str:
    asked.service.change(asked.file.id, deleted=1_790_000_000)
    answer = asked.send("GET", f"/api/files/{asked.file.id}?show_deleted")
    if answer.status_code == 200:
        assert answer.json()["_deleted"] is True
        assert "link" not in answer.text
    return str(answer.status_code)


def patch(asked: Asked) -> str:
    headers = {"If-Match": asked.file.etag}
    answer = asked.send(
        "PATCH", f"/api/files/{asked.file.id}", json={"description": "x"}, headers=headers
    )
    return str(answer.status_code)


def put(asked: Asked) -> str:
    headers = {"If-Match": asked.file.etag}
    body = {
        "name": asked.file.name,
        "filename": asked.file.filename,
        "content_type": asked.file.content_type,
        "user": asked.file.user,
        "length": asked.file.length,
        "md5": asked.file.md5,
        "backend": asked.file.backend,
    }
    answer = asked.send("PUT", f"/api/files/{asked.file.id}", json=body, headers=headers)
    return str(answer.status_code)


def override(asked: Asked) -> str:
    headers = {"If-Match": asked.file.etag, "X-HTTP-Method-Override": "PATCH"}
    answer = asked.send(
        "POST", f"/api/files/{asked.file.id}", json={"description": "x"}, headers=headers
    )
    return str(answer.status_code)


def delete(asked: Asked) -> str:
    headers = {"If-Match": asked.file.etag}
    return str(asked.send("DELETE", f"/api/files/{asked.file.id}", headers=headers).status_code)


def restore(asked: Asked) -> str:
    asked.service.change(asked.file.id, deleted=1_790_000_000)
    answer = asked.send("POST", f"/api/files/{asked.file.id}/restore")
    if answer.status_code == 200:
        assert asked.service.file(asked.file.id).deleted is None
    return str(answer.status_code)


def fetch(asked: Asked, name: str | None, method: str = "GET") -> str:
    bucket = asked.file.project or asked.file.user
    assert name is not None
    path = f"/api/storage/file/{bucket[:2]}/{bucket}/{name[:2]}/{name}"
    return str(asked.send(method, path).status_code)


def fetch_original(asked: Asked) -> str:
    return fetch(asked, asked.file.file_path)


def fetch_head(asked: Asked) -> str:
    return fetch(asked, asked.file.file_path, "HEAD")


def fetch_private_preview(asked: Asked) -> str:
    return fetch(asked, asked.file.variations[1].file_path)


def fetch_public_preview(asked: Asked) -> str:
    return fetch(asked, asked.file.variations[0].file_path)


def browsed(asked: Asked, path: str) -> str:
    """What of the file's blobs is in a listing: all, or all but the film."""
    answer = asked.send("GET", path)
    if answer.status_code != 200:
        return str(answer.status_code)
    names = {child["text"] for child in answer.json()["children"]}
    ours = {asked.file.file_path, *(each.file_path for each in asked.file.variations)}
    if names >= ours:
        return "all"
    assert names & ours == ours - {asked.file.variations[2].file_path}
    return "bare"


def browse(asked: Asked) -> str:
    assert asked.project is not None
    return browsed(asked, f"/api/storage/browse/{asked.project.id}/_")


def browse_gcs(asked: Asked) -> str:
    assert asked.project is not None
    return browsed(asked, f"/api/storage/gcs/{asked.project.id}/_/")


def browse_blob(asked: Asked) -> str:
    assert asked.project is not None
    place = f"/api/storage/gcs/{asked.project.id}/_/"
    answers = [
        asked.send("GET", place + name)
        for name in (asked.file.file_path or "", *(v.file_path for v in asked.file.variations))
    ]
    if answers[0].status_code != 200:
        assert {answer.status_code for answer in answers} == {answers[0].status_code}
        return str(answers[0].status_code)
    original, public, private, film = (answer.json() for answer in answers)
    assert public["public_url"]
    assert not original["public_url"]
    assert not private["public_url"]
    signed = {bool(each["signed_url"]) for each in (original, public, private)}
    assert len(signed) == 1
    assert signed == {"signed_url" in film}
    return "all" if signed == {True} else "bare"


def upload_form(asked: Asked) -> str:
    assert asked.project is not None
    content = {"file": ("a.bin", b"bytes", "application/octet-stream")}
    answer = asked.send("POST", f"/api/storage/stream/{asked.project.id}", files=content)
    return str(answer.status_code)


def upload_raw(asked: Asked) -> str:
    assert asked.project is not None
    path = f"/api/storage/stream/{asked.project.id}/a.bin"
    return str(asked.send("PUT", path, content=b"bytes").status_code)


def upload_in_pieces(asked: Asked) -> str:
    assert asked.project is not None
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "5"}
    path = f"/api/uploads/{asked.project.id}"
    answer = asked.send("POST", path, headers=headers)
    if answer.status_code == 201:
        headers |= {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
        rest = asked.send("PATCH", answer.headers["location"], headers=headers, content=b"bytes")
        assert rest.status_code == 204, rest.text
        assert rest.headers["cella-state"] == "complete"
    return str(answer.status_code)


def post_document(asked: Asked) -> str:
    assert asked.project is not None
    body = {
        "name": "a",
        "filename": "a.bin",
        "content_type": "application/octet-stream",
        "project": asked.project.id,
    }
    return str(asked.send("POST", "/api/files", json=body).status_code)


def read_project(asked: Asked) -> str:
    assert asked.project is not None
    return str(asked.send("GET", f"/api/projects/{asked.project.id}").status_code)


def read_project_with_deleted(asked: Asked) -> str:
    assert asked.project is not None
    path = f"/api/projects/{asked.project.id}?show_deleted"
    return str(asked.send("GET", path).status_code)


def list_projects(asked: Asked) -> str:
    assert asked.project is not None
    query = httpx.QueryParams({"where": json.dumps({"_id": asked.project.id})})
    answer = asked.send("GET", f"/api/projects?{query}")
    assert answer.status_code == 200
    found = [item["_id"] for item in answer.json()["_items"]]
    assert answer.json()["_meta"]["total"] == len(found)
    return "shown" if found == [asked.project.id] else "none"


def quotas(asked: Asked) -> str:
    assert asked.project is not None
    return str(asked.send("GET", f"/api/p/{asked.project.id}/quotas").status_code)


def node_type(asked: Asked) -> str:
    assert asked.project is not None
    answer = asked.send("GET", f"/api/p/{asked.project.id}/asset")
    return answer.headers["Allowed"] if answer.status_code == 204 else str(answer.status_code)


def members(asked: Asked) -> str:
    assert asked.project is not None
    query = httpx.QueryParams({"project_id": asked.project.id})
    return str(asked.send("GET", f"/api/p/users?{query}").status_code)


def add_member(asked: Asked) -> str:
    assert asked.project is not None
    stranger = asked.service.account()
    body = {"project_id": asked.project.id, "user_id": stranger.id, "action": "add"}
    return str(asked.send("POST", "/api/p/users", json=body).status_code)


def add_named_member(asked: Asked) -> str:
    assert asked.project is not None
    stranger = asked.service.account()
    body = {"project_id": asked.project.id, "user": stranger.username, "action": "add"}
    return str(asked.send("POST", "/api/p/users", json=body).status_code)


def patch_project(asked: Asked) -> str:
    assert asked.project is not None
    headers = {"If-Match": "*"}
    path = f"/api/projects/{asked.project.id}"
    return str(asked.send("PATCH", path, json={"summary": "x"}, headers=headers).status_code)


def delete_project(asked: Asked) -> str:
    assert asked.project is not None
    headers = {"If-Match": "*"}
    return str(
        asked.send("DELETE", f"/api/projects/{asked.project.id}", headers=headers).status_code
    )


class Way(NamedTuple):
    """A row: what is asked, and what the model says to it. `spends` the file or project."""

    title: str
    ask: Callable[[Asked], str]
    wanted: Callable[[Who, Place], str]
    spends: bool = False
    needs_project: bool = False


def of_quotas(who: Who, place: Place) -> str:
    return "403" if who.is_anonymous else of_project(who, place, "GET", "200")


def of_members(who: Who, place: Place) -> str:
    if who.is_anonymous:
        return "403"
    if place.is_deleted:
        return "404"
    return "200" if who.is_admin or who.methods else "403"


def of_adding_members(who: Who, place: Place) -> str:
    return "403" if who.is_anonymous else of_project(who, place, "PUT", "200")


def of_node_type(who: Who, place: Place) -> str:
    answer = of_project(who, place, "GET", "yes")
    return ", ".join(sorted(granted(who, place))) if answer == "yes" else answer


def of_deleted_project(who: Who, place: Place) -> str:
    """What a project answers to who asks for deleted ones too."""
    if not place.is_deleted:
        return of_project(who, place, "GET", "200")
    return "200" if {"GET", "DELETE"} <= granted(who, place) else "404"


def of_public(who: Who, place: Place) -> str:
    return "404" if place.is_deleted else "200"


def shown_in_list(who: Who, place: Place) -> str:
    return "shown" if of_project(who, place, "GET", "yes") == "yes" else "none"


WAYS = (
    Way("`GET /api/files/{id}`", read, reading),
    Way(
        "`HEAD /api/files/{id}`",
        head,
        lambda who, place: writing(who, place, "GET", "200"),
    ),
    Way('`GET …?embedded={"project":1}`', read_embedded, reading),
    Way('`GET /api/files?where={"_id":…}`', in_list_by_id, listing),
    Way('`GET /api/files?where={"project":…}`', in_list_of_project, listing),
    Way("`GET /api/files?…&show_deleted`", in_list_with_deleted, listing),
    Way("`GET` of a deleted file, with `show_deleted`", read_deleted, reading_deleted, spends=True),
    Way("the bytes of the original, without a signature", fetch_original, fetching),
    Way("`HEAD` of them", fetch_head, fetching),
    Way("the bytes of a preview that is not public", fetch_private_preview, fetching),
    Way("the bytes of the public preview", fetch_public_preview, of_public),
    Way(
        "`PATCH /api/files/{id}`",
        patch,
        lambda who, place: writing(who, place, "PUT", "200"),
        spends=True,
    ),
    Way(
        "`POST` with `X-HTTP-Method-Override: PATCH`",
        override,
        lambda who, place: writing(who, place, "PUT", "200"),
        spends=True,
    ),
    Way(
        "`PUT /api/files/{id}`",
        put,
        lambda who, place: writing(who, place, "PUT", "200"),
        spends=True,
    ),
    Way(
        "`DELETE /api/files/{id}`",
        delete,
        lambda who, place: writing(who, place, "DELETE", "204"),
        spends=True,
    ),
    Way("`GET /api/storage/browse/{project}/_`", browse, reading, needs_project=True),
    Way("`GET /api/storage/gcs/{project}/_`", browse_gcs, reading, needs_project=True),
    Way("`GET /api/storage/gcs/{project}/_/{name}`", browse_blob, reading, needs_project=True),
    Way("`POST /api/files/{id}/restore`", restore, reading_deleted, spends=True),
    Way("`POST /api/storage/stream/{project}`", upload_form, adding, needs_project=True),
    Way("`PUT /api/storage/stream/{project}/{name}`", upload_raw, adding, needs_project=True),
    Way("`POST /api/uploads/{project}`", upload_in_pieces, adding, needs_project=True),
    Way("`POST /api/files`", post_document, posting, needs_project=True),
    Way(
        "`GET /api/projects/{id}`",
        read_project,
        lambda who, place: of_project(who, place, "GET", "200"),
        needs_project=True,
    ),
    Way(
        "`GET /api/projects/{id}?show_deleted`",
        read_project_with_deleted,
        of_deleted_project,
        needs_project=True,
    ),
    Way("`GET /api/projects`", list_projects, shown_in_list, needs_project=True),
    Way("`GET /api/p/{project}/quotas`", quotas, of_quotas, needs_project=True),
    Way("`GET /api/p/{project}/{node_type}`", node_type, of_node_type, needs_project=True),
    Way("`GET /api/p/users`", members, of_members, needs_project=True),
    Way("`POST /api/p/users`", add_member, of_adding_members, needs_project=True),
    Way("`POST /api/p/users`, by name", add_named_member, of_adding_members, needs_project=True),
    Way(
        "`PATCH /api/projects/{id}`",
        patch_project,
        lambda who, place: of_project(who, place, "PUT", "200"),
        needs_project=True,
    ),
    Way(
        "`DELETE /api/projects/{id}`",
        delete_project,
        lambda who, place: of_project(who, place, "DELETE", "204"),
        spends=True,
        needs_project=True,
    ),
)


# Asking


class Stage:
    """A project of a kind with a file in it, and everybody there is."""

    def __init__(self, service: Service, place: Place) -> None:
        self._service = service
        self._place = place
        self._accounts = {
            who.title: None if who.is_anonymous else service.account(*who.roles) for who in PEOPLE
        }

    def ask(self, way: Way, who: Who) -> str:
        """One cell, on a project and a file of its own where it is used up."""
        if way.spends or not hasattr(self, "_standing"):
            standing = self._found()
            if not way.spends:
                self._standing = standing
        else:
            standing = self._standing
        project, file = standing
        by = self._accounts[who.title]
        return way.ask(Asked(self._service, by, who, self._place, project, file))

    def _id(self, title: str) -> str:
        account = self._accounts[title]
        assert account is not None
        return account.id

    def _found(self) -> tuple[Project | None, File]:
        project = None if self._place.is_none else self._project()
        root = new_blob_root()
        bucket = project.id if project else self._id("uploader")
        file = File(
            id=new_id(),
            created=1_790_000_000,
            updated=1_790_000_000,
            etag=new_etag(),
            project=project.id if project else None,
            user=self._id("uploader"),
            name=f"{root}.mp4",
            filename=f"a secret name {root}.mp4",
            content_type="video/mp4",
            length=3,
            backend=self._service.assembly.backend,
            file_path=f"{root}.mp4",
            status="complete",
            variations=(
                Variation(
                    content_type="image/jpeg",
                    length=3,
                    file_path=f"{root}-t.jpg",
                    size="t",
                    is_public=True,
                ),
                Variation(content_type="image/jpeg", length=3, file_path=f"{root}-s.jpg", size="s"),
                Variation(
                    content_type="video/mp4",
                    length=3,
                    file_path=f"{root}-1080p.mp4",
                    size="1080p",
                ),
            ),
        )
        names = [(f"{root}.mp4", ORIGINAL)] + [(v.file_path, v.size or "") for v in file.variations]
        refs = [BlobRef(f"{bucket}/_/{name}", size) for name, size in names]
        for ref in refs:
            self._service.put_blob(ref.key, b"abc")
        self._service.assembly.db.write_now(lambda tx: catalog_files.add(tx, file, refs))
        if project is not None and self._place.is_deleted:
            self._service.soft_delete(project)
        return project, file

    def _project(self) -> Project:
        groups = {title: new_id() for title in ("owner", "member by group", "reader by group")}
        by_title = {who.title: who for who in PEOPLE}
        project_id = new_id()
        project = Project(
            id=project_id,
            created=1_790_000_000,
            updated=1_790_000_000,
            etag=new_etag(),
            name=f"a secret project {project_id}",
            url=f"p-{project_id}",
            user=self._id("owner"),
            permissions=Permissions(
                world=self._place.world,
                users=tuple(
                    Grant(self._id(who.title), who.methods) for who in PEOPLE if who.by == "user"
                ),
                groups=tuple(
                    Grant(group, by_title[title].methods) for title, group in groups.items()
                ),
            ),
        )

        def work(tx: Any) -> None:
            for title, group in groups.items():
                catalog_projects.add_group(
                    tx,
                    Group(
                        id=group,
                        created=0,
                        updated=0,
                        etag=new_etag(),
                        name=project_id if title == "owner" else group,
                    ),
                    [self._id(title)],
                )
            catalog_projects.add(tx, project)

        self._service.assembly.db.write_now(work)
        return project


def ways_of(place: Place) -> Iterator[Way]:
    """The ways that there are where there is a project, or none."""
    return (way for way in WAYS if not (way.needs_project and place.is_none))


@pytest.fixture(params=["sqlite_disk", "postgresql_memory"])
def either(request: pytest.FixtureRequest) -> Service:
    """A service over each database."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Service)
    return found


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.title)
def test_everybody_may_what_the_one_rule_says(either: Service, place: Place) -> None:
    stage = Stage(either, place)
    asked = {
        (way.title, who.title): stage.ask(way, who) for way in ways_of(place) for who in PEOPLE
    }
    wanted = {
        (way.title, who.title): way.wanted(who, place) for way in ways_of(place) for who in PEOPLE
    }
    assert {
        cell: (asked[cell], wanted[cell]) for cell in asked if asked[cell] != wanted[cell]
    } == {}


def test_the_page_says_what_the_rule_says() -> None:
    text = printed()
    if os.environ.get("CELLA_WRITE_ACCESS") == "1":
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "run `make access`"


# Printing

_HEAD = """\
# Who may do what

One rule serves every way in and out (`src/cella/access/rules.py`). `tests/api/test_access.py` has a
model of it, holds a running service to every cell below, over HTTP and on both databases, and
prints this page: `make access` writes it anew.

The columns: **anonymous**; signed in with **no role**, as **subscriber**, **demo** or **admin**;
users whom the project grants reading, or everything, **by user** or **by group**; the **uploader**
of the file, who is no member; the project's **owner**.

In the cells: **all** is the document with all its links; **bare** is the document without links
and without variations that are no pictures, of which the public one keeps its link; **none** means
not in the list and not in its total; numbers are the HTTP status.
"""


def printed() -> str:
    """The page: a table for each kind of project, by the model that the service is held to."""
    parts = [_HEAD]
    for place in PLACES:
        heading = ["way", *(who.title for who in PEOPLE)]
        rows = [[way.title, *(way.wanted(who, place) for who in PEOPLE)] for way in ways_of(place)]
        lines = [heading, ["---"] * len(heading), *rows]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        parts.append(f"## {place.title}\n\n{table}\n")
    return "\n".join(parts)
