"""`where`: MongoDB's query language in its JSON form, as an SQL condition.

A query means what it means to MongoDB
(https://www.mongodb.com/docs/manual/reference/operator/query/) over documents without explicit
nulls: a field without a value is absent, `null` asks for that, and `$ne`, `$nin` and `$not`
include it. Both databases give the same answer.

How a list uses it: write down once what its documents hold (`cella.catalog.fields`), and compile.

    FIELDS = Fields({
        "_id": Value(users.c.id, "id", required=True),
        "full_name": Value(users.c.full_name, "text", required=True),
        "_created": Value(users.c.created, "date", required=True),
        "groups": Refused("groups are not searched"),
    }, searched=("full_name",))
    statement.where(compile_where(where, FIELDS))

Fields that are not in the table are absent from every document, and asking for them is allowed.
`is_never` and `is_always` of `cella.catalog.fields` tell of a condition whether the database need
not be asked at all. Who asks for what is not his has to be shown less than there is before this
comes into play: a condition on what somebody may not see tells him what it is.

Where MongoDB's words leave a choice:

* `date` fields are compared with dates of RFC 1123, in whole seconds. A value of another kind
  than the field's equals nothing, and is neither above nor below it.
* Whole numbers are `int`, `long` and `number` to `$type`, whatever their size.
* `$text` looks for words in the fields that the table calls `searched`, ignoring case unless
  `$caseSensitive`. As in MongoDB any of the words will do, `"a phrase"` must be there, `-word`
  must not. A word is a run of letters and digits, and of all beyond ASCII; there are no stop
  words and no stems, and diacritics count, so `$language` and `$diacriticSensitive` change
  nothing.
* `$regex`: see `cella.catalog.patterns`.
* Nothing here has a place: `$geoWithin` and `$geoIntersects` match nothing, and `$near`, which
  would have to sort by distance, is refused.
* An object as a whole is equal to one with the same members, in any order.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from cella.catalog import patterns
from cella.catalog.fields import Condition, Fields, all_of, any_of, negated
from cella.catalog.patterns import Pattern
from cella.catalog.places import Document, Each, Place, Scope, Single
from cella.catalog.values import compares, leaves, matches, whole_number
from cella.errors import BadRequest

MAX_DEPTH = 8
"""How deep `$and`, `$or`, `$nor`, `$not`, `$all` and `$elemMatch` may stand in one another."""

MAX_TERMS = 100
"""Comparisons in the whole of a query.

One that looks into an array counts as five, one of a whole object as five, and one of the whole
of an array's elements as twenty.
"""

MAX_VALUES = 1000
"""Values of one `$in`, `$nin` or `$all`."""

MAX_SEARCH = 200
"""Characters of one `$search`."""

TYPE_NAMES: dict[int | None, str] = {
    1: "double",
    2: "string",
    3: "object",
    4: "array",
    5: "binData",
    6: "undefined",
    7: "objectId",
    8: "bool",
    9: "date",
    10: "null",
    11: "regex",
    12: "dbPointer",
    13: "javascript",
    14: "symbol",
    15: "javascriptWithScope",
    16: "int",
    17: "timestamp",
    18: "long",
    19: "decimal",
    -1: "minKey",
    127: "maxKey",
}
"""The types of `$type`, by their numbers:
https://www.mongodb.com/docs/manual/reference/operator/query/type/#available-types"""

_LOGICAL = ("$and", "$or", "$nor")
_KNOWN_TYPES = frozenset({*TYPE_NAMES.values(), "number"})
_TERM = re.compile(r'(-?)(?:"([^"]*)"?|(\S+))')


def compile_where(where: Mapping[str, Any], fields: Fields) -> Condition:
    """A `where` of the wire as an SQL condition that is never null.

    Raises `BadRequest`, naming the operator or the field.
    """
    return _Compiler(fields).query(where, Document(fields.known), 1)


