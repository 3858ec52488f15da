"""Administer: the users, tokens and projects that an operator makes by hand."""

import re
import unicodedata
from collections.abc import Sequence

import msgspec

from cella.access.tokens import new_token, token_hash
from cella.catalog import people, projects
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import BadRequest, NotFound
from cella.ids import new_etag, new_id
from cella.model import METHODS, Grant, Group, Permissions, Project, Token, User

_DAY = 24 * 3600
_LONGEST = 128
_USERNAME = re.compile(r"[\w.@+-]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_ROLE = re.compile(r"[a-z0-9_-]{1,64}")


class Founded(msgspec.Struct, frozen=True):
    """What the first start made; `token` is shown once and not kept."""

    user: User
    token: str
    project: Project


class Administer:
    """Makes users, tokens and projects."""

    def __init__(self, *, db: Database, token_key: str, clock: Clock) -> None:
        self._db = db
        self._token_key = token_key
        self._clock = clock

    def found(self) -> Founded | None:
        """Make the first administrator, a token and a public project; None where users exist."""
        return self._db.write_now(self._found)

    def add_user(self, username: str, email: str, roles: Sequence[str]) -> User:
        """A new user; raises `Conflict` where the name is taken.

        Raises `BadRequest` where the name is not made of letters, digits and `.@+-_`, a role not
        of `a-z0-9_-`, or `email` is neither empty nor an address.
        """
        if len(username) > _LONGEST or _USERNAME.fullmatch(username) is None:
            raise BadRequest(f"A user's name is 1 to {_LONGEST} letters, digits, or signs of .@+-_")
        if email and (
            len(email) > _LONGEST or _EMAIL.fullmatch(email) is None or not _is_plain(email)
        ):
            raise BadRequest("The email is no address such as ada@studio.example")
        for role in roles:
            if _ROLE.fullmatch(role) is None:
                raise BadRequest("A role is 1 to 64 signs of a-z, 0-9, _ and -, such as admin.")
        return self._db.write_now(lambda tx: self._add_user(tx, username, email, roles))

    def new_token(self, username: str, days: float | None) -> str:
        """A new token of the user, valid for `days` or until it is revoked."""
        if days is not None and days <= 0:
            raise BadRequest("A token is valid for more than 0 days.")

        def work(tx: Tx) -> str:
            return self._new_token(tx, _user(tx, username), days)

        return self._db.write_now(work)

    def new_project(self, name: str, owner: str, *, public: bool) -> Project:
        """A new project; its owner becomes the first member of its own group.

        Raises `BadRequest` where the name is blank, too long, or has control characters.
        """
        if not name.strip() or len(name) > _LONGEST or not _is_plain(name):
            raise BadRequest(
                f"A project's name is 1 to {_LONGEST} characters that can be seen, in one line."
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
        group = Group(id=new_id(), created=now, updated=now, etag=new_etag(), name=project_id)
        project = Project(
            id=project_id,
            created=now,
            updated=now,
            etag=new_etag(),
            name=name,
            url=f"p-{project_id}",
            user=owner.id,
            permissions=Permissions(
                world=("GET",) if public else (), groups=(Grant(group.id, METHODS),)
            ),
        )
        projects.add_group(tx, group, [owner.id])
        projects.add(tx, project)
        return project


def _is_plain(text: str) -> bool:
    """Whether there are no control characters, controls of writing direction, or surrogates."""
    return not any(unicodedata.category(sign) in ("Cc", "Cf", "Cs") for sign in text)


def _user(tx: Tx, username: str) -> User:
    user = people.find_user(tx, username)
    if user is None:
        raise NotFound(f"There is no user named {username[:_LONGEST]}.")
    return user
