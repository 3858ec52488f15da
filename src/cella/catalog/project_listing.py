"""Pages of projects, as far as somebody may read them."""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from cella.catalog.fields import Condition, Fields, Refused, Rows, Value, all_of, any_of
from cella.catalog.orders import Order, behind, order_by, read_cursor, read_order, write_cursor
from cella.catalog.projects import from_row, granted, readable
from cella.catalog.tables import grants, projects
from cella.catalog.where import compile_where, mentions
from cella.db import Tx
from cella.model import Actor, Project


def _granted(kind: str) -> sa.ColumnElement[bool]:
    return (grants.c.project_id == projects.c.id) & (grants.c.kind == kind)


_WORLD_READS = sa.exists().where(_granted("world"), grants.c.method == "GET")

FIELDS = Fields(
    {
        "_id": Value(projects.c.id, "id", required=True),
        "_created": Value(projects.c.created, "date", required=True),
        "_updated": Value(projects.c.updated, "date", required=True),
        "_etag": Value(projects.c.etag, "text", required=True),
        "_deleted": Value(projects.c.deleted.is_not(None), "boolean", required=True),
        "name": Value(projects.c.name, "text", required=True),
        "url": Value(projects.c.url, "text", required=True),
        "user": Value(projects.c.user_id, "id", required=True),
        "category": Value(projects.c.category, "text", required=True),
        "summary": Value(projects.c.summary, "text"),
        "description": Value(projects.c.description, "text"),
        "status": Value(projects.c.status, "text", required=True),
        "is_private": Value(~_WORLD_READS, "boolean", required=True),
        "permissions.world": Rows(grants.c.method, "text", _granted("world")),
        "permissions.users.user": Rows(grants.c.subject, "id", _granted("user")),
        "permissions.groups.group": Rows(grants.c.subject, "id", _granted("group")),
        "permissions": Refused(
            "name permissions.world, permissions.users.user or permissions.groups.group"
        ),
    },
    searched=("name", "summary", "description"),
)
"""What can be asked of projects, by its name on the wire."""

SORTABLE = {
    name: field
    for name, field in FIELDS.known.items()
    if isinstance(field, Value) and field.kind != "boolean"
}
"""What lists of projects can be sorted by."""


class ProjectQuery(msgspec.Struct, kw_only=True, frozen=True):
    """What projects are wanted: `where` as on the wire, `page` counted from 1.

    With a `cursor`, which is the `next` of another page, the page is the one behind it. `deleted`
    wants deleted ones too; so does a `where` that asks for `_deleted`.
    """

    where: Mapping[str, Any] = {}
    sort: tuple[Order, ...] = ()
    limit: int = 250
    page: int = 1
    cursor: str | None = None
    deleted: bool = False


class ProjectPage(msgspec.Struct, frozen=True):
    """Some projects, how many there are in all, and the cursor of the next page, if any."""

    total: int
    projects: list[Project]
    next: str | None


def listing(tx: Tx, actor: Actor, query: ProjectQuery) -> ProjectPage:
    """A page of the projects that the actor may read; raises `BadRequest`.

    Deleted ones are for those who may delete them, if they are wanted at all.
    """
    deleted = query.deleted or mentions(query.where, "_deleted")
    wanted = all_of(compile_where(query.where, FIELDS), _is_visible(actor, deleted=deleted))
    count = sa.select(sa.func.count()).select_from(projects).where(wanted)
    keys = read_order(query.sort, SORTABLE)
    values = [key.expression.label(f"key_{at}") for at, key in enumerate(keys)]
    page = sa.select(projects, *values).where(wanted).order_by(*order_by(keys))
    if query.cursor is None:
        page = page.offset((query.page - 1) * query.limit)
    else:
        page = page.where(behind(keys, read_cursor(keys, query.cursor)))
    rows = tx.execute(page.limit(query.limit + 1)).all()
    shown = rows[: query.limit]
    more = len(rows) > len(shown)
    return ProjectPage(
        tx.execute(count).scalar_one(),
        [from_row(row) for row in shown],
        write_cursor(keys, tuple(shown[-1][-len(keys) :])) if more else None,
    )


def _is_visible(actor: Actor, *, deleted: bool) -> Condition:
    is_there = projects.c.deleted.is_(None)
    if actor.is_admin:
        return sa.true() if deleted else is_there
    visible = projects.c.id.in_(readable(actor))
    if not deleted:
        return visible
    both = projects.c.id.in_(granted(actor, "GET")) & projects.c.id.in_(granted(actor, "DELETE"))
    return any_of(visible, all_of(~is_there, both))
