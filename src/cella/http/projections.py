"""`projection`: which parts of a document are wanted, as MongoDB and Eve have it.

A projection only ever narrows what a reader gets. It is applied to the finished document, so
nothing that is worked out from a field, such as a link, is missing because the field is not
wanted.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Optional

import msgspec

from cella.errors import BadRequest

AUTOMATIC = frozenset({"_id", "_created", "_updated", "_etag", "_deleted"})
"""Fields that are always there, whatever is wanted."""

_LONGEST = 4 << 10
_DEEPEST = 3
_EXAMPLE = 'Example: projection={"filename": 1, "variations.size": 1}'

_Tree = Mapping[str, Optional["_Tree"]]


class Projection(NamedTuple):
    """The paths that are wanted, or those that are not: `including` tells."""

    including: bool
    paths: tuple[str, ...]

    def of(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What is left of the document."""
        left: dict[str, Any] = _pruned(document, _tree(self.paths), including=self.including)
        return {name: document[name] for name in document if name in AUTOMATIC} | left


def read_projection(text: str | None) -> Projection | None:
    """The wanted projection, None where all is wanted; raises `BadRequest`."""
    if not text:
        return None
    if len(text) > _LONGEST:
        raise BadRequest(f"`projection` is longer than {_LONGEST} characters.")
    try:
        wanted = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest(f"`projection` is not valid JSON. {_EXAMPLE}") from None
    if not isinstance(wanted, dict):
        raise BadRequest(f"`projection` must be a JSON object. {_EXAMPLE}")
    if any(not isinstance(flag, int | float) or flag not in (0, 1) for flag in wanted.values()):
        raise BadRequest(f"`projection` takes 1 or 0 for each field. {_EXAMPLE}")
    flags = {bool(flag) for name, flag in wanted.items() if name not in AUTOMATIC}
    if len(flags) > 1:
        raise BadRequest("`projection` names either what is wanted, with 1, or what is not, by 0.")
    including = flags == {True} or (not flags and any(wanted.values()))
    paths = {path for path in wanted.keys() - AUTOMATIC if path.count(".") < _DEEPEST}
    return Projection(including, tuple(sorted(paths))) if wanted else None


@lru_cache(256)
def _tree(paths: Iterable[str]) -> _Tree:
    """The paths by their steps; None is where one ends, and goes for all below it."""
    root: dict[str, Any] = {}
    # What is wanted as a whole comes before what is below it.
    for path in sorted(paths, key=lambda each: each.count(".")):
        *steps, last = path.split(".")
        here: dict[str, Any] | None = root
        for step in steps:
            here = here.setdefault(step, {}) if here is not None else None
        if here is not None:
            here.setdefault(last, None)
    return root


def _pruned(value: Any, tree: _Tree, *, including: bool) -> Any:
    if isinstance(value, list):
        return [_pruned(item, tree, including=including) for item in value]
    if not isinstance(value, dict):
        return value
    left = {}
    for name, inner in value.items():
        below = tree.get(name)
        if name not in tree:
            if not including:
                left[name] = inner
        elif below is None:
            if including:
                left[name] = inner
        elif isinstance(inner, dict | list) or not including:
            left[name] = _pruned(inner, below, including=including)
    return left
