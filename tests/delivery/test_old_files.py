"""Documents that came from Pillar: their links, and the folder that is served behind some."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support.service import Account, Service, Start, running

from cella.catalog import files
from cella.catalog.files import BlobRef
from cella.disposition import serving_headers
from cella.ids import new_blob_root, new_etag, new_id
from cella.model import File, Project, Variation

ROUTE = "/api/storage/file"


class Old(NamedTuple):
    """A service with a folder of Pillar's."""

    service: Service
    folder: Path
    owner: Account

    def add(self, project: Project, backend: str, path: str | None, **fields: Any) -> File:
        """A document as an import would add it, with the blobs of its paths."""
        file_id = new_id()
        file = File(
            id=file_id,
            created=1,
            updated=1,
            etag=new_etag(),
            project=project.id,
            user=self.owner.id,
            name=(path or "none").rpartition("/")[2],
            filename="an old film.mp4",
            content_type="video/mp4",
            length=9,
            backend=backend,
            file_path=path,
            status="complete",
            **fields,
        )
        paths = [(path or "", ""), *((each.file_path, each.size or "") for each in file.variations)]
        refs = [
            BlobRef(f"{project.id}/_/{each.rpartition('/')[2]}", size)
            for each, size in paths
            if each
        ]
        self.service.assembly.db.write_now(lambda tx: files.add(tx, file, refs))
        return file

    def put(self, path: str, content: bytes = b"old bytes") -> None:
        """A file in the folder."""
        place = self.folder / path
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)

    def pillar(self, project: Project) -> tuple[dict[str, Any], str]:
        """A document with a picture, whose bytes are in the folder; and the name's beginning."""
        root = new_blob_root()
        fan = root[:2]
        variation = Variation(
            size="t",
            content_type="image/jpeg",
            length=9,
            file_path=f"{fan}/{root}-t.jpg",
            is_public=True,
        )
        self.put(f"{fan}/{root}.mp4")
        self.put(f"{fan}/{root}-t.jpg", b"a preview")
        file = self.add(project, "pillar", f"{fan}/{root}.mp4", variations=(variation,))
        return self.service.document(self.owner, file.id), f"{fan}/{root}"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("pillar")
    with running(
        tmp_path_factory.mktemp("service"),
        pillar_folder=str(folder),
        cdnsun_url="https://cdn.example.com/sub",
        cdnsun_key="s3cr3t",
    ) as service:
        yield service


@pytest.fixture
def old(shared: Service) -> Old:
    return Old(shared, Path(shared.assembly.config.pillar.folder), shared.account("subscriber"))


def test_a_link_leads_to_the_old_folder_by_the_old_path(old: Old) -> None:
    project = old.service.project(old.owner, public=False)
    document, start = old.pillar(project)
    assert document["file_path"] == f"{start}.mp4"
    link, preview = document["link"], document["variations"][0]["link"]
    assert link.startswith(f"{old.service.url}{ROUTE}/{start}.mp4?expires=")
    assert preview == f"{old.service.url}{ROUTE}/{start}-t.jpg"
    answer = old.service.get(link)
    assert answer.content == b"old bytes"
    shown = serving_headers("video/mp4", "an old film.mp4")["content-disposition"]
    assert answer.headers["content-disposition"] == shown
    assert old.service.get(preview).content == b"a preview"
    part = old.service.get(link, headers={"Range": "bytes=4-8"})
    assert (part.status_code, part.content) == (206, b"bytes")
    assert old.service.request("HEAD", link).headers["content-length"] == "9"


def test_without_a_signature_the_one_rule_holds(old: Old) -> None:
    document, start = old.pillar(old.service.project(old.owner, public=False))
    link = document["link"]
    bare = link.partition("?")[0]
    assert old.service.get(bare).status_code == 403
    assert old.service.get(bare, old.service.account()).status_code == 403
    assert old.service.get(bare, old.owner).content == b"old bytes"
    query = link.partition("?")[2]
    assert old.service.get(f"{ROUTE}/{start}.mp4?{query}x").status_code == 403
    other, _ = old.pillar(old.service.project(old.owner, public=False))
    elsewhere = other["link"].partition("?")[0]
    assert "does not fit" in old.service.get(f"{elsewhere}?{query}").text


