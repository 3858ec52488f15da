"""A Zencoder for tests: a real HTTP server on loopback that speaks version 2 of its API.

https://support.brightcove.com/zencoder-api-jobs and -notifications. It "encodes" by copying, and
calls back when it is told to, as often and in whatever order a test wants.
"""

import asyncio
import copy
import hashlib
import itertools
import json
import re
import threading
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit

import httpx
from tests.support.providers import Asked, LocalServer, Reply, json_reply

from cella.store.contract import Store

API_KEY = "an api key of tests"
SECRET = "a secret of notifications"
SECRET_HEADER = "X-Zencoder-Notification-Secret"

FILM = b"an mp4, as far as anybody here can tell; " * 50_000

_FORMATS = {"mp4", "webm", "ogg", "flv", "mpegts"}
_OUTPUT = {"format", "url", "upscale", "size", "label", "public"}
_ORDER = {"input", "test", "outputs", "notifications", "api_key", "region", "pass_through"}
_SCHEMES = ("http", "https", "s3", "gcs", "cf", "ftp", "sftp")
_SIZE = re.compile(r"[1-9][0-9]*x[1-9][0-9]*")


class Zencoder(LocalServer):
    """The service. `jobs` are by id, each as it tells them itself; `orders` what was asked for.

    `store` is where it reads and writes `gcs://` addresses. `refusal` is what it answers to new
    jobs instead of taking them; `numbered` makes the ids numbers, as Zencoder's are, or texts.
    """

    def __init__(self, store: Store | None = None) -> None:
        self.store = store
        self.jobs: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.films: dict[str, bytes] = {}
        self.cancelled: list[str] = []
        self.refusal: Reply | None = None
        self.numbered = True
        self._ids = itertools.count(9_944_999)
        super().__init__(self._reply)

    @property
    def url(self) -> str:
        """Where its API begins."""
        return f"http://127.0.0.1:{self.port}/api/v2"

    @property
    def settings(self) -> dict[str, Any]:
        """How a service is told about it."""
        return {
            "encoding_backend": "zencoder",
            "zencoder_api_key": API_KEY,
            "zencoder_notifications_secret": SECRET,
            "zencoder_url": self.url,
            "outbound_allow": ["127.0.0.1"],
        }

    @property
    def created(self) -> list[str]:
        """The ids of all jobs, in order."""
        return list(self.jobs)

    def finish(
        self, job_id: str, film: bytes = FILM, width: int = 1920, height: int = 1080
    ) -> None:
        """Encode: the film is where the job said, or here, and the job says so."""
        job = self.jobs[job_id]
        for output, wanted in zip(
            job["output_media_files"], self.orders[job_id]["outputs"], strict=True
        ):
            url = wanted.get("url")
            if url is None:
                name = f"/films/{output['id']}.mp4"
                self.films[name] = film
                url = f"http://127.0.0.1:{self.port}{name}"
            else:
                self._put(url, film)
            output |= {
                "url": url,
                "state": "finished",
                "format": "mpeg4",
                "width": width,
                "height": height,
                "file_size_bytes": len(film),
                "md5_checksum": hashlib.md5(film).hexdigest(),
                "video_codec": "h264",
            }
        job["input_media_file"] |= {"state": "finished", "duration_in_ms": 100_840}
        job["state"] = "finished"

    def end(self, job_id: str, state: str, message: str | None = None) -> None:
        """Have the job end, or go on, in another way."""
        job = self.jobs[job_id]
        job["state"] = state
        for output in job["output_media_files"]:
            output["state"] = state
            if message is not None:
                output |= {"error_class": "NoMediaError", "error_message": message}

    def notification(self, job_id: str, **job: Any) -> dict[str, Any]:
        """What it tells of a job; `job` are other members of what is told of the job itself."""
        known = copy.deepcopy(self.jobs[job_id])
        outputs = known.pop("output_media_files")
        for output in outputs:
            if "file_size_bytes" in output:
                output["file_size_in_bytes"] = output.pop("file_size_bytes")
        source = known.pop("input_media_file")
        return {"job": {**known, **job}, "input": source, "outputs": outputs}

    def call_back(self, job_id: str, to: str, **job: Any) -> httpx.Response:
        """Tell `to` of a job, with the secret."""
        return httpx.post(
            to,
            json=self.notification(job_id, **job),
            headers={SECRET_HEADER: SECRET},
            timeout=60.0,
            verify=False,
            trust_env=False,
        )

    def fetch(self, job_id: str) -> bytes:
        """The input, fetched as Zencoder does."""
        source = self.orders[job_id]["input"]
        if urlsplit(source).scheme == "gcs":
            return self._get(source)
        return (
            httpx.get(source, timeout=60.0, verify=False, trust_env=False)
            .raise_for_status()
            .content
        )

    def _reply(self, asked: Asked) -> Reply:
        if asked.path.startswith("/films/"):
            film = self.films.get(asked.path)
            return Reply(404) if film is None else Reply(200, film, {"Content-Type": "video/mp4"})
        if asked.headers.get("zencoder-api-key") != API_KEY:
            return json_reply({"errors": ["Invalid API key"]}, 401)
        if (asked.method, asked.path) == ("POST", "/api/v2/jobs"):
            return self.refusal or self._create(asked)
        match = re.fullmatch(r"/api/v2/jobs/(\w+)(/cancel)?\.json", asked.path)
        job = self.jobs.get(match[1]) if match else None
        if match is None or job is None:
            return json_reply({"errors": ["Couldn't find Job"]}, 404)
        if match[2] and asked.method == "PUT":
            self.cancelled.append(match[1])
            if job["state"] not in ("pending", "waiting", "processing"):
                return json_reply({"errors": ["Only jobs under way can be cancelled."]}, 409)
            self.end(match[1], "cancelled")
            return Reply(204)
        return json_reply({"job": job}) if asked.method == "GET" else Reply(405)

    def _create(self, asked: Asked) -> Reply:
        order = json.loads(asked.body) if _is_json(asked) else {}
        errors = list(_errors(order))
        if errors:
            return json_reply({"errors": errors}, 422)
        number = next(self._ids)
        outputs = [
            {"id": number * 10 + at, "label": None, "url": output.get("url"), "state": "waiting"}
            for at, output in enumerate(order["outputs"])
        ]
        known: int | str = number if self.numbered else f"job-{number}"
        self.jobs[str(known)] = {
            "id": known,
            "state": "pending",
            "test": order["test"],
            "pass_through": None,
            "created_at": "2026-11-22T17:38:00Z",
            "input_media_file": {"url": order["input"], "state": "pending"},
            "output_media_files": outputs,
        }
        self.orders[str(known)] = order
        told = [{key: output[key] for key in ("id", "label", "url")} for output in outputs]
        return json_reply({"id": known, "test": order["test"], "outputs": told}, 201)

    def _put(self, url: str, film: bytes) -> None:
        assert self.store is not None

        async def body() -> Any:
            yield film

        _run(self.store.put(_key(url), body(), replace=True))

    def _get(self, url: str) -> bytes:
        store = self.store
        assert store is not None

        async def read() -> bytes:
            return b"".join([block async for block in store.get(_key(url))])

        content: bytes = _run(read())
        return content


def _is_json(asked: Asked) -> bool:
    return asked.headers.get("content-type", "").startswith("application/json")


def _errors(order: dict[str, Any]) -> Any:
    """What is wrong with a job, in the way in which Zencoder says it."""
    for unknown in order.keys() - _ORDER:
        yield f"{unknown} is not a valid setting"
    if urlsplit(str(order.get("input", ""))).scheme not in _SCHEMES:
        yield "Url of input file is invalid"
    if not isinstance(order.get("test"), bool):
        yield "test must be true or false"
    for output in order.get("outputs") or [{}]:
        if output.keys() - _OUTPUT or output.get("format") not in _FORMATS:
            yield "Output file is invalid"
        if "size" in output and _SIZE.fullmatch(output["size"]) is None:
            yield "Output size is invalid"
        if "url" in output and urlsplit(output["url"]).scheme not in _SCHEMES:
            yield "Output url is invalid"


def _key(url: str) -> str:
    parts = urlsplit(url)
    assert parts.scheme == "gcs"
    return parts.netloc + parts.path


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it on a loop of its own, whether or not one runs in this thread."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(work)))
    thread.start()
    thread.join()
    return found[0]
