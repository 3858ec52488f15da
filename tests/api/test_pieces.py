"""Uploads in pieces, as clients of tus 1.0.0 send them."""

import base64
import hashlib
import io
import os
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.support.servers import wait_until
from tests.support.service import LIMIT, ORIGIN, Account, Service, Start
from tests.support.wire import connected

from cella.ids import new_id
from cella.model import Project

TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}
CONTENT = os.urandom(10_000)


class Tus:
    """A client of tus, for uploads of one user into one project."""

    def __init__(self, service: Service, by: Account, project: Project) -> None:
        self.service = service
        self.by = by
        self.project = project
        self.base = f"/api/uploads/{project.id}"

    def ask(
        self, method: str, path: str = "", headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """One request."""
        return self.service.request(method, path or self.base, self.by, headers or TUS, **more)

    def begin(self, length: int, name: str = "plate.bin", **metadata: str) -> str:
        """The address of a new upload."""
        answer = self.ask("POST", headers={**TUS, **self.described(length, name, **metadata)})
        assert answer.status_code == 201, answer.text
        return answer.headers["location"]

    def described(self, length: int, name: str, **metadata: str) -> dict[str, str]:
        """The headers that tell what will come."""
        pairs = {"filename": name, **metadata}.items()
        told = ",".join(
            f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs
        )
        return {"Upload-Length": str(length), "Upload-Metadata": told}

    def append(self, path: str, offset: int, content: bytes) -> httpx.Response:
        """Go on with it."""
        headers = {**CHUNK, "Upload-Offset": str(offset)}
        return self.ask("PATCH", path, headers, content=content)

    def offset(self, path: str) -> int:
        """How far it is."""
        answer = self.ask("HEAD", path)
        assert answer.status_code == 200
        return int(answer.headers["upload-offset"])

    def become(self, path: str) -> dict[str, Any]:
        """The document of the file that it becomes, when all work on that is done."""
        wait_until(lambda: self.ask("GET", path).json()["state"] != "storing")
        told = self.ask("GET", path).json()
        assert told["state"] == "complete", told
        self.service.wait_until_idle()
        return self.service.document(self.by, told["file"])


def made(service: Service, *roles: str) -> Tus:
    owner = service.account(*roles)
    return Tus(service, owner, service.project(owner))


@pytest.fixture
def tus(service: Service) -> Tus:
    """A client, on each database and store."""
    return made(service)


@pytest.fixture
def tus_here(local: Service) -> Tus:
    """A client, for what neither matters to."""
    return made(local)


def test_a_file_comes_in_pieces_over_several_connections(tus: Tus) -> None:
    path = tus.begin(len(CONTENT), "김치.bin")
    for start, stop in ((0, 1), (1, 5000), (5000, 10_000)):
        assert tus.offset(path) == start
        answer = tus.append(path, start, CONTENT[start:stop])
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(stop))
    file = tus.become(path)
    assert (file["filename"], file["length"]) == ("김치.bin", 10_000)
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert file["md5"] == hashlib.md5(CONTENT).hexdigest()
    assert tus.service.get(file["link"]).content == CONTENT
    wait_until(lambda: len(tus.service.blobs(tus.project)) == 1)
    assert not tus.service.under_way()


def test_a_photo_in_pieces_is_a_photo(local: Service) -> None:
    tus = made(local, "subscriber")
    picture = io.BytesIO()
    Image.effect_noise((320, 200), 90).convert("RGB").save(picture, "JPEG")
    content = picture.getvalue()
    path = tus.begin(len(content), "photo.jpg", filetype="application/octet-stream")
    tus.append(path, 0, content[:1000])
    tus.append(path, 1000, content[1000:])
    file = tus.become(path)
    assert (file["content_type"], file["status"]) == ("image/jpeg", "complete")
    assert {each["size"] for each in file["variations"]} == {"b", "s", "m", "t", "l", "h"}


