"""The parameters of lists: what is wanted, in which order, which part of it, and which page."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cella.api.openapi.parts import (
    A_CURSOR,
    ANYTHING,
    TEXT,
    Schema,
    an_object,
    json_parameter,
    parameter,
    ref,
)
from cella.catalog.fields import Fields, Refused
from cella.catalog.where import MAX_DEPTH, MAX_SEARCH, MAX_TERMS, MAX_VALUES, TYPE_NAMES
from cella.http.projections import AUTOMATIC

_INT64 = {"minimum": -(1 << 63), "maximum": (1 << 63) - 1}
_NO_OPERATOR = {"pattern": "^([^$]|$)"}

# --- `where` ---

_FLAG: Schema = {"enum": [True, False, 0, 1]}
_PLAIN: Schema = {
    "description": "A value to compare with. Dates are those of HTTP; null stands for no value.",
    "anyOf": [
        {"type": ["null", "boolean", "number", "string", "array"]},
        {"type": "object", "propertyNames": _NO_OPERATOR},
    ],
}
_COMPARED: Schema = {"not": {"type": "null"}}
_VALUES: Schema = {"type": "array", "maxItems": MAX_VALUES, "items": _PLAIN}
_TYPE: Schema = {"enum": [*TYPE_NAMES.values(), "number", *TYPE_NAMES]}
_OPERATORS = an_object(
    {
        "$eq": ANYTHING,
        "$ne": ANYTHING,
        "$gt": _COMPARED,
        "$gte": _COMPARED,
        "$lt": _COMPARED,
        "$lte": _COMPARED,
        "$in": _VALUES,
        "$nin": _VALUES,
        "$exists": _FLAG,
        "$type": {"anyOf": [_TYPE, {"type": "array", "items": _TYPE, "minItems": 1}]},
        "$regex": {
            "type": "string",
            "description": "Perl's language without what needs backtracking.",
        },
        "$options": {"type": "string", "pattern": "^[imsx]*$"},
        "$mod": {
            "type": "array",
            "description": "Divisor and remainder.",
            "prefixItems": [
                {"type": "integer", **_INT64, "not": {"const": 0}},
                {"type": "integer", **_INT64},
            ],
            "items": False,
            "minItems": 2,
        },
        "$size": {"type": "integer", "minimum": 0, "maximum": _INT64["maximum"]},
        "$all": {"type": "array", "maxItems": MAX_VALUES},
        "$elemMatch": ref("schemas", "WhereElement"),
        "$not": ref("schemas", "WhereOperators"),
        "$geoWithin": ANYTHING,
        "$geoIntersects": ANYTHING,
    },
    [],
    minProperties=1,
    additionalProperties=False,
    dependentRequired={"$options": ["$regex"]},
    description="What must hold of a field.",
)
_TEXT_SEARCH = an_object(
    {
        "$search": {"type": "string", "maxLength": MAX_SEARCH},
        "$language": TEXT,
        "$caseSensitive": {"type": "boolean"},
        "$diacriticSensitive": {"type": "boolean"},
    },
    ["$search"],
    additionalProperties=False,
)


def _query(name: str, description: str, more: Mapping[str, Schema]) -> Schema:
    branches = {"type": "array", "minItems": 1, "items": ref("schemas", name)}
    return an_object(
        {"$and": branches, "$or": branches, "$nor": branches, **more},
        [],
        propertyNames={"pattern": "^([^$]|$|\\$(and|or|nor|text)$)"},
        additionalProperties={"anyOf": [_PLAIN, ref("schemas", "WhereOperators")]},
        description=description,
    )


SCHEMAS: dict[str, Schema] = {
    "Where": _query(
        "Where",
        "Paths of fields with what they are to be, all of which must hold. Fields that are not "
        f"there are absent from every document. At most {MAX_DEPTH} levels and {MAX_TERMS} terms.",
        {"$text": _TEXT_SEARCH},
    ),
    "WhereElement": _query("WhereElement", "What must hold of one element of an array.", {}),
    "WhereOperators": _OPERATORS,
}
"""Components."""

# --- `sort` ---


def _order(names: Iterable[str]) -> Schema:
    """The schema of `sort`: names with commas, or a list in Python's form."""
    name = f"({'|'.join(re.escape(each) for each in sorted(names))})"
    one = f"-?{name}"
    quoted = f"('{name}'|\"{name}\")"
    pair = f"\\(\\s*{quoted}\\s*,\\s*-?1\\s*,?\\s*\\)"
    pairs = f"\\s*\\[\\s*({pair}\\s*(,\\s*{pair}\\s*)*(,\\s*)?)?\\]\\s*"
    return {"type": "string", "pattern": f"^(\\s*{one}\\s*(,\\s*{one}\\s*)*|{pairs})?$"}


# --- The rest ---


def _flags(*flags: bool | int) -> Schema:
    automatic = dict.fromkeys(sorted(AUTOMATIC), _FLAG)
    return an_object(automatic, [], additionalProperties={"enum": list(flags)})


PAGE = parameter(
    "query",
    "page",
    "Counted from 1. The sign is ignored, and what is no number is 1.",
    1,
    type=["integer", "string"],
)
MAX_RESULTS = parameter(
    "query",
    "max_results",
    "1 to 250. What is no such number counts as 250.",
    25,
    type=["integer", "string"],
)
CURSOR = parameter(
    "query",
    "cursor",
    "Where an earlier page ended: take it from the `href` of its `_links.next`. It goes with the "
    "same `sort`, and takes the place of `page`.",
    A_CURSOR,
)
SHOW_DELETED = parameter(
    "query",
    "show_deleted",
    "With any value: deleted ones too, for those who may delete.",
    "1",
)
PROJECTION = json_parameter(
    "projection",
    "The fields that are wanted, by 1, or those that are not, by 0; dots lead further in. Those "
    "that begin with `_` always come.",
    {"anyOf": [_flags(1, True), _flags(0, False)]},
    {"some": {"filename": 1, "variations.size": 1}, "all but": {"variations": 0}},
)
EMBEDDED = json_parameter(
    "embedded",
    "`project` by 1: the project as a whole in the place of its id. Nothing else is embedded.",
    {"type": "object"},
    {"the project": {"project": 1}},
)


def wanted(
    fields: Fields, sortable: Iterable[str], examples: Mapping[str, Any]
) -> tuple[dict[str, Any], ...]:
    """The parameters of every list, over these fields."""
    asked = ", ".join(
        f"`{name}`" for name, field in fields.known.items() if not isinstance(field, Refused)
    )
    where = json_parameter(
        "where",
        f"MongoDB's query language (JSON), over {asked}; dots lead further in. What cannot be "
        "answered without looking through much of what is not one's own is a 400 that says so.",
        ref("schemas", "Where"),
        examples,
    )
    sort = parameter(
        "query",
        "sort",
        "Fields with commas, `-` for descending, or a list of pairs as in Python. Where values "
        "are equal, by `_id`.",
        "-_created",
        **_order(sortable),
    )
    return where, sort, PROJECTION, MAX_RESULTS, PAGE, CURSOR
