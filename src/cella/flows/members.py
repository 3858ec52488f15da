"""Members: who is in a project's own group, which may do everything in it."""

from cella.access import rules
from cella.catalog import members
from cella.catalog.members import Member
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import Conflict, Forbidden
from cella.flows.reach import readable_project
from cella.model import Actor, Project


class Members:
    """Lists the members of projects, adds and removes them."""

    def __init__(self, *, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

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
            project = readable_project(tx, actor, project_id)
            rules.may(actor, "PUT", project).enforce()
            return members.join(tx, _group(tx, project), user_id, int(self._clock.now()))

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


def _group(tx: Tx, project: Project) -> str:
    group = members.own_group(tx, project)
    if group is None:
        raise Conflict(
            "The project's permissions do not name its own group any more. Grant methods to users "
            "there instead."
        )
    return group