@pytest.mark.parametrize("content", [b"", b"words", CONTENT], ids=len)
def test_what_comes_with_its_beginning_is_there_at_once(tus: Tus, content: bytes) -> None:
    described = tus.described(len(content), "a.txt", filetype="text/plain")
    answer = tus.ask("POST", headers={**CHUNK, **described}, content=content)
    assert answer.status_code == 201
    assert answer.headers["upload-offset"] == str(len(content))
    file = tus.become(answer.headers["location"])
    assert answer.headers["cella-state"] == "complete"
    assert answer.headers["cella-file"] == file["_id"]
    assert file["content_type"] == "text/plain"
    assert tus.service.get(file["link"]).content == content


def test_what_came_before_the_connection_broke_off_stays(tus: Tus) -> None:
    path = tus.begin(len(CONTENT))
    for stop in (4000, 9000):
        before = tus.offset(path)
        with connected(tus.service.port) as wire:
            wire.send(
                f"PATCH {path} HTTP/1.1\nHost: x\nAuthorization: Bearer {tus.by.token}\n"
                f"Tus-Resumable: 1.0.0\nUpload-Offset: {before}\n"
                f"Content-Type: application/offset+octet-stream\n"
                f"Content-Length: {len(CONTENT) - before}\nExpect: 100-continue\n\n"
            )
            assert wire.answer().status == 100
            wire.send(CONTENT[before:stop])
        wait_until(lambda stop=stop: tus.offset(path) == stop)  # type: ignore[misc]
    assert tus.append(path, 9000, CONTENT[9000:]).status_code == 204
    assert tus.service.get(tus.become(path)["link"]).content == CONTENT


def test_a_body_of_unknown_length_is_taken(tus_here: Tus) -> None:
    path = tus_here.begin(len(CONTENT))
    headers = {**CHUNK, "Upload-Offset": "0"}
    halves = iter((CONTENT[:3000], CONTENT[3000:]))
    assert tus_here.ask("PATCH", path, headers, content=halves).status_code == 204
    assert tus_here.service.get(tus_here.become(path)["link"]).content == CONTENT


@pytest.mark.parametrize("content", [b"x" * 11, iter([b"x" * 11])], ids=["announced", "chunked"])
def test_more_than_was_told_is_refused_and_changes_nothing(tus_here: Tus, content: bytes) -> None:
    path = tus_here.begin(10)
    headers = {**CHUNK, "Upload-Offset": "0"}
    answer = tus_here.ask("PATCH", path, headers, content=content)
    assert answer.status_code == 400
    assert "Upload-Length 10" in answer.json()["_error"]["message"]
    assert tus_here.offset(path) == 0
    described = tus_here.described(10, "a.bin")
    answer = tus_here.ask("POST", headers={**CHUNK, **described}, content=b"x" * 11)
    assert answer.status_code == 400
    tus_here.ask("DELETE", path)
    tus_here.service.wait_until_idle()
    tus_here.service.assert_nothing_left(tus_here.project)
    rows = tus_here.service.everything()["uploads"]
    assert not [row for row in rows if tus_here.by.id in row]


def test_who_is_not_where_the_upload_is_is_told(tus_here: Tus) -> None:
    path = tus_here.begin(10)
    tus_here.append(path, 0, b"12345")
    for offset in (0, 4, 6):
        answer = tus_here.append(path, offset, b"12345")
        assert answer.status_code == 409
        assert "has 5 bytes" in answer.json()["_error"]["message"]
    assert tus_here.append(path, 5, b"").status_code == 204
    assert tus_here.append(path, 5, b"67890").status_code == 204
    assert tus_here.append(path, 10, b"").status_code == 204
    assert tus_here.append(path, 10, b"1").status_code == 400
    assert tus_here.service.get(tus_here.become(path)["link"]).content == b"1234567890"


def test_an_upload_is_ended_and_leaves_nothing(tus: Tus) -> None:
    path = tus.begin(10)
    tus.append(path, 0, b"12345")
    answer = tus.ask("DELETE", path)
    assert (answer.status_code, answer.headers["tus-resumable"]) == (204, "1.0.0")
    for method in ("HEAD", "GET", "DELETE"):
        assert tus.ask(method, path).status_code == 404
    assert tus.append(path, 5, b"67890").status_code == 404
    tus.service.wait_until_idle()
    tus.service.assert_nothing_left(tus.project)


