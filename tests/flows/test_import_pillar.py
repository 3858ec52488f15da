"""A dump of a Pillar server becomes the catalogue's own, and can be taken again."""

import gzip
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from bson import ObjectId
from tests.support import databases, mongodumps
from tests.support.mongodumps import DAY, moment

from cella.access.tokens import token_hash
from cella.catalog import files, people, projects
from cella.catalog.tables import blobs, identities, imports, links, tokens
from cella.catalog.tables import files as file_table
from cella.clock import ManualClock
from cella.db import Database
from cella.errors import DamagedDump, NotFound
from cella.flows.config import FORGET
from cella.flows.import_pillar.outcomes import Counts, Outcome, Verdict
from cella.flows.import_pillar.run import ImportPillar
from cella.ids import new_etag
from cella.jobs.tables import jobs
from cella.model import File, Project, User
from cella.pillar.dump import open_dump

KEY = "the original's key"
PROVIDER = "blender-id:https://id.example"
NOW = 1_800_000_000.0
LATER = moment(NOW + DAY)
GRACE = 1000.0

ADA = mongodumps.user("ada", roles=["admin", "Bad Role"])
FILM = mongodumps.project(ADA)


class Taken(NamedTuple):
    """What came of an import: numbers, and what was told of single documents."""

    counts: dict[str, Counts]
    told: list[tuple[str, Outcome]]

    def of(self, name: str) -> dict[str, int]:
        """The documents of a collection, by what became of them."""
        return {str(verdict): number for verdict, number in self.counts[name].verdicts.items()}

    def notes(self, document: Mapping[str, Any]) -> tuple[str, ...]:
        """What was left out or replaced of a document."""
        (found,) = [each for _, each in self.told if each.id == str(document["_id"])]
        return found.notes

    def reason(self, document: Mapping[str, Any]) -> str:
        """Why it was not taken."""
        (found,) = [each for _, each in self.told if each.id == str(document["_id"])]
        return found.reason


class Studio:
    """A catalogue into which dumps are taken."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db = db
        self.clock = ManualClock(NOW)
        self._folder = folder

    def take(
        self,
        documents: mongodumps.Documents,
        *,
        dry: bool = False,
        provider: str | None = PROVIDER,
        backends: tuple[str, ...] = ("local", "gcs", "pillar"),
    ) -> Taken:
        """Take a dump with these documents."""
        path = self._folder / f"dump{len(list(self._folder.iterdir()))}"
        taken = Taken({}, [])
        self.flow(provider, backends).run(
            open_dump(mongodumps.folder(path, documents)),
            taken.counts,
            advance=lambda _: None,
            tell=lambda name, outcome: taken.told.append((name, outcome)),
            dry=dry,
        )
        return taken

    def flow(
        self, provider: str | None = PROVIDER, backends: tuple[str, ...] = ("local",)
    ) -> ImportPillar:
        """What takes them."""
        return ImportPillar(
            db=self.db,
            clock=self.clock,
            token_key=KEY,
            provider=provider,
            backends=backends,
            forget=FORGET,
            grace=GRACE,
            attempts=3,
        )

    def files(self, *found: Mapping[str, Any], **options: Any) -> Taken:
        """Take files of the project, with project and owner."""
        return self.take({"users": [ADA], "projects": [FILM], "files": list(found)}, **options)

    def file(self, document: Mapping[str, Any]) -> File:
        """A file as it is here."""
        return self.db.read_now(lambda tx: files.get(tx, str(document["_id"]), deleted=True))

    def project(self, document: Mapping[str, Any]) -> Project:
        """A project as it is here."""
        return self.db.read_now(lambda tx: projects.get(tx, str(document["_id"]), deleted=True))

    def user(self, document: Mapping[str, Any]) -> User:
        """A user as he is here."""
        return self.db.read_now(lambda tx: people.get_user(tx, str(document["_id"])))

    def totals(self, document: Mapping[str, Any]) -> tuple[int, int]:
        """Files and bytes of a project, as they are counted."""
        found = self.db.read_now(lambda tx: projects.stats(tx, str(document["_id"])))
        return found.files, found.bytes

    def rows(self, query: sa.Select[Any]) -> list[Any]:
        """Rows, as they stand there."""
        return [tuple(row) for row in self.db.read_now(lambda tx: tx.execute(query).all())]

    def keys(self, document: Mapping[str, Any]) -> list[str]:
        """The keys of a file's blobs, sorted."""
        query = sa.select(blobs.c.key).where(blobs.c.file_id == str(document["_id"]))
        return sorted(key for (key,) in self.rows(query))

    def jobs(self) -> list[tuple[str, str, float]]:
        """Kind, subject and moment of each job."""
        return self.rows(sa.select(jobs.c.kind, jobs.c.subject, jobs.c.run_at))


