"""Users, their tokens, and the actor: who asks, as far as access is concerned."""

from collections.abc import Mapping
from typing import Any

import msgspec


class User(msgspec.Struct, kw_only=True, frozen=True):
    """Somebody who may sign in. Times are whole seconds since the epoch, UTC."""

    id: str
    created: int
    updated: int
    etag: str
    username: str
    full_name: str
    email: str
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    settings: Mapping[str, Any] = {}
    disabled: bool = False


class Token(msgspec.Struct, kw_only=True, frozen=True):
    """Proof of who asks, kept as HMAC only; `subclient` is empty for a main token."""

    id: str
    user: str
    created: int
    expires: int | None
    subclient: str = ""


class Actor(msgspec.Struct, kw_only=True, frozen=True):
    """Who asks: nobody in particular (`user` is None), or a user with roles and groups."""

    user: str | None = None
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody has signed in."""
        return self.user is None

    @property
    def is_admin(self) -> bool:
        """Whether everything is allowed."""
        return "admin" in self.roles


ANONYMOUS = Actor()
