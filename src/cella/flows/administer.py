"""Administer: the users, tokens and projects that an operator makes and minds by hand."""

from collections.abc import Sequence

import msgspec

from cella.access.accounts import LONGEST, is_email, is_plain, is_role, is_username
from cella.access.tokens import new_token, session_hash, token_hash
from cella.catalog import people, projects, sessions
from cella.catalog.people import Issued
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import BadRequest, Conflict, NotFound
from cella.ids import is_id, new_etag, new_id
from cella.model import Permissions, Project, Token, User

_DAY = 24 * 3600
_MOST_DAYS = 36_500


class Founded(msgspec.Struct, frozen=True):
    """What the first start made; `token` is shown once and not kept."""

    user: User
    token: str
    project: Project


class Administer:
    """Makes users, tokens and projects; lets users in and shuts them out."""

    def __init__(self, *, db: Database, token_key: str, clock: Clock) -> None:
        self._db = db
        self._token_key = token_key
        self._clock = clock

    def found(self) -> Founded | None:
        """Make the first administrator, a token and a public project; None where users exist."""
        return self._db.write_now(self._found)

    def add_user(
        self, username: str, email: str, roles: Sequence[str], *, hashed: str | None = None
    ) -> User:
        """A new user, with a password by its hash if there is one.

        Raises `Conflict` where the name is taken.

        Raises `BadRequest` where the name is not made of letters, digits and `.@+-_`, a role not
        of `a-z0-9_-`, or `email` is neither empty nor an address.
        """
        if not is_username(username):
            raise BadRequest(f"A user's name is 1 to {LONGEST} letters, digits, or signs of .@+-_")
        if email and not is_email(email):
            raise BadRequest("The email is no address such as ada@studio.example")
        for role in roles:
            if not is_role(role):
                raise BadRequest("A role is 1 to 64 signs of a-z, 0-9, _ and -, such as admin.")

        def work(tx: Tx) -> User:
            user = self._add_user(tx, username, email, roles)
            if hashed is not None:
                people.set_password(tx, user.id, hashed)
            return user

        return self._db.write_now(work)

    def users(self) -> list[User]:
        """Every user, by name."""
        return self._db.read_now(people.all_users)

    def user(self, username: str) -> User:
        """The user of that name; raises `NotFound`."""
        return self._db.read_now(lambda tx: _user(tx, username))

    def set_password(self, user: User, hashed: str, *, secret: str | None = None) -> None:
        """Give the user a password by its hash; browsers that were signed in are signed out.

        Not so the one whose session has this `secret`: who sets his own password goes on there.
        """
        kept = None if secret is None else session_hash(self._token_key, secret)

        def work(tx: Tx) -> None:
            people.get_user(tx, user.id, for_change=True)
            people.set_password(tx, user.id, hashed)
            sessions.remove_all(tx, user.id, but=kept)

        self._db.write_now(work)

    def disable(self, username: str, *, disabled: bool) -> User:
        """Have all tokens of the user count as none, or count again.

        Raises `Conflict` for the last administrator who can sign in.
        """
        return self._db.write_now(lambda tx: self._disable(tx, username, disabled=disabled))

    def tokens(self, username: str | None) -> list[Issued]:
        """All tokens, or those of one user, by name and age."""

        def work(tx: Tx) -> list[Issued]:
            return people.issued(tx, None if username is None else _user(tx, username).username)

        return self._db.read_now(work)

    def revoke(self, token_ids: Sequence[str]) -> None:
        """Make tokens invalid; raises `NotFound`, and revokes none, where one is unknown."""

        def work(tx: Tx) -> None:
            for token_id in token_ids:
                # What is no id may be the token itself, which is not to be repeated.
                if not is_id(token_id):
                    raise NotFound("The id of a token is 24 hex digits; nothing was revoked.")
                if not people.remove_token(tx, token_id):
                    raise NotFound(f"There is no token {token_id}; nothing was revoked.")

        self._db.write_now(work)

    def new_token(self, username: str, days: float | None) -> str:
        """A new token of the user, valid for `days` or until it is revoked."""
        if days is not None and not 0 < days <= _MOST_DAYS:
            raise BadRequest(f"A token is valid for more than 0 days, {_MOST_DAYS} at most.")

        def work(tx: Tx) -> str:
            return self._new_token(tx, _user(tx, username), days)

        return self._db.write_now(work)

    def new_project(self, name: str, owner: str, *, public: bool) -> Project:
        """A new project; its owner becomes the first member of its own group.

        Raises `BadRequest` where the name is blank, too long, or has control characters.
        """
        if not name.strip() or len(name) > LONGEST or not is_plain(name):
            raise BadRequest(
                f"A project's name is 1 to {LONGEST} characters that can be seen, in one line."
            )

        def work(tx: Tx) -> Project:
            return self._new_project(tx, name, _user(tx, owner), public=public)

        return self._db.write_now(work)

    def first_project(self) -> Project | None:
        """The oldest project, if any."""
        return self._db.read_now(projects.oldest)

    def first_admin(self) -> User | None:
        """The oldest administrator, if any."""
        return self._db.read_now(people.oldest_admin)

    def _found(self, tx: Tx) -> Founded | None:
        if people.any_exists(tx):
            return None
        user = self._add_user(tx, "admin", "admin@localhost", ["admin"])
        token = self._new_token(tx, user, None)
        return Founded(user, token, self._new_project(tx, "First project", user, public=True))

    def _add_user(self, tx: Tx, username: str, email: str, roles: Sequence[str]) -> User:
        now = int(self._clock.now())
        user = User(
            id=new_id(),
            created=now,
            updated=now,
            etag=new_etag(),
            username=username,
            full_name=username,
            email=email,
            roles=tuple(dict.fromkeys(roles)),
        )
        people.add_user(tx, user)
        return user

    def _disable(self, tx: Tx, username: str, *, disabled: bool) -> User:
        old = _user(tx, username)
        if old.disabled == disabled:
            return old
        if disabled and people.enabled_admins(tx) == {old.id}:
            raise Conflict(f"{old.username} is the last administrator who can sign in.")
        new = msgspec.structs.replace(
            old, etag=new_etag(), updated=int(self._clock.now()), disabled=disabled
        )
        people.replace_user(tx, old, new)
        return new

    def _new_token(self, tx: Tx, user: User, days: float | None) -> str:
        token = new_token()
        now = int(self._clock.now())
        expires = None if days is None else now + int(days * _DAY)
        kept = Token(id=new_id(), user=user.id, created=now, expires=expires)
        people.add_token(tx, kept, token_hash(self._token_key, token))
        return token

    def _new_project(self, tx: Tx, name: str, owner: User, *, public: bool) -> Project:
        now = int(self._clock.now())
        project_id = new_id()
        project = Project(
            id=project_id,
            created=now,
            updated=now,
            etag=new_etag(),
            name=name,
            url=f"p-{project_id}",
            user=owner.id,
            permissions=Permissions(world=("GET",) if public else ()),
        )
        return projects.found(tx, project)


def _user(tx: Tx, username: str) -> User:
    user = people.find_user(tx, username)
    if user is None:
        raise NotFound(f"There is no user named {username[:LONGEST]}.")
    return user