@pytest.fixture
def studio(database: Database, tmp_path: Path) -> Studio:
    """A catalogue on each database."""
    folder = tmp_path / "dumps"
    folder.mkdir()
    return Studio(database, folder)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with all tables, to be copied."""
    folder = tmp_path_factory.mktemp("empty")
    with databases.sqlite(folder):
        pass
    return folder / "cella.sqlite"


@pytest.fixture
def light(empty: Path, tmp_path: Path) -> Iterator[Studio]:
    """A catalogue on SQLite, for what the database does not matter to."""
    folder = tmp_path / "dumps"
    folder.mkdir()
    shutil.copy(empty, tmp_path / "copy.sqlite")
    with databases.opened(f"sqlite:///{tmp_path / 'copy.sqlite'}") as database:
        yield Studio(database, folder)


# What is taken


def test_all_of_a_studio_is_taken(studio: Studio) -> None:
    artists = mongodumps.group()
    ben = mongodumps.user("ben", groups=[artists["_id"], ObjectId()], roles=["service"])
    may = {"group": artists["_id"], "methods": ["GET"]}
    film = mongodumps.project(ADA, permissions={"world": [], "users": [], "groups": [may]})
    document = mongodumps.file(ben, film, link_expires=LATER)
    secret = mongodumps.token(ben, expire_time=LATER)
    taken = studio.take(
        {
            "files": [document],
            "projects": [film],
            "tokens": [secret],
            "users": [ADA, ben],
            "groups": [artists],
        }
    )
    assert all(taken.of(name) == {"taken": 2 if name == "users" else 1} for name in taken.counts)
    file, project, user = studio.file(document), studio.project(film), studio.user(ben)
    for found, told in ((file, document), (project, film), (user, ben)):
        assert (found.etag, found.created) == (told["_etag"], 1_470_000_000)
        assert found.updated == 1_470_000_100
    assert user.groups == (str(artists["_id"]),)
    assert user.roles == ("service",)
    assert project.permissions.groups[0].subject == str(artists["_id"])
    assert studio.totals(film) == (1, 1200)
    key = f"{film['_id']}/_/{document['file_path']}"
    assert key in studio.keys(document)
    assert len(studio.keys(document)) == 3
    assert studio.rows(sa.select(tokens.c.hash)) == [(token_hash(KEY, secret["token"]),)]
    subjects = studio.rows(sa.select(identities.c.provider, identities.c.subject))
    assert sorted(subjects) == [(PROVIDER, "id-ada"), (PROVIDER, "id-ben")]
    ((expires, original),) = studio.rows(sa.select(links.c.expires, links.c.original))
    assert (expires, original) == (NOW + DAY, document["link"])
    assert studio.jobs() == []


def test_once_more_changes_nothing(light: Studio) -> None:
    dump = {"users": [ADA], "projects": [FILM], "files": [mongodumps.file(ADA, FILM)]}
    light.take(dump)
    before = light.rows(sa.select(imports))
    again = light.take(dump)
    assert all(again.of(name) == {"unchanged": 1} for name in dump)
    assert light.rows(sa.select(imports)) == before
    assert light.totals(FILM) == (1, 1200)


def test_what_changed_there_is_taken_again(studio: Studio) -> None:
    document = mongodumps.file(ADA, FILM)
    studio.files(document)
    other = mongodumps.project(ADA)
    newer = {"_etag": "a" * 40, "_updated": moment(1_480_000_000)}
    studio.take(
        {
            "users": [{**ADA, **newer, "full_name": "Ada L."}],
            "projects": [{**FILM, **newer, "name": "Another name"}, other],
            "files": [{**document, **newer, "project": other["_id"], "length": 5}],
        }
    )
    assert studio.user(ADA).full_name == "Ada L."
    assert studio.project(FILM).name == "Another name"
    assert studio.file(document).etag == "a" * 40
    assert (studio.totals(FILM), studio.totals(other)) == ((0, 0), (1, 205))
    assert all(key.startswith(str(other["_id"])) for key in studio.keys(document))


def test_what_is_older_than_what_is_there_is_passed_over(light: Studio) -> None:
    newer = mongodumps.file(ADA, FILM, _updated=moment(1_480_000_000))
    light.files(newer)
    older = {**newer, "_updated": moment(1_470_000_000), "_etag": "b" * 40, "description": "old"}
    assert light.files(older).of("files") == {"passed over": 1}
    assert light.file(newer).description is None


def test_what_was_changed_here_is_left(light: Studio) -> None:
    document = mongodumps.file(ADA, FILM)
    light.files(document)
    here = light.file(document)
    changed = File(**{**_fields(here), "etag": new_etag(), "description": "changed here"})
    light.db.write_now(lambda tx: files.replace(tx, here, changed))
    assert light.files(document).of("files") == {"unchanged": 1}
    there = {**document, "_etag": "c" * 40, "_updated": moment(1_480_000_000), "length": 1}
    again = light.files(there)
    assert again.of("files") == {"refused": 1}
    assert "changed here" in again.reason(document)
    assert light.file(document) == changed


def test_what_was_deleted_here_does_not_come_back(light: Studio) -> None:
    document, secret = mongodumps.file(ADA, FILM), mongodumps.token(ADA, expire_time=LATER)
    dump = {"users": [ADA], "projects": [FILM], "files": [document], "tokens": [secret]}
    light.take(dump)
    here = light.file(document)
    gone = File(**{**_fields(here), "deleted": int(NOW)})
    light.db.write_now(lambda tx: files.replace(tx, here, gone))
    light.db.write_now(lambda tx: files.forget(tx, here.id))
    light.db.write_now(lambda tx: people.remove_token(tx, str(secret["_id"])))
    changed = {**document, "_etag": "d" * 40, "_updated": moment(1_480_000_000), "length": 1}
    again = light.take({**dump, "files": [changed]})
    assert again.of("files") == {"passed over": 1}
    assert again.of("tokens") == {"unchanged": 1}
    assert light.rows(sa.select(tokens.c.id)) == []
    with pytest.raises(NotFound):
        light.file(document)


def test_what_has_the_same_id_by_chance_is_left(light: Studio) -> None:
    light.files()
    forget_marks(light)
    again = light.take({"users": [ADA], "projects": [FILM]})
    assert again.of("users") == again.of("projects") == {"refused": 1}


def forget_marks(studio: Studio) -> None:
    """Have nothing count as imported."""
    studio.db.write_now(lambda tx: tx.execute(imports.delete()))


def test_a_dry_run_writes_nothing_and_foresees_the_same(light: Studio) -> None:
    dump = {
        **mongodumps.studio(),
        "files": [
            mongodumps.file(ADA, FILM),
            mongodumps.file(ADA, None),
            mongodumps.file(ADA, {"_id": ObjectId()}),
            {"_id": 3},
        ],
        "projects": [FILM, mongodumps.project({"_id": ObjectId()})],
        "users": [ADA, mongodumps.user("ada")],
    }
    foreseen = light.take(dump, dry=True)
    assert light.rows(sa.select(imports)) == []
    assert light.rows(sa.select(file_table.c.id)) == []
    taken = light.take(dump)
    assert {name: foreseen.of(name) for name in dump if name != "nodes"} == {
        name: taken.of(name) for name in dump if name != "nodes"
    }


def test_many_documents_take_few_statements(light: Studio) -> None:
    statements: list[str] = []
    many = [mongodumps.file(ADA, FILM) for _ in range(1200)]
    sa.event.listen(
        light.db.engine,
        "before_cursor_execute",
        lambda *arguments: statements.append(arguments[2]),
    )
    taken = light.files(*many)
    assert taken.of("files") == {"taken": 1200}
    assert len(statements) < 60
    assert light.totals(FILM) == (1200, 1200 * 1200)


def test_what_was_read_before_the_damage_stays(light: Studio, tmp_path: Path) -> None:
    many = [mongodumps.file(ADA, FILM) for _ in range(700)]
    path = mongodumps.folder(tmp_path / "eve", {"users": [ADA], "projects": [FILM], "files": many})
    whole = (path / "files.bson").read_bytes()
    counts: dict[str, Counts] = {}
    (path / "files.bson").write_bytes(whole[:-5])
    with pytest.raises(DamagedDump, match=r"eve/files\.bson, byte"):
        light.flow().run(open_dump(path), counts, advance=lambda _: None, tell=lambda *_: None)
    assert counts["files"].verdicts[Verdict.TAKEN] == light.totals(FILM)[0] == 500
    (path / "files.bson").unlink()
    (path / "files.bson.gz").write_bytes(gzip.compress(whole))
    light.flow().run(open_dump(path), counts, advance=lambda _: None, tell=lambda *_: None)
    assert light.totals(FILM) == (700, 700 * 1200)


# Users and tokens


def test_names_and_addresses_that_two_have(studio: Studio) -> None:
    first, second = (mongodumps.user("ada", email="a@b.example") for _ in range(2))
    taken = studio.take({"users": [first, second]})
    assert studio.user(first).username == "ada"
    assert studio.user(second).username == f"ada-{str(second['_id'])[-6:]}"
    assert "another user has the same address" in taken.notes(first)
    later = studio.take({"users": [mongodumps.user("ada")]})
    assert later.of("users") == {"taken": 1}
    assert studio.take({"users": [first, second]}).of("users") == {"unchanged": 2}


def test_what_of_a_user_cannot_be_taken_is_told(light: Studio) -> None:
    local = {"provider": "local", "user_id": "x", "token": "$2b$12$abc"}
    ben = mongodumps.user("ben", groups=[ObjectId()], auth=[local], _deleted=True)
    taken = light.take({"users": [ADA, ben]})
    assert taken.notes(ADA) == ("a role was left out: roles are words of a-z, 0-9, _ and -",)
    assert light.user(ADA).roles == ("admin",)
    assert len(taken.notes(ben)) == 2
    assert light.user(ben).disabled


def test_blender_id_can_be_configured_later(light: Studio) -> None:
    first = light.take({"users": [ADA]}, provider=None)
    assert any("Blender-ID is not configured" in note for note in first.notes(ADA))
    assert light.rows(sa.select(identities.c.subject)) == []
    light.take({"users": [ADA]})
    assert light.rows(sa.select(identities.c.subject, identities.c.user_id)) == [
        ("id-ada", str(ADA["_id"]))
    ]


def test_tokens(light: Studio) -> None:
    hashed = token_hash(KEY, "a token of 2020")
    good = mongodumps.token(ADA, expire_time=LATER)
    of_2020 = mongodumps.token(ADA, expire_time=LATER, token=None, token_hashed=hashed)
    expired = mongodumps.token(ADA, expire_time=moment(NOW))
    endless = mongodumps.token(ADA, expire_time=None)
    subclient = mongodumps.token(ADA, expire_time=LATER, is_subclient_token=True)
    nobodys = mongodumps.token({"_id": ObjectId()}, expire_time=LATER)
    double = mongodumps.token(ADA, expire_time=LATER, token=good["token"])
    found = [good, of_2020, expired, endless, subclient, nobodys, double]
    taken = light.take({"users": [ADA], "tokens": found})
    assert taken.of("tokens") == {"taken": 2, "passed over": 4, "refused": 1}
    assert "AUTH_TOKEN_HMAC_KEY" in taken.notes(of_2020)[0]
    assert taken.reason(nobodys) == "its user does not exist"
    assert {row[0] for row in light.rows(sa.select(tokens.c.hash))} == {
        hashed,
        token_hash(KEY, good["token"]),
    }
    whole = str(light.rows(sa.select(tokens))) + str(light.rows(sa.select(imports)))
    assert good["token"] not in whole


# Projects


def test_projects_whose_url_another_has(light: Studio) -> None:
    first, second = (mongodumps.project(ADA, url="same") for _ in range(2))
    light.take({"users": [ADA], "projects": [first, second]})
    assert light.project(first).url == "same"
    assert light.project(second).url == f"p-{second['_id']}"


def test_projects_whose_owner_is_gone(light: Studio) -> None:
    lost = mongodumps.project({"_id": ObjectId()})
    ben = mongodumps.user("ben")
    assert light.take({"users": [ben], "projects": [lost]}).of("projects") == {"refused": 1}
    light.take({"users": [ADA], "projects": [lost]})
    assert light.project(lost).user == str(ADA["_id"])


def test_deleted_projects_are_forgotten_after_the_time_of_grace(light: Studio) -> None:
    gone = mongodumps.project(ADA, _deleted=True)
    dump = {"users": [ADA], "projects": [gone]}
    light.take(dump)
    light.take(dump)
    assert light.project(gone).deleted == 1_470_000_100
    assert light.jobs() == [("forget_project", str(gone["_id"]), NOW + GRACE)]


# Files


def test_a_file_of_a_project_that_is_gone_keeps_its_place(studio: Studio) -> None:
    gone = {"_id": ObjectId()}
    documents = [mongodumps.file(ADA, gone) for _ in range(2)]
    taken = studio.files(*documents)
    made = studio.project(gone)
    assert (made.user, made.is_private) == (str(ADA["_id"]), True)
    assert studio.file(documents[0]).project == str(gone["_id"])
    assert studio.totals(gone) == (2, 2400)
    assert "one was made" in taken.notes(documents[0])[0]
    studio.take({"users": [ADA], "projects": [mongodumps.project(ADA, _id=gone["_id"])]})
    assert studio.project(gone).name == "The project"
    assert studio.totals(gone) == (2, 2400)


def test_a_file_without_a_project_is_its_uploader_s(light: Studio) -> None:
    document = mongodumps.file(ADA, None)
    taken = light.files(document)
    assert light.file(document).project is None
    assert light.keys(document) == []
    assert "no project" in taken.notes(document)[0]


def test_a_file_without_an_uploader(light: Studio) -> None:
    document = mongodumps.file(ADA, FILM, user=None)
    nobodys = mongodumps.file(ADA, None, user="?")
    taken = light.files(document, nobodys)
    assert light.file(document).user == str(ADA["_id"])
    assert taken.reason(nobodys) == "it has neither an uploader nor a project"


@pytest.mark.parametrize(
    ("backend", "path", "name"),
    [
        ("gcs", "c1f7.mp4", "c1f7.mp4"),
        ("local", "c1f7.mp4", "c1f7.mp4"),
        ("pillar", "c1/c1f7.mp4", "c1f7.mp4"),
        ("gcs", "c1/c1f7.mp4", None),
        ("gcs", "a picture.jpg", None),
        ("local", "bild-größe.jpg", None),
        ("local", "x" * 201, None),
        ("cdnsun", "c1/c1f7.mp4", None),
        ("attract-web", "c1f7.mp4", None),
        ("unittest", "c1f7.mp4", None),
    ],
)
def test_where_the_bytes_of_each_backend_lie(
    backend: str, path: str, name: str | None, light: Studio
) -> None:
    document = mongodumps.file(
        ADA, FILM, backend=backend, file_path=path, variations=[], link_expires=LATER
    )
    taken = light.files(document)
    file = light.file(document)
    assert (file.backend, file.file_path) == (backend, path)
    assert light.keys(document) == ([] if name is None else [f"{FILM['_id']}/_/{name}"])
    assert light.rows(sa.select(links.c.original)) == [(document["link"],)]
    is_odd = name is None and backend in ("gcs", "local")
    assert (
        any("none that a store" in note for _, each in taken.told for note in each.notes) == is_odd
    )


def test_links_that_have_ended_are_not_kept(light: Studio) -> None:
    light.files(mongodumps.file(ADA, FILM, link_expires=moment(NOW)))
    assert light.rows(sa.select(links.c.original)) == []


def test_deleted_files_are_forgotten_after_the_time_of_grace(light: Studio) -> None:
    document = mongodumps.file(ADA, FILM, _deleted=True)
    light.files(document)
    assert light.file(document).deleted == 1_470_000_100
    assert light.totals(FILM) == (0, 1200)
    assert light.jobs() == [("forget", str(document["_id"]), NOW + GRACE)]
    assert len(light.keys(document)) == 3
    light.files({**document, "_etag": "e" * 40, "_updated": moment(1_480_000_000)})
    assert len(light.jobs()) == 1


STATES = [
    ("complete", "image/png", "local", "complete", False),
    ("failed", "image/png", "local", "failed", False),
    ("queued_for_processing", "image/png", "local", "queued_for_processing", True),
    ("processing", "video/mp4", "gcs", "queued_for_processing", True),
    ("processing", "application/zip", "local", "complete", False),
    ("processing", "image/png", "pillar", "failed", False),
    ("processing", "video/mp4", "cdnsun", "failed", False),
]


@pytest.mark.parametrize(("state", "content_type", "backend", "becomes", "is_done"), STATES)
def test_no_file_hangs(
    state: str, content_type: str, backend: str, becomes: str, is_done: bool, light: Studio
) -> None:
    document = mongodumps.file(ADA, FILM, status=state, content_type=content_type, backend=backend)
    light.files(document)
    file = light.file(document)
    assert file.status == becomes
    assert [job[:2] for job in light.jobs()] == ([("process", file.id)] if is_done else [])
    if is_done:
        assert file.variations == ()
        assert light.keys(document) == [f"{FILM['_id']}/_/{file.file_path}"]
    if becomes == "failed" and state != "failed":
        assert file.processing is not None
        assert file.processing.error


def test_uploads_that_never_ended_are_failed(light: Studio) -> None:
    document = mongodumps.file(ADA, FILM, status="uploading", file_path="", variations=[])
    light.files(document)
    assert light.file(document).status == "failed"
    assert light.jobs() == []


def test_without_its_store_a_file_is_not_processed(light: Studio) -> None:
    document = mongodumps.file(ADA, FILM, status="processing", backend="gcs")
    light.files(document, backends=("local",))
    assert light.file(document).status == "failed"
    assert light.jobs() == []


DELETED = {"_deleted": True}


@pytest.mark.parametrize(
    ("first", "second", "holder"),
    [({}, {}, 0), (DELETED, {}, 1), ({}, DELETED, 0), (DELETED, DELETED, 0)],
)
@pytest.mark.parametrize("together", [True, False])
def test_bytes_that_two_files_share(
    first: dict[str, Any], second: dict[str, Any], holder: int, together: bool, light: Studio
) -> None:
    root = "a" * 32
    path = f"{root}.png"
    both = [
        mongodumps.file(ADA, FILM, file_path=path, variations=[], **first),
        mongodumps.file(
            ADA, FILM, file_path=path, variations=[mongodumps.variation(root, "t")], **second
        ),
    ]
    if together:
        light.files(*both)
    else:
        light.files(both[0])
        light.files(both[1])
    assert f"{FILM['_id']}/_/{path}" in light.keys(both[holder])
    assert light.keys(both[1 - holder]) == []
    assert [light.file(each).file_path for each in both] == [path, path]


def test_a_path_that_is_there_twice_in_one_file(light: Studio) -> None:
    root = "b" * 32
    twice = [mongodumps.variation(root, "t"), mongodumps.variation(root, "t")]
    document = mongodumps.file(ADA, FILM, file_path=f"{root}.png", variations=twice)
    light.files(document)
    assert len(light.file(document).variations) == 2
    assert len(light.keys(document)) == 2


def test_an_id_that_is_there_twice(light: Studio) -> None:
    document = mongodumps.file(ADA, FILM)
    taken = light.files(document, {**document, "length": 7})
    assert taken.of("files") == {"taken": 1, "refused": 1}
    assert light.file(document).length == 1000


def test_damaged_documents_do_not_stop_the_others(light: Studio) -> None:
    damaged = bytearray(mongodumps.encoded(mongodumps.file(ADA, FILM)))
    damaged[4] = 0x7F - 1
    good = mongodumps.file(ADA, FILM)
    taken = light.files(bytes(damaged), good)  # type: ignore[arg-type]
    assert taken.of("files") == {"taken": 1, "refused": 1}
    assert ("files", Outcome("at byte 0", Verdict.REFUSED, "it is damaged")) in taken.told


def _fields(file: File) -> dict[str, Any]:
    return {name: getattr(file, name) for name in file.__struct_fields__}
