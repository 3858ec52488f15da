"""Look: files and projects as a reader may see them, with links that are fresh.

Reading writes nothing. Links are spelled for the moment; see `cella.links.validity`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from cella.access import rules
from cella.access.rules import AccessConfig
from cella.catalog import links as kept_links
from cella.catalog import project_listing, projects
from cella.catalog.links import Kept
from cella.catalog.listing import FileQuery, Listing, may_take_long
from cella.catalog.project_listing import ProjectPage, ProjectQuery
from cella.catalog.projects import Stats
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import Forbidden
from cella.flows.reach import readable_file, readable_project
from cella.flows.spelling import Links, all_links, public_links
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.jobs.queue import Progress
from cella.links.threads import SigningThreads
from cella.links.urls import Speller
from cella.links.validity import Window
from cella.model import Actor, File, Project, Variation

_LOOK_AGAIN = 1.0


class Seen(msgspec.Struct, frozen=True):
    """A file as one reader sees it, with all of it or without (`full`).

    `window` is the one that its links belong to, None where the reader gets no signed ones;
    deleted files have no links at all. `progress` is how far the work on it is, which is no part
    of the document's state: its etag stays. Two readers with equal `state`s see the same, to the
    letter. `links` are there where `Look.ready` has found them out already.
    """

    file: File
    full: bool
    speller: Speller | None
    window: Window | None
    project: Project | None = None
    progress: Progress | None = None
    links: Links | None = None

    @property
    def state(self) -> tuple[str, str, bool, int, Progress | None]:
        """What everything that is seen depends on.

        An etag alone does not tell whose it is: those of the original's documents, which are kept
        where they come from elsewhere, are not unique (contract, section 3).
        """
        expires = self.window.expires if self.window else 0
        return self.file.id, self.file.etag, self.full, expires, self.progress

    @property
    def has_settled(self) -> bool:
        """Whether nothing more is being made of the file."""
        return not _is_worked_on(self.file)

    @property
    def fresh_since(self) -> int:
        """When what is seen last changed, links included; seconds since the epoch."""
        updated = self.file.updated
        return max(updated, self.window.begins) if self.window else updated

    @property
    def variations(self) -> tuple[Variation, ...]:
        """The variations that this reader gets to know of."""
        return rules.visible_variations(self.file, self.full)

    @property
    def is_slow(self) -> bool:
        """Whether spelling takes so long that `Look.ready` has to do it."""
        return (
            self.window is not None
            and self.links is None
            and self.speller is not None
            and self.speller.is_slow
        )

    def spell(self) -> Links:
        """The links, which cost more to spell than the rest to find out."""
        if self.links is not None:
            return self.links
        if self.speller is None or not self.file.file_path:
            return Links(None, [None] * len(self.variations))
        if self.window is None:
            return public_links(self.speller, self.file, self.variations)
        return all_links(self.speller, self.file, self.window)


class SeenPage(msgspec.Struct, frozen=True):
    """A page of files, how many there are in all, and the cursor of the next page, if any."""

    total: int
    files: list[Seen]
    next: str | None


class Look:
    """Reads files, projects and users for somebody."""

    def __init__(
        self,
        *,
        db: Database,
        listing: Listing,
        spellers: Mapping[str, Speller],
        clock: Clock,
        bell: Bell,
        access: AccessConfig,
        threads: SigningThreads,
    ) -> None:
        self._db = db
        self._bell = bell
        self._threads = threads
        self._listing = listing
        self._spellers = spellers
        self._clock = clock
        self._access = access

    async def file(self, actor: Actor, file_id: str, *, deleted: bool = False) -> Seen:
        """One file; raises `NotFound` or `Forbidden`.

        A deleted one is there only if it is wanted, and for those only who may delete.
        """

        def work(tx: Tx) -> Seen:
            file, project = readable_file(tx, actor, file_id, deleted=deleted)
            return self._see(actor, file, project, _progress(tx, [file]).get(file.id))

        return await self._db.read(work)

    async def follow(
        self, who: Callable[[], Awaitable[Actor]], file_id: str
    ) -> AsyncGenerator[Seen, None]:
        """The file as it is, and again whenever it or the progress of the work on it changes.

        Ends when the work does. `who` asks is found out each time, because rights may be lost
        meanwhile. Raises what `file` and `who` raise, also later.
        """
        with self._bell.listen(file_id) as heard:
            seen = await self.file(await who(), file_id)
            yield seen
            while not seen.has_settled:
                await heard.wait(_LOOK_AGAIN)
                before, seen = seen, await self.file(await who(), file_id)
                if seen.state != before.state:
                    yield seen

    async def page(self, actor: Actor, query: FileQuery) -> SeenPage:
        """A page of the files that the actor may read; raises `BadRequest`."""
        full = bool(actor.roles & self._access.full_file_access_roles)

        def work(tx: Tx) -> SeenPage:
            page = self._listing.page(tx, actor, query, full=full)
            owners = {file.project for file in page.files if file.project is not None}
            known = {project.id: project for project in projects.get_many(tx, owners)}
            progress = _progress(tx, page.files)
            return SeenPage(
                page.total,
                [
                    self._see(actor, file, known.get(file.project or ""), progress.get(file.id))
                    for file in page.files
                ],
                page.next,
            )

        ask = self._db.search if may_take_long(query) else self._db.read
        return await ask(work)

    async def ready(self, seen: Sequence[Seen]) -> list[Seen]:
        """The same files, and whatever takes long to spell of their links is done.

        Links that were kept for the window are taken as they are, in one query; the rest is
        signed in threads.
        """
        slow = [each for each in seen if each.is_slow]
        if not slow:
            return list(seen)
        ids = [each.file.id for each in slow]
        kept = await self._db.read(lambda tx: kept_links.get_many(tx, ids))
        done = {
            each.file.id: links
            for each in slow
            if (links := _as_kept(each, kept.get(each.file.id))) is not None
        }
        missing = [each for each in slow if each.file.id not in done]
        signed = await asyncio.gather(*(self._threads.run(each.spell) for each in missing))
        done.update((each.file.id, links) for each, links in zip(missing, signed, strict=True))
        return [msgspec.structs.replace(each, links=done.get(each.file.id)) for each in seen]

    async def project(self, actor: Actor, project_id: str, *, deleted: bool = False) -> Project:
        """One project; raises `NotFound` or `Forbidden`.

        A deleted one is there only if it is wanted, and for those only who may delete.
        """
        return await self._db.read(
            lambda tx: readable_project(tx, actor, project_id, deleted=deleted)
        )

    async def totals(self, actor: Actor, project_id: str) -> Stats:
        """What a project holds, for users; raises `NotFound` or `Forbidden`."""
        if actor.is_anonymous:
            raise Forbidden("Sign in first: this needs a valid token.")

        def work(tx: Tx) -> Stats:
            return projects.stats(tx, readable_project(tx, actor, project_id).id)

        return await self._db.read(work)

    async def projects(self, actor: Actor, query: ProjectQuery) -> ProjectPage:
        """A page of the projects that the actor may read; raises `BadRequest`."""
        ask = self._db.search if query.where else self._db.read
        return await ask(lambda tx: project_listing.listing(tx, actor, query))

    def _see(
        self, actor: Actor, file: File, project: Project | None, progress: Progress | None
    ) -> Seen:
        full = rules.has_full_access(actor, project, file, self._access)
        speller = None if file.deleted is not None else self._spellers[file.backend]
        if not full or speller is None or not file.file_path:
            return Seen(file, full, speller, None, project, progress)
        return Seen(file, full, speller, speller.window(self._clock.now()), project, progress)


def _is_worked_on(file: File) -> bool:
    return file.status not in ("complete", "failed") and file.deleted is None


def _as_kept(seen: Seen, kept: Kept | None) -> Links | None:
    """The links that were kept, None where some are missing or belong to another window."""
    if kept is None or seen.window is None or kept.expires != seen.window.expires:
        return None
    try:
        return Links(
            kept.original, [kept.variations[each.file_path] for each in seen.file.variations]
        )
    except KeyError:
        return None


def _progress(tx: Tx, files: Iterable[File]) -> Mapping[str, Progress]:
    """How far the work on those of the files is that are worked on, by their ids."""
    worked_on = [file.id for file in files if _is_worked_on(file)]
    return queue.progress_of(tx, worked_on) if worked_on else {}
