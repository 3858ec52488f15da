"""Pages of files: `where` and `sort` as SQL, and pages that cost the same at any depth.

Clients ask for pages by number. Skipping to a far page row by row costs more the deeper it
lies, so a `Listing` remembers where the pages it has served begin, for as long as no file has
joined or left the project (`project_stats.revision`), and starts at the nearest one.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from cella.catalog import projects
from cella.catalog.files import COLUMNS, from_row
from cella.catalog.tables import files
from cella.db import Tx
from cella.errors import BadRequest
from cella.ids import is_id
from cella.lru import Lru
from cella.model import Actor, File

_Kind = Literal["text", "number", "date"]

_FIELDS: dict[str, tuple[sa.Column[Any], _Kind]] = {
    "_id": (files.c.id, "text"),
    "_created": (files.c.created, "date"),
    "_updated": (files.c.updated, "date"),
    "_etag": (files.c.etag, "text"),
    "project": (files.c.project, "text"),
    "user": (files.c.user_id, "text"),
    "name": (files.c.name, "text"),
    "filename": (files.c.filename, "text"),
    "description": (files.c.description, "text"),
    "content_type": (files.c.content_type, "text"),
    "length": (files.c.length, "number"),
    "length_aggregate_in_bytes": (files.c.length_aggregate, "number"),
    "md5": (files.c.md5, "text"),
    "sha256": (files.c.sha256, "text"),
    "backend": (files.c.backend, "text"),
    "file_path": (files.c.file_path, "text"),
    "format": (files.c.format, "text"),
    "size": (files.c.size, "text"),
    "width": (files.c.width, "number"),
    "height": (files.c.height, "number"),
    "duration": (files.c.duration, "number"),
    "status": (files.c.status, "text"),
}

_OPERATORS: dict[str, Callable[[sa.Column[Any], Any], sa.ColumnElement[bool]]] = {
    "$eq": lambda column, value: column == value,
    "$ne": lambda column, value: column.is_distinct_from(value),
    "$gt": lambda column, value: column > value,
    "$gte": lambda column, value: column >= value,
    "$lt": lambda column, value: column < value,
    "$lte": lambda column, value: column <= value,
}
_BOOKMARKED_ORDERS = (("_id",), ("_created", "_id"))
_MAX_TERMS = 100
_MAX_INT = (1 << 63) - 1
_REMEMBERED_FILES = 10_000
_BOOKMARKED_LISTS = 256
_BOOKMARKS_EACH = 4096

Order = tuple[str, bool]
"""A field of the wire and whether it descends."""


class FileQuery(msgspec.Struct, kw_only=True, frozen=True):
    """What files are wanted: `where` as on the wire, `page` counted from 1."""

    where: Mapping[str, Any] = {}
    sort: tuple[Order, ...] = ()
    limit: int = 250
    page: int = 1


class Page(msgspec.Struct, frozen=True):
    """Some files, and how many there are in all."""

    total: int
    files: list[File]


class Listing:
    """Answers file queries; shared by all threads.

    Remembers where pages begin, and files by their etag, which no two states share.
    """

    def __init__(self) -> None:
        self._remembered: Lru[str, File] = Lru(_REMEMBERED_FILES)
        self._marks: OrderedDict[tuple[object, ...], dict[int, tuple[Any, ...]]] = OrderedDict()
        self._marks_lock = threading.Lock()

    def page(self, tx: Tx, actor: Actor, query: FileQuery) -> Page:
        """One page of the files that the actor may read; raises `BadRequest`."""
        order = _order(query.sort)
        project = query.where.get("project")
        if len(query.where) == 1 and isinstance(project, str) and is_id(project):
            return self._page_of_project(tx, actor, project, order, query)
        condition = compile_where(query.where) & files.c.deleted.is_(None) & _readable(actor)
        total = tx.execute(
            sa.select(sa.func.count()).select_from(files).where(condition)
        ).scalar_one()
        rows = tx.execute(
            sa.select(files.c.id, files.c.etag)
            .where(condition)
            .order_by(*_order_by(order))
            .limit(query.limit)
            .offset((query.page - 1) * query.limit)
        )
        return Page(total, self._files(tx, [(row[0], row[1]) for row in rows]))

    def _page_of_project(
        self, tx: Tx, actor: Actor, project: str, order: tuple[Order, ...], query: FileQuery
    ) -> Page:
        if not projects.may_list(tx, actor, project):
            return Page(0, [])
        stats = projects.stats(tx, project)
        skip = (query.page - 1) * query.limit
        if skip >= stats.files:
            return Page(stats.files, [])
        columns = [_FIELDS[name][0] for name, _ in order]
        condition = (files.c.project == project) & files.c.deleted.is_(None)
        pages = (project, order, query.limit, stats.revision)
        nearest = self._nearest_mark(pages, query.page)
        if nearest is not None:
            page, values = nearest
            skip = (query.page - page) * query.limit
            start, mark = sa.tuple_(*columns), sa.tuple_(*values)
            condition &= start <= mark if order[0][1] else start >= mark
        rows = tx.execute(
            sa.select(files.c.id, files.c.etag, *columns)
            .where(condition)
            .order_by(*_order_by(order))
            .limit(query.limit)
            .offset(skip)
        ).all()
        if rows and _can_be_marked(order):
            self._mark(pages, query.page, tuple(rows[0][2:]))
        return Page(stats.files, self._files(tx, [(row[0], row[1]) for row in rows]))

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


def _can_be_marked(order: Sequence[Order]) -> bool:
    """Whether one comparison of rows finds a page's begin: one direction, and no nulls."""
    names = tuple(name for name, _ in order)
    return names in _BOOKMARKED_ORDERS and len({descends for _, descends in order}) == 1


