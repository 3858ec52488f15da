"""Documents as the wire spells them: names with underscores, dates of RFC 1123, no nulls."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType, field

from cella.clock import http_date
from cella.flows.look import Seen
from cella.model import Permissions, Processing, Project, User, Variation
from cella.model.project import Method


class VariationDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A variation of a file."""

    size: str | None = None
    format: str | None = None
    content_type: str = ""
    width: int | None = None
    height: int | None = None
    duration: int | None = None
    length: int | UnsetType = UNSET
    md5: str | UnsetType = UNSET
    sha256: str | None = None
    file_path: str = ""
    is_public: bool = False
    link: str | None = None


class FileDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A file, contract section 4.1."""

    id: str = field(name="_id")
    created: str = field(name="_created")
    updated: str = field(name="_updated")
    etag: str = field(name="_etag")
    name: str
    filename: str
    description: str | None = None
    content_type: str
    format: str | None = None
    size: str | None = None
    width: int | None = None
    height: int | None = None
    duration: int | None = None
    length: int
    length_aggregate_in_bytes: int
    md5: str
    sha256: str | None = None
    user: str
    project: str | None = None
    backend: str
    file_path: str | None = None
    status: str
    processing: Processing | None = None
    variations: list[VariationDocument] = []
    link: str | None = None
    link_expires: str | None = None


class UserGrantDocument(msgspec.Struct):
    """Methods allowed to one user."""

    user: str
    methods: Sequence[Method]


class GroupGrantDocument(msgspec.Struct):
    """Methods allowed to one group."""

    group: str
    methods: Sequence[Method]


class PermissionsDocument(msgspec.Struct):
    """Who may do what in a project."""

    world: Sequence[Method]
    users: list[UserGrantDocument]
    groups: list[GroupGrantDocument]


class ProjectDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A project."""

    id: str = field(name="_id")
    created: str = field(name="_created")
    updated: str = field(name="_updated")
    etag: str = field(name="_etag")
    deleted: bool | UnsetType = field(name="_deleted", default=UNSET)
    name: str
    url: str
    user: str
    category: str
    description: str | None = None
    is_private: bool | UnsetType = UNSET
    permissions: PermissionsDocument
    allowed_methods: list[Method]


class UserDocument(msgspec.Struct, kw_only=True):
    """A user, as the user sees it."""

    id: str = field(name="_id")
    created: str = field(name="_created")
    updated: str = field(name="_updated")
    etag: str = field(name="_etag")
    username: str
    full_name: str
    email: str
    roles: Sequence[str]
    groups: Sequence[str]
    settings: dict[str, Any] = {}


def file_document(seen: Seen) -> FileDocument:
    """The file as its reader gets it."""
    file, links = seen.file, seen.spell()
    return FileDocument(
        id=file.id,
        created=http_date(file.created),
        updated=http_date(file.updated),
        etag=file.etag,
        name=file.name,
        filename=file.filename,
        description=file.description,
        content_type=file.content_type,
        format=file.format,
        size=file.size,
        width=file.width,
        height=file.height,
        duration=file.duration,
        length=file.length,
        length_aggregate_in_bytes=file.length_aggregate,
        md5=file.md5,
        sha256=file.sha256,
        user=file.user,
        project=file.project,
        backend=file.backend,
        file_path=file.file_path,
        status=file.status,
        processing=file.processing,
        variations=[
            _variation(variation, link)
            for variation, link in zip(seen.variations, links.variations, strict=True)
        ],
        link=links.original,
        link_expires=None if seen.window is None else http_date(seen.window.expires),
    )


def project_document(project: Project, allowed: list[Method]) -> ProjectDocument:
    """The project as its reader gets it."""
    return ProjectDocument(
        id=project.id,
        created=http_date(project.created),
        updated=http_date(project.updated),
        etag=project.etag,
        deleted=False,
        name=project.name,
        url=project.url,
        user=project.user,
        category=project.category,
        description=project.description,
        is_private=project.is_private,
        permissions=_permissions(project.permissions),
        allowed_methods=allowed,
    )


def user_document(user: User) -> UserDocument:
    """The user as the user gets it."""
    return UserDocument(
        id=user.id,
        created=http_date(user.created),
        updated=http_date(user.updated),
        etag=user.etag,
        username=user.username,
        full_name=user.full_name,
        email=user.email,
        roles=user.roles,
        groups=user.groups,
    )


def page_of(items: Iterable[object], *, total: int, page: int, limit: int) -> dict[str, object]:
    """The envelope of a list, contract section 3."""
    meta = {"page": page, "max_results": limit, "total": total}
    return {"_items": list(items), "_meta": meta}


def _variation(variation: Variation, link: str | None) -> VariationDocument:
    return VariationDocument(
        size=variation.size,
        format=variation.format,
        content_type=variation.content_type,
        width=variation.width,
        height=variation.height,
        duration=variation.duration,
        length=variation.length,
        md5=variation.md5,
        sha256=variation.sha256,
        file_path=variation.file_path,
        is_public=variation.is_public,
        link=link,
    )


def _permissions(permissions: Permissions) -> PermissionsDocument:
    return PermissionsDocument(
        permissions.world,
        [UserGrantDocument(grant.subject, grant.methods) for grant in permissions.users],
        [GroupGrantDocument(grant.subject, grant.methods) for grant in permissions.groups],
    )
