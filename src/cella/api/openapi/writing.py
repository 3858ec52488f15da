"""Documents as they are written: schemas of bodies, made of the tables that judge them.

The tables are those of `cella.access.*_edits`; what they do not tell is added where a route is
described.
"""

from collections.abc import Mapping

from cella.api.openapi.parts import (
    ANYTHING,
    DATE,
    ID,
    JSON,
    MULTIPART,
    URLENCODED,
    Content,
    Schema,
    an_object,
    ref,
)
from cella.fields import Field

_DIGITS = 15
"""Digits of numbers that come as text: as many as stay below all of our bounds."""

_MAX_INT = (1 << 63) - 1
_CONTROL = "\\u0000-\\u001f\\u007f-\\u009f"
ONE_LINE = f"^[^{_CONTROL}]*[^\\s{_CONTROL}][^{_CONTROL}]*$"
ADDRESS = f"[^@\\s{_CONTROL}]+@[^@\\s{_CONTROL}]+"
"""Patterns, but for the formatting characters (Unicode's Cf) that are refused too."""

READ_ONLY: Schema = {"readOnly": True, "description": "Cella's own; may come back as it was read."}


def strict(fields: Mapping[str, Field]) -> Schema:
    """The schema of an object with these fields and no others."""
    return an_object(
        {name: _of(field) for name, field in fields.items()},
        [name for name, field in fields.items() if field.required],
        additionalProperties=False,
    )


def told(schema: Schema, more: Mapping[str, Schema]) -> Schema:
    """The schema of an object, with more said of some of its properties, or with more of them."""
    present = schema["properties"]
    return {
        **schema,
        "properties": present | {name: present.get(name, {}) | each for name, each in more.items()},
    }


def partial(schema: Schema) -> Schema:
    """The schema of an object of which nothing is required."""
    return {key: value for key, value in schema.items() if key != "required"}


def without(schema: Schema, *names: str) -> Schema:
    """The schema of an object that has some properties less."""
    left = {name: each for name, each in schema["properties"].items() if name not in names}
    return {**schema, "properties": left}


def in_form(schema: Schema) -> Schema:
    """The schema of what a form can say of such an object: its texts, and numbers as text."""
    texts = {
        name: text
        for name, each in schema["properties"].items()
        if (text := _as_text(each)) is not None
    }
    required = [name for name in schema.get("required", ()) if name in texts]
    rest = {key: schema[key] for key in ("additionalProperties",) if key in schema}
    return an_object(texts, required, **rest)


def sent(name: str, schema: Schema, /, **examples: Mapping[str, object]) -> Content:
    """The body that is an object of the component `name`, as JSON or as a form.

    An example that a form cannot hold is one of JSON only.
    """
    form = in_form(schema)
    texts = {
        key: {each: str(value) for each, value in example.items()}
        for key, example in examples.items()
        if example.keys() <= form["properties"].keys()
    }
    return as_json(ref("schemas", name), **examples) | as_form(form, **texts)


def as_json(schema: Schema, /, **examples: object) -> Content:
    """A body in JSON."""
    return {JSON: {"schema": schema, "examples": _values(examples)}}


def as_form(schema: Schema, /, **examples: Mapping[str, str]) -> Content:
    """A body in either sort of form."""
    content = {"schema": schema, "examples": _values(examples)}
    # The one without fields is no body at all, the other still has its end.
    some = schema if "required" in schema else {**schema, "minProperties": 1}
    return {URLENCODED: {**content, "schema": some}, MULTIPART: content}


def one_or_several(name: str, most: int) -> Schema:
    """The schema of an object of the component `name`, or of an array of so many at most."""
    one = ref("schemas", name)
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": most}]}


def _values(examples: Mapping[str, object]) -> dict[str, object]:
    return {name: {"value": value} for name, value in examples.items()}


def _of(field: Field) -> Schema:
    schema = _of_kind(field)
    if not field.nullable:
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def _of_kind(field: Field) -> Schema:
    match field.kind:
        case "objectid":
            return ID
        case "datetime":
            return DATE
        case "integer":
            return {"anyOf": [_of_integer(field), _of_digits(field)]}
        case "number":
            return {"type": "number"}
        case "boolean":
            return {"type": "boolean"}
        case "list":
            items = ANYTHING if field.items is None else _of(field.items)
            most = {} if field.longest is None else {"maxItems": field.longest}
            return {"type": "array", "items": items, **most}
        case "dict":
            return {"type": "object"} if field.fields is None else strict(field.fields)
        case "string":
            return _of_text(field)


def _of_text(field: Field) -> Schema:
    if field.allowed is not None:
        return {"type": "string", "enum": list(field.allowed)}
    shortest = {"minLength": field.shortest} if field.shortest else {}
    longest = {} if field.longest is None else {"maxLength": field.longest}
    pattern = {} if field.pattern is None else {"pattern": f"^{field.pattern}$"}
    return {"type": "string", **shortest, **longest, **pattern}


def _of_integer(field: Field) -> Schema:
    least = -_MAX_INT if field.least is None else field.least
    most = _MAX_INT if field.most is None else field.most
    return {"type": "integer", "minimum": least, "maximum": most}


def _of_digits(field: Field) -> Schema:
    sign = "-?" if field.least is None else ""
    return {"type": "string", "pattern": f"^{sign}[0-9]{{1,{_DIGITS}}}$"}


def _as_text(schema: Schema) -> Schema | None:
    """What of a field's schema a form can say, None where that is nothing."""
    if schema.get("readOnly"):
        return None
    for each in schema.get("anyOf", [schema]):
        if each.get("type") in ("string", ["string", "null"]):
            described = {key: schema[key] for key in ("description",) if key in schema}
            return {**each, **described, "type": "string"}
    return None
