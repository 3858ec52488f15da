"""Answers of the API, encoded once."""

from collections.abc import Callable, Hashable, Mapping

import msgspec
from starlette.responses import Response

from cella.lru import Lru

_encode = msgspec.json.Encoder().encode
_EACH = 512
_CACHING = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


def remembered(
    memory: Lru[Hashable, bytes], state: Hashable, document: Callable[[], object]
) -> msgspec.Raw:
    """`document`, encoded; what was encoded for the same state before is used again.

    A state that is seen again has to mean the same document, to the letter.
    """
    encoded = memory.get(state)
    if encoded is None:
        encoded = _encode(document())
        memory.keep(state, encoded, len(encoded) + _EACH)
    return msgspec.Raw(encoded)


def json_answer(
    document: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`document` as JSON; private, because most answers depend on who asks."""
    return Response(
        _encode(document),
        status,
        {**_CACHING, **(headers or {})},
        media_type="application/json",
    )


def not_modified(headers: Mapping[str, str]) -> Response:
    """A 304, with what `json_answer` says to caches (RFC 9110, section 15.4.5)."""
    return Response(status_code=304, headers={**_CACHING, **headers})
