"""What a query means to MongoDB, in plain Python that is easily believed.

Documents are those of the wire without links; `Oid` and `Date` mark what JSON has no type for.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from cella.model import File


class Oid(str):
    """An id."""


class Date(int):
    """A date, in seconds since the epoch."""


class _Missing:
    """What is found where nothing is."""


MISSING = _Missing()

_PLAIN = (
    *("name", "filename", "description", "content_type", "length", "md5", "sha256", "backend"),
    *("file_path", "format", "size", "width", "height", "duration", "status"),
)
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "objectId": (Oid,),
    "date": (Date,),
    "bool": (bool,),
    "int": (int,),
    "long": (int,),
    "number": (int,),
    "object": (dict,),
    "array": (list,),
}
_NUMBERS: dict[Any, str] = {
    2: "string",
    3: "object",
    4: "array",
    7: "objectId",
    8: "bool",
    9: "date",
    16: "int",
}
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def document_of(file: File, *, pictures_only: bool = False) -> dict[str, Any]:
    """The file as a query sees it."""
    variations = [
        {
            name: getattr(variation, name)
            for name in variation.__struct_fields__
            if getattr(variation, name) is not None
        }
        for variation in file.variations
        if not pictures_only or variation.content_type.startswith("image/")
    ]
    held = {
        "_id": Oid(file.id),
        "_created": Date(file.created),
        "_updated": Date(file.updated),
        "_etag": file.etag,
        "_deleted": file.deleted is not None,
        "project": None if file.project is None else Oid(file.project),
        "user": Oid(file.user),
        "length_aggregate_in_bytes": file.length_aggregate,
        "processing": file.processing
        and {
            name: getattr(file.processing, name)
            for name in file.processing.__struct_fields__
            if getattr(file.processing, name) is not None
        },
        "variations": variations or None,
    }
    held |= {name: getattr(file, name) for name in _PLAIN}
    return {name: value for name, value in held.items() if value is not None}


def matches(document: Any, where: Mapping[str, Any]) -> bool:
    """Whether the document meets the query."""
    return all(_part(document, name, wanted) for name, wanted in where.items())


def _part(document: Any, name: str, wanted: Any) -> bool:
    match name:
        case "$and":
            return all(matches(document, each) for each in wanted)
        case "$or":
            return any(matches(document, each) for each in wanted)
        case "$nor":
            return not any(matches(document, each) for each in wanted)
    found = list(_walk(document, name.split(".")))
    if isinstance(wanted, dict) and any(key.startswith("$") for key in wanted):
        return _operators(found, wanted)
    return _equal_to_any(found, wanted)


def _operators(found: list[Any], operators: Mapping[str, Any]) -> bool:
    return all(
        _operator(found, verb, argument, operators)
        for verb, argument in operators.items()
        if verb != "$options"
    )


def _operator(found: list[Any], verb: str, argument: Any, operators: Mapping[str, Any]) -> bool:
    values = [value for each in found for value in _spread(each)]
    match verb:
        case "$eq":
            return _equal_to_any(found, argument)
        case "$ne":
            return not _equal_to_any(found, argument)
        case "$in":
            return any(_equal_to_any(found, each) for each in argument)
        case "$nin":
            return not any(_equal_to_any(found, each) for each in argument)
        case "$gt" | "$gte" | "$lt" | "$lte":
            return any(_stands(value, verb, argument) for value in values)
        case "$not":
            return not _operators(found, argument)
        case "$exists":
            return any(each is not MISSING for each in found) == bool(argument)
        case "$type":
            wanted = argument if isinstance(argument, list) else [argument]
            names = [each if isinstance(each, str) else _NUMBERS[each] for each in wanted]
            return any(_is_of(value, name) for value in values for name in names)
        case "$mod":
            divisor, remainder = argument
            return any(_leaves(value, int(divisor), int(remainder)) for value in values)
        case "$size":
            return any(isinstance(each, list) and len(each) == argument for each in found)
        case "$all":
            return bool(argument) and all(_in_all(found, each) for each in argument)
        case "$elemMatch":
            return any(
                matches(item, argument) for each in found if isinstance(each, list) for item in each
            )
        case "$regex":
            flags = re.IGNORECASE if "i" in operators.get("$options", "") else 0
            texts = [value for value in values if type(value) is str]
            return any(re.search(argument, text, flags) for text in texts)
        case "$geoWithin" | "$geoIntersects":
            return False
    raise AssertionError(verb)


def _walk(value: Any, steps: list[str]) -> Iterator[Any]:
    """What the path leads to: through each element of an array on the way."""
    if not steps:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, steps)
    elif isinstance(value, dict) and steps[0] in value:
        yield from _walk(value[steps[0]], steps[1:])
    else:
        yield MISSING


def _spread(value: Any) -> list[Any]:
    """The value, and its elements if it is an array."""
    return [value, *value] if isinstance(value, list) else [value]


def _equal_to_any(found: list[Any], wanted: Any) -> bool:
    return any(_equal(value, wanted) for each in found for value in _spread(each))


def _in_all(found: list[Any], wanted: Any) -> bool:
    if isinstance(wanted, dict) and wanted.keys() == {"$elemMatch"}:
        return _operators(found, wanted)
    return _equal_to_any(found, wanted)


def _equal(value: Any, wanted: Any) -> bool:
    if value is MISSING or wanted is None:
        return value is MISSING and wanted is None
    if isinstance(value, dict):
        defaults = {"md5": "", "is_public": False, "backend": "local"}
        return isinstance(wanted, dict) and all(
            _equal(value.get(name, MISSING), wanted.get(name, defaults.get(name)))
            for name in value.keys() | wanted.keys()
        )
    cast = _cast(value, wanted)
    return cast is not MISSING and bool(value == cast)


def _stands(value: Any, verb: str, wanted: Any) -> bool:
    cast = _cast(value, wanted)
    return cast is not MISSING and _ORDERS[verb](value, cast)


def _cast(value: Any, wanted: Any) -> Any:
    """What is wanted in the terms of the value, or nothing where it is of another kind."""
    if isinstance(value, Date):
        return _seconds(wanted) if isinstance(wanted, str) else MISSING
    if isinstance(value, bool) or isinstance(wanted, bool):
        return wanted if isinstance(value, bool) and isinstance(wanted, bool) else MISSING
    if isinstance(value, int):
        return wanted if isinstance(wanted, int | float) else MISSING
    if isinstance(value, str):
        return wanted if isinstance(wanted, str) and "\0" not in wanted else MISSING
    return MISSING


def _seconds(text: str) -> Any:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return MISSING
    return int(moment.timestamp())


def _is_of(value: Any, name: str) -> bool:
    return type(value) in _TYPES[name]


def _leaves(value: Any, divisor: int, remainder: int) -> bool:
    if type(value) is not int:
        return False
    magnitude = abs(value) % abs(divisor)
    return (-magnitude if value < 0 else magnitude) == remainder
