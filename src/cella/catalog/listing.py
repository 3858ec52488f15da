"""Pages of files, by number or by cursor, that cost the same at any depth.

Clients ask for pages by number. Skipping to a far page row by row costs more the deeper it
lies, so a `Listing` remembers where the pages of a project that it has served begin, for as long
as no file has joined or left the project (`project_stats.revision`), and starts at the nearest
one. Who follows the cursors instead (`Page.next`) needs no such memory.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from cella.catalog import projects
from cella.catalog.file_fields import SORTABLE
from cella.catalog.file_search import Found, Search, has_index, only_projects, search
from cella.catalog.files import COLUMNS, from_row
from cella.catalog.orders import (
    Keys,
    Order,
    behind,
    order_by,
    read_cursor,
    read_order,
    write_cursor,
)
from cella.catalog.tables import files
from cella.catalog.where import mentions
from cella.db import Tx
from cella.ids import is_id
from cella.lru import Lru
from cella.model import Actor, File

_REMEMBERED_FILES = 10_000
_BOOKMARKED_LISTS = 256
_BOOKMARKS_EACH = 4096


class FileQuery(msgspec.Struct, kw_only=True, frozen=True):
    """What files are wanted.

    `where` is as on the wire, `page` counts from 1. A `cursor` is what an earlier page calls
    `next`; the page number does not matter then. `deleted` asks for deleted files too, and so
    does a `where` that names `_deleted`: who may delete gets them.
    """

    where: Mapping[str, Any] = {}
    sort: tuple[Order, ...] = ()
    limit: int = 250
    page: int = 1
    cursor: str | None = None
    deleted: bool = False


class Page(msgspec.Struct, frozen=True):
    """Some files, how many there are in all, and the cursor of the next page if there is one."""

    total: int
    files: list[File]
    next: str | None = None


def may_take_long(query: FileQuery) -> bool:
    """Whether the page has to be looked for, rather than read off the indexes of projects."""
    if query.deleted or not has_index(read_order(query.sort, SORTABLE)):
        return True
    project_ids = only_projects(query.where)
    if project_ids is None:
        return bool(query.where) or query.page > 1
    return len(project_ids) > 1 and query.page > 1


class Listing:
    """Answers file queries; shared by all threads.

    Remembers where pages begin, and files by their etag, which no two states share.
    """

    def __init__(self) -> None:
        self._remembered: Lru[str, File] = Lru(_REMEMBERED_FILES)
        self._marks: OrderedDict[tuple[object, ...], dict[int, tuple[Any, ...]]] = OrderedDict()
        self._marks_lock = threading.Lock()

    def page(self, tx: Tx, actor: Actor, query: FileQuery, *, full: bool = False) -> Page:
        """One page of the files that the actor may read; raises `BadRequest`.

        `full` tells that a role of the actor's opens all of every file; see
        `cella.access.rules.has_full_access`.
        """
        keys = read_order(query.sort, SORTABLE)
        place = None if query.cursor is None else read_cursor(keys, query.cursor)
        skip = 0 if place is not None else (query.page - 1) * query.limit
        deleted = query.deleted or mentions(query.where, "_deleted")
        project_ids = only_projects(query.where)
        if project_ids is not None and len(project_ids) == 1 and not deleted:
            found = self._search_project(tx, actor, project_ids[0], keys, query, place)
        else:
            wanted = Search(
                actor=actor,
                where=query.where,
                keys=keys,
                place=place,
                skip=skip,
                most=query.limit + 1,
                full=full,
                deleted=deleted,
            )
            found = search(tx, wanted)
        rows = found.rows[: query.limit]
        more = len(found.rows) > len(rows)
        return Page(
            found.total,
            self._files(tx, [(row[0], row[1]) for row in rows]),
            write_cursor(keys, rows[-1][2:]) if more else None,
        )

    def _search_project(
        self,
        tx: Tx,
        actor: Actor,
        project: str,
        keys: Keys,
        query: FileQuery,
        place: Sequence[Any] | None,
    ) -> Found:
        if not is_id(project) or not projects.may_list(tx, actor, project):
            return Found(0, [])
        stats = projects.stats(tx, project)
        skip = 0 if place is not None else (query.page - 1) * query.limit
        if skip >= stats.files:
            return Found(stats.files, [])
        condition = (files.c.project == project) & files.c.deleted.is_(None)
        pages = (project, query.sort, query.limit, stats.revision)
        if place is not None:
            condition &= behind(keys, place)
        elif (nearest := self._nearest_mark(pages, query.page)) is not None:
            page, values = nearest
            skip = (query.page - page) * query.limit
            condition &= behind(keys, values, inclusive=True)
        rows = tx.execute(
            sa.select(files.c.id, files.c.etag, *(key.expression for key in keys))
            .where(condition)
            .order_by(*order_by(keys))
            .limit(query.limit + 1)
            .offset(skip)
        ).all()
        if rows and place is None and has_index(keys):
            self._mark(pages, query.page, tuple(rows[0][2:]))
        return Found(stats.files, rows)

    def _files(self, tx: Tx, states: list[tuple[str, str]]) -> list[File]:
        """The files in these states, each an id and an etag, read unless they are remembered."""
        known = {etag: self._remembered.get(etag) for _, etag in states}
        unknown = [file_id for file_id, etag in states if known[etag] is None]
        if unknown:
            for row in tx.execute(sa.select(*COLUMNS).where(files.c.id.in_(unknown))):
                file = from_row(row)
                known[file.etag] = file
                self._remembered.keep(file.etag, file)
        return [file for file in (known[etag] for _, etag in states) if file is not None]

    def _nearest_mark(
        self, pages: tuple[object, ...], page: int
    ) -> tuple[int, tuple[Any, ...]] | None:
        """The last bookmark not behind `page`: its page and the values that it begins with."""
        with self._marks_lock:
            marks = self._marks.get(pages, {})
            nearest = max((marked for marked in marks if marked <= page), default=None)
            return None if nearest is None else (nearest, marks[nearest])

    def _mark(self, pages: tuple[object, ...], page: int, values: tuple[Any, ...]) -> None:
        with self._marks_lock:
            marks = self._marks.setdefault(pages, {})
            self._marks.move_to_end(pages)
            if len(marks) < _BOOKMARKS_EACH:
                marks[page] = values
            while len(self._marks) > _BOOKMARKED_LISTS:
                self._marks.popitem(last=False)