def pinned(where: Mapping[str, Any], name: str) -> list[str] | None:
    """The texts of which `name` must be one, or None where the query does not demand that.

    What a query demands is what stands at its top, or in an `$and` there. Meant for a `where`
    that `compile_where` has taken.
    """
    for part in _demands(where):
        values = _texts(part[name]) if name in part else None
        if values is not None:
            return values
    return None


def is_anchored(where: Mapping[str, Any], names: Collection[str]) -> bool:
    """Whether the query, or each branch of an `$or` that it demands, pins one of `names`.

    Where these are indexed, it is answered without looking at anything else. An empty text pins
    nothing: it is what many have. Meant for a `where` that `compile_where` has taken.
    """
    return any(
        any(name in names and all(_texts(wanted) or [""]) for name, wanted in part.items())
        or ("$or" in part and all(is_anchored(branch, names) for branch in part["$or"]))
        for part in _demands(where)
    )


def mentions(where: Mapping[str, Any], name: str) -> bool:
    """Whether there is a condition on the field `name` anywhere in the query."""
    parts = [where]
    while parts:
        part = parts.pop()
        if name in part:
            return True
        for verb in _LOGICAL:
            branches = part.get(verb)
            if isinstance(branches, list):
                parts += [branch for branch in branches if isinstance(branch, dict)]
    return False


