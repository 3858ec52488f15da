"""S3 that forgets what it is sent: it takes any put, and gives zeros, for measuring who asks it.

Run as a program: it says where it listens, and ends with its standard input. An object is as long
as all that was sent to it.
"""

import sys
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_ZEROS = bytes(1 << 20)
_lengths: dict[str, int] = defaultdict(int)
_finished: set[str] = set()
_lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        path = urlsplit(self.path).path
        if path not in _finished:
            self._answer(404)
            return
        self._answer(200, length=_lengths[path], send=False)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self._answer(200, length=_lengths[path])

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        self._read()
        if parts.query.startswith("uploads"):
            answer = b"<InitiateMultipartUploadResult><UploadId>1</UploadId>"
            self._answer(200, answer + b"</InitiateMultipartUploadResult>")
            return
        _finished.add(parts.path)
        self._answer(200, b"<CompleteMultipartUploadResult/>")

    def do_PUT(self) -> None:
        path = urlsplit(self.path).path
        length = self._read()
        with _lock:
            _lengths[path] += length
        self._answer(200)

    def _read(self) -> int:
        length = left = int(self.headers.get("Content-Length", 0))
        while left:
            left -= len(self.rfile.read(min(left, len(_ZEROS))))
        return length

    def _answer(
        self, status: int, body: bytes = b"", *, length: int | None = None, send: bool = True
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("ETag", '"etag"')
        self.end_headers()
        self.wfile.write(body)
        for offset in range(0, length or 0 if send else 0, len(_ZEROS)):
            self.wfile.write(_ZEROS[: (length or 0) - offset])

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        sys.stdin.read()
        server.shutdown()
