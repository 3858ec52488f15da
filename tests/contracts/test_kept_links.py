"""What the catalogue promises of links that are kept, on each database."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from tests.catalog.documents import NOW, a_file, a_project, a_user, a_variation, changed

from cella.catalog import files, links, old_files, people, projects
from cella.catalog.files import BlobRef
from cella.catalog.links import Before, Kept, Place
from cella.db import Database, Tx
from cella.ids import new_blob_root, new_id
from cella.model import File, Project

SOON = NOW + 3600
BEFORE = Before({}, SOON)

Due = Callable[..., list[tuple[File, Place]]]


class Shelf:
    """Files of a few projects, and what is kept of them."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._user = a_user()
        db.write_now(lambda tx: people.add_user(tx, self._user))
        self.project = self.found()

    def found(self, **fields: Any) -> Project:
        """Another project."""
        project = a_project(self._user.id, **fields)
        self.db.write_now(lambda tx: projects.add(tx, project))
        return project

    def add(self, expires: int | None = None, project: str | None = "", **fields: Any) -> File:
        """A file, whose links are kept until `expires`."""
        file = a_file(self.project.id if project == "" else project, **fields)
        self.db.write_now(lambda tx: files.add(tx, file, []))
        if expires is not None:
            assert self.keep(file, expires) == 1
        return file

    def keep(self, file: File, expires: int, original: str = "https://link") -> int:
        """Keep links of the file."""
        kept = Kept(file.id, expires, original, {"a.jpg": "https://a"})
        return self.db.write_now(lambda tx: links.keep(tx, [(file, kept)]))

    def kept(self, *some: File) -> dict[str, Kept]:
        """What is kept of these."""
        return self.db.read_now(lambda tx: links.get_many(tx, [file.id for file in some]))

    def due(
        self, backend: str = "local", before: Before = BEFORE, batch: int = 2, project: str = ""
    ) -> list[str]:
        """The ids of what is due, read in batches."""
        due: Due = partial(links.due_of_backend, backend=backend)
        if project:
            due = partial(links.due_of_project, project_id=project)
        found: list[str] = []
        after = Place()
        while page := self.db.read_now(partial(due, before=before, after=after, most=batch)):
            assert len(page) <= batch
            found += [file.id for file, _ in page]
            after = page[-1][1]
        return found


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(database)


def test_links_come_out_as_they_were_kept_and_newer_ones_take_their_place(shelf: Shelf) -> None:
    file, other = shelf.add(), shelf.add()
    assert shelf.kept(file, other) == {}
    shelf.keep(file, 5, "https://first")
    shelf.keep(file, 7, "https://second")
    assert shelf.kept(file, other) == {
        file.id: Kept(file.id, 7, "https://second", {"a.jpg": "https://a"})
    }
    assert shelf.kept() == {}


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_those_of_a_backend_are_due_that_have_none_or_end_soon(shelf: Shelf, batch: int) -> None:
    late, soon, sooner = shelf.add(SOON - 1), shelf.add(NOW), shelf.add(NOW - 9)
    shelf.add(SOON)
    elsewhere = shelf.add(NOW - 5, backend="gcs")
    none = [shelf.add(), shelf.add(), shelf.add()]
    expected = [*sorted(file.id for file in none), sooner.id, soon.id, late.id]
    assert shelf.due(batch=batch) == expected
    assert shelf.due("gcs") == [elsewhere.id]
    count = shelf.db.read_now(lambda tx: links.count_of_backend(tx, "local", BEFORE))
    assert count == len(expected)


def test_those_of_a_project_are_due_only_that_were_kept(shelf: Shelf) -> None:
    shelf.add()
    soon = shelf.add(NOW, backend="gcs")
    sooner = shelf.add(NOW - 9)
    shelf.add(SOON)
    shelf.add(NOW - 100, project=shelf.found().id)
    project = shelf.project.id
    assert shelf.due(project=project) == [sooner.id, soon.id]
    assert shelf.db.read_now(lambda tx: links.count_of_project(tx, project, BEFORE)) == 2


def test_each_backend_has_its_own_instant(shelf: Shelf) -> None:
    shelf.add(NOW + 10)
    gcs, s3 = shelf.add(NOW + 10, backend="gcs"), shelf.add(NOW + 10, backend="s3")
    before = Before({"local": NOW + 10, "gcs": NOW + 11}, NOW + 20)
    assert shelf.due(project=shelf.project.id, before=before) == sorted([gcs.id, s3.id])
    assert shelf.due("local", before) == []


