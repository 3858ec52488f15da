"""Buckets as folders, over HTTP: contract section 8, and who gets to see what of them."""

from typing import Any

import httpx
import pytest
from tests.support.service import Account, Service

from cella.catalog.files import BlobRef
from cella.ids import new_id
from cella.model import Variation

GCS = "/api/storage/gcs"
BROWSE = "/api/storage/browse"


@pytest.fixture
def studio(service: Service) -> "Studio":
    """A private project with a member, and a public reader of it, on each database and store."""
    return Studio(service)


@pytest.fixture
def local_studio(local: Service) -> "Studio":
    """The same, for what neither matters to."""
    return Studio(local)


class Studio:
    """A public project with a member who has uploaded two files, and one that is deleted."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.member = service.account()
        self.project = service.project(self.member)
        self.files = [
            service.upload(self.member, self.project, content, f"{number}.txt", "text/plain")
            for number, content in enumerate((b"one", b"three"))
        ]
        self.deleted = service.upload(self.member, self.project, b"gone", "gone.txt")
        answer = service.request(
            "DELETE",
            f"/api/files/{self.deleted['_id']}",
            self.member,
            headers={"If-Match": self.deleted["_etag"]},
        )
        assert answer.status_code == 204

    def put_strange(self, name: str = f"{'f' * 32}.txt") -> str:
        """A blob that somebody has put into the bucket, of which the catalogue knows nothing."""
        self.service.put_blob(f"{self.project.id}/_/{name}", b"strange")
        return name

    def get(self, path: str, by: Account | None = None) -> dict[str, Any]:
        answer = self.service.get(path, by)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def names(self, by: Account | None = None) -> list[str]:
        """What a listing of the folder of files has."""
        return [child["text"] for child in self.get(f"{GCS}/{self.project.id}/_", by)["children"]]


def test_a_folder_has_the_shape_of_the_original(studio: Studio) -> None:
    """By the member, and by somebody who sees only what the catalogue knows."""
    names = sorted(file["file_path"] for file in studio.files)
    wanted = {
        "name": ".",
        "type": "group_storage",
        "children": [{"text": name, "path": name, "type": "text/plain"} for name in names],
    }
    for by in (studio.member, None):
        for path in (f"{GCS}/{studio.project.id}/_", f"{GCS}/{studio.project.id}/_/"):
            assert studio.get(path, by) == wanted


def test_a_blob_has_the_shape_of_the_original(studio: Studio) -> None:
    file = studio.files[1]
    path = f"{GCS}/{studio.project.id}/_/{file['file_path']}"
    found = studio.get(path, studio.member)
    assert list(found) == ["name", "size", "content_type", "updated", "signed_url", "public_url"]
    assert (found["name"], found["size"]) == (file["file_path"], 5)
    assert found["content_type"] == "text/plain"
    assert found["updated"].endswith(" GMT")
    assert found["public_url"] is None
    assert studio.service.get(found["signed_url"]).content == b"three"
    bare = studio.get(f"{path}/")
    assert bare == {**found, "signed_url": None, "updated": bare["updated"]}


def test_what_is_not_there_is_an_empty_folder(local_studio: Studio) -> None:
    project = local_studio.project.id
    for by in (local_studio.member, None):
        assert local_studio.get(f"{GCS}/{project}/_/nothing/here", by) == {
            "name": "here",
            "type": "group_storage",
            "children": [],
        }
        assert local_studio.get(f"{GCS}/{project}/elsewhere", by)["children"] == []


def test_the_top_has_the_folder_of_files(studio: Studio) -> None:
    for by in (studio.member, None):
        assert studio.get(f"{BROWSE}/{studio.project.id}", by) == {
            "name": ".",
            "type": "group_storage",
            "children": [{"text": "_", "path": "_", "type": "group_storage", "children": True}],
        }
        below = studio.get(f"{BROWSE}/{studio.project.id}/_/", by)
        assert below["name"] == "_"
        assert {child["path"] for child in below["children"]} == {
            f"_/{file['file_path']}" for file in studio.files
        }


def test_pieces_of_an_upload_are_not_shown(local_studio: Studio) -> None:
    """A file that is on its way is in no folder, whoever looks."""
    service, member, project = local_studio.service, local_studio.member, local_studio.project
    before = set(service.blobs(project))
    begun = service.request(
        "POST",
        f"/api/uploads/{project.id}",
        member,
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Length": "10",
            "Content-Type": "application/offset+octet-stream",
        },
        content=b"half ",
    )
    assert begun.status_code == 201, begun.text
    (key,) = set(service.blobs(project)) - before
    assert sorted(local_studio.names(member)) == sorted(
        file["file_path"] for file in local_studio.files
    )
    assert local_studio.get(f"{GCS}/{key}", member)["children"] == []


def test_pages_have_everything_once(studio: Studio) -> None:
    """Also where they end beside a file that is deleted."""
    studio.put_strange()
    everything = {file["file_path"] for file in studio.files}
    for by, more in ((studio.member, {f"{'f' * 32}.txt"}), (None, set())):
        for size in (1, 2, 250):
            found: list[str] = []
            path = f"{BROWSE}/{studio.project.id}/_?max_results={size}"
            while path:
                page = studio.get(path, by)
                assert len(page["children"]) <= size
                assert studio.deleted["file_path"] not in str(page)
                found += [child["text"] for child in page["children"]]
                following = page.get("_links")
                path = f"/api/{following['next']['href']}" if following else ""
            assert sorted(found) == sorted(everything | more)


def test_a_page_may_be_empty_where_much_is_hidden(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request does not look through all that was deleted; the next ones go on."""
    monkeypatch.setattr("cella.flows.browse._LOOKED_AT", 1)
    monkeypatch.setattr("cella.flows.browse._ROUNDS", 1)
    found: list[str] = []
    empty, path = 0, f"{BROWSE}/{studio.project.id}/_?max_results=1"
    while path:
        page = studio.get(path, studio.member)
        empty += not page["children"]
        found += [child["text"] for child in page["children"]]
        following = page.get("_links")
        path = f"/api/{following['next']['href']}" if following else ""
    assert sorted(found) == sorted(file["file_path"] for file in studio.files)
    assert empty >= 1


