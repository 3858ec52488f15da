"""Pages of users."""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from cella.catalog import people
from cella.catalog.fields import Fields, Rows, Value, all_of
from cella.catalog.orders import Order, behind, order_by, read_cursor, read_order, write_cursor
from cella.catalog.tables import memberships, users
from cella.catalog.where import compile_where
from cella.db import Tx
from cella.db.nested import Parsed, texts
from cella.model import User

_ROLE = texts(Parsed(users.c.roles))
SORTABLE = {
    "_id": Value(users.c.id, "id", required=True),
    "_created": Value(users.c.created, "date", required=True),
    "_updated": Value(users.c.updated, "date", required=True),
    "_etag": Value(users.c.etag, "text", required=True),
    "username": Value(users.c.username, "text", required=True),
    "full_name": Value(users.c.full_name, "text", required=True),
    "email": Value(users.c.email, "text", required=True),
}
"""What lists of users can be sorted by."""

FIELDS = Fields(
    {
        **SORTABLE,
        "roles": Rows(_ROLE, "text", _ROLE.is_not(None)),
        "groups": Rows(memberships.c.group_id, "id", memberships.c.user_id == users.c.id),
    },
    searched=("username", "full_name"),
)
"""What can be asked of users, by its name on the wire."""


class UserQuery(msgspec.Struct, kw_only=True, frozen=True):
    """What users are wanted: `where` as on the wire, `page` counted from 1.

    With a `cursor`, which is the `next` of another page, the page is the one behind it.
    """

    where: Mapping[str, Any] = {}
    sort: tuple[Order, ...] = ()
    limit: int = 250
    page: int = 1
    cursor: str | None = None


class UserPage(msgspec.Struct, frozen=True):
    """Some users, how many there are in all, and the cursor of the next page, if any."""

    total: int
    users: list[User]
    next: str | None


def listing(tx: Tx, query: UserQuery, only: str | None) -> UserPage:
    """A page of all users, or of the one whose id is `only`; raises `BadRequest`."""
    visible = sa.true() if only is None else users.c.id == only
    wanted = all_of(compile_where(query.where, FIELDS), visible)
    count = sa.select(sa.func.count()).select_from(users).where(wanted)
    keys = read_order(query.sort, SORTABLE)
    values = [key.expression.label(f"key_{at}") for at, key in enumerate(keys)]
    page = sa.select(users, *values).where(wanted).order_by(*order_by(keys))
    if query.cursor is None:
        page = page.offset((query.page - 1) * query.limit)
    else:
        page = page.where(behind(keys, read_cursor(keys, query.cursor)))
    rows = tx.execute(page.limit(query.limit + 1)).all()
    shown = rows[: query.limit]
    more = len(rows) > len(shown)
    return UserPage(
        tx.execute(count).scalar_one(),
        people.from_rows(tx, shown),
        write_cursor(keys, tuple(shown[-1][-len(keys) :])) if more else None,
    )
