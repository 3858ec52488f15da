"""An HTTP client that costs next to nothing, so that servers are measured and not clients.

It speaks just enough HTTP/1.1 over one kept-alive connection and sends files with sendfile(2).
"""

import json
import socket
import time
from pathlib import Path
from typing import Any, NamedTuple

_BLOCK = 1 << 20
_BOUNDARY = "----cella-benchmark-7MA4YWxkTrZu0gW"


class Answer(NamedTuple):
    """An answer's status and body; of a large body only the length is kept."""

    status: int
    body: bytes
    length: int


class Connection:
    """One connection to a server on loopback."""

    def __init__(self, port: int, token: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(_BLOCK)
        self._standard = f"Host: 127.0.0.1:{port}\r\n"
        if token:
            self._standard += f"Authorization: Bearer {token}\r\n"

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def get(self, path: str, headers: str = "", *, keep: bool = True) -> Answer:
        """GET; with `keep` false the body is counted and dropped."""
        self._send_head("GET", path, headers)
        return self._receive(keep=keep)

    def put(self, path: str, body: Path | bytes, headers: str = "") -> Answer:
        """PUT a file or some bytes."""
        return self.send("PUT", path, body, headers)

    def send(self, method: str, path: str, body: Path | bytes, headers: str = "") -> Answer:
        """A request with a file or some bytes as its body."""
        size = len(body) if isinstance(body, bytes) else body.stat().st_size
        self._send_head(method, path, f"{headers}Content-Length: {size}\r\n")
        self._send_body(body)
        return self._receive()

    def post_form(self, path: str, body: Path | bytes, filename: str, headers: str = "") -> Answer:
        """POST one file as `multipart/form-data`."""
        head = (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        ).encode()
        tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
        size = len(body) if isinstance(body, bytes) else body.stat().st_size
        self._send_head(
            "POST",
            path,
            f"{headers}Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
            f"Content-Length: {len(head) + size + len(tail)}\r\n",
        )
        self._socket.sendall(head)
        self._send_body(body)
        self._socket.sendall(tail)
        return self._receive()

    def _send_head(self, method: str, path: str, headers: str) -> None:
        self._socket.sendall(f"{method} {path} HTTP/1.1\r\n{self._standard}{headers}\r\n".encode())

    def _send_body(self, body: Path | bytes) -> None:
        if isinstance(body, bytes):
            self._socket.sendall(body)
            return
        with body.open("rb") as file:
            self._socket.sendfile(file)

    def _receive(self, *, keep: bool = True) -> Answer:
        received = b""
        while b"\r\n\r\n" not in received:
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection")
            received += more
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        length = int(headers.get("content-length", "0"))
        body = bytearray(rest)
        count = len(rest)
        while count < length:
            size = self._socket.recv_into(self._buffer)
            if not size:
                raise ConnectionError("the server closed the connection")
            count += size
            if keep:
                body += self._buffer[:size]
        return Answer(int(lines[0].split()[1]), bytes(body), count)


def send_form(connection: Connection, path: str, body: Path | bytes) -> Answer:
    """Upload a file by a form, and have it answered with 201."""
    name = body.name if isinstance(body, Path) else "small.bin"
    return expect(connection.post_form(path, body, name), 201)


def send_in_pieces(connection: Connection, project: str, body: Path) -> str:
    """Upload a file by tus, in one request of which the server makes pieces; the file's id."""
    tus = "Tus-Resumable: 1.0.0\r\n"
    length = f"Upload-Length: {body.stat().st_size}\r\n"
    begun = expect(connection.send("POST", f"/api/uploads/{project}", b"", tus + length), 201)
    path = f"/api/uploads/{project}/{document_in(begun)['_id']}"
    kind = "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\n"
    expect(connection.send("PATCH", path, body, tus + kind), 204)
    while (told := document_in(connection.get(path)))["state"] == "storing":
        time.sleep(0.01)
    return str(told["file"])


def id_of(answer: Answer) -> str:
    """The id of the file that an upload's answer names."""
    return str(document_in(answer)["file_id"])


def document_in(answer: Answer) -> dict[str, Any]:
    """The JSON document in an answer."""
    found: dict[str, Any] = json.loads(answer.body)
    return found


def expect(answer: Answer, status: int) -> Answer:
    """The answer, which has this status."""
    if answer.status != status:
        raise RuntimeError(f"answered {answer.status}: {answer.body[:300]!r}")
    return answer
