"""Google Cloud Storage for tests: gcp-storage-emulator, over HTTP on this machine.

The emulator leaves out things that the store relies on, and that the service documents. They
are added here, so that the tests see whether the store asks for them: preconditions, generations,
offsets and pages of listings, the end of an upload that is given up, who may see what, and many
requests at once. https://cloud.google.com/storage/docs/json_api/v1
"""

import itertools
import logging
import re
import socket
import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any

from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import HANDLERS, Request, RequestHandler, Response
from gcp_storage_emulator.storage import Storage

from cella.store.config import GcsConfig
from cella.store.gcs import GcsStore, make
from cella.store.gcs_service import USUAL, Bounds

for quiet in ("gcp_storage_emulator", "api"):
    logging.getLogger(quiet).setLevel(logging.CRITICAL)


PLAIN = GcsConfig()
_ANYBODY = [{"entity": "allUsers", "role": "READER"}]


class _Memory(Storage):  # type: ignore[misc]
    """The emulator's state. It would write all of it down as JSON at each change."""

    def _write_config_to_file(self) -> None:
        pass


class Emulator:
    """A service on a port of this machine.

    `requests` are the lines of those that came in, and `uploaded` what became of uploads. Listings
    have up to `page` entries a page, copies may take two steps, and the account may lack the
    right to be told of buckets. `trouble` tells what goes wrong with a request: nothing, a status
    such as `503`, `cut before` it is dealt with, `cut after`, `truncate` its answer, or `stall`
    until it `goes_on`. What is uploaded it may have garbled.
    """

    def __init__(self) -> None:
        self.storage = _Memory(use_memory_fs=True)
        self.lock = threading.Lock()
        self.requests: list[str] = []
        self.uploaded: dict[str, dict[str, Any]] = {}
        self.page = 1000
        self.copies_in_steps = False
        self.tells_of_buckets = True
        self.trouble: Callable[[str], str] = lambda _line: ""
        self.goes_on = threading.Event()
        self.garbles = False
        self._numbers = itertools.count()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.emulator = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.daemon = True
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def new_bucket(self, **iam: Any) -> str:
        """A bucket that nobody else uses; `iam` is what its access is like."""
        name = f"test-{next(self._numbers)}"
        bucket = create_bucket(name, self.storage)
        bucket["softDeletePolicy"] = {"retentionDurationSeconds": "0"}
        bucket["iamConfiguration"] |= iam
        return name

    def stop(self) -> None:
        """End it."""
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def gcs_store(
    service: Emulator,
    bucket: str = "",
    prefix: str = "",
    *,
    config: GcsConfig = PLAIN,
    bounds: Bounds = USUAL,
) -> GcsStore:
    """A store at the emulator, in a bucket of its own unless one is named."""
    bucket = bucket or service.new_bucket()
    return make("CELLA_STORE_URL", bucket, prefix, service.url, "EU", config, bounds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    emulator: Emulator

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error."""


class _Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Status(int):
    """What the emulator takes for a status."""

    phrase = "-"

    @property
    def value(self) -> int:
        return int(self)


class _Handler(RequestHandler):  # type: ignore[misc]
    """The emulator's own handlers, with what they lack before, behind, and in their place."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def __init__(self, *args: Any) -> None:
        self._emulator: Emulator = args[2].emulator
        super().__init__(self._emulator.storage, *args)

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, *_: Any) -> None:
        """Nothing: there are thousands."""

    def _answer(self, method: str) -> None:
        request, response = Request(self, method), Response(self)
        self._emulator.requests.append(f"{method} {self.path}")
        _ = request.data
        trouble = self._emulator.trouble(f"{method} {self.path}")
        if trouble == "stall":
            self._emulator.goes_on.wait(60)
        if trouble == "cut before":
            self._hang_up()
            return
        with self._emulator.lock:
            try:
                if trouble.isdecimal():
                    raise _Refusal(int(trouble), "a drill is going on")
                _Call(self._emulator, request, response, method).handle()
            except _Refusal as refusal:
                response.status = _Status(refusal.status)
                response.json({"error": {"code": refusal.status, "message": str(refusal)}})
        if trouble == "cut after":
            self._hang_up()
        elif trouble == "truncate":
            self._say_half(response)
        else:
            response.close()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _say_half(self, response: Response) -> None:
        content = response._content
        self.send_response(int(response.status))
        for name, value in response._headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        self._hang_up()