def test_what_cannot_have_links_takes_no_place_of_what_can(shelf: Shelf) -> None:
    """However many are skipped: the first batch has what is to be done."""
    gone = shelf.found()
    skipped = []
    for expires in (None, NOW - 100):
        for fields in (
            {"file_path": None},
            {"file_path": ""},
            {"deleted": NOW},
            {"project": None},
            {"project": gone.id},
        ):
            skipped.append(shelf.add(expires if "deleted" not in fields else None, **fields))
    gone_too = msgspec.structs.replace(gone, deleted=NOW, etag="0" * 40)
    shelf.db.write_now(lambda tx: projects.replace(tx, gone, gone_too))
    wanted = [shelf.add(), shelf.add(NOW)]
    page = shelf.db.read_now(
        lambda tx: links.due_of_backend(tx, "local", BEFORE, after=Place(), most=2)
    )
    assert [file.id for file, _ in page] == [file.id for file in wanted]
    assert shelf.due() == [file.id for file in wanted]
    count = shelf.db.read_now(lambda tx: links.count_of_backend(tx, "local", BEFORE))
    assert count == 2


def test_an_empty_link_with_a_far_end_is_not_due(shelf: Shelf) -> None:
    file = shelf.add()
    shelf.keep(file, SOON, "")
    assert shelf.due() == []


def test_what_was_changed_or_deleted_meanwhile_is_not_kept(shelf: Shelf) -> None:
    file, dead, gone = shelf.add(), shelf.add(), shelf.add()
    new = changed(file, description="another")
    deleted = [(each, changed(each, deleted=NOW)) for each in (dead, gone)]

    def work(tx: Tx) -> None:
        files.replace(tx, file, new)
        for old, without in deleted:
            files.replace(tx, old, without)
        files.forget(tx, gone.id)

    shelf.db.write_now(work)
    for each in (file, dead, gone):
        assert shelf.keep(each, SOON) == 0
    assert shelf.kept(file, dead, gone) == {}
    assert shelf.keep(new, SOON) == 1
    rows = shelf.db.read_now(lambda tx: files.get(tx, dead.id, deleted=True))
    assert rows.deleted == NOW, "keeping links brings nothing back"


@pytest.mark.parametrize(
    "fields",
    [
        {"filename": "another.png"},
        {"content_type": "text/plain"},
        {"backend": "gcs"},
        {"file_path": "other.png"},
        {"variations": (a_variation(),)},
        {"project": None},
    ],
)
def test_a_change_that_links_depend_on_drops_them(shelf: Shelf, fields: dict[str, Any]) -> None:
    file, other = shelf.add(SOON), shelf.add(SOON)
    described = changed(file, description="another")
    shelf.db.write_now(lambda tx: files.replace(tx, file, described))
    assert shelf.kept(file) != {}
    shelf.db.write_now(lambda tx: files.replace(tx, described, changed(described, **fields)))
    assert shelf.kept(file) == {}
    assert shelf.kept(other) != {}


def test_a_project_s_links_are_expired_all_at_once(shelf: Shelf) -> None:
    kept, none, dead = shelf.add(SOON), shelf.add(), shelf.add(deleted=NOW)
    other = shelf.add(SOON, project=shelf.found().id)
    done = shelf.db.write_now(lambda tx: links.expire_project(tx, shelf.project.id, NOW - 1))
    assert done == 2
    found = shelf.kept(kept, none, dead, other)
    assert {file_id: each.expires for file_id, each in found.items()} == {
        kept.id: NOW - 1,
        none.id: NOW - 1,
        other.id: SOON,
    }
    assert found[kept.id].original == "https://link"
    assert shelf.due(project=shelf.project.id) == sorted([kept.id, none.id])


# Files by their old paths


def test_a_file_is_found_by_the_old_path_of_each_of_its_blobs(shelf: Shelf) -> None:
    root = new_blob_root()
    fan = root[:2]
    variation = a_variation(file_path=f"{fan}/{root}-t.jpg", size="t")
    other = a_file(shelf.project.id, backend="pillar", file_path=f"{fan}/{root}x.mp4")
    file = a_file(
        shelf.project.id,
        backend="pillar",
        file_path=f"{fan}/{root}.mp4",
        variations=(variation,),
        size="some",
    )
    keys = [f"{shelf.project.id}/_/{root}{end}" for end in (".mp4", "-t.jpg", "x.mp4")]

    def work(tx: Tx) -> None:
        files.add(tx, file, [BlobRef(keys[0], ""), BlobRef(keys[1], "t")])
        files.add(tx, other, [BlobRef(keys[2], "")])

    shelf.db.write_now(work)

    def found(path: str, backend: str = "pillar") -> list[tuple[str, str, str]]:
        rows = shelf.db.read_now(lambda tx: old_files.by_path(tx, backend, path))
        return [(each.id, size, key) for each, size, key in rows]

    assert found(f"{fan}/{root}.mp4") == [(file.id, "", keys[0])]
    assert found(f"{fan}/{root}-t.jpg") == [(file.id, "t", keys[1])]
    assert found(f"{fan}/{root}x.mp4") == [(other.id, "", keys[2])]
    for path in (f"{fan}/{root}", f"{fan}/{root}-s.jpg", f"zz/{root}.mp4", f"{fan}/", new_id()):
        assert found(path) == [], path
    assert found(f"{fan}/{root}.mp4", "local") == []
    shelf.db.write_now(lambda tx: files.replace(tx, file, changed(file, deleted=NOW)))
    assert found(f"{fan}/{root}.mp4") == []
