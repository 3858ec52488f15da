"""Documents as the wire spells them: names with underscores, dates of RFC 1123, no nulls."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType, field

from cella.catalog.members import Member
from cella.clock import http_date
from cella.flows.look import Seen
from cella.model import File, Media, Permissions, Project, User, Variation
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


class ProcessingDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How the background work on a file goes."""

    status: str
    backend: str
    job_id: str | None = None
    error: str | None = None
    progress: int | None = None
    step: str | None = None
    seconds_left: int | None = None


class FileDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A file, contract section 4.1."""

    id: str = field(name="_id")
    created: str = field(name="_created")
    updated: str = field(name="_updated")
    etag: str = field(name="_etag")
    deleted: bool | UnsetType = field(name="_deleted", default=UNSET)
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
    media: Media | None = None
    processing: ProcessingDocument | None = None
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
    summary: str | None = None
    description: str | None = None
    status: str
    is_private: bool | UnsetType = UNSET
    permissions: PermissionsDocument
    allowed_methods: list[Method]


class MemberDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A member of a project, as other members see it."""

    id: str = field(name="_id")
    username: str
    full_name: str
    email: str
    status: str | UnsetType = field(name="_status", default=UNSET)


class UserDocument(msgspec.Struct, kw_only=True):
    """A user, as the user and administrators see it."""

    id: str = field(name="_id")
    created: str = field(name="_created")
    updated: str = field(name="_updated")
    etag: str = field(name="_etag")
    username: str
    full_name: str
    email: str
    roles: Sequence[str]
    groups: Sequence[str]
    settings: Mapping[str, Any] = {}
    disabled: bool | UnsetType = UNSET


class StrangerDocument(msgspec.Struct):
    """A user, as everybody else sees it."""

    full_name: str
    email: str


def file_document(seen: Seen) -> FileDocument:
    """The file as its reader gets it."""
    file, links = seen.file, seen.spell()
    return FileDocument(
        id=file.id,
        created=http_date(file.created),
        updated=http_date(file.updated),
        etag=file.etag,
        deleted=UNSET if file.deleted is None else True,
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
        media=file.media,
        processing=processing_document(seen),
        variations=[
            _variation(variation, link)
            for variation, link in zip(seen.variations, links.variations, strict=True)
        ],
        link=links.original,
        link_expires=None if seen.window is None else http_date(seen.window.expires),
    )


def processing_document(seen: Seen) -> ProcessingDocument | None:
    """How the work on the file goes, as its reader gets it; None where nothing was said of it."""
    told, progress = seen.file.processing, seen.progress
    if told is None:
        return None
    return ProcessingDocument(
        status=told.status,
        backend=told.backend,
        job_id=told.job_id,
        error=told.error,
        progress=None if progress is None else progress.percent,
        step=None if progress is None else progress.step,
        seconds_left=None if progress is None else progress.seconds_left,
    )


def project_document(project: Project, allowed: list[Method]) -> ProjectDocument:
    """The project as its reader gets it."""
    return ProjectDocument(
        id=project.id,
        created=http_date(project.created),
        updated=http_date(project.updated),
        etag=project.etag,
        deleted=project.deleted is not None,
        name=project.name,
        url=project.url,
        user=project.user,
        category=project.category,
        summary=project.summary,
        description=project.description,
        status=project.status,
        is_private=project.is_private,
        permissions=_permissions(project.permissions),
        allowed_methods=allowed,
    )


def member_document(member: Member, status: str | UnsetType = UNSET) -> MemberDocument:
    """The member as other members get it, with the `status` of the change that led to it."""
    return MemberDocument(
        id=member.id,
        username=member.username,
        full_name=member.full_name,
        email=member.email,
        status=status,
    )


def user_document(user: User) -> UserDocument:
    """The user as the user and administrators get it."""
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
        settings=user.settings,
        disabled=user.disabled or UNSET,
    )


def stranger_document(user: User) -> StrangerDocument:
    """The user as everybody else gets it."""
    return StrangerDocument(full_name=user.full_name, email=user.email)


def receipt(written: File | Project | User) -> dict[str, str]:
    """What whoever wrote a document gets back: its automatic fields."""
    return {
        "_id": written.id,
        "_created": http_date(written.created),
        "_updated": http_date(written.updated),
        "_etag": written.etag,
        "_status": "OK",
    }


def page_of(
    items: Iterable[object], *, total: int, page: int, limit: int, following: str | None = None
) -> dict[str, object]:
    """The envelope of a list, contract section 3; `following` is the address of the next page."""
    meta = {"page": page, "max_results": limit, "total": total}
    envelope: dict[str, object] = {"_items": list(items), "_meta": meta}
    if following is not None:
        envelope["_links"] = {"next": {"title": "next page", "href": following}}
    return envelope


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
