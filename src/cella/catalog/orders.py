"""Orders of a list, and cursors: places in a list that keep their meaning while it changes.

An order is made total by the id, so every document has one place in it. A cursor holds the values
that the order compares, of one document, and nothing else: the list goes on with whatever comes
behind them, also where that document is gone. Null is the least value, as in the original, on
both databases.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from cella.catalog.fields import Condition, Kind, Value, all_of, any_of
from cella.catalog.values import is_text, whole_number
from cella.errors import BadRequest

MAX_CURSOR = 16 << 10
"""Characters of a cursor."""

Order = tuple[str, bool]
"""A field of the wire and whether it descends."""


class Key(NamedTuple):
    """One field of an order."""

    name: str
    descends: bool
    expression: sa.ColumnElement[Any]
    kind: Kind
    nullable: bool


Keys = tuple[Key, ...]

_Values = tuple[str | int | None, ...]
_cursors = msgspec.json.Decoder(tuple[list[str], _Values])


def read_order(sort: Sequence[Order], sortable: Mapping[str, Value]) -> Keys:
    """The wanted order, made total by `_id`; raises `BadRequest`, naming the field."""
    wanted: dict[str, bool] = {}
    for name, descends in sort:
        if name not in sortable:
            raise BadRequest(f"`sort` names {name[:80]}, by which this list cannot be sorted.")
        wanted.setdefault(name, descends)
    if "_id" not in wanted:
        wanted["_id"] = next(reversed(wanted.values()), False)
    names = list(wanted)
    return tuple(
        _key(name, sortable[name], descends=wanted[name])
        for name in names[: names.index("_id") + 1]
    )


def order_by(keys: Keys) -> list[sa.ColumnElement[Any]]:
    """The order in SQL."""
    return [_direction(key) for key in keys]


def is_uniform(keys: Keys) -> bool:
    """Whether one comparison of rows finds a place: one direction, and no nulls."""
    return len({key.descends for key in keys}) == 1 and not any(key.nullable for key in keys)


def behind(keys: Keys, values: Sequence[Any], *, inclusive: bool = False) -> Condition:
    """What comes behind the place with these values; with `inclusive` also what is there.

    The latter is for uniform orders only.
    """
    if is_uniform(keys):
        here = sa.tuple_(*(key.expression for key in keys))
        there = sa.tuple_(*values)
        if inclusive:
            return here <= there if keys[0].descends else here >= there
        return here < there if keys[0].descends else here > there
    key, value = keys[0], values[0]
    if len(keys) == 1:
        return _beyond(key, value)
    return any_of(_beyond(key, value), all_of(_level(key, value), behind(keys[1:], values[1:])))


def write_cursor(keys: Keys, values: Sequence[Any]) -> str:
    """The place with these values, as text that a URL takes."""
    place = (_names(keys), tuple(values))
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read_cursor(keys: Keys, text: str) -> _Values:
    """The values of a cursor; raises `BadRequest` where it is none of this order's."""
    try:
        padded = text + "=" * (-len(text) % 4)
        names, values = _cursors.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError):
        names, values = [], ()
    if len(text) > MAX_CURSOR or names != _names(keys) or not _fit(keys, values):
        raise BadRequest(
            "`cursor` is none that this list gave for this `sort`; begin anew without it."
        )
    return values


def _key(name: str, value: Value, *, descends: bool) -> Key:
    expression = sa.null() if value.expression is None else value.expression
    return Key(name, descends, expression, value.kind, not value.required)


def _names(keys: Keys) -> list[str]:
    return [f"{'-' if key.descends else ''}{key.name}" for key in keys]


def _fit(keys: Keys, values: _Values) -> bool:
    return len(keys) == len(values) and all(map(_fits, keys, values))


def _fits(key: Key, value: str | int | None) -> bool:
    if value is None:
        return key.nullable
    if key.kind in ("text", "id"):
        return is_text(value)
    return whole_number(value) is not None


def _direction(key: Key) -> sa.ColumnElement[Any]:
    if not key.nullable:
        return key.expression.desc() if key.descends else key.expression.asc()
    if key.descends:
        return key.expression.desc().nulls_last()
    return key.expression.asc().nulls_first()


def _beyond(key: Key, value: Any) -> Condition:
    """Whether a document comes behind one with this value by this key alone."""
    if value is None:
        return sa.false() if key.descends else key.expression.is_not(None)
    condition: Condition = key.expression < value if key.descends else key.expression > value
    return any_of(condition, key.expression.is_(None)) if key.descends else condition


def _level(key: Key, value: Any) -> Condition:
    if value is None:
        return key.expression.is_(None)
    condition: Condition = key.expression == value
    return condition
