"""An answer whose body comes in blocks.

Starlette's own opens a task group for each answer, which costs more than a 64 KiB range does.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_log = logging.getLogger("cella.delivery")


class BlocksResponse(Response):
    """Sends `blocks` under `headers`, which hold the Content-Length.

    The first block is read before the answer begins, so that a blob that cannot be read gets a
    proper error. Who goes away in the middle is not read for any further, and who takes no
    block within `stall` seconds gets no more: the answer stays incomplete, and the server breaks
    the connection off.
    """

    def __init__(
        self,
        blocks: AsyncGenerator[bytes, None],
        status: int,
        headers: Mapping[str, str],
        stall: float,
    ) -> None:
        super().__init__(status_code=status, headers=headers)
        self._blocks = blocks
        self._stall = stall

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as ASGI has it."""
        async with aclosing(self._blocks) as blocks:
            block = await anext(blocks, b"")
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            left = int(self.headers["content-length"]) - len(block)
            gone = asyncio.create_task(_disconnected(receive)) if left > 0 else None
            try:
                while block and left > 0 and not (gone is not None and gone.done()):
                    await self._hand_on(send, block, is_last=False)
                    block = await anext(blocks, b"")
                    left -= len(block)
                await self._hand_on(send, block, is_last=True)
            except TimeoutError:
                _log.info("gave a download up: nothing was taken for %g seconds", self._stall)
            finally:
                if gone is not None:
                    gone.cancel()

    async def _hand_on(self, send: Send, block: bytes, *, is_last: bool) -> None:
        """Send a block, once the client has taken what was sent before."""
        async with asyncio.timeout(self._stall):
            await send({"type": "http.response.body", "body": block, "more_body": not is_last})


async def _disconnected(receive: Receive) -> None:
    """Return when the client is gone; what it still sends of a body means nothing."""
    while (await receive())["type"] != "http.disconnect":
        pass
