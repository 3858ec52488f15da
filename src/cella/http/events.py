"""Server-sent events: an answer that goes on while something happens.

https://html.spec.whatwg.org/multipage/server-sent-events.html. Whoever listens gets a comment now
and then where nothing happens, so that proxies keep the connection and the server notices who
went away.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing
from typing import NamedTuple

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HEADERS = {
    "Cache-Control": "no-store",
    # nginx gathers answers before it passes them on, unless it is told not to.
    "X-Accel-Buffering": "no",
}
MEDIA_TYPE = "text/event-stream"

_BEGIN = b"retry: 2000\n\n"
_ALIVE = b": alive\n\n"
_ALIVE_SECONDS = 15.0


class Event(NamedTuple):
    """Something that happened: the name of the event, and what JSON can say of it."""

    name: str
    data: object


class EventsResponse(Response):
    """Sends `events` as they come, for `seconds` at most, while it holds `place`.

    Who takes nothing within `stall` seconds gets no more. The last one of `events` should tell
    clients to close: browsers come back after an end that they did not expect.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        events: AsyncGenerator[Event, None],
        *,
        place: AbstractContextManager[None],
        seconds: float,
        stall: float,
    ) -> None:
        super().__init__(status_code=200, headers=HEADERS)
        del self.headers["content-length"]
        self._events = events
        self._place = place
        self._seconds = seconds
        self._stall = stall

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as ASGI has it."""
        with self._place:
            gone = asyncio.create_task(_disconnected(receive))
            try:
                async with aclosing(self._events) as events:
                    await send(
                        {
                            "type": "http.response.start",
                            "status": self.status_code,
                            "headers": self.raw_headers,
                        }
                    )
                    await self._hand_on(send, _BEGIN)
                    await self._pass_on(events, gone, send)
                    if not gone.done():
                        await self._hand_on(send, b"", is_last=True)
            finally:
                gone.cancel()

    async def _pass_on(
        self, events: AsyncGenerator[Event, None], gone: "asyncio.Task[None]", send: Send
    ) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._seconds
        coming: asyncio.Task[Event] | None = None
        try:
            while not gone.done() and loop.time() < ends:
                coming = coming or asyncio.create_task(anext(events))
                waiting: set[asyncio.Task[Event] | asyncio.Task[None]] = {coming, gone}
                await asyncio.wait(
                    waiting,
                    timeout=min(_ALIVE_SECONDS, max(0.0, ends - loop.time())),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not coming.done():
                    if not gone.done():
                        await self._hand_on(send, _ALIVE)
                    continue
                try:
                    event = coming.result()
                except StopAsyncIteration:
                    return
                coming = None
                await self._hand_on(send, _spelled(event))
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})

    async def _hand_on(self, send: Send, block: bytes, *, is_last: bool = False) -> None:
        async with asyncio.timeout(self._stall):
            await send({"type": "http.response.body", "body": block, "more_body": not is_last})


def _spelled(event: Event) -> bytes:
    # JSON has no bare line feeds, which would end the data.
    return b"event: %s\ndata: %s\n\n" % (event.name.encode(), msgspec.json.encode(event.data))


async def _disconnected(receive: Receive) -> None:
    """Return when the client is gone; what it still sends of a body means nothing."""
    while (await receive())["type"] != "http.disconnect":
        pass
