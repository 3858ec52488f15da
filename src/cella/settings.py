"""What the classes of settings share: a repr that is safe in logs, tracebacks and answers."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, get_type_hints

import msgspec

SECRET = msgspec.Meta(extra={"secret": True})
"""Marks a setting that nobody is to see: `key: Annotated[str, SECRET]`."""

Seconds = Annotated[float, msgspec.Meta(ge=0)]
"""A time that may be nothing."""

SomeSeconds = Annotated[float, msgspec.Meta(gt=0)]
"""A time that is not nothing."""

Count = Annotated[int, msgspec.Meta(ge=1)]
"""A number of things of which one is needed at least."""

Amount = Annotated[int, msgspec.Meta(ge=0)]
"""A number of things that may be none."""

HIDDEN = "***"
"""What stands in the place of a secret."""

_PASSWORD = re.compile(r"(?<=://)([^:/@]*):.*(?=@)")
_PARAMETER = re.compile(r"([?&][^=&]*(?:password|secret|token)[^=&]*)=[^&]*", re.IGNORECASE)


class Settings(msgspec.Struct, kw_only=True, frozen=True):
    """Settings of which some are secret, or URLs that may hold a password."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What rich prints of it."""
        return list(printable(self))

    def __repr__(self) -> str:
        """The settings, as `printable` gives them."""
        inside = ", ".join(f"{name}={value!r}" for name, value in printable(self))
        return f"{type(self).__name__}({inside})"


def printable(settings: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """The name of each setting and its value, with secrets and passwords as `HIDDEN`."""
    hints = get_type_hints(type(settings), include_extras=True)
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if value and is_secret(hints[name]):
            yield name, HIDDEN
        elif isinstance(value, str):
            yield name, hide_password(value)
        else:
            yield name, value


def is_secret(annotation: Any) -> bool:
    """Whether the type of a setting, with its annotations, is marked as `SECRET`."""
    return SECRET in getattr(annotation, "__metadata__", ())


def hide_password(url: str) -> str:
    """A URL without the secrets before its host and in its query; other text as it is.

    The password reaches to the last `@`, so that one with this character in it is hidden as a
    whole.
    """
    return _PARAMETER.sub(rf"\1={HIDDEN}", _PASSWORD.sub(rf"\1:{HIDDEN}", url))
