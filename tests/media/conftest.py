"""A sandbox for each module of tests, as a worker process would have one."""

from collections.abc import AsyncIterator

import pytest_asyncio

from cella.media.sandbox import Sandbox


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    opened = Sandbox()
    await opened.open()
    yield opened
    await opened.close()
