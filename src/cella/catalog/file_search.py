"""The files that a query asks for, as far as somebody may list them.

They come from up to four places: files in projects and loose ones, each living or deleted. What is
known of a place, as that its files have no project, is put into the query first; where nothing can
be left then, nobody looks there.

What a search costs follows from what it is *anchored* to. One that pins an indexed field
(`ANCHORS`) starts at that index. One that asks for nothing in particular takes the few next files
of each project from its index, and their number from the projects' totals. Any other has to look
through whole projects: through those of which the actor is a member without limit, and through
at most `SCAN_LIMIT` files of others.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from cella.catalog import scope
from cella.catalog.fields import Condition, any_of, is_always, is_never
from cella.catalog.file_fields import ANCHORS, file_fields
from cella.catalog.orders import Keys, behind, is_uniform, order_by
from cella.catalog.tables import files
from cella.catalog.where import compile_where, is_anchored, pinned
from cella.db import Tx
from cella.db.nested import member
from cella.errors import BadRequest
from cella.model import Actor

SCAN_LIMIT = 10_000
"""How many files of others a query may look through that is not anchored."""

_INDEXED_ORDERS = (("_id",), ("_created", "_id"))
_PICTURE = "image/"
_TOO_FAR = (
    f"This would look through more than {SCAN_LIMIT} files of projects that you are no member of. "
    "Let `where` name a project, or give a value of _id, user, name, filename, file_path, md5, "
    "sha256 or processing.job_id."
)

_Rows = sa.Select[Any]


class Search(NamedTuple):
    """What is wanted, for whom: `most` files from `place` on, after the first `skip`.

    `full` tells that a role of the actor's opens all of every file that the actor may read;
    `deleted` wants deleted files too.
    """

    actor: Actor
    where: Mapping[str, Any]
    keys: Keys
    place: Sequence[Any] | None
    skip: int
    most: int
    full: bool
    deleted: bool


class Found(NamedTuple):
    """How many files there are in all; of those wanted the id, the etag and the order's values."""

    total: int
    rows: Sequence[Sequence[Any]]


class _Sources(NamedTuple):
    """Where the wanted files come from: `searched` in whole, `heads` no further than needed.

    `counted` are the files of which `heads` are the first.
    """

    searched: list[_Rows]
    heads: list[_Rows]
    counted: list[int]


def has_index(keys: Keys) -> bool:
    """Whether each project has its files in that order in an index."""
    return is_uniform(keys) and tuple(key.name for key in keys) in _INDEXED_ORDERS


def only_projects(where: Mapping[str, Any]) -> list[str] | None:
    """The ids, if all that the query asks for is that files are in one of these projects."""
    wanted = where.get("project")
    if len(where) != 1 or not isinstance(wanted, str | dict):
        return None
    if isinstance(wanted, str):
        return [wanted]
    match wanted:
        case {"$eq": str(project), **others} if not others:
            return [project]
        case {"$in": list(projects), **others} if not others:
            return projects if all(isinstance(each, str) for each in projects) else None
    return None


def search(tx: Tx, wanted: Search) -> Found:
    """The files that are wanted; raises `BadRequest`, also where it would look too far."""
    sources = _Sources([], [], [])
    _add_living(tx, wanted, sources)
    if not wanted.actor.is_anonymous:
        _add_loose(tx, wanted, sources)
        if wanted.deleted:
            _add_deleted(wanted, sources)
    return _collect(tx, wanted, sources)


def _add_living(tx: Tx, wanted: Search, sources: _Sources) -> None:
    condition = _compiled(wanted, deleted=False, loose=False)
    if is_never(condition):
        return
    project_ids = only_projects(wanted.where)
    if has_index(wanted.keys) and (project_ids is not None or is_always(condition)):
        reach = scope.reach(tx, wanted.actor, project_ids)
        sources.counted.append(reach.files)
        sources.heads.append(_heads_of_projects(tx, wanted, project_ids))
        return
    readable = _readable(tx, wanted)
    sources.searched.append(_rows(wanted, readable, files.c.deleted.is_(None), condition))


def _readable(tx: Tx, wanted: Search) -> Condition:
    """Whether the actor may list a file in a project, put so that the fewest are looked at."""
    project_ids = pinned(wanted.where, "project")
    if project_ids is None and is_anchored(wanted.where, ANCHORS):
        return scope.is_readable(wanted.actor)
    if project_ids is None and scope.reach(tx, wanted.actor).of_others > SCAN_LIMIT:
        raise BadRequest(_TOO_FAR)
    return files.c.project.in_(scope.readable_projects(wanted.actor, project_ids))


def _add_loose(tx: Tx, wanted: Search, sources: _Sources) -> None:
    condition = _compiled(wanted, deleted=False, loose=True)
    if is_never(condition):
        return
    rows = _rows(wanted, scope.is_loose(wanted.actor), files.c.deleted.is_(None), condition)
    if is_always(condition):
        count = rows.with_only_columns(sa.func.count())
        sources.counted.append(tx.execute(count).scalar_one())
        sources.heads.append(_head(wanted, rows))
    else:
        sources.searched.append(rows)


