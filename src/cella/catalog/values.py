"""What is asked of one value of a document, as SQL that is never null."""

import math
import operator
import re
from collections.abc import Callable, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import sqlalchemy as sa

from cella.catalog.fields import Condition, Kind, Value, all_of, any_of, negated
from cella.catalog.patterns import Pattern

_MAX_INT = (1 << 63) - 1
_MIN_INT = -(1 << 63)
_SURROGATES = range(0xD800, 0xE000)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

ABSENT = Value(None, "text")
"""What is found where nothing is."""

_SQL: dict[str, Callable[[Any, Any], Any]] = {
    "$eq": operator.eq,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}

TYPES: dict[Kind, frozenset[str]] = {
    "text": frozenset({"string"}),
    "id": frozenset({"objectId"}),
    "number": frozenset({"int", "long", "number"}),
    "date": frozenset({"date"}),
    "boolean": frozenset({"bool"}),
}
"""What `$type` calls a value."""


def is_present(value: Value) -> Condition:
    """Whether the document has the value at all."""
    if value.expression is None:
        return sa.false()
    return sa.true() if value.required else value.expression.is_not(None)


def equals(value: Value, wanted: Any) -> Condition:
    """Whether it is equal to a value of JSON; null is equal to an absent one."""
    if wanted is None:
        return negated(is_present(value))
    return compares(value, "$eq", wanted)


def compares(value: Value, verb: str, wanted: Any) -> Condition:
    """Whether `$eq`, `$gt`, `$gte`, `$lt` or `$lte` holds for it and a value that is not null."""
    expression, kind, _ = value
    if expression is None:
        return sa.false()
    return all_of(is_present(value), _compared(expression, kind, verb, wanted))


def _compared(expression: sa.ColumnElement[Any], kind: Kind, verb: str, wanted: Any) -> Condition:
    """The same of an expression that is not null."""
    if kind == "number":
        is_number = isinstance(wanted, int | float) and not isinstance(wanted, bool)
        return _compared_with_number(expression, verb, wanted) if is_number else sa.false()
    if kind == "boolean":
        fitting = [
            each for each in (False, True) if isinstance(wanted, bool) and _SQL[verb](each, wanted)
        ]
        return any_of(*(expression if each else negated(expression) for each in fitting))
    cast = _cast(kind, wanted)
    condition: Condition = sa.false() if cast is None else _SQL[verb](expression, cast)
    return condition


def _compared_with_number(expression: sa.ColumnElement[Any], verb: str, wanted: float) -> Condition:
    """The comparison of a whole number of 64 bits with any number, in such numbers."""
    if not _MIN_INT <= wanted <= _MAX_INT:
        lies_below = ("$lt", "$lte") if wanted > 0 else ("$gt", "$gte")
        return sa.true() if verb in lies_below else sa.false()
    floor = math.floor(wanted)
    if floor == wanted:
        condition: Condition = _SQL[verb](expression, floor)
        return condition
    if verb == "$eq":
        return sa.false()
    return expression > floor if verb in ("$gt", "$gte") else expression <= floor


def is_one_of(value: Value, wanted: Sequence[Any]) -> Condition:
    """Whether the value is one of several, of which none is null."""
    expression, kind, _ = value
    if expression is None:
        return sa.false()
    if kind == "boolean":
        truths = [each for each in (False, True) if any(each is other for other in wanted)]
        return any_of(*(equals(value, each) for each in truths))
    known = [each for each in (_cast(kind, raw) for raw in wanted) if each is not None]
    return all_of(is_present(value), expression.in_(known)) if known else sa.false()


def _cast(kind: Kind, raw: Any) -> str | int | None:
    """The value as the database holds it; None where no field of that kind can have it."""
    if kind == "date":
        return _seconds(raw)
    if kind == "number":
        return whole_number(raw)
    return raw if is_text(raw) else None


def whole_number(raw: Any) -> int | None:
    """The value as a whole number of 64 bits, if it is one."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    return int(raw) if _MIN_INT <= raw <= _MAX_INT and int(raw) == raw else None


def is_text(wanted: Any) -> bool:
    """Whether it is a text that the databases can hold, and their drivers can send."""
    return isinstance(wanted, str) and _UNSTORABLE.search(wanted) is None


def _seconds(wanted: Any) -> int | None:
    if not isinstance(wanted, str):
        return None
    try:
        moment = parsedate_to_datetime(wanted)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        # RFC 5322, section 3.3: `-0000` is UTC of which no place is known.
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def matches(value: Value, pattern: Pattern) -> Condition:
    """Whether the pattern is found in it; only texts can do that."""
    expression, kind, _ = value
    if expression is None or kind != "text":
        return sa.false()
    found = [expression.regexp_match(pattern.source)]
    if pattern.prefix:
        # An index knows what begins with a text, but not what a pattern means.
        found.append(expression >= pattern.prefix)
        found.append(expression < _behind(pattern.prefix))
    return all_of(is_present(value), *found)


def _behind(prefix: str) -> str:
    """The first text that comes after all that begin with `prefix`, by code point."""
    following = ord(prefix[-1]) + 1
    if following in _SURROGATES:
        following = _SURROGATES.stop
    return prefix[:-1] + chr(following)


def leaves(value: Value, divisor: int, remainder: int) -> Condition:
    """Whether it is a number that leaves the remainder; both are cut off towards zero."""
    expression, kind, _ = value
    if expression is None or kind != "number":
        return sa.false()
    return all_of(is_present(value), expression % divisor == remainder)