def test_what_is_deleted_or_not_there_is_not_found(old: Old) -> None:
    project = old.service.project(old.owner)
    document, start = old.pillar(project)
    for path in (f"{start}.mkv", f"{start}-x.jpg", "zz/zz.mp4", f"{start}.mp4%00", f"{start}.mp4."):
        assert old.service.get(f"{ROUTE}/{path}", old.owner).status_code == 404, path
    old.put("un/unknown.mp4")
    assert old.service.get(f"{ROUTE}/un/unknown.mp4", old.owner).status_code == 404
    answer = old.service.request(
        "DELETE",
        f"/api/files/{document['_id']}",
        old.owner,
        headers={"If-Match": document["_etag"]},
    )
    assert answer.status_code == 204
    assert old.service.get(document["link"]).status_code == 404
    assert (old.folder / f"{start}.mp4").exists(), "the old folder is for reading only"


def test_a_file_that_two_projects_share_is_there_for_who_may_see_either(old: Old) -> None:
    mine = old.service.project(old.owner, public=False)
    friend = old.service.account()
    theirs = old.service.project(friend, public=False)
    document, start = old.pillar(mine)
    old.add(theirs, "pillar", f"{start}.mp4")
    for account in (old.owner, friend):
        assert old.service.get(f"{ROUTE}/{start}.mp4", account).content == b"old bytes"
    assert old.service.get(document["link"]).content == b"old bytes"
    assert old.service.get(f"{ROUTE}/{start}.mp4", old.service.account()).status_code == 403


def test_a_link_out_of_the_folder_leads_nowhere(old: Old, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"old bytes")
    (old.folder / "li").mkdir(exist_ok=True)
    (old.folder / "li" / "link.mp4").symlink_to(secret)
    file = old.add(old.service.project(old.owner), "pillar", "li/link.mp4")
    link = old.service.document(old.owner, file.id)["link"]
    assert old.service.get(link).status_code >= 400


def test_no_list_breaks_whatever_the_backend(old: Old) -> None:
    project = old.service.project(old.owner)
    root = "c2/" + new_blob_root()
    wanted = {
        old.add(
            project, "cdnsun", f"{root}.mp4"
        ).id: f"https://cdn.example.com/sub/{root}.mp4?secure=",
        old.add(project, "attract-web", "a/b.mp4").id: "",
        old.add(project, "unittest", "c2a5.png").id: (
            "https://unit.test/048a5303b1c9d5e4f7a0bdcd468a6a04"
        ),
        old.add(project, "pillar", None).id: None,
        old.add(project, "cdnsun", None).id: None,
        old.add(project, "gcs", f"{new_blob_root()}.mp4").id: "",
    }
    where = f'{{"project":"{project.id}"}}'
    answer = old.service.get("/api/files", old.owner, params={"where": where})
    assert answer.status_code == 200, answer.text
    items = {item["_id"]: item for item in answer.json()["_items"]}
    assert items.keys() == wanted.keys()
    for file_id, link in wanted.items():
        item = items[file_id]
        assert item == old.service.document(old.owner, file_id)
        assert ("link_expires" in item) == (link is not None), "an empty link has an end, too"
        shown = item.get("link")
        assert shown == link if not link else shown.startswith(link)
        bare = f"{ROUTE}/{project.id[:2]}/{project.id}/{item['name'][:2]}/{item['name']}"
        assert old.service.get(bare, old.owner).status_code == 404, "its bytes are not here"


def test_without_the_folder_there_are_no_links_to_it(start: Start) -> None:
    service = start()
    old = Old(service, Path(), service.account("subscriber"))
    file = old.add(service.project(old.owner), "pillar", "c1/c1f7.mp4")
    document = service.document(old.owner, file.id)
    assert document["link"] == ""
    assert service.get(f"{ROUTE}/c1/c1f7.mp4", old.owner).status_code == 404
