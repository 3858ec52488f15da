"""Who may do what: pure decisions over what they are handed.

One rule serves every way in and out. `may` answers for a project; `has_full_access` for what a
reader sees of a file.
"""

from collections.abc import Iterable, Set
from typing import NamedTuple

import msgspec

from cella.errors import Forbidden
from cella.model import Actor, File, Project, Variation
from cella.model.project import Method
from cella.settings import Count


class AccessConfig(msgspec.Struct, kw_only=True, frozen=True):
    """Which roles have which rights everywhere, and the upload limit of everybody else.

    `filesize_limit_bytes_nonsubs` is in bytes; a file must be smaller than it.
    """

    roles_for_unlimited_uploads: frozenset[str] = frozenset({"subscriber", "demo", "admin"})
    full_file_access_roles: frozenset[str] = frozenset({"admin", "subscriber", "demo"})
    video_encoding_roles: frozenset[str] = frozenset({"admin", "video-encoder"})
    project_creation_roles: frozenset[str] = frozenset({"admin", "subscriber", "demo"})
    filesize_limit_bytes_nonsubs: Count = 32 << 20


class Decision(NamedTuple):
    """Whether it is allowed, and why or why not, in words for who asks."""

    allowed: bool
    reason: str

    def enforce(self) -> None:
        """Raise `Forbidden` where it is not allowed."""
        if not self.allowed:
            raise Forbidden(self.reason)


_VERBS: dict[Method, str] = {
    "GET": "read",
    "POST": "upload to",
    "PUT": "change",
    "DELETE": "delete from",
}


def may(actor: Actor, method: Method, project: Project) -> Decision:
    """Whether the actor may read, add to, change or delete from the project.

    Anonymous actors may only read, whatever the world is granted.
    """
    if method != "GET" and actor.is_anonymous:
        return Decision(False, "Sign in first: this needs a valid token.")
    if actor.is_admin:
        return Decision(True, "administrators may do everything")
    if method in project.permissions.world:
        return Decision(True, "everybody may")
    if method in member_methods(actor, project):
        return Decision(True, "a member may")
    hint = " Sign in, if you have an account." if actor.is_anonymous else ""
    return Decision(False, f"You may not {_VERBS[method]} this project.{hint}")


def may_file(actor: Actor, method: Method, project: Project | None, file: File) -> Decision:
    """Whether the actor may read, change or delete the file: what its project allows.

    A file without a project belongs to its uploader, and no one else may know of it.
    """
    if project is not None:
        return may(actor, method, project)
    if actor.is_admin or (actor.user is not None and file.user == actor.user):
        return Decision(True, "it is the uploader's own")
    return Decision(False, "This file belongs to somebody else.")


def may_found(actor: Actor, config: AccessConfig) -> Decision:
    """Whether the actor may make projects."""
    if actor.is_anonymous:
        return Decision(False, "Sign in first: this needs a valid token.")
    if actor.roles & config.project_creation_roles:
        return Decision(True, "a role of those who may")
    roles = ", ".join(sorted(config.project_creation_roles))
    return Decision(False, f"Making a project needs one of the roles {roles}.")


def may_account(actor: Actor, user_id: str) -> Decision:
    """Whether the actor may see the whole of a user and change what users change."""
    if actor.is_anonymous:
        return Decision(False, "Sign in first: this needs a valid token.")
    if actor.is_admin or actor.user == user_id:
        return Decision(True, "one's own, or an administrator's business")
    return Decision(False, "This is somebody else's account.")


def may_run(actor: Actor) -> Decision:
    """Whether the actor may run the place: users, tokens, jobs, and what is stored where."""
    if actor.is_anonymous:
        return Decision(False, "Sign in first: this needs a valid token.")
    return Decision(actor.is_admin, "This is for administrators.")


def member_methods(actor: Actor, project: Project) -> Set[Method]:
    """What the actor is granted as a member: by name or by group."""
    if actor.user is None:
        return set()
    granted = [grant for grant in project.permissions.users if grant.subject == actor.user]
    granted += [grant for grant in project.permissions.groups if grant.subject in actor.groups]
    return {method for grant in granted for method in grant.methods}


def allowed_methods(actor: Actor, project: Project, methods: Iterable[Method]) -> list[Method]:
    """Those of `methods` that the actor may use on the project."""
    return [method for method in methods if may(actor, method, project).allowed]


def has_full_access(
    actor: Actor, project: Project | None, file: File, config: AccessConfig
) -> bool:
    """Whether a reader gets all of the file: links, the original, variations of any kind.

    Others who may read get the document without links, with image variations only, of which
    the public ones have links. A file without a project belongs to its uploader.
    """
    if actor.is_anonymous:
        return False
    return file.user == actor.user or has_full_access_to_all(actor, project, config)


def has_full_access_to_all(actor: Actor, project: Project | None, config: AccessConfig) -> bool:
    """Whether a reader gets all of every file of the project, whoever uploaded it."""
    if actor.is_anonymous:
        return False
    return bool(actor.roles & config.full_file_access_roles) or (
        project is not None and bool(member_methods(actor, project))
    )


def visible_variations(file: File, full: bool) -> tuple[Variation, ...]:
    """The variations that a reader with all of the file, or without, gets to know of."""
    if full:
        return file.variations
    return tuple(v for v in file.variations if v.content_type.startswith("image/"))


def upload_limit(actor: Actor, config: AccessConfig) -> int | None:
    """Bytes that an upload of the actor must stay below, or None for no limit."""
    if actor.roles & config.roles_for_unlimited_uploads:
        return None
    return config.filesize_limit_bytes_nonsubs


def may_encode_video(actor: Actor, config: AccessConfig) -> bool:
    """Whether videos of the actor are encoded."""
    return bool(actor.roles & config.video_encoding_roles)
