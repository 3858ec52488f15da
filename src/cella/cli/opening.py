"""The database and the stores themselves, for commands that need no server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from cella.assembly import Assembly
from cella.config import load
from cella.db import migrations

T = TypeVar("T")


@contextmanager
def opened(data: str | None) -> Iterator[Assembly]:
    """The parts of this process, with the database open and its schema the newest."""
    assembly = Assembly(load(overrides={"data": data}))
    assembly.db.open()
    try:
        migrations.upgrade(assembly.db)
        yield assembly
    finally:
        assembly.db.close()


def with_stores(data: str | None, work: Callable[[Assembly], Awaitable[T]]) -> T:
    """Do `work` with the database and all stores open; what it gives.

    Ctrl-C cancels it, so that it can put things in order, and ends the command.
    """

    async def do(assembly: Assembly) -> T:
        async with assembly.storing():
            return await work(assembly)

    with opened(data) as assembly:
        return asyncio.run(do(assembly))
