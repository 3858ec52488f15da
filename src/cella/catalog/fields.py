"""What documents hold that queries ask for, and conditions on that.

A list writes its table of fields down once; `cella.catalog.where` compiles queries to it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

Kind = Literal["text", "id", "number", "date", "boolean"]
"""What a value is. Numbers are whole and have 64 bits, dates are seconds since the epoch."""

Condition = sa.ColumnElement[bool]


class Value(NamedTuple):
    """A field with one value. `expression` is null in documents that lack it.

    None as the expression means that all of them do, `required` that none does.
    """

    expression: sa.ColumnElement[Any] | None
    kind: Kind
    required: bool = False


class Refused(NamedTuple):
    """A field that cannot be asked for; `why` completes the sentence for who does."""

    why: str


class Member(NamedTuple):
    """A field of an object in JSON text; `default` is its value where none is written down."""

    kind: Kind
    default: str | int | bool | None = None


Members = Mapping[str, Member | Refused]


class Embedded(NamedTuple):
    """A field with an object: a column of JSON text, null where there is none."""

    column: sa.ColumnElement[Any]
    members: Members


class Many(NamedTuple):
    """A field with an array of objects, absent where it is empty: a column of JSON text.

    `shown`, where it is given, makes of an element the condition that who asks may know of it;
    others are as if they were not there. The element is for `cella.db.nested.member`.
    """

    column: sa.ColumnElement[Any]
    members: Members
    shown: Callable[[sa.ColumnElement[Any]], Condition] | None = None


class Rows(NamedTuple):
    """A field with any number of values, each of them in a row of another table.

    `of` says which rows are a document's. A path with dots may name the field as a whole.
    """

    value: sa.ColumnElement[Any]
    kind: Kind
    of: Condition


Field = Value | Embedded | Many | Rows | Refused


class Fields(NamedTuple):
    """What can be asked of the documents of one kind; `searched` is what `$text` looks into.

    A path with dots may name a member that has a column of its own.
    """

    known: Mapping[str, Field]
    searched: Sequence[str] = ()


def is_never(condition: Condition) -> bool:
    """Whether no document meets the condition, whatever the database holds."""
    return isinstance(condition, sa.False_)


def is_always(condition: Condition) -> bool:
    """Whether every document meets the condition, whatever the database holds."""
    return isinstance(condition, sa.True_)


def all_of(*conditions: Condition) -> Condition:
    """Whether all of the conditions are met; what is known beforehand is left out."""
    if any(is_never(each) for each in conditions):
        return sa.false()
    open_ones = [each for each in conditions if not is_always(each)]
    return sa.and_(*open_ones) if open_ones else sa.true()


def any_of(*conditions: Condition) -> Condition:
    """Whether any of the conditions is met; what is known beforehand is left out."""
    if any(is_always(each) for each in conditions):
        return sa.true()
    open_ones = [each for each in conditions if not is_never(each)]
    return sa.or_(*open_ones) if open_ones else sa.false()


def negated(condition: Condition) -> Condition:
    """Whether the condition, which is never null, is not met."""
    if is_never(condition):
        return sa.true()
    return sa.false() if is_always(condition) else sa.not_(condition)
