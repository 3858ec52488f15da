"""The query parameters of lists, as the original's clients spell them."""

import re
from typing import Any

import msgspec
from starlette.datastructures import QueryParams

from cella.catalog.listing import FileQuery, Order
from cella.errors import BadRequest

MAX_RESULTS = 250
"""Items of one page at most, and by default."""

_LONGEST = 16 << 10
_MAX_PAGE = 1 << 40
_FIELD = re.compile(r"-?[A-Za-z_][A-Za-z0-9_.]*")


def file_query(parameters: QueryParams) -> FileQuery:
    """What files are wanted; raises `BadRequest`, naming the parameter."""
    return FileQuery(
        where=_where(parameters.get("where")),
        sort=_sort(parameters.get("sort")),
        limit=max_results(parameters),
        page=page(parameters),
    )


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
        raise BadRequest('`where` is not valid JSON. Example: where={"project": "<id>"}') from None
    if not isinstance(where, dict):
        raise BadRequest("`where` must be a JSON object.")
    return where


def _sort(text: str | None) -> tuple[Order, ...]:
    if not text:
        return ()
    if len(text) > _LONGEST:
        raise BadRequest(f"`sort` is longer than {_LONGEST} characters.")
    order = []
    for piece in text.split(","):
        name = piece.strip()
        if _FIELD.fullmatch(name) is None:
            raise BadRequest("`sort` takes field names with commas, such as -_created,filename.")
        order.append((name.removeprefix("-"), name.startswith("-")))
    return tuple(order)