def _demands(where: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield where
    for part in where.get("$and", ()):
        yield from _demands(part)


def _texts(wanted: Any) -> list[str] | None:
    if isinstance(wanted, dict):
        values = [wanted["$eq"]] if "$eq" in wanted else wanted.get("$in")
    else:
        values = [wanted]
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return values
    return None


# --- Queries and their operators ---


class _Compiler:
    """Compiles one query, and keeps count of how much it asks for."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._terms = 0
        self._cost = 0

    def query(self, where: Mapping[str, Any], scope: Scope, depth: int) -> Condition:
        """All parts of a query hold; `depth` counts from 1."""
        if depth > MAX_DEPTH:
            raise BadRequest(f"`where` is nested deeper than {MAX_DEPTH} levels.")
        return all_of(*(self._part(name, each, scope, depth) for name, each in where.items()))

    def _part(self, name: str, wanted: Any, scope: Scope, depth: int) -> Condition:
        if name in _LOGICAL:
            _check_branches(name, wanted)
            branches = [self.query(branch, scope, depth + 1) for branch in wanted]
            if name == "$and":
                return all_of(*branches)
            return any_of(*branches) if name == "$or" else negated(any_of(*branches))
        if name == "$text" and isinstance(scope, Document):
            return self._text(wanted, scope)
        if name == "$where":
            raise BadRequest("`where` does not take $where: it runs no programs.")
        if name.startswith("$"):
            raise BadRequest(f"`where` does not know the operator {name[:80]} here.")
        return self._condition(name, scope.place(name), wanted, depth)

    def _condition(self, name: str, place: Place, wanted: Any, depth: int) -> Condition:
        """What stands at a field: an operator or several, or a value that it is to have."""
        if isinstance(wanted, dict) and any(key.startswith("$") for key in wanted):
            return self._operators(name, place, wanted, depth)
        if isinstance(wanted, dict) and wanted and isinstance(place, Single | Each):
            raise BadRequest(
                f"`where` does not know the operator {next(iter(wanted))[:80]}, and {name} holds "
                "no object."
            )
        self._count(place.weight_of("$eq", wanted))
        return place.equals(wanted)

    def _operators(
        self, name: str, place: Place, operators: Mapping[str, Any], depth: int
    ) -> Condition:
        options = operators.get("$options", "")
        if "$options" in operators and "$regex" not in operators:
            raise BadRequest("`where` takes $options beside a $regex only.")
        conditions = []
        for verb, argument in operators.items():
            self._count(place.weight_of(verb, argument))
            match verb:
                case "$options":
                    continue
                case "$regex":
                    condition = place.any(
                        partial(matches, pattern=self._pattern(argument, options))
                    )
                case "$not":
                    condition = negated(self._not(name, place, argument, depth))
                case "$elemMatch":
                    condition = self._element(place, argument, depth)
                case "$all":
                    condition = self._all(place, argument, depth)
                case _ if verb in _OPERATORS:
                    condition = _OPERATORS[verb](place, verb, argument)
                case _:
                    raise BadRequest(f"`where` does not know the operator {verb[:80]}.")
            conditions.append(condition)
        return all_of(*conditions)

    def _not(self, name: str, place: Place, argument: Any, depth: int) -> Condition:
        is_operators = isinstance(argument, dict) and all(key.startswith("$") for key in argument)
        if not is_operators or not argument:
            raise BadRequest('`where`: $not takes operators, such as {"$not": {"$gt": 5}}.')
        if depth >= MAX_DEPTH:
            raise BadRequest(f"`where` is nested deeper than {MAX_DEPTH} levels.")
        return self._operators(name, place, argument, depth + 1)

    def _element(self, place: Place, argument: Any, depth: int) -> Condition:
        if not isinstance(argument, dict):
            raise BadRequest('`where`: $elemMatch takes an object, such as {"size": "t"}.')
        return place.has_element(lambda element: self.query(argument, element, depth + 1))

    def _all(self, place: Place, argument: Any, depth: int) -> Condition:
        if not isinstance(argument, list) or len(argument) > MAX_VALUES:
            raise BadRequest(f"`where`: $all takes a list of at most {MAX_VALUES} values.")
        conditions = []
        for each in argument:
            is_element = isinstance(each, dict) and each.keys() == {"$elemMatch"}
            self._count(place.weight_of("$elemMatch" if is_element else "$eq", each))
            if is_element:
                conditions.append(self._element(place, each["$elemMatch"], depth))
            else:
                conditions.append(place.equals(each))
        return all_of(*conditions) if conditions else sa.false()

    def _pattern(self, text: Any, options: Any) -> Pattern:
        if not isinstance(text, str) or not isinstance(options, str):
            raise BadRequest("`where` takes $regex and $options as texts.")
        pattern = patterns.read_pattern(text, options)
        self._cost += pattern.cost
        if self._cost > patterns.MAX_COST:
            raise BadRequest(
                f"The $regex of `where` ask together for {self._cost} characters with their "
                f"repetitions, and may for {patterns.MAX_COST}."
            )
        return pattern

    def _text(self, argument: Any, document: Document) -> Condition:
        if not self._fields.searched:
            raise BadRequest("`where` does not know the operator $text here.")
        search = _search_of(argument)
        read = partial(patterns.read_phrases, ignore_case=not argument.get("$caseSensitive", False))

        def found(*phrases: Sequence[str]) -> Condition:
            if not phrases:
                return sa.false()
            holds = partial(matches, pattern=read(phrases))
            return any_of(*(document.place(name).any(holds) for name in self._fields.searched))

        must, may, must_not = _terms(search)
        self._count(len([*must, *may, *must_not]))
        wanted = all_of(*map(found, must)) if must else found(*may)
        return all_of(wanted, negated(found(*must_not)))

    def _count(self, terms: int) -> None:
        self._terms += terms
        if self._terms > MAX_TERMS:
            raise BadRequest(
                f"`where` has more than {MAX_TERMS} terms; one that looks into an array counts "
                "as several."
            )


def _check_branches(name: str, branches: Any) -> None:
    is_list = isinstance(branches, list) and all(isinstance(each, dict) for each in branches)
    if not is_list or not branches:
        raise BadRequest(f"`where`: {name} takes a list of objects, and at least one.")


def _search_of(argument: Any) -> str:
    known = {"$search": str, "$language": str, "$caseSensitive": bool, "$diacriticSensitive": bool}
    if (
        not isinstance(argument, dict)
        or "$search" not in argument
        or any(not isinstance(each, known.get(key, ())) for key, each in argument.items())
    ):
        raise BadRequest('`where`: $text takes an object, such as {"$search": "forest night"}.')
    search: str = argument["$search"]
    if len(search) > MAX_SEARCH:
        raise BadRequest(f"`where`: the $search of $text is longer than {MAX_SEARCH} characters.")
    return search


def _terms(search: str) -> tuple[list[list[str]], list[list[str]], list[list[str]]]:
    """What must be in the text, of what one will do, and what must not be: words in a row."""
    must, may, must_not = [], [], []
    for minus, phrase, term in _TERM.findall(search):
        found = patterns.words(phrase or term)
        if not found:
            continue
        if minus:
            must_not.append(found)
        elif phrase:
            must.append(found)
        else:
            may += [[word] for word in found]
    return must, may, must_not


def _order(place: Place, verb: str, argument: Any) -> Condition:
    if argument is None:
        raise BadRequest(f"`where`: {verb} cannot compare with null.")
    return place.any(partial(compares, verb=verb, wanted=argument))


def _in(place: Place, verb: str, argument: Any) -> Condition:
    if not isinstance(argument, list) or len(argument) > MAX_VALUES:
        raise BadRequest(f"`where`: {verb} takes a list of at most {MAX_VALUES} values.")
    if any(
        isinstance(each, dict) and any(key.startswith("$") for key in each) for each in argument
    ):
        raise BadRequest(f"`where`: {verb} takes values, no operators.")
    found = place.is_one_of([each for each in argument if each is not None])
    condition = any_of(found, place.equals(None)) if None in argument else found
    return condition if verb == "$in" else negated(condition)


def _exists(place: Place, verb: str, argument: Any) -> Condition:
    if argument not in (0, 1):
        raise BadRequest(f"`where`: {verb} takes true or false.")
    return place.is_there() if argument else negated(place.is_there())


def _has_type(place: Place, verb: str, argument: Any) -> Condition:
    wanted = argument if isinstance(argument, list) else [argument]
    names = [
        each if isinstance(each, str) else TYPE_NAMES.get(whole_number(each)) for each in wanted
    ]
    types = {name for name in names if name in _KNOWN_TYPES}
    if not names or types != set(names):
        raise BadRequest(f"`where`: {verb} takes names of types, such as string or number.")
    return place.has_type(types)


def _mod(place: Place, verb: str, argument: Any) -> Condition:
    numbers = argument if isinstance(argument, list) else []
    whole = [each for each in map(whole_number, numbers) if each is not None]
    if len(numbers) != 2 or len(whole) != 2 or whole[0] == 0:
        raise BadRequest(f"`where`: {verb} takes a divisor, not 0, and a remainder: [4, 0].")
    return place.any(partial(leaves, divisor=whole[0], remainder=whole[1]))


def _size(place: Place, verb: str, argument: Any) -> Condition:
    size = whole_number(argument)
    if size is None or size < 0:
        raise BadRequest(f"`where`: {verb} takes a number of elements, such as 6.")
    return place.has_size(size)


def _near(place: Place, verb: str, argument: Any) -> Condition:  # noqa: ARG001
    raise BadRequest(f"`where` does not take {verb}: nothing here has a place.")


_OPERATORS: dict[str, Callable[[Place, str, Any], Condition]] = {
    "$eq": lambda place, _, argument: place.equals(argument),
    "$ne": lambda place, _, argument: negated(place.equals(argument)),
    "$gt": _order,
    "$gte": _order,
    "$lt": _order,
    "$lte": _order,
    "$in": _in,
    "$nin": _in,
    "$exists": _exists,
    "$type": _has_type,
    "$mod": _mod,
    "$size": _size,
    "$geoWithin": lambda *_: sa.false(),
    "$geoIntersects": lambda *_: sa.false(),
    "$near": _near,
    "$nearSphere": _near,
}
"""The operators that need to know of nothing but what they stand at."""
