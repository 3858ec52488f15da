"""HTTP/1.1 connections that cannot be held on to or grow without end.

uvicorn's protocol over httptools leaves some things open that a server in the open has to close:
a head may be of any length and take any time, trailers are taken for headers, a request that asks
for an upgrade loses its body, what comes after an answer is read for ever, and an answer is kept
for ever for a client that does not take it.
"""

import asyncio
import re
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_BYTES = 64 << 10
"""Bytes that the request line and the headers may have together."""

HEAD_SECONDS = 30.0
"""Seconds within which a connection has to bring a head, from its first byte or from connecting."""

DRAIN_BYTES = 64 << 20
"""Bytes of a body that are still read after its request was answered.

Clients that do not wait for `100 Continue` send on while a refusal is on its way, and many of
them read it only if they are not cut off.
"""

LINGER_SECONDS = 60.0
"""Seconds within which a client has to take some of the rest of an answer that is complete."""

_UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:[^\r\n]*", re.IGNORECASE)
_END = b"\r\n\r\n"
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Connection: close\r\nContent-Length: 0\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on heads, trailers, upgrades, and what waits to be taken.

    A wish to upgrade is ignored, as RFC 9110, section 7.8, lets a server do: the header is taken
    out before the parser sees it, because httptools ends such a request after its head and would
    take its body for the next one.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head = bytearray()
        self._in_head = True
        self._drained = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._clear_deadline()
        self._clear_lingering()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Gather a head until it is complete; pass everything else on."""
        if not self._in_head:
            super().data_received(data)
            return
        self._unset_keepalive_if_required()
        self._set_deadline()
        searched = max(0, len(self._head) - len(_END))
        self._head += data
        end = self._head.find(_END, searched)
        if end > HEAD_BYTES or (end < 0 and len(self._head) > HEAD_BYTES):
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif end >= 0:
            whole, self._head = bytes(self._head), bytearray()
            super().data_received(_UPGRADE.sub(b"", whole[:end]) + whole[end:])

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        self._clear_lingering()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer means nothing."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete. One that still wants to upgrade came in a pipeline: refused."""
        self._in_head = False
        self._drained = 0
        self._clear_deadline()
        if self.parser.should_upgrade():
            self.send_400_response("Upgrade is not possible here.")
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; close where too much comes after the answer."""
        if self.transport.is_closing():
            return
        if self.cycle.response_complete:
            self._drained += len(body)
            self._set_deadline()
            if self._drained > DRAIN_BYTES:
                self.transport.close()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete, and the next head may come."""
        self._in_head = True
        self._clear_deadline()
        if not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is complete, but its end may still wait to be taken."""
        super().on_response_complete()
        self._linger()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, partial(self._run, cycle, app))

    async def _run(self, cycle: RequestResponseCycle, app: Any, *call: Any) -> None:
        """Answer. Who does not take an answer that was given up would keep it from closing."""
        await app(*call)
        is_given_up = cycle.response_started and not cycle.response_complete
        if is_given_up and self.flow.write_paused:
            cycle.disconnected = True
            self.transport.abort()

    def _linger(self, before: int | None = None) -> None:
        """Wait while the client takes some of what is left; `before` was left the last time."""
        left = self.transport.get_write_buffer_size()
        if before is not None and left >= before:
            self.transport.abort()
        elif left:
            self._lingering = self.loop.call_later(LINGER_SECONDS, self._linger, left)

    def _clear_lingering(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing to say: the client was told."""

    def _set_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