class _Call:
    """One request, and what it is about."""

    def __init__(
        self, emulator: Emulator, request: Request, response: Response, method: str
    ) -> None:
        self._emulator = emulator
        self._storage = emulator.storage
        self._request = request
        self._response = response
        self._method = method
        self._asked = {name: values[0] for name, values in request.query.items()}

    def handle(self) -> None:
        handlers = self._route()
        request = self._request
        self._bucket = request.params.get("bucket_name", "")
        if self._bucket and self._bucket not in self._storage.buckets:
            raise _Refusal(404, "The specified bucket does not exist.")
        if "upload_id" in self._asked:
            self._go_on_uploading(handlers)
        elif request.path.endswith("/o") and self._method == "POST":
            self._judge_access()
            self._judge(self._bucket, request.data["name"])
            handlers["POST"](request, self._response, self._storage)
        elif "dest_object_id" in request.params:
            self._rewrite(handlers)
        elif request.path.endswith("/o"):
            self._list_objects()
        elif request.path.endswith("/b") and self._method == "GET":
            self._list_buckets()
        elif not request.path.startswith("/storage/") and self._method == "GET":
            self._download()
        else:
            self._look(handlers)

    def _route(self) -> Any:
        for pattern, handlers in HANDLERS:
            match = re.fullmatch(pattern, self._request.path)
            if match:
                self._request.set_match(match)
                return handlers
        raise _Refusal(404, "Not Found")

    def _object(self, bucket: str, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._storage.objects.get(bucket, {}).get(name)
        return found

    def _judge(self, bucket: str, name: str) -> None:
        """Preconditions: https://cloud.google.com/storage/docs/request-preconditions"""
        here = self._object(bucket, name)
        wanted = self._asked.get("ifGenerationMatch")
        if wanted is not None and wanted != (here["generation"] if here else "0"):
            raise _Refusal(412, "At least one of the pre-conditions you specified did not hold.")

    def _judge_access(self) -> None:
        access = self._storage.buckets[self._bucket]["iamConfiguration"]
        if "predefinedAcl" in self._asked and access["uniformBucketLevelAccess"]["enabled"]:
            raise _Refusal(400, "Cannot insert legacy ACL for an object when ... is enabled.")
        if "predefinedAcl" in self._asked and access.get("publicAccessPrevention") == "enforced":
            raise _Refusal(412, "Public access prevention is enforced.")

    def _go_on_uploading(self, handlers: Any) -> None:
        session = self._asked["upload_id"]
        if session in self._emulator.uploaded:
            self._response.json(self._emulator.uploaded[session])
            return
        meant = self._storage.resumable.get(session)
        if meant is None:
            raise _Refusal(410, "there is no such upload any more")
        if self._method == "DELETE":
            del self._storage.resumable[session]
            raise _Refusal(499, "the upload was given up")
        self._judge(self._bucket, meant["name"])
        handlers["PUT" if "PUT" in handlers else "POST"](
            self._request, self._response, self._storage
        )
        if self._response.status == 308 and not self._storage.get_resumable_byte_count(session):
            self._response._headers.pop("Range", None)
        if self._response.status == 200:
            self._uploaded(session, meant)

    def _uploaded(self, session: str, made: dict[str, Any]) -> None:
        told = self._request.get_header("X-Goog-Hash")
        if self._emulator.garbles:
            made["crc32c"] = "AAAAAA=="
        if told is not None and told != f"crc32c={made['crc32c']}":
            self._storage.delete_file(self._bucket, made["name"])
            raise _Refusal(400, "Provided CRC32C doesn't match calculated CRC32C.")
        made["acl"] = _ANYBODY if self._asked.get("predefinedAcl") == "publicRead" else []
        self._emulator.uploaded[session] = made

    def _rewrite(self, handlers: Any) -> None:
        params = self._request.params
        source = self._object(self._bucket, params["object_id"])
        wanted = self._asked.get("sourceGeneration")
        if source is None or (wanted is not None and wanted != source["generation"]):
            raise _Refusal(404, "No such object")
        target = params["dest_bucket_name"], params["dest_object_id"]
        if target[0] not in self._storage.buckets:
            raise _Refusal(404, "The specified bucket does not exist.")
        self._judge(*target)
        if self._emulator.copies_in_steps and "rewriteToken" not in self._asked:
            self._response.json({"done": False, "rewriteToken": "the second step"})
            return
        handlers["POST"](self._request, self._response, self._storage)
        made = self._object(*target)
        assert made is not None
        public = self._asked.get("destinationPredefinedAcl") == "publicRead"
        made["acl"] = _ANYBODY if public else []

    def _list_objects(self) -> None:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/list"""
        prefix, delimiter = self._asked.get("prefix", ""), self._asked.get("delimiter")
        found: dict[str, dict[str, Any] | None] = {}
        for name, one in self._storage.objects.get(self._bucket, {}).items():
            if name.startswith(prefix) and name >= self._asked.get("startOffset", ""):
                head, slash, _ = name[len(prefix) :].partition(delimiter or "\0")
                found[prefix + head + slash if slash else name] = None if slash else one
        names, more = self._page(sorted(found))
        items = [found[name] for name in names if found[name] is not None]
        prefixes = [name for name in names if found[name] is None]
        self._response.json({"items": items, "prefixes": prefixes} | more)

    def _list_buckets(self) -> None:
        if "project" not in self._asked:
            raise _Refusal(400, "Required parameter: project")
        buckets = self._storage.buckets
        prefix = self._asked.get("prefix", "")
        names, more = self._page(sorted(name for name in buckets if name.startswith(prefix)))
        self._response.json({"items": [buckets[name] for name in names]} | more)

    def _page(self, names: list[str]) -> tuple[list[str], dict[str, str]]:
        """What comes after the page before, and how to go on."""
        rest = [name for name in names if name > self._asked.get("pageToken", "")]
        most = min(int(self._asked.get("maxResults", 1000)), self._emulator.page)
        return rest[:most], {"nextPageToken": rest[most - 1]} if len(rest) > most else {}

    def _download(self) -> None:
        name = self._request.params["object_id"]
        here = self._object(self._bucket, name)
        is_api = self._request.path.startswith("/download/")
        if not is_api and "X-Goog-Signature" not in self._asked:
            entities = [one["entity"] for one in here["acl"]] if here else []
            if "allUsers" not in entities:
                raise _Refusal(403, "Anonymous caller does not have storage.objects.get access")
        if here is None or self._asked.get("generation", here["generation"]) != here["generation"]:
            raise _Refusal(404, "No such object")
        content = self._storage.get_file(self._bucket, name)
        span = re.fullmatch(r"bytes=([0-9]+)-([0-9]*)", self._request.get_header("Range", ""))
        if span is not None:
            first, last = int(span[1]), min(int(span[2] or len(content)), len(content) - 1)
            if first >= len(content):
                raise _Refusal(416, "The requested range cannot be satisfied.")
            self._response.status = _Status(206)
            self._response["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            content = content[first : last + 1]
        kind = self._asked.get("response-content-type", here["contentType"])
        disposition = here.get("contentDisposition")
        disposition = self._asked.get("response-content-disposition", disposition)
        if disposition:
            self._response["Content-Disposition"] = disposition
        self._response["X-Goog-Generation"] = here["generation"]
        self._response.write_file(content, kind)

    def _look(self, handlers: Any) -> None:
        """One object or bucket: told, made or removed."""
        is_object = "object_id" in self._request.params
        if self._bucket and not is_object and not self._emulator.tells_of_buckets:
            raise _Refusal(403, "... does not have storage.buckets.get access to the bucket.")
        if self._method == "DELETE" and is_object:
            self._judge(self._bucket, self._request.params["object_id"])
        handlers[self._method](self._request, self._response, self._storage)
        if self._response.status == 404:
            raise _Refusal(404, "No such object")
        if self._method == "POST" and self._request.data.get("iamConfiguration"):
            made = self._storage.buckets[self._request.data["name"]]
            made["iamConfiguration"] |= self._request.data["iamConfiguration"]
