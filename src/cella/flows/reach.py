"""What somebody may read: where every flow about one file or one project begins."""

from cella.access import rules
from cella.catalog import files, people, projects
from cella.db import Tx
from cella.errors import Forbidden, NotFound
from cella.ids import is_id
from cella.model import Actor, File, Project


def readable_file(
    tx: Tx, actor: Actor, file_id: str, *, deleted: bool = False, for_change: bool = False
) -> tuple[File, Project | None]:
    """The file and its project, if it has one.

    Raises `Forbidden` where the actor may not read the project, and `NotFound` where there is no
    such file, where its project was deleted, or where it is somebody else's own: nobody may know
    of those. A deleted one is there only if it is wanted, and for those only who may delete it.
    With `for_change` nobody else changes the file until the transaction ends.
    """
    if not is_id(file_id):
        raise NotFound(f"File {file_id[:80]} does not exist.")
    file = files.get(tx, file_id, deleted=deleted, for_change=for_change)
    if file.project is None:
        if not rules.may_file(actor, "GET", None, file).allowed:
            raise _missing(file_id)
        return file, None
    project = projects.get(tx, file.project, deleted=True)
    if project.deleted is not None:
        raise _missing(file_id)
    if file.deleted is not None and not rules.may_file(actor, "DELETE", project, file).allowed:
        raise _missing(file_id)
    rules.may_file(actor, "GET", project, file).enforce()
    return file, project


def readable_project(
    tx: Tx, actor: Actor, project_id: str, *, deleted: bool = False, for_change: bool = False
) -> Project:
    """The project; raises `NotFound`, and `Forbidden` where the actor may not read it.

    A deleted one is there only if it is wanted, and for those only who may delete it. With
    `for_change` nobody else changes it until the transaction ends.
    """
    if not is_id(project_id):
        raise NotFound(f"Project {project_id[:80]} does not exist.")
    project = projects.get(tx, project_id, deleted=deleted, for_change=for_change)
    if project.deleted is not None and not rules.may(actor, "DELETE", project).allowed:
        raise NotFound(f"Project {project_id} does not exist.")
    rules.may(actor, "GET", project).enforce()
    return project


def present_actor(tx: Tx, user_id: str) -> Actor:
    """The user with the roles and groups of this moment; raises `Forbidden` for disabled ones."""
    user = people.get_user(tx, user_id)
    if user.disabled:
        raise Forbidden("Your account has been disabled meanwhile.")
    return Actor(user=user.id, roles=frozenset(user.roles), groups=frozenset(user.groups))


def _missing(file_id: str) -> NotFound:
    return NotFound(f"File {file_id} does not exist.")
