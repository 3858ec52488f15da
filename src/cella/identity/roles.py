"""What providers call roles, and what they are called here."""

from collections.abc import Iterator, Mapping
from typing import Any


def mapped_roles(said: Any, roles: Mapping[str, str]) -> tuple[str, ...]:
    """Our roles for what a provider says, sorted; what `roles` does not name does not count.

    Providers say a list of names, names with spaces between them, or an object with a truth
    value by name.
    """
    return tuple(sorted({roles[name] for name in _names(said) if name in roles}))


def _names(said: Any) -> Iterator[str]:
    match said:
        case str():
            yield from said.split()
        case list():
            yield from (name for name in said if isinstance(name, str))
        case dict():
            yield from (name for name, has in said.items() if has is True)
