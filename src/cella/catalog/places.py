"""Where the path of a query leads to in a document, and what is asked of the values there."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa

from cella.catalog.fields import (
    Condition,
    Embedded,
    Field,
    Many,
    Member,
    Members,
    Refused,
    Rows,
    Value,
    all_of,
    any_of,
    is_never,
    negated,
)
from cella.catalog.values import ABSENT, TYPES, equals, is_one_of, is_present
from cella.db.nested import Parsed, elements, member
from cella.errors import BadRequest

# --- Where a path leads to ---


class Place:
    """Where a path leads to in a document: to nothing, as here, to one value, or to several.

    `weight` is how much it costs to ask for something here, in comparisons of one value.
    """

    weight: ClassVar[int] = 1

    def weight_of(self, verb: str, argument: Any) -> int:  # noqa: ARG002 - see below
        """How much an operator costs here."""
        return self.weight

    def any(self, holds: Callable[[Value], Condition]) -> Condition:
        """Whether some value here holds. Where there is none, an absent one is put to it."""
        return holds(ABSENT)

    def equals(self, wanted: Any) -> Condition:
        """Whether some value here, or what is here as a whole, is equal to `wanted`."""
        return self.any(lambda value: equals(value, wanted))

    def is_one_of(self, wanted: Sequence[Any]) -> Condition:
        """Whether some value here is one of those that are wanted, of which none is null."""
        return self.any(lambda value: is_one_of(value, wanted))

    def is_there(self) -> Condition:
        """Whether there is anything."""
        return self.any(is_present)

    def has_type(self, types: Collection[str]) -> Condition:
        """Whether something here is of one of the types."""
        return self.any(
            lambda value: sa.false() if TYPES[value.kind].isdisjoint(types) else is_present(value)
        )

    def has_size(self, size: int) -> Condition:  # noqa: ARG002 - only an array has one
        """Whether an array of that size is here."""
        return sa.false()

    def has_element(self, holds: Callable[["Scope"], Condition]) -> Condition:
        """Whether an array is here one element of which holds."""
        holds(Scope())
        return sa.false()


class Single(Place):
    """A value, which some documents may lack."""

    def __init__(self, value: Value) -> None:
        self._value = value

    def any(self, holds: Callable[[Value], Condition]) -> Condition:
        return holds(self._value)


class Each(Place):
    """The same member of each element of an array."""

    weight = 5

    def __init__(self, array: "Array", name: str, known: Member) -> None:
        self._array = array
        self._name = name
        self._known = known

    def any(self, holds: Callable[[Value], Condition]) -> Condition:
        some = self._array.has(lambda element: holds(element.value(self._name, self._known)))
        # Without the array there is one absent value, as of any other field.
        return any_of(some, all_of(holds(ABSENT), negated(self._array.is_there())))


class Several(Place):
    """Values that stand in rows of another table."""

    weight = 5

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def any(self, holds: Callable[[Value], Condition]) -> Condition:
        some = self._has(holds(Value(self._rows.value, self._rows.kind, required=True)))
        return any_of(some, all_of(holds(ABSENT), negated(self.is_there())))

    def is_there(self) -> Condition:
        return self._has(sa.true())

    def _has(self, condition: Condition) -> Condition:
        if is_never(condition):
            return condition
        return sa.exists().where(all_of(self._rows.of, condition))


class _Compound(Place):
    """Something with parts, as a whole. It is equal to something if all of the parts are."""

    weight_of_equality: ClassVar[int]

    def __init__(self, name: str) -> None:
        self._name = name

    def weight_of(self, verb: str, argument: Any) -> int:
        if verb in ("$eq", "$ne"):
            return self.weight_of_equality
        if verb in ("$in", "$nin") and isinstance(argument, list):
            return self.weight_of_equality * len(argument)
        return self.weight

    def is_one_of(self, wanted: Sequence[Any]) -> Condition:
        return any_of(*(self.equals(each) for each in wanted))


class Whole(_Compound):
    """An embedded object as a whole."""

    weight_of_equality = 5

    def __init__(self, name: str, embedded: Embedded) -> None:
        super().__init__(name)
        self._embedded = embedded

    def any(self, holds: Callable[[Value], Condition]) -> Condition:  # noqa: ARG002
        raise BadRequest(
            f"`where` compares {self._name} as a whole by equality and $exists only; name a field "
            f"of it, such as {self._name}.{next(iter(self._embedded.members))}."
        )

    def equals(self, wanted: Any) -> Condition:
        if wanted is None:
            return negated(self.is_there())
        return all_of(self.is_there(), _inside(self._name, self._embedded).equals(wanted))

    def is_there(self) -> Condition:
        return self._embedded.column.is_not(None)

    def has_type(self, types: Collection[str]) -> Condition:
        return self.is_there() if "object" in types else sa.false()


class Array(_Compound):
    """An array of objects as a whole."""

    weight = 5
    weight_of_equality = 20

    def __init__(self, name: str, many: Many) -> None:
        super().__init__(name)
        self._many = many

    def any(self, holds: Callable[[Value], Condition]) -> Condition:  # noqa: ARG002
        raise BadRequest(
            f"`where` asks for {self._name} as a whole by $elemMatch, $all, $size, $exists and "
            f"equality only; name a field of it, such as "
            f"{self._name}.{next(iter(self._many.members))}."
        )

    def equals(self, wanted: Any) -> Condition:
        if isinstance(wanted, list):
            raise BadRequest(
                f"`where` does not compare the whole array {self._name}; use $all or $elemMatch."
            )
        if wanted is None:
            return negated(self.is_there())
        return self.has(lambda element: element.equals(wanted))

    def is_there(self) -> Condition:
        return self.has(lambda _: sa.true())

    def has_type(self, types: Collection[str]) -> Condition:
        return sa.false() if {"array", "object"}.isdisjoint(types) else self.is_there()

    def has_size(self, size: int) -> Condition:
        rows, shown = self._rows()
        count = sa.select(sa.func.count()).select_from(rows).where(shown).scalar_subquery()
        # An empty array is no array.
        return count == size if size else sa.false()

    def has_element(self, holds: Callable[["Scope"], Condition]) -> Condition:
        return self.has(holds)

    def has(self, holds: "Callable[[Inside], Condition]") -> Condition:
        """Whether one element holds."""
        rows, shown = self._rows()
        condition = holds(Inside(self._name, rows.c.value, self._many.members))
        if is_never(condition):
            return condition
        return sa.exists().where(all_of(shown, condition)).select_from(rows)

    def _rows(self) -> tuple[sa.TableValuedAlias, Condition]:
        rows = elements(Parsed(self._many.column))
        return rows, sa.true() if self._many.shown is None else self._many.shown(rows.c.value)


# --- What a path is looked up in ---


class Scope:
    """What has fields. Here there are none."""

    def place(self, path: str) -> Place:  # noqa: ARG002
        """Where the path leads to."""
        return Place()


class Document(Scope):
    """A document whose fields stand in a table."""

    def __init__(self, known: Mapping[str, Field]) -> None:
        self._known = known

    def place(self, path: str) -> Place:
        head, _, rest = path.partition(".")
        match self._known.get(path) or self._known.get(head):
            case Refused(why):
                raise BadRequest(f"`where` cannot ask for {head}: {why}.")
            case Value() as value if path in self._known:
                return Single(value)
            case Rows() as rows if path in self._known:
                return Several(rows)
            case Embedded() as embedded:
                return _inside(head, embedded).place(rest) if rest else Whole(head, embedded)
            case Many() as many:
                return _in_array(head, many, rest) if rest else Array(head, many)
            case _:
                return Place()


class Inside(Scope):
    """An object in JSON text. `holder` is null where the object is missing altogether."""

    def __init__(
        self,
        name: str,
        container: sa.ColumnElement[Any],
        members: Members,
        holder: sa.ColumnElement[Any] | None = None,
    ) -> None:
        self._name = name
        self._container = container
        self._members = members
        self._holder = holder

    def place(self, path: str) -> Place:
        known = _member(self._name, self._members, path)
        return Place() if known is None else Single(self.value(path, known))

    def value(self, name: str, known: Member) -> Value:
        """What stands under `name`."""
        kind, default = known
        expression = member(self._container, name)
        if kind == "number":
            expression = sa.type_coerce(sa.cast(expression, sa.Numeric), sa.BigInteger)
        elif kind == "boolean":
            expression = sa.cast(expression, sa.Boolean)
        if default is None:
            return Value(expression, kind)
        expression = sa.func.coalesce(expression, sa.literal(default))
        if self._holder is None:
            return Value(expression, kind, required=True)
        return Value(sa.case((self._holder.is_not(None), expression)), kind)

    def equals(self, wanted: Any) -> Condition:
        """Whether the object has the members of the wanted one, and no others."""
        if not isinstance(wanted, dict):
            return sa.false()
        known = {name: _member(self._name, self._members, name) for name in wanted}
        if None in known.values():
            return sa.false()
        return all_of(
            *(
                equals(self.value(name, each), wanted.get(name, each.default))
                for name, each in self._members.items()
                if isinstance(each, Member)
            )
        )


def _inside(name: str, embedded: Embedded) -> Inside:
    return Inside(name, Parsed(embedded.column), embedded.members, embedded.column)


def _in_array(name: str, many: Many, path: str) -> Place:
    if path.partition(".")[0].isdecimal():
        raise BadRequest(
            f"`where` does not count elements, as in {name}.{path[:80]}: leave the number out to "
            "ask for any of them, or use $elemMatch."
        )
    known = _member(name, many.members, path)
    return Place() if known is None else Each(Array(name, many), path, known)


def _member(name: str, members: Members, path: str) -> Member | None:
    """The member that a path names, if there is one."""
    refused = members.get(path.partition(".")[0])
    if isinstance(refused, Refused):
        raise BadRequest(f"`where` cannot ask for {name}.{path[:80]}: {refused.why}.")
    found = members.get(path)
    return found if isinstance(found, Member) else None