def test_a_complete_one_is_a_file_and_cannot_be_ended(tus_here: Tus) -> None:
    path = tus_here.begin(2)
    tus_here.append(path, 0, b"ok")
    file = tus_here.become(path)
    answer = tus_here.ask("DELETE", path)
    assert answer.status_code == 409
    assert file["_id"] in answer.json()["_error"]["message"]
    assert tus_here.service.get(file["link"]).content == b"ok"


def test_an_upload_is_its_uploaders_and_administrators_look(tus_here: Tus) -> None:
    service = tus_here.service
    path = tus_here.begin(10)
    other = Tus(service, service.account("subscriber"), tus_here.project)
    admin = Tus(service, service.account("admin"), tus_here.project)
    for method in ("HEAD", "GET", "DELETE"):
        assert other.ask(method, path).status_code == 404
        assert service.request(method, path, headers=TUS).status_code == 403
    assert other.append(path, 0, b"x").status_code == 404
    assert admin.append(path, 0, b"x").status_code == 404
    assert admin.ask("GET", path).json()["user"] == tus_here.by.id
    elsewhere = path.replace(tus_here.project.id, service.project(tus_here.by).id)
    assert tus_here.ask("HEAD", elsewhere).status_code == 404
    assert admin.ask("DELETE", path).status_code == 204
    assert tus_here.ask("HEAD", path).status_code == 404


def test_who_may_not_add_files_may_not_begin(tus_here: Tus) -> None:
    service, described = tus_here.service, tus_here.described(10, "a.bin")
    stranger = Tus(service, service.account(), tus_here.project)
    assert stranger.ask("POST", headers={**TUS, **described}).status_code == 403
    anonymous = service.request("POST", tus_here.base, headers={**TUS, **described})
    assert anonymous.status_code == 403
    assert anonymous.headers["tus-resumable"] == "1.0.0"
    for project, status in ((new_id(), 404), ("nonsense", 400)):
        answer = tus_here.ask("POST", f"/api/uploads/{project}", {**TUS, **described})
        assert answer.status_code == status


def test_rights_that_were_lost_end_it(tus_here: Tus) -> None:
    service = tus_here.service
    path = tus_here.begin(10)
    tus_here.append(path, 0, b"12345")
    service.soft_delete(tus_here.project)
    assert tus_here.append(path, 5, b"67890").status_code == 404
    service.disable(tus_here.by)
    assert tus_here.append(path, 5, b"67890").status_code == 403


def test_the_limit_of_a_role_holds_before_the_first_byte(local: Service) -> None:
    limited, free = made(local), made(local, "subscriber")
    for length, status in ((LIMIT - 1, 201), (LIMIT, 413)):
        described = limited.described(length, "a.bin")
        assert limited.ask("POST", headers={**TUS, **described}).status_code == status
    described = free.described(1 << 40, "a.bin")
    assert free.ask("POST", headers={**TUS, **described}).status_code == 201


def test_nobody_begins_without_end(start: Start) -> None:
    tus = made(start(uploads_unfinished=2))
    paths = [tus.begin(10), tus.begin(10)]
    answer = tus.ask("POST", headers={**TUS, **tus.described(10, "a.bin")})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    made(tus.service).begin(10)
    tus.ask("DELETE", paths[0])
    tus.begin(10)


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({}, "Upload-Length"),
        ({"Upload-Length": ""}, "Upload-Length"),
        ({"Upload-Length": "-1"}, "Upload-Length"),
        ({"Upload-Length": "1.5"}, "Upload-Length"),
        ({"Upload-Length": "9" * 17}, "Upload-Length"),
        ({"Upload-Length": "9" * 5000}, "Upload-Length"),
        ({"Upload-Length": "1", "Upload-Defer-Length": "1"}, "Upload-Defer-Length"),
        ({"Upload-Length": "1", "Upload-Metadata": "filename %%%"}, "Upload-Metadata"),
        ({"Upload-Length": "1", "Upload-Metadata": "filename /w=="}, "Upload-Metadata"),
        ({"Upload-Length": "1", "Upload-Metadata": "a " + "YQ" * 5000}, "Upload-Metadata"),
        ({"Upload-Length": "1", "Upload-Metadata": "filetype eA=="}, "content type"),
    ],
)
def test_what_cannot_be_understood_is_named(
    tus_here: Tus, headers: dict[str, str], word: str
) -> None:
    answer = tus_here.ask("POST", headers={**TUS, **headers})
    assert answer.status_code == 400
    assert word in answer.json()["_error"]["message"]