def _add_deleted(wanted: Search, sources: _Sources) -> None:
    for loose, whose in (
        (False, scope.discardable_projects(wanted.actor)),
        (True, scope.is_loose(wanted.actor)),
    ):
        condition = _compiled(wanted, deleted=True, loose=loose)
        if not is_never(condition):
            is_deleted = files.c.deleted.is_not(None)
            sources.searched.append(_rows(wanted, whose, is_deleted, condition))


def _collect(tx: Tx, wanted: Search, sources: _Sources) -> Found:
    """Put together what the sources have, in order, and count."""
    total = sum(sources.counted)
    parts = list(sources.heads) if wanted.skip < total or sources.searched else []
    in_searched: sa.ColumnElement[int] = sa.literal(0)
    if sources.searched:
        # Materialized, so that PostgreSQL does not walk along the order in hope of matches, and
        # that what was found is counted on the way.
        found = sa.union_all(*sources.searched).cte("found").prefix_with("MATERIALIZED")
        in_searched = sa.select(sa.func.count()).select_from(found).scalar_subquery()
        parts.append(sa.select(found))
    if not parts:
        return Found(total, [])
    every = sa.union_all(*parts).subquery("every")
    keys = tuple(
        key._replace(expression=every.c[f"key{number}"]) for number, key in enumerate(wanted.keys)
    )
    query = sa.select(every, in_searched.label("searched")).order_by(*order_by(keys))
    if wanted.place is not None:
        query = query.where(behind(keys, wanted.place))
    rows = tx.execute(query.limit(wanted.most).offset(wanted.skip)).all()
    if rows:
        total += rows[0].searched
    elif sources.searched and (wanted.skip or wanted.place is not None):
        total += tx.execute(sa.select(in_searched)).scalar_one()
    return Found(total, [row[:-1] for row in rows])


def _compiled(wanted: Search, *, deleted: bool, loose: bool) -> Condition:
    shown = None if wanted.full else _shown_to(wanted.actor)
    return compile_where(wanted.where, file_fields(deleted=deleted, loose=loose, shown=shown))


def _shown_to(actor: Actor) -> Callable[[sa.ColumnElement[Any]], Condition]:
    """Which variations are shown to somebody without a role that opens all of them.

    It is the rule of `cella.access.rules.has_full_access` in SQL: a condition on what a reader is
    not shown would tell what it is.
    """

    def shown(variation: sa.ColumnElement[Any]) -> Condition:
        kind = sa.func.substr(member(variation, "content_type"), 1, len(_PICTURE), type_=sa.Text)
        return any_of(kind == _PICTURE, scope.is_partaker(actor))

    return shown


def _rows(wanted: Search, *conditions: Condition) -> _Rows:
    return sa.select(*_columns(wanted.keys)).where(*conditions)


def _columns(keys: Keys) -> list[sa.ColumnElement[Any]]:
    values = (key.expression.label(f"key{number}") for number, key in enumerate(keys))
    return [files.c.id, files.c.etag, *values]


def _head(wanted: Search, rows: _Rows) -> _Rows:
    """No more of the rows than a page may need."""
    if wanted.place is not None:
        rows = rows.where(behind(wanted.keys, wanted.place))
    head = rows.order_by(*order_by(wanted.keys)).limit(wanted.skip + wanted.most).subquery()
    return sa.select(head)


def _heads_of_projects(tx: Tx, wanted: Search, project_ids: Sequence[str] | None) -> _Rows:
    """The first files behind the place of each project that may have some of the wanted ones.

    All of it is read from the indexes of projects: to begin with, which file is each one's first.
    No more projects count than files are wanted, those whose first ones come first.
    """
    most = wanted.skip + wanted.most
    reachable = scope.reachable(wanted.actor, project_ids).subquery("reachable")
    first_values = [
        _next_in(reachable, wanted, key.expression).limit(1).scalar_subquery()
        for key in wanted.keys
    ]
    labelled = (value.label(f"first{number}") for number, value in enumerate(first_values))
    firsts = sa.select(reachable.c.project_id, *labelled).subquery("firsts")
    begin = tuple(
        key._replace(expression=firsts.c[f"first{number}"])
        for number, key in enumerate(wanted.keys)
    )
    chosen = (
        sa.select(firsts.c.project_id)
        .where(begin[0].expression.is_not(None))
        .order_by(*order_by(begin))
        .limit(most)
        .cte("chosen")
    )
    if tx.dialect.name != "sqlite":
        head = _next_in(chosen, wanted, *_columns(wanted.keys)).limit(most).lateral("head")
        return sa.select(head).select_from(chosen.join(head, sa.true()))
    # SQLite has no LATERAL, but looks up a list of ids for each project.
    file = files.alias("file")
    values = (
        file.c[str(key.expression.key)].label(f"key{number}")
        for number, key in enumerate(wanted.keys)
    )
    is_in_head = file.c.id.in_(_next_in(chosen, wanted, files.c.id).limit(most))
    return sa.select(file.c.id, file.c.etag, *values).select_from(chosen.join(file, is_in_head))


def _next_in(projects: sa.FromClause, wanted: Search, *columns: sa.ColumnElement[Any]) -> _Rows:
    """The living files of a project behind the place, in order, for each of `projects`."""
    rows = sa.select(*columns).where(
        files.c.project == projects.c.project_id, files.c.deleted.is_(None)
    )
    if wanted.place is not None:
        rows = rows.where(behind(wanted.keys, wanted.place))
    return rows.order_by(*order_by(wanted.keys)).correlate(projects)
