"""Small things about coroutines that the standard library leaves to us."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end even where the caller is cancelled meanwhile.

    The cancellation is raised afterwards, with what `work` raised as its cause. For steps that
    must not be left half done, such as a commit and what follows from it.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError as cancelled:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        raise cancelled from None if task.cancelled() else task.exception()


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all at once and return their results in order.

    The first error is raised after the others were cancelled and have ended.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def peek(body: AsyncIterator[bytes], wanted: int) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first bytes of `body`, at least `wanted` where it has them, and the whole of it."""
    head = b""
    async for chunk in body:
        head = head + chunk if head else chunk
        if len(head) >= wanted:
            break
    return head, _chain(head, body)


async def _chain(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for chunk in rest:
        yield chunk
