"""Connections to clouds: kept within bounds, nobody's twice, and with patience for each piece."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cella.store.wire import Patience, Wire

SLOWLY = 0.05
"""Seconds between two pieces that the slow server takes; many of them make more than `PATIENT`."""

PATIENT = 0.5


class Handler(BaseHTTPRequestHandler):
    """Answers with what was sent, and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """Tell how many bytes came."""
        length = int(self.headers["Content-Length"])
        told = str(len(self.rfile.read(length))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class Server(ThreadingHTTPServer):
    """Counts the connections that it has taken."""

    taken = 0

    def get_request(self) -> tuple[socket.socket, object]:
        """Take one more."""
        self.taken += 1
        return super().get_request()


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """Origins of their own."""
    with ExitStack() as stack:
        found = []
        for _ in range(3):
            server = stack.enter_context(Server(("127.0.0.1", 0), Handler))
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            found.append(server)
        yield found


def origin(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def put(wire: Wire, server: Server, body: bytes) -> int:
    return int(wire.stream("PUT", origin(server), "/", {}, body).all().body)


@pytest.mark.parametrize("length", [1, 256 << 10, (256 << 10) + 1, 3 << 20])
def test_a_body_arrives_as_a_whole(servers: list[Server], length: int) -> None:
    with closing(Wire()) as wire:
        assert put(wire, servers[0], bytes(length)) == length


def test_a_connection_is_used_again(servers: list[Server]) -> None:
    with closing(Wire()) as wire:
        for _ in range(5):
            put(wire, servers[0], b"x")
        assert servers[0].taken == 1


def test_an_answer_that_is_closed_again_gives_nothing_away(servers: list[Server]) -> None:
    with closing(Wire()) as wire:
        first = wire.stream("PUT", origin(servers[0]), "/", {}, b"x")
        first.read(100)
        first.close()
        second = wire.stream("PUT", origin(servers[0]), "/", {}, b"xx")
        first.close()
        third = wire.stream("PUT", origin(servers[0]), "/", {}, b"xxx")
        assert (second.read(9), third.read(9)) == (b"2", b"3")
        second.close()
        third.close()
        assert servers[0].taken == 2


def test_what_is_kept_is_bounded_for_all_origins_together(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cella.store.wire._KEEP_MOST", 2)
    with closing(Wire()) as wire:
        for server in servers:
            put(wire, server, b"x")
        for server in reversed(servers):
            put(wire, server, b"x")
        assert [server.taken for server in servers] == [2, 1, 1]


def test_each_piece_of_a_long_body_has_its_own_time() -> None:
    """Who takes a body slowly, but goes on taking it, is not given up."""
    body = bytes(16 << 20)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)

        def take() -> None:
            connection, _ = listener.accept()
            with connection:
                pause, left = threading.Event(), len(body)
                while left > 0 and (chunk := connection.recv(min(1 << 20, left))):
                    left -= len(chunk)
                    pause.wait(SLOWLY / 10)
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        thread = threading.Thread(target=take)
        thread.start()
        with closing(Wire(Patience(silence=PATIENT))) as wire:
            port = listener.getsockname()[1]
            answer = wire.stream("PUT", f"http://127.0.0.1:{port}", "/", {}, body).all()
        thread.join()
    assert answer.body == b"ok"
