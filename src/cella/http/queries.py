"""The query parameters of lists and documents, as the original's clients spell them."""

import re
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from starlette.datastructures import QueryParams

from cella.catalog.listing import FileQuery
from cella.catalog.orders import Order
from cella.errors import BadRequest
from cella.http.projections import Projection, read_projection

MAX_RESULTS = 250
"""Items of one page at most, and by default."""

_LONGEST = 16 << 10
_MAX_PAGE = 1 << 40
_FIELD = r"[A-Za-z_][A-Za-z0-9_.]*"
_NAME = re.compile(rf"(-?)({_FIELD})")
_PAIR = rf"""\(\s*(?:'({_FIELD})'|"({_FIELD})")\s*,\s*(-?)1\s*,?\s*\)"""
_PAIRS = re.compile(rf"\[\s*(?:{_PAIR}\s*(?:,\s*{_PAIR}\s*)*(?:,\s*)?)?\]")
_A_PAIR = re.compile(_PAIR)


class Shape(NamedTuple):
    """How documents are wanted: in part, and with their project in the place of its id."""

    projection: Projection | None = None
    embeds_project: bool = False


def file_query(parameters: QueryParams) -> FileQuery:
    """What files are wanted; raises `BadRequest`, naming the parameter."""
    cursor = parameters.get("cursor") or None
    return FileQuery(
        where=_where(parameters.get("where")),
        sort=_sort(parameters.get("sort")),
        limit=max_results(parameters),
        page=page(parameters) if cursor is None else 1,
        cursor=cursor,
        deleted=wants_deleted(parameters),
    )


def document_shape(parameters: QueryParams) -> Shape:
    """How documents are wanted; raises `BadRequest`, naming the parameter."""
    return Shape(
        read_projection(parameters.get("projection")), _embedded(parameters.get("embedded"))
    )


def wants_deleted(parameters: QueryParams) -> bool:
    """Whether deleted documents are wanted too, by those who may see them."""
    return "show_deleted" in parameters


def next_link(resource: str, parameters: QueryParams, cursor: str) -> str:
    """Where the list goes on: its own address, relative to /api, with a cursor for the page."""
    kept = [
        (name, value) for name, value in parameters.multi_items() if name not in ("page", "cursor")
    ]
    return f"{resource}?{urlencode([*kept, ('cursor', cursor)], quote_via=quote)}"


def max_results(parameters: QueryParams) -> int:
    """Items of one page: 1 to 250. What is no such number counts as not given."""
    text = parameters.get("max_results", "")
    if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0:
        return min(int(text), MAX_RESULTS)
    return MAX_RESULTS


def page(parameters: QueryParams) -> int:
    """The wanted page, counted from 1; the sign is ignored, as is what is no number."""
    text = parameters.get("page", "").removeprefix("-")
    if text.isascii() and text.isdecimal() and len(text) < 20 and int(text) > 0:
        return min(int(text), _MAX_PAGE)
    return 1


def _where(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    if len(text) > _LONGEST:
        raise BadRequest(f"`where` is longer than {_LONGEST} characters.")
    try:
        where = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest(
            "`where` is not valid JSON; the Python form is not accepted. "
            'Example: where={"filename": "plate.exr", "length": {"$gt": 3}}'
        ) from None
    if not isinstance(where, dict):
        raise BadRequest('`where` must be a JSON object. Example: where={"project": "<id>"}')
    return where


def _sort(text: str | None) -> tuple[Order, ...]:
    if not text:
        return ()
    if len(text) > _LONGEST:
        raise BadRequest(f"`sort` is longer than {_LONGEST} characters.")
    if _PAIRS.fullmatch(text.strip()):
        return tuple(
            (single or double, minus == "-") for single, double, minus in _A_PAIR.findall(text)
        )
    order = []
    for piece in text.split(","):
        name = _NAME.fullmatch(piece.strip())
        if name is None:
            raise BadRequest(
                "`sort` takes field names with commas, such as -_created,filename, or a list "
                'such as [("_created", -1), ("filename", 1)].'
            )
        order.append((name[2], name[1] == "-"))
    return tuple(order)


def _embedded(text: str | None) -> bool:
    """Whether the project is to be embedded; there is nothing else that can be."""
    if not text:
        return False
    try:
        wanted = msgspec.json.decode(text) if len(text) <= _LONGEST else None
    except (msgspec.DecodeError, RecursionError):
        wanted = None
    if not isinstance(wanted, dict):
        raise BadRequest(
            'Unable to parse `embedded` clause: it must be a JSON object, such as {"project": 1}.'
        )
    flag = wanted.get("project")
    return isinstance(flag, int | float) and flag == 1
