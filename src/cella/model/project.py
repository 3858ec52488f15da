"""The project: what people work on. It owns files and says who may do what with them."""

from typing import Literal

import msgspec

Method = Literal["GET", "POST", "PUT", "DELETE"]
METHODS: tuple[Method, ...] = ("GET", "POST", "PUT", "DELETE")
"""What a permission can allow: read, add, change, delete."""


class Grant(msgspec.Struct, frozen=True):
    """Methods allowed to one user or group, named by id."""

    subject: str
    methods: tuple[Method, ...]


class Permissions(msgspec.Struct, frozen=True):
    """Who may do what: the union of what world, users and groups are granted."""

    world: tuple[Method, ...] = ()
    users: tuple[Grant, ...] = ()
    groups: tuple[Grant, ...] = ()


class Project(msgspec.Struct, kw_only=True, frozen=True):
    """A project. Times are whole seconds since the epoch, UTC."""

    id: str
    created: int
    updated: int
    etag: str
    name: str
    url: str
    user: str
    category: str = "film"
    summary: str | None = None
    description: str | None = None
    status: str = "published"
    permissions: Permissions = Permissions()
    deleted: int | None = None

    @property
    def is_private(self) -> bool:
        """Whether strangers may not read it."""
        return "GET" not in self.permissions.world


class Group(msgspec.Struct, kw_only=True, frozen=True):
    """People who are granted something together."""

    id: str
    created: int
    updated: int
    etag: str
    name: str
