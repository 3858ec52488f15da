"""Members: who is in a project's own group, which may do everything in it."""

from cella.access import rules
from cella.access.accounts import LONGEST, is_email, is_username
from cella.access.tokens import attempt_key
from cella.catalog import attempts, members, people
from cella.catalog.attempts import Budget
from cella.catalog.members import Member
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import Conflict, Forbidden, NotFound, TooManyRequests
from cella.flows.config import LoginConfig
from cella.flows.reach import readable_project
from cella.model import Actor, Project, User


class Members:
    """Lists the members of projects, adds and removes them."""

    def __init__(self, *, db: Database, token_key: str, clock: Clock, login: LoginConfig) -> None:
        self._db = db
        self._token_key = token_key
        self._clock = clock
        self._login = login

    def admit(self, actor: Actor) -> None:
        """Raise `Forbidden` where the actor has not signed in."""
        if actor.is_anonymous:
            raise Forbidden("Sign in first: this needs a valid token.")

    async def all(self, actor: Actor, project_id: str) -> list[Member]:
        """The members, for members and administrators; raises `NotFound` or `Forbidden`."""
        self.admit(actor)

        def work(tx: Tx) -> list[Member]:
            project = readable_project(tx, actor, project_id)
            if not actor.is_admin and not rules.member_methods(actor, project):
                raise Forbidden("Only the members of a project are told who they are.")
            group = members.own_group(tx, project)
            return [] if group is None else members.listing(tx, group)

        return await self._db.read(work)

    async def add(self, actor: Actor, project_id: str, user_id: str) -> Member:
        """Make the user a member, who may be one already.

        For who may change the project. Raises `NotFound` for an unknown project or user,
        `Forbidden`, and `Conflict` where the project has no group of its own.
        """
        self.admit(actor)

        def work(tx: Tx) -> Member:
            group = _group(tx, _to_change(tx, actor, project_id))
            return members.join(tx, group, user_id, int(self._clock.now()))

        return await self._db.write(work)

    async def add_named(self, actor: Actor, project_id: str, name: str) -> Member:
        """As `add`, for the user who has exactly this user name, or this address.

        Only administrators may list users. So names of nobody are counted as failed sign-ins are,
        for each who asks, or guessing would find out who there is. Disabled users are not found.
        Raises what `add` raises, `Conflict` where more than one user has the address, and
        `TooManyRequests` where too many names were wrong lately, whether this one is or not.
        """
        self.admit(actor)
        key = attempt_key(self._token_key, "name of a member", actor.user or "")
        budget = Budget(key, self._login.attempts, self._login.window)

        def begin(tx: Tx) -> None:
            _group(tx, _to_change(tx, actor, project_id))
            now = int(self._clock.now())
            if not attempts.count(tx, budget, now):
                seconds = attempts.wait(tx, budget, now)
                raise TooManyRequests(
                    f"Too many of these names were wrong; try again in {seconds} seconds.", seconds
                )

        def work(tx: Tx) -> Member:
            group = _group(tx, _to_change(tx, actor, project_id))
            user = _named(tx, name.strip())
            attempts.take_back(tx, key)
            return members.join(tx, group, user.id, int(self._clock.now()))

        await self._db.write(begin)
        return await self._db.write(work)

    async def remove(self, actor: Actor, project_id: str, user_id: str) -> Member:
        """Make the user a member no longer, who may be none already.

        Members may leave, as long as they do not own the project; in all else as `add`.
        """
        self.admit(actor)

        def work(tx: Tx) -> Member:
            project = readable_project(tx, actor, project_id)
            if user_id != actor.user:
                rules.may(actor, "PUT", project).enforce()
            if user_id == project.user:
                raise Forbidden(
                    "The owner stays a member. An administrator can make somebody else the owner "
                    "first: that is the project's field `user`."
                )
            return members.leave(tx, _group(tx, project), user_id, int(self._clock.now()))

        return await self._db.write(work)


def _to_change(tx: Tx, actor: Actor, project_id: str) -> Project:
    project = readable_project(tx, actor, project_id)
    rules.may(actor, "PUT", project).enforce()
    return project


def _named(tx: Tx, name: str) -> User:
    # A user's name may look like the address of another: who has it as a name comes first.
    named = people.find_user(tx, name) if is_username(name) else None
    found = [named] if named is not None else people.by_email(tx, name) if is_email(name) else []
    there = [user for user in found if not user.disabled]
    if not there:
        raise NotFound(f"Nobody has the user name or the address {name[:LONGEST]}.")
    if len(there) > 1:
        raise Conflict(f"More than one user has the address {name}.")
    return there[0]


def _group(tx: Tx, project: Project) -> str:
    group = members.own_group(tx, project)
    if group is None:
        raise Conflict(
            "The project's permissions do not name its own group any more. Grant methods to users "
            "there instead."
        )
    return group
