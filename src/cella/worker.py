"""The worker: does jobs until it is told to stop, in a process of its own or beside HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cella.jobs.runner import Runner
from cella.media.sandbox import Sandbox


@asynccontextmanager
async def working(runner: Runner, sandbox: Sandbox) -> AsyncIterator[None]:
    """Jobs are done while the block runs; at its end running ones are finished or handed back."""
    await sandbox.open()
    try:
        stop = asyncio.Event()
        loop = asyncio.create_task(runner.run(stop), name="cella-worker")
        try:
            yield
        finally:
            stop.set()
            await loop
    finally:
        await sandbox.close()
