"""An HTTP proxy on loopback between a client and a server, that goes wrong where it is told to.

It reads a request as a whole, hands it on over a connection of its own, and hands the answer back,
with which the connection ends. In between it may answer by itself, lose the answer, cut it short,
or keep silent:

    with faulty_proxy(cloud.endpoint) as proxy:
        proxy.fail("PUT .*partNumber=2", Answers(503), times=2)
        proxy.fail("GET", Cuts(after=1_000_000))
"""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

PATIENCE = 60.0
"""Seconds after which the proxy gives up on anybody."""

_CHUNK = 64 << 10
_ENDLESS = 1 << 62


class Answers(NamedTuple):
    """The proxy answers itself, and hands nothing on."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Loses(NamedTuple):
    """The request is handed on, and the connection closed in the place of the answer."""


class Cuts(NamedTuple):
    """The answer breaks off after so many bytes of its body."""

    after: int


class Hangs(NamedTuple):
    """Nothing is handed on or answered, while the connection stays open, until the proxy ends."""


Fault = Answers | Loses | Cuts | Hangs


class _Planned:
    def __init__(self, matches: str, fault: Fault, times: int, skip: int) -> None:
        self.matches = re.compile(matches)
        self.fault = fault
        self.times = times
        self.skip = skip


class FaultyProxy:
    """A running proxy; `url` is where it listens, `requests` what was asked, `PUT /path?query`."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = parts.hostname or "", parts.port or 80
        self._path = parts.path
        self._lock = threading.Lock()
        self._planned: list[_Planned] = []
        self._ending = asyncio.Event()
        self.url = ""
        self.requests: list[str] = []

    def fail(self, matches: str, fault: Fault, *, times: int = 1, skip: int = 0) -> None:
        """Have the next `times` requests go wrong that begin as the pattern says, after `skip`."""
        with self._lock:
            self._planned.append(_Planned(matches, fault, times, skip))

    @property
    def is_spent(self) -> bool:
        """Whether everything that was to go wrong did."""
        with self._lock:
            return not any(planned.times for planned in self._planned)

    def count(self, matches: str) -> int:
        """How many requests there were that begin as the pattern says."""
        return sum(1 for request in self.requests if re.match(matches, request))

    async def serve(self, started: threading.Event) -> None:
        """Listen until `end`."""
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}{self._path}"
        self._loop = asyncio.get_running_loop()
        started.set()
        await self._ending.wait()
        server.close()
        talks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    def end(self) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._ending.set)

    def _fault(self, request: str) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            for planned in self._planned:
                if planned.times and planned.matches.match(request):
                    if planned.skip:
                        planned.skip -= 1
                        return None
                    planned.times -= 1
                    return planned.fault
        return None

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while await self._exchange(reader, writer):
                    pass
        except (OSError, EOFError, TimeoutError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode("latin-1").split(" ", 2)
        body = await reader.readexactly(_length(head))
        match self._fault(f"{method} {target}"):
            case Answers(status, content, headers):
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
                lines += f"Content-Length: {len(content)}\r\n"
                writer.write(f"HTTP/1.1 {status} Fault\r\n{lines}\r\n".encode())
                writer.write(b"" if method == "HEAD" else content)
                await writer.drain()
                return True
            case Hangs():
                await self._ending.wait()
                return False
            case fault:
                await self._hand_on(head, body, writer, fault)
                return False

    async def _hand_on(
        self,
        head: bytes,
        body: bytes,
        writer: asyncio.StreamWriter,
        fault: Loses | Cuts | None,
    ) -> None:
        theirs, ours = await asyncio.open_connection(*self._upstream)
        try:
            ours.write(head.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n" + body)
            await ours.drain()
            answer = await theirs.readuntil(b"\r\n\r\n")
            if isinstance(fault, Loses):
                await theirs.read()
                return
            writer.write(answer)
            left = fault.after if isinstance(fault, Cuts) else _ENDLESS
            while left and (chunk := await theirs.read(min(_CHUNK, left))):
                writer.write(chunk)
                await writer.drain()
                left -= len(chunk)
        finally:
            ours.close()
            with suppress(OSError):
                await ours.wait_closed()


@contextmanager
def faulty_proxy(upstream: str) -> Iterator[FaultyProxy]:
    """A proxy before the server at `upstream`, such as `http://127.0.0.1:9000`, in a thread."""
    proxy = FaultyProxy(upstream)
    started = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve(started)))
    thread.start()
    try:
        assert started.wait(PATIENCE)
        yield proxy
    finally:
        proxy.end()
        thread.join(PATIENCE)


def _length(head: bytes) -> int:
    """The announced length of a request's body."""
    found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else 0