@pytest.mark.parametrize("metadata", ["", "filename", "name YS50eHQ=", "is_ok,filename YS50eHQ="])
def test_metadata_may_be_short(tus_here: Tus, metadata: str) -> None:
    headers = {**TUS, "Upload-Length": "1", "Upload-Metadata": metadata}
    told = tus_here.ask("POST", headers=headers).json()
    assert told["filename"] == ("a.txt" if "YS50eHQ" in metadata else "unnamed")


@pytest.mark.parametrize(
    ("metadata", "status"),
    [(b"filename \xe4", 400), (b"filename YS50eHQ=,type dGV4dAAvcGxhaW4=", 201)],
    ids=["no ASCII", "NUL"],
)
def test_metadata_may_be_hostile(tus: Tus, metadata: bytes, status: int) -> None:
    """What is no Base64 is refused; what no database can hold is left out."""
    headers: dict[str, Any] = {**TUS, "Upload-Length": "1", "Upload-Metadata": metadata}
    answer = tus.ask("POST", headers=headers)
    assert answer.status_code == status, answer.text


def test_another_version_and_another_type_are_refused(tus_here: Tus) -> None:
    path = tus_here.begin(10)
    chunk = {"Content-Type": CHUNK["Content-Type"], "Upload-Offset": "0"}
    for version in ({}, {"Tus-Resumable": "0.2.1"}):
        answer = tus_here.ask("PATCH", path, {**chunk, **version}, content=b"x")
        assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")
        assert answer.json()["_error"]["name"] == "unsupported_version"
    answer = tus_here.ask("PATCH", path, {**TUS, "Upload-Offset": "0"}, content=b"x")
    assert answer.status_code == 415
    assert answer.json()["_error"]["name"] == "unsupported_type"
    assert tus_here.offset(path) == 0


def test_clients_find_out_what_there_is(tus_here: Tus) -> None:
    answer = tus_here.ask("OPTIONS", headers={"Accept": "*/*"})
    assert answer.status_code == 200
    assert answer.headers["tus-version"] == "1.0.0"
    extensions = {"creation", "creation-with-upload", "expiration", "termination"}
    assert set(answer.headers["tus-extension"].split(",")) == extensions
    assert answer.headers["tus-max-size"] == str(1 << 50)
    path = tus_here.begin(10)
    answer = tus_here.ask("HEAD", path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["upload-length"] == "10"
    assert answer.headers["upload-expires"].endswith(" GMT")
    assert answer.headers["tus-resumable"] == "1.0.0"


def test_pages_of_other_origins_may_upload_in_pieces(tus_here: Tus) -> None:
    wanted = "authorization,tus-resumable,upload-length,upload-metadata,upload-offset"
    preflight = tus_here.ask(
        "OPTIONS",
        tus_here.begin(10),
        {
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": wanted,
        },
    )
    assert preflight.status_code == 200
    allowed = preflight.headers["access-control-allow-headers"].lower().split(", ")
    assert set(wanted.split(",")) <= set(allowed)
    assert {"PATCH", "HEAD", "DELETE"} <= set(
        preflight.headers["access-control-allow-methods"].split(", ")
    )
    answer = tus_here.ask("POST", headers={**TUS, **tus_here.described(1, "a"), "Origin": ORIGIN})
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"Location", "Upload-Offset", "Upload-Length", "Cella-File"} <= set(exposed)


def test_clients_that_only_know_post_say_what_they_mean(tus_here: Tus) -> None:
    path = tus_here.begin(2)
    headers = {**CHUNK, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert tus_here.ask("POST", path, headers, content=b"ok").status_code == 204
    assert tus_here.service.get(tus_here.become(path)["link"]).content == b"ok"
