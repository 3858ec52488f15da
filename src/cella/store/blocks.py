"""Bytes in blocks of a handy size."""

from collections.abc import AsyncGenerator, AsyncIterable

from cella.store.contract import BLOCK


async def gathered(body: AsyncIterable[bytes]) -> AsyncGenerator[bytes | bytearray, None]:
    """The bytes of `body` in blocks of at least `BLOCK`, then one shorter, which may be empty.

    So a shorter block is always the last, and there always is one. A chunk that is large
    enough by itself is handed on without being copied.
    """
    gathering = bytearray()
    async for chunk in body:
        if not gathering and len(chunk) >= BLOCK:
            yield chunk
            continue
        gathering += chunk
        if len(gathering) >= BLOCK:
            yield gathering
            gathering = bytearray()
    yield gathering


def check_range(start: int, stop: int | None) -> None:
    """Raise `ValueError` where `start` or `stop` is negative: a range counts from the front."""
    if start < 0 or (stop is not None and stop < 0):
        raise ValueError("a range of a blob begins and ends at or after its first byte")
