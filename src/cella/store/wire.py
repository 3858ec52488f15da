"""HTTP to a cloud, blocking, over connections that are kept.

The standard library's client is enough: requests are made by threads of a store, each of which
waits for its own, and encryption and copying release the GIL. What fails on the way becomes
`StoreUnavailable`; what the service answers is left to whoever knows the service. Nothing is
tried again here, but for one thing: a kept connection that the other side has closed meanwhile.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from cella.errors import StoreUnavailable

_FAILURES = (OSError, http.client.HTTPException)
_LONGEST_ANSWER = 64 << 20
_KEEP_SECONDS = 20.0
_KEEP_MOST = 64
_PIECE = 256 << 10


class Patience(NamedTuple):
    """Seconds to wait for a connection, and for each piece of what is sent and answered."""

    connecting: float = 10.0
    silence: float = 30.0


class Answer(NamedTuple):
    """What was answered; `headers` have names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Kept(NamedTuple):
    origin: str
    connection: http.client.HTTPConnection
    since: float


class Wire:
    """Connections to any number of origins, such as `https://s3.eu-central-1.amazonaws.com`.

    A bucket may be an origin of its own, so what is kept is bounded for all of them together.
    """

    def __init__(self, patience: Patience = Patience()) -> None:  # noqa: B008 - a value
        self._patience = patience
        self._lock = threading.Lock()
        self._kept: list[_Kept] = []
        self._tls: ssl.SSLContext | None = None

    def stream(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | bytearray | memoryview = b"",
    ) -> "Streaming":
        """Send a request and return the answer's head; `Streaming.close` must follow."""
        while True:
            connection = self._take(origin)
            is_fresh = connection.sock is None
            try:
                if is_fresh:
                    connection.timeout = self._patience.connecting
                    connection.connect()
                    connection.sock.settimeout(self._patience.silence)
                connection.request(method, target, *_spelled(headers, body))
                response = connection.getresponse()
            except _FAILURES as error:
                connection.close()
                if is_fresh or not isinstance(error, ConnectionError):
                    raise _unavailable(error) from error
                continue
            except BaseException:
                connection.close()
                raise
            return Streaming(self, origin, connection, response)

    def close(self) -> None:
        """Close all connections that are not in use."""
        with self._lock:
            kept, self._kept = self._kept, []
        for each in kept:
            each.connection.close()

    def give_back(self, origin: str, connection: http.client.HTTPConnection) -> None:
        """Keep a connection whose answer was read to its end."""
        with self._lock:
            self._kept.append(_Kept(origin, connection, time.monotonic()))
            dropped = self._drop_old()
        for each in dropped:
            each.connection.close()

    def _take(self, origin: str) -> http.client.HTTPConnection:
        """The connection that was used last, or a new one that is not yet connected."""
        with self._lock:
            dropped = self._drop_old()
            of_it = [each for each in self._kept if each.origin == origin]
            if of_it:
                self._kept.remove(of_it[-1])
        for each in dropped:
            each.connection.close()
        return of_it[-1].connection if of_it else self._new(origin)

    def _drop_old(self) -> list[_Kept]:
        """Keep those that were used last, and not long ago; the others, to be closed."""
        since = time.monotonic() - _KEEP_SECONDS
        young = [each for each in self._kept if each.since > since][-_KEEP_MOST:]
        dropped, self._kept = self._kept[: len(self._kept) - len(young)], young
        return dropped

    def _new(self, origin: str) -> http.client.HTTPConnection:
        parts = urlsplit(origin)
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.netloc)
        with self._lock:
            self._tls = self._tls or ssl.create_default_context()
        return http.client.HTTPSConnection(parts.netloc, context=self._tls)


class Streaming:
    """An answer whose body is read piece by piece."""

    def __init__(
        self,
        wire: Wire,
        origin: str,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
    ) -> None:
        self._wire = wire
        self._origin = origin
        self._connection = connection
        self._response = response
        self._is_closed = False
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    def all(self) -> Answer:
        """The whole answer; closes it."""
        try:
            return Answer(self.status, self.headers, self.read(_LONGEST_ANSWER))
        finally:
            self.close()

    def read(self, most: int) -> bytes:
        """The next bytes, fewer than `most` only at the end. Raises `StoreUnavailable`.

        An answer that ends before its announced length has broken off.
        """
        pieces = bytearray()
        try:
            while len(pieces) < most:
                piece = self._response.read(most - len(pieces))
                if not piece:
                    break
                pieces += piece
            # A read that is told how much to read does not complain of what is missing.
            if len(pieces) < most and self._response.length:
                raise StoreUnavailable("The store's answer broke off.")
        except _FAILURES as error:
            raise _unavailable(error) from error
        return bytes(pieces)

    def close(self) -> None:
        """Keep the connection where the answer was read to its end, and close it elsewhere.

        May be called again: the connection may be somebody else's by then, and is left alone.
        """
        if self._is_closed:
            return
        self._is_closed = True
        is_whole = self._response.isclosed() and not self._response.length
        if is_whole and not self._response.will_close:
            self._wire.give_back(self._origin, self._connection)
            return
        with suppress(OSError):
            self._response.close()
        self._connection.close()

    def answers_range(self, start: int) -> bool:
        """Whether the body begins at `start`, as it was asked for."""
        if self.status == 206:
            return self.headers.get("content-range", "").startswith(f"bytes {start}-")
        return start == 0


def _spelled(
    headers: Mapping[str, str], body: bytes | bytearray | memoryview
) -> tuple[Iterator[memoryview] | None, dict[str, str]]:
    """The body in pieces, each of which has its own time, and the headers that tell its length."""
    if not body:
        return None, dict(headers)
    view = memoryview(body)
    pieces = (view[at : at + _PIECE] for at in range(0, len(view), _PIECE))
    told = {"content-length": str(len(view))}
    return pieces, told | {name.lower(): value for name, value in headers.items()}


def _unavailable(error: BaseException) -> StoreUnavailable:
    match error:
        case TimeoutError():
            return StoreUnavailable("The store did not answer in time.")
        case ssl.SSLError():
            return StoreUnavailable("The encrypted connection to the store failed.")
        case socket.gaierror():
            return StoreUnavailable("The store's host name is not known, or nobody says so.")
        case _:
            return StoreUnavailable("The connection to the store failed, or broke off.")
