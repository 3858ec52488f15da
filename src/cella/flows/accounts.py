"""Accounts: users, as they see and change themselves and as administrators do."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from cella.access import rules
from cella.access.account_edits import edit, rename
from cella.access.accounts import is_email, is_role
from cella.catalog import people, user_listing
from cella.catalog.user_listing import UserPage, UserQuery
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import BadRequest, Conflict, Forbidden, InvalidDocument, NotFound
from cella.fields import Issues
from cella.ids import is_id, new_etag
from cella.model import Actor, User

Precondition = Callable[[str], None]
"""Handed the etag that a change is judged against; raises where it is not the expected one."""

_LAST = "the last administrator who can sign in must stay one"
_PROTECTED_ROLES = ("admin", "badger", "service")
_BADGERS = frozenset({"badger", "service"})


class Known(NamedTuple):
    """A user as somebody knows him: as a whole, or by full name and address only."""

    user: User
    whole: bool


class Accounts:
    """Lists, reads and changes users for somebody."""

    def __init__(self, *, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def me(self, actor: Actor) -> User:
        """The actor's own account; raises `Forbidden` for the anonymous."""
        user_id = _signed_in(actor)
        return await self._db.read(lambda tx: people.get_user(tx, user_id))

    async def user(self, actor: Actor, user_id: str) -> Known:
        """One user; raises `NotFound`."""
        _check_id(user_id)
        user = await self._db.read(lambda tx: people.get_user(tx, user_id))
        return Known(user, rules.may_account(actor, user_id).allowed)

    async def page(self, actor: Actor, query: UserQuery) -> UserPage:
        """A page of the users that the actor knows as a whole; raises `Forbidden`."""
        only = _signed_in(actor)
        ask = self._db.search if query.where else self._db.read
        return await ask(
            lambda tx: user_listing.listing(tx, query, None if actor.is_admin else only)
        )

    def admit(self, actor: Actor, user_id: str) -> None:
        """Raise `Forbidden` where the actor may not change the user, if there is one."""
        rules.may_account(actor, user_id).enforce()

    async def change(
        self,
        actor: Actor,
        user_id: str,
        document: Mapping[str, Any],
        precondition: Precondition,
        *,
        whole: bool,
    ) -> User:
        """Change what `document` has, or with `whole` all that the actor may; the new state.

        See `cella.access.account_edits` for what is meant. Raises `Forbidden`, `NotFound`, what
        `precondition` raises, `InvalidDocument`, and `PreconditionFailed` where somebody else
        changes the user at the same moment.
        """
        self.admit(actor, user_id)
        _check_id(user_id)

        def work(tx: Tx) -> User:
            old = people.get_user(tx, user_id)
            precondition(old.etag)
            return self._replace(tx, old, *edit(actor, old, document, whole=whole))

        return await self._db.write(work)

    async def rename(
        self, actor: Actor, user_id: str, document: Mapping[str, Any], precondition: Precondition
    ) -> User:
        """Give the user the `username` in `document`; the new state. Raises as `change` does."""
        self.admit(actor, user_id)
        _check_id(user_id)

        def work(tx: Tx) -> User:
            old = people.get_user(tx, user_id, for_change=True)
            precondition(old.etag)
            return self._replace(tx, old, *rename(old, document))

        return await self._db.write(work)

    def admit_badger(self, actor: Actor) -> None:
        """Raise `Forbidden` where the actor has not the roles of both a service and a badger."""
        if not actor.roles >= _BADGERS:
            raise Forbidden("Granting roles needs both roles, service and badger.")

    async def badge(self, actor: Actor, action: object, role: object, email: object) -> None:
        """Grant a role to the user with this address, or revoke it.

        For services that sell, say, subscriptions. Raises `Forbidden` where the actor is none, and
        for roles that administrators alone give; `BadRequest`, naming the field; `NotFound` where
        nobody has the address, and `Conflict` where more than one have it.
        """
        self.admit_badger(actor)
        if action not in ("grant", "revoke"):
            raise BadRequest("`action` must be grant or revoke.")
        if not isinstance(role, str) or not is_role(role):
            raise BadRequest("`role` must be a word of a-z, 0-9, _ and -, such as subscriber.")
        if not isinstance(email, str) or not is_email(email):
            raise BadRequest("`user_email` must be an address, such as ada@studio.example.")
        if role in _PROTECTED_ROLES:
            raise Forbidden(f"The role {role} is given by administrators only.")
        await self._db.write(lambda tx: self._badge(tx, role, email, granted=action == "grant"))

    def _badge(self, tx: Tx, role: str, email: str, *, granted: bool) -> None:
        found = people.by_email(tx, email)
        if not found:
            raise NotFound(f"There is no user with the address {email}.")
        if len(found) > 1:
            raise Conflict(f"More than one user has the address {email}.")
        (old,) = found
        others = tuple(other for other in old.roles if other != role)
        if granted != (role in old.roles):
            roles = (*others, role) if granted else others
            self._replace(tx, old, msgspec.structs.replace(old, roles=roles), {})

    def _replace(self, tx: Tx, old: User, new: User, issues: Issues) -> User:
        """Write `new`, if there is nothing against it; the new state, or the old one if equal."""
        issues = {**_conflicts(tx, old, new), **issues}
        if issues:
            raise _refused(issues)
        if new == old:
            return old
        new = msgspec.structs.replace(new, etag=new_etag(), updated=int(self._clock.now()))
        try:
            people.replace_user(tx, old, new)
        except Conflict:
            raise _refused({"username": _not_unique("username", new.username)}) from None
        return new


def _signed_in(actor: Actor) -> str:
    if actor.user is None:
        raise Forbidden("Sign in first: this needs a valid token.")
    return actor.user


def _check_id(user_id: str) -> None:
    if not is_id(user_id):
        raise NotFound(f"User {user_id[:80]} does not exist.")


def _conflicts(tx: Tx, old: User, new: User) -> Issues:
    """What other documents have against the new state."""
    issues: Issues = {}
    if new.email not in (old.email, ""):
        others = [other for other in people.by_email(tx, new.email) if other.id != new.id]
        if others:
            issues["email"] = _not_unique("email", new.email)
    if new.groups != old.groups:
        known = people.known_groups(tx, new.groups)
        unknown = {
            str(at): f"value '{group}' must exist in resource 'groups', field '_id'."
            for at, group in enumerate(new.groups)
            if group not in known
        }
        if unknown:
            issues["groups"] = unknown
    if _may_administer(old) and not _may_administer(new) and people.enabled_admins(tx) == {old.id}:
        issues["disabled" if new.disabled else "roles"] = _LAST
    return issues


def _may_administer(user: User) -> bool:
    return "admin" in user.roles and not user.disabled


def _not_unique(field: str, value: str) -> str:
    return f"value '{value}' for the field '{field}' is not unique"


def _refused(issues: Issues) -> InvalidDocument:
    return InvalidDocument("The user does not fit; `_issues` tells why, by field.", issues)
