"""Documents for tests: whatever is not said is plain and the same."""

from typing import Any

import msgspec

from cella.ids import new_blob_root, new_etag, new_id
from cella.model import File, Grant, Group, Permissions, Project, User, Variation
from cella.model.project import Method

NOW = 1_790_000_000


def a_user(**fields: Any) -> User:
    """A user with a name of its own."""
    user_id = new_id()
    plain = User(
        id=user_id,
        created=NOW,
        updated=NOW,
        etag=new_etag(),
        username=f"user-{user_id}",
        full_name="Somebody",
        email="somebody@studio.example",
    )
    return msgspec.structs.replace(plain, **fields)


def a_project(owner: str, **fields: Any) -> Project:
    """A project that nobody is granted anything in."""
    project_id = new_id()
    plain = Project(
        id=project_id,
        created=NOW,
        updated=NOW,
        etag=new_etag(),
        name="Spring",
        url=f"p-{project_id}",
        user=owner,
    )
    return msgspec.structs.replace(plain, **fields)


def a_group(**fields: Any) -> Group:
    """A group with a name of its own."""
    group_id = new_id()
    plain = Group(id=group_id, created=NOW, updated=NOW, etag=new_etag(), name=group_id)
    return msgspec.structs.replace(plain, **fields)


def granted(
    *,
    world: tuple[Method, ...] = (),
    users: dict[str, tuple[Method, ...]] | None = None,
    groups: dict[str, tuple[Method, ...]] | None = None,
) -> Permissions:
    """Permissions, with users and groups by their ids."""
    return Permissions(
        world=world,
        users=tuple(Grant(subject, methods) for subject, methods in (users or {}).items()),
        groups=tuple(Grant(subject, methods) for subject, methods in (groups or {}).items()),
    )


def a_file(project: str | None, **fields: Any) -> File:
    """A complete picture of 100 bytes without variations."""
    root = new_blob_root()
    plain = File(
        id=new_id(),
        created=NOW,
        updated=NOW,
        etag=new_etag(),
        project=project,
        user=new_id(),
        name=root,
        filename="still.png",
        content_type="image/png",
        length=100,
        backend="local",
        file_path=f"{root}.png",
        status="complete",
    )
    return msgspec.structs.replace(plain, **fields)


def a_variation(**fields: Any) -> Variation:
    """A small preview of 10 bytes."""
    plain = Variation(
        content_type="image/jpeg", length=10, file_path=f"{new_blob_root()}.jpg", size="s"
    )
    return msgspec.structs.replace(plain, **fields)


def changed(file: File, **fields: Any) -> File:
    """The next state of the file."""
    return msgspec.structs.replace(file, etag=new_etag(), **fields)
