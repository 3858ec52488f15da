"""What was taken from a dump of Pillar, over HTTP: the same documents, for the same people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from tests.support import mongodumps
from tests.support.service import Account, Service

from cella.clock import http_date
from cella.flows.import_pillar.outcomes import Counts
from cella.pillar.dump import open_dump

CONTENT = b"the bytes of a picture"


class Old:
    """An installation of Pillar: who worked there, and what they had."""

    def __init__(self) -> None:
        self.ada, self.ben, self.eve = (
            mongodumps.user(f"{name}-{ObjectId()}", roles=[]) for name in ("ada", "ben", "eve")
        )
        self.film = mongodumps.project(self.ada)
        self.open = mongodumps.project(
            self.ada, permissions={"world": ["GET"], "users": [], "groups": []}
        )
        self.secrets = [mongodumps.token(each) for each in (self.ada, self.eve)]

    def dump(self, folder: Path, *files: Mapping[str, Any]) -> Path:
        """A dump of all of it."""
        return mongodumps.folder(
            folder,
            {
                "users": [self.ada, self.ben, self.eve],
                "projects": [self.film, self.open],
                "tokens": self.secrets,
                "files": files,
            },
        )

    def account(self, number: int) -> Account:
        """Who has one of the tokens."""
        secret = self.secrets[number]
        return Account(str(secret["user"]), "", secret["token"])


@pytest.fixture
def old() -> Old:
    """An installation with people of its own."""
    return Old()


def take(service: Service, dump: Path) -> None:
    """Take a dump while the service runs."""
    counts: dict[str, Counts] = {}
    flow = service.assembly.import_pillar()
    flow.run(open_dump(dump), counts, advance=lambda _: None, tell=lambda *_: None)


def test_a_file_reads_as_it_did(service: Service, old: Old, tmp_path: Path) -> None:
    backend = service.assembly.backend
    told = mongodumps.file(old.ben, old.film, backend=backend, length=len(CONTENT))
    take(service, old.dump(tmp_path, told))
    found = service.document(old.account(0), str(told["_id"]))
    assert found["_etag"] == told["_etag"]
    assert found["_created"] == http_date(1_470_000_000)
    assert found["_updated"] == http_date(1_470_000_100)
    assert (found["user"], found["project"]) == (str(old.ben["_id"]), str(old.film["_id"]))
    for name in ("name", "filename", "file_path", "length", "width", "height", "status"):
        assert found[name] == told[name]
    assert [each["size"] for each in found["variations"]] == ["t", "m"]
    assert found["length_aggregate_in_bytes"] == len(CONTENT) + 200


def test_files_of_one_etag_are_told_apart(local: Service, old: Old, tmp_path: Path) -> None:
    """In the original two equal documents of one second had the same."""
    etag = "e7" * 20
    told = [mongodumps.file(old.ada, old.film, _etag=etag, filename=name) for name in "ab"]
    take(local, old.dump(tmp_path, *told))
    for each in told:
        found = local.document(old.account(0), str(each["_id"]))
        assert (found["_id"], found["_etag"]) == (str(each["_id"]), etag)
        assert found["filename"] == each["filename"]


def test_a_link_leads_to_the_bytes_that_lie_where_they_lay(
    local: Service, old: Old, tmp_path: Path
) -> None:
    told = mongodumps.file(old.ada, old.film, length=len(CONTENT))
    local.put_blob(f"{old.film['_id']}/_/{told['file_path']}", CONTENT)
    take(local, old.dump(tmp_path, told))
    link = local.document(old.account(0), str(told["_id"]))["link"]
    assert local.get(link).content == CONTENT


def test_permissions_hold(local: Service, old: Old, tmp_path: Path) -> None:
    private, public = (mongodumps.file(old.ada, each) for each in (old.film, old.open))
    take(local, old.dump(tmp_path, private, public))
    member, stranger = old.account(0), old.account(1)
    for told, who, status in (
        (private, member, 200),
        (private, stranger, 403),
        (private, None, 403),
        (public, None, 200),
    ):
        assert local.get(f"/api/files/{told['_id']}", who).status_code == status
    assert "link" not in local.get(f"/api/files/{public['_id']}").json()
    query = f'/api/files?where={{"project":"{old.film["_id"]}"}}'
    assert local.get(query, member).json()["_meta"]["total"] == 1
    assert local.get(query, stranger).json()["_meta"]["total"] == 0
    quotas = local.get(f"/api/p/{old.film['_id']}/quotas", member).json()
    assert quotas["file_size_used"] == 1200


def test_an_old_token_signs_in(local: Service, old: Old, tmp_path: Path) -> None:
    take(local, old.dump(tmp_path))
    basic = local.get("/api/users/me", auth=(old.secrets[0]["token"], ""))
    bearer = local.get("/api/users/me", old.account(0))
    assert basic.json() == bearer.json()
    assert basic.json()["_id"] == str(old.ada["_id"])
    assert basic.json()["_etag"] == old.ada["_etag"]
    assert local.get("/api/users/me", auth=("token-of-nobody", "")).status_code == 403


def test_a_file_can_be_changed_and_deleted_afterwards(
    local: Service, old: Old, tmp_path: Path
) -> None:
    told = mongodumps.file(old.ada, old.film)
    take(local, old.dump(tmp_path, told))
    path, ada = f"/api/files/{told['_id']}", old.account(0)
    headers = {"If-Match": told["_etag"]}
    changed = local.request("PATCH", path, ada, headers, json={"description": "new"})
    assert changed.status_code == 200, changed.text
    headers = {"If-Match": changed.json()["_etag"]}
    assert local.request("DELETE", path, ada, headers).status_code == 204


@pytest.mark.parametrize(
    "odd",
    [
        {"backend": "attract-web"},
        {"backend": "cdnsun", "file_path": "c1/c1f7.mp4"},
        {"file_path": None},
        {"file_path": "größe & anderes.png"},
        {"variations": None},
        {"content_type": None, "length": -1},
        {"project": ObjectId("5f" + "0" * 22)},
        {"project": None},
    ],
    ids=str,
)
def test_odd_documents_break_nothing(
    odd: dict[str, Any], local: Service, old: Old, tmp_path: Path
) -> None:
    told = mongodumps.file(old.ada, old.film, **odd)
    take(local, old.dump(tmp_path, told))
    ada = old.account(0)
    assert local.document(ada, str(told["_id"]))["_etag"] == told["_etag"]
    listed = local.get(f'/api/files?where={{"_id":"{told["_id"]}"}}', ada)
    assert listed.status_code == 200
    assert local.get("/api/files", ada).status_code == 200


def test_a_picture_that_pillar_never_finished_gets_its_previews(
    local: Service, old: Old, tmp_path: Path
) -> None:
    picture = (Path(__file__).parent.parent / "media" / "samples" / "plain.jpg").read_bytes()
    told = mongodumps.file(
        old.ada,
        old.film,
        content_type="image/jpeg",
        length=len(picture),
        status="queued_for_processing",
    )
    local.put_blob(f"{old.film['_id']}/_/{told['file_path']}", picture)
    take(local, old.dump(tmp_path, told))
    local.wait_until_idle()
    found = local.document(old.account(0), str(told["_id"]))
    assert found["status"] == "complete"
    assert sorted(each["size"] for each in found["variations"]) == sorted("sbtmlh")
