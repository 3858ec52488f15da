"""HTTP/1.1 as it goes over the wire, for what no client library lets one do."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

PATIENCE = 30.0


class Answer(NamedTuple):
    """An answer as received; names of headers are lower-case, repeated ones joined."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._reader = connection.makefile("rb")

    def send(self, text: str | bytes) -> None:
        """Send bytes as they are; line ends of a str become those of HTTP."""
        data = text.replace("\n", "\r\n").encode() if isinstance(text, str) else text
        self.connection.sendall(data)

    def answer(self, *, has_body: bool = True) -> Answer:
        """The next answer, read to the end that its `Content-Length` tells."""
        line = self._reader.readline().decode("latin-1")
        assert line.startswith("HTTP/1.1 "), f"not an answer: {line!r}"
        headers: dict[str, str] = {}
        while field := self._reader.readline().strip().decode("latin-1"):
            name, _, value = field.partition(":")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        status = int(line.split()[1])
        length = int(headers.get("content-length", "0")) if has_body else 0
        return Answer(status, headers, self._reader.read(length))

    def has_come(self, seconds: float) -> bool:
        """Whether anything comes within `seconds`; to be asked before anything was read."""
        return bool(select.select([self.connection], [], [], seconds)[0])

    def read(self, count: int) -> bytes:
        """Up to `count` bytes that have come; nothing at the end of the connection."""
        return self._reader.read1(count)

    def is_over(self) -> bool:
        """Wait for what comes next: whether it is the end of the connection."""
        try:
            return self._reader.read(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()
        self.connection.close()


@contextmanager
def connected(port: int, receive_buffer: int | None = None) -> Iterator[Wire]:
    """A connection to the server on a port of loopback; `receive_buffer` is in bytes."""
    with socket.socket() as connection:
        connection.settimeout(PATIENCE)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", port))
        wire = Wire(connection)
        try:
            yield wire
        finally:
            wire.close()