def test_what_is_deleted_is_shown_to_nobody(studio: Studio) -> None:
    name = studio.deleted["file_path"]
    admin = studio.service.account("admin")
    for by in (admin, studio.member, None):
        assert name not in studio.names(by)
        found = studio.get(f"{GCS}/{studio.project.id}/_/{name}", by)
        assert found == {"name": name, "type": "group_storage", "children": []}


def test_what_others_put_there_is_for_those_with_full_access(studio: Studio) -> None:
    name = studio.put_strange()
    assert name in studio.names(studio.member)
    assert name not in studio.names()
    path = f"{GCS}/{studio.project.id}/_/{name}"
    found = studio.get(path, studio.member)
    assert (found["size"], found["content_type"]) == (7, "application/octet-stream")
    assert found["signed_url"] is None, "no link of this server leads to what it does not know"
    assert studio.get(path)["children"] == []


def test_films_are_for_those_with_full_access(local_studio: Studio) -> None:
    """The uploader, who is no member, gets those of his own file only."""
    file, service = local_studio.files[0], local_studio.service
    film = f"{file['file_path'].partition('.')[0]}-480p.mp4"
    key = f"{local_studio.project.id}/_/{film}"
    service.put_blob(key, b"film")
    variation = Variation(content_type="video/mp4", length=4, file_path=film, size="480p")
    uploader = service.account()
    service.change(file["_id"], BlobRef(key, "480p"), variations=(variation,), user=uploader.id)
    assert film in local_studio.names(local_studio.member)
    assert film in local_studio.names(uploader)
    assert film not in local_studio.names(service.account())
    path = f"{GCS}/{local_studio.project.id}/_/{film}"
    assert local_studio.get(path, uploader)["signed_url"]
    assert local_studio.get(path)["children"] == []
    other = local_studio.files[1]["file_path"]
    place = f"{GCS}/{local_studio.project.id}/_/{other}"
    assert local_studio.get(place, uploader)["signed_url"] is None


def test_a_bucket_that_is_asked_for_is_never_made(local: Service) -> None:
    """Neither for projects that there are not, nor for users, whose ids name buckets too."""
    admin = local.account("admin")
    folder = local.assembly.config.data / "blobs"
    empty = local.project(admin)
    local.request(
        *("POST", "/api/storage/file", admin),
        data={"name": "own.txt"},
        files={"data": ("own.txt", b"own")},
    )
    before = set(folder.iterdir())
    for bucket in (new_id(), admin.id, "nonsense", "0" * 24):
        for path in (f"{GCS}/{bucket}/_", f"{GCS}/{bucket}/_/x", f"{BROWSE}/{bucket}"):
            assert local.get(path, admin).status_code == 404
    assert local.get(f"{GCS}/{empty.id}/_", admin).json()["children"] == []
    assert set(folder.iterdir()) == before


HOSTILE = [
    "..",
    "../..",
    "%2e%2e/%2e%2e",
    "%252e%252e",
    "..%2f..%2fetc%2fpasswd",
    "_/../../../etc/passwd",
    "a//b",
    "%00",
    "x%00.txt",
    "%0a",
    "a%5c..%5cb",
    "%ff%fe",
    "%ed%a0%80",
    "a" * 10_000,
    "a/" * 3_000 + "a",
    "%f0%9f%8e%ac",
]


@pytest.mark.parametrize("path", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_paths_lead_nowhere(service: Service, path: str) -> None:
    admin = service.account("admin")
    project = service.project(admin)
    service.upload(admin, project, b"x")
    for place in (f"{GCS}/{project.id}/_/", f"{GCS}/{project.id}/", f"{BROWSE}/{project.id}/"):
        answer = _raw(service, place + path, admin)
        assert answer.status_code in (200, 404)
        assert answer.json().get("children", []) == [], answer.text
        assert len(answer.content) < 2_000


def test_a_page_may_begin_anywhere(local_studio: Studio) -> None:
    for by in (local_studio.member, None):
        for after in ("..", "%00", "zzz", "a" * 5_000, "/", "_/"):
            path = f"{BROWSE}/{local_studio.project.id}/_?after={after}"
            assert local_studio.service.get(path, by).status_code == 200


def test_other_stores_are_asked_for_by_name(local_studio: Studio) -> None:
    path = f"{BROWSE}/{local_studio.project.id}/_?backend="
    assert local_studio.get(f"{path}local", local_studio.member)["children"]
    for backend in ("gcs", "nonsense", ""):
        assert local_studio.service.get(path + backend, local_studio.member).status_code == 404


def _raw(service: Service, path: str, by: Account) -> httpx.Response:
    """A GET of the path to the letter: httpx would put dots and escapes in order."""
    url = httpx.URL(service.url).copy_with(raw_path=path.encode())
    with httpx.Client(trust_env=False, timeout=60) as client:
        return client.send(httpx.Request("GET", url, headers=by.headers))
