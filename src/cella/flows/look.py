"""Look: files and projects as a reader may see them, with links that are fresh.

Reading writes nothing. Links are spelled for the moment; see `cella.links.validity`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from cella.access import rules
from cella.access.rules import AccessConfig
from cella.catalog import files, people, projects
from cella.catalog.listing import FileQuery, Listing
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import Forbidden, NotFound
from cella.ids import is_id
from cella.links.urls import Speller
from cella.links.validity import Window
from cella.model import Actor, File, Project, User, Variation


class Links(NamedTuple):
    """The links of a file for one reader: `variations` in order, None where there is none."""

    original: str | None
    variations: list[str | None]


class Seen(msgspec.Struct, frozen=True):
    """A file as one reader sees it, with all of it or without (`full`).

    `window` is the one that its links belong to, None where the reader gets no signed ones. Two
    readers with equal `state`s see the same, to the letter.
    """

    file: File
    full: bool
    speller: Speller | None
    window: Window | None

    @property
    def state(self) -> tuple[str, bool, int]:
        """What everything that is seen depends on."""
        return self.file.etag, self.full, self.window.expires if self.window else 0

    @property
    def fresh_since(self) -> int:
        """When what is seen last changed, links included; seconds since the epoch."""
        updated = self.file.updated
        return max(updated, self.window.begins) if self.window else updated

    @property
    def variations(self) -> tuple[Variation, ...]:
        """The variations that this reader gets to know of."""
        if self.full:
            return self.file.variations
        return tuple(v for v in self.file.variations if v.content_type.startswith("image/"))

    def spell(self) -> Links:
        """The links, which cost more to spell than the rest to find out."""
        bucket, speller, variations = self.file.project, self.speller, self.variations
        if speller is None or bucket is None or not self.file.file_path:
            return Links(None, [None] * len(variations))
        if self.window is None:
            public = [
                speller.public(bucket, v.file_path) if v.is_public else None for v in variations
            ]
            return Links(None, public)
        names = [self.file.file_path, *(v.file_path for v in variations)]
        original, *signed = speller.signed(bucket, names, self.window.expires)
        return Links(
            original,
            [
                speller.public(bucket, v.file_path) if v.is_public else url
                for v, url in zip(variations, signed, strict=True)
            ],
        )


class SeenPage(msgspec.Struct, frozen=True):
    """A page of files, and how many there are in all."""

    total: int
    files: list[Seen]


class Look:
    """Reads files, projects and users for somebody."""

    def __init__(
        self,
        *,
        db: Database,
        listing: Listing,
        spellers: Mapping[str, Speller],
        clock: Clock,
        access: AccessConfig,
    ) -> None:
        self._db = db
        self._listing = listing
        self._spellers = spellers
        self._clock = clock
        self._access = access

    async def file(self, actor: Actor, file_id: str) -> Seen:
        """One file; raises `NotFound` or `Forbidden`."""
        if not is_id(file_id):
            raise NotFound(f"File {file_id[:80]} does not exist.")
        file, project = await self._db.read(lambda tx: _file(tx, actor, file_id))
        return self._see(actor, file, project)

    async def page(self, actor: Actor, query: FileQuery) -> SeenPage:
        """A page of the files that the actor may read."""

        def work(tx: Tx) -> SeenPage:
            page = self._listing.page(tx, actor, query)
            owners = {file.project for file in page.files if file.project is not None}
            known = {project.id: project for project in projects.get_many(tx, owners)}
            return SeenPage(
                page.total,
                [self._see(actor, file, known.get(file.project or "")) for file in page.files],
            )

        return await self._db.read(work)

    async def project(self, actor: Actor, project_id: str) -> Project:
        """One project; raises `NotFound` or `Forbidden`."""
        if not is_id(project_id):
            raise NotFound(f"Project {project_id[:80]} does not exist.")
        project = await self._db.read(lambda tx: projects.get(tx, project_id))
        rules.may(actor, "GET", project).enforce()
        return project

    async def projects(self, actor: Actor, limit: int, page: int) -> tuple[int, list[Project]]:
        """How many projects the actor may read, and a page of them, counted from 1."""
        return await self._db.read(
            lambda tx: projects.listing(tx, actor, limit, (page - 1) * limit)
        )

    async def me(self, actor: Actor) -> User:
        """The actor's own user document; raises `Forbidden` for the anonymous."""
        user_id = actor.user
        if user_id is None:
            raise Forbidden("Sign in first: this needs a valid token.")
        return await self._db.read(lambda tx: people.get_user(tx, user_id))

    def _see(self, actor: Actor, file: File, project: Project | None) -> Seen:
        full = rules.has_full_access(actor, project, file, self._access)
        speller = self._spellers.get(file.backend)
        if not full or speller is None or file.project is None or not file.file_path:
            return Seen(file, full, speller, None)
        return Seen(file, full, speller, speller.window(self._clock.now()))


def _file(tx: Tx, actor: Actor, file_id: str) -> tuple[File, Project | None]:
    file = files.get(tx, file_id)
    if file.project is None:
        if not actor.is_admin and file.user != actor.user:
            raise NotFound(f"File {file_id} does not exist.")
        return file, None
    project = projects.get(tx, file.project)
    rules.may(actor, "GET", project).enforce()
    return file, project
