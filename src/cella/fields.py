"""Documents that clients write, checked field by field.

A schema is a table of `Field`s. `check` takes what came and gives back what is meant, together
with the issues by field, in the words of the original (Cerberus), since clients show them.
"""

import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple

import msgspec

from cella.ids import is_id

Kind = Literal["string", "integer", "number", "boolean", "objectid", "datetime", "list", "dict"]

Issues = dict[str, Any]
"""What is wrong, by field: a sentence, or the issues of what is nested in it."""

UNKNOWN_FIELD = "unknown field"
REQUIRED_FIELD = "required field"
READ_ONLY = "field is read-only"
NOT_EMPTY = "empty values not allowed"
NOT_NULL = "null value not allowed"

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_MAX_INT = (1 << 63) - 1
_MAX_DIGITS = 19


class Field(msgspec.Struct, kw_only=True, frozen=True):
    """What a field may hold.

    `shortest` and `longest` count characters or items, `least` and `most` bound numbers, and
    `pattern` is a regular expression for the whole of a text. `items` is what each item of a list
    is, `fields` what a dict holds; without it a dict may hold anything.
    """

    kind: Kind
    required: bool = False
    nullable: bool = False
    shortest: int = 0
    longest: int | None = None
    least: int | None = None
    most: int | None = None
    pattern: str | None = None
    allowed: tuple[str, ...] | None = None
    items: "Field | None" = None
    fields: "Mapping[str, Field] | None" = None


class Checked(NamedTuple):
    """A document as it is meant, and what is wrong with it by field."""

    values: dict[str, Any]
    issues: Issues


def check(
    document: Mapping[str, Any], schema: Mapping[str, Field], *, partial: bool = False
) -> Checked:
    """Judge a document; `partial` ones need not hold what is required.

    Integers may come as decimal text. Dates come as HTTP writes them and are meant as whole
    seconds since the epoch.
    """
    values: dict[str, Any] = {}
    issues: Issues = {}
    for name, raw in document.items():
        field = schema.get(name)
        if field is None:
            issues[name] = UNKNOWN_FIELD
            continue
        value, issue = _judge(raw, field)
        if issue:
            issues[name] = issue
        else:
            values[name] = value
    if not partial:
        for name, field in schema.items():
            if field.required and name not in document:
                issues[name] = REQUIRED_FIELD
    return Checked(values, issues)


def _judge(raw: Any, field: Field) -> tuple[Any, Any]:
    if raw is None:
        return None, None if field.nullable else NOT_NULL
    value = _convert(raw, field.kind)
    if value is None:
        return None, f"must be of {field.kind} type"
    if isinstance(value, str):
        return value, _of_text(value, field)
    if isinstance(value, list):
        return _judge_list(value, field)
    if isinstance(value, dict) and field.fields is not None:
        inner = check(value, field.fields)
        return inner.values, inner.issues
    return value, _of_number(value, field)


def _judge_list(items: Sequence[Any], field: Field) -> tuple[list[Any], Any]:
    if field.longest is not None and len(items) > field.longest:
        return [], f"max length is {field.longest}"
    if field.items is None:
        return list(items), None
    judged = [_judge(item, field.items) for item in items]
    issues = {str(at): issue for at, (_, issue) in enumerate(judged) if issue}
    return [value for value, _ in judged], issues


def _of_text(value: str, field: Field) -> str | None:
    if _UNSTORABLE.search(value):
        return "must not hold NUL or lone surrogates"
    if field.allowed is not None and value not in field.allowed:
        return f"unallowed value {value[:80]}"
    if field.shortest and len(value) < field.shortest:
        return f"min length is {field.shortest}" if value else NOT_EMPTY
    if field.longest is not None and len(value) > field.longest:
        return f"max length is {field.longest}"
    if field.pattern is not None and re.fullmatch(field.pattern, value) is None:
        return f"value does not match regex '{field.pattern}'"
    return None


def _of_number(value: object, field: Field) -> str | None:
    if not isinstance(value, int | float):
        return None
    if field.least is not None and value < field.least:
        return f"min value is {field.least}"
    if field.most is not None and value > field.most:
        return f"max value is {field.most}"
    return None


def _convert(raw: Any, kind: Kind) -> Any:
    """The value as one of `kind`, None where it is not."""
    match kind:
        case "string":
            return raw if isinstance(raw, str) else None
        case "boolean":
            return raw if isinstance(raw, bool) else None
        case "integer":
            return _integer(raw)
        case "number":
            is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
            return raw if is_number else None
        case "objectid":
            return raw if isinstance(raw, str) and is_id(raw) else None
        case "datetime":
            return _seconds(raw) if isinstance(raw, str) else None
        case "list":
            return raw if isinstance(raw, list) else None
        case "dict":
            return raw if isinstance(raw, dict) else None


def _integer(raw: Any) -> int | None:
    if isinstance(raw, str):
        digits = raw.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > _MAX_DIGITS:
            return None
        raw = int(raw)
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if not isinstance(raw, int) or isinstance(raw, bool) or abs(raw) > _MAX_INT:
        return None
    return raw


def _seconds(text: str) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, OverflowError):
        return None
