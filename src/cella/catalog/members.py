"""Groups in the catalogue, and who is in them.

A user's document tells the user's groups, so it changes when the user joins or leaves one.
"""

import msgspec
import sqlalchemy as sa

from cella.catalog import people
from cella.catalog.tables import groups, memberships, users
from cella.db import Tx
from cella.errors import NotFound
from cella.model import Project

_MEMBER = sa.select(users.c.id, users.c.username, users.c.full_name, users.c.email)


class Member(msgspec.Struct, frozen=True):
    """What members of a group are told of one another."""

    id: str
    username: str
    full_name: str
    email: str


def own_group(tx: Tx, project: Project) -> str | None:
    """The group that was made with the project; it bears the project's id as its name.

    None where the permissions do not name it any more. To be named in them is not enough: who
    changes a project can put the groups of other projects there.
    """
    named = [grant.subject for grant in project.permissions.groups]
    query = sa.select(groups.c.id).where(groups.c.id.in_(named), groups.c.name == project.id)
    return tx.execute(query.order_by(groups.c.id).limit(1)).scalar_one_or_none()


def listing(tx: Tx, group_id: str) -> list[Member]:
    """The members of the group, oldest users first."""
    query = (
        _MEMBER.join(memberships, memberships.c.user_id == users.c.id)
        .where(memberships.c.group_id == group_id)
        .order_by(users.c.id)
    )
    return [Member(*row) for row in tx.execute(query)]


def join(tx: Tx, group_id: str, user_id: str, now: int) -> Member:
    """Make the user a member, who may be one already; raises `NotFound` for unknown users."""
    member = _held(tx, user_id)
    is_it = _membership(group_id, user_id)
    if tx.execute(memberships.select().where(is_it)).first() is None:
        tx.execute(memberships.insert(), {"group_id": group_id, "user_id": user_id})
        people.renew(tx, [user_id], now)
    return member


def leave(tx: Tx, group_id: str, user_id: str, now: int) -> Member:
    """Make the user a member no longer; raises `NotFound` for unknown users."""
    member = _held(tx, user_id)
    if tx.execute(memberships.delete().where(_membership(group_id, user_id))).rowcount:
        people.renew(tx, [user_id], now)
    return member


def _held(tx: Tx, user_id: str) -> Member:
    """The user, whose memberships nobody else changes until the transaction ends."""
    row = tx.execute(_MEMBER.where(users.c.id == user_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"User {user_id} does not exist.")
    return Member(*row)


def _membership(group_id: str, user_id: str) -> sa.ColumnElement[bool]:
    return (memberships.c.group_id == group_id) & (memberships.c.user_id == user_id)