def _readable(actor: Actor) -> sa.ColumnElement[bool]:
    """Which files the actor may read; nobody reads those of a deleted project."""
    if actor.is_admin:
        return files.c.project.is_(None) | files.c.project.not_in(projects.deleted())
    return files.c.project.in_(projects.readable(actor))


def compile_where(where: Mapping[str, Any]) -> sa.ColumnElement[bool]:
    """A `where` of the wire as an SQL condition; raises `BadRequest`.

    Fields that files do not have match nothing, as in the original.
    """
    terms = [_term(name, wanted) for name, wanted in where.items()]
    if len(terms) > _MAX_TERMS:
        raise BadRequest(f"`where` has more than {_MAX_TERMS} terms.")
    return sa.and_(sa.true(), *terms)


def _term(name: str, wanted: Any) -> sa.ColumnElement[bool]:
    if name.startswith("$"):
        raise BadRequest(f"`where` does not know the operator {name} here.")
    if name not in _FIELDS:
        return sa.false()
    column, kind = _FIELDS[name]
    if not isinstance(wanted, dict) or not wanted:
        return _compare(column, kind, "$eq", wanted)
    parts = [_compare(column, kind, operator, value) for operator, value in wanted.items()]
    return sa.and_(sa.true(), *parts)


def _compare(
    column: sa.Column[Any], kind: _Kind, operator: str, value: Any
) -> sa.ColumnElement[bool]:
    if operator in ("$in", "$nin"):
        if not isinstance(value, list) or len(value) > _MAX_TERMS:
            raise BadRequest(f"{operator} takes a list of at most {_MAX_TERMS} values.")
        known = [item for item in (_cast(kind, raw) for raw in value) if item is not None]
        inside = column.is_not(None) & column.in_(known)
        if None in value:
            inside |= column.is_(None)
        return inside if operator == "$in" else ~inside
    if operator not in _OPERATORS:
        raise BadRequest(f"`where` does not know the operator {operator}.")
    if value is None:
        if operator not in ("$eq", "$ne"):
            raise BadRequest(f"{operator} cannot compare with null.")
        return column.is_(None) if operator == "$eq" else column.is_not(None)
    cast = _cast(kind, value)
    if cast is None:
        return sa.true() if operator == "$ne" else sa.false()
    return _OPERATORS[operator](column, cast)


def _cast(kind: _Kind, value: Any) -> str | int | sa.ColumnElement[float] | None:
    """The value as the database compares it with the column; None where it cannot."""
    if kind == "text":
        return value if isinstance(value, str) and "\0" not in value else None
    if kind == "date":
        return _seconds(value) if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int) and abs(value) <= _MAX_INT:
        return value
    # Beyond what columns hold, and drivers take, all that counts is which way it lies.
    number = value if isinstance(value, float) else math.inf if value > 0 else -math.inf
    # Left to the column's type, PostgreSQL would round the number before it compares.
    return sa.literal(number, sa.Double)


def _seconds(text: str) -> int | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        # RFC 5322, section 3.3: `-0000` is UTC of which no place is known.
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def _order(sort: Sequence[Order]) -> tuple[Order, ...]:
    """The wanted order, made total by the id."""
    first: dict[str, bool] = {}
    for name, descends in sort:
        if name not in _FIELDS:
            raise BadRequest(f"`sort` names {name!r}, which files cannot be sorted by.")
        first.setdefault(name, descends)
    order = list(first.items())
    names = [name for name, _ in order]
    if "_id" in names:
        return tuple(order[: names.index("_id") + 1])
    return (*order, ("_id", order[-1][1] if order else False))


def _order_by(order: Sequence[Order]) -> list[sa.ColumnElement[Any]]:
    """The order in SQL; null is the least value, as in the original, on both databases."""
    columns = ((_FIELDS[name][0], descends) for name, descends in order)
    return [_direction(column, descends=descends) for column, descends in columns]


def _direction(column: sa.Column[Any], *, descends: bool) -> sa.ColumnElement[Any]:
    if not column.nullable:
        return column.desc() if descends else column.asc()
    return column.desc().nulls_last() if descends else column.asc().nulls_first()
