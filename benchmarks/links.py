"""Links: how fast they are signed, refreshed, and listed where signing is slow."""

import http.server
import json
import multiprocessing
import os
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.client import Connection, document_in, expect
from benchmarks.measures import PAGE, fill
from benchmarks.report import Result, timed
from benchmarks.service import Service, cella
from cella.errors import CellaError
from cella.ids import new_blob_root, new_id
from cella.links.away import Signs
from cella.links.bunny import BunnyConfig
from cella.links.cdn import CdnConfigs
from cella.links.cdnsun import CdnsunConfig
from cella.links.cloudfront import CloudfrontConfig
from cella.links.nginx import NginxConfig
from cella.links.opening import open_spellers
from cella.links.token import Signer
from cella.links.urls import Linked, Speller
from cella.links.validity import CdnName, LinkConfig
from cella.store.config import AzureConfig, Clouds, GcsConfig, S3Config, StoreConfig
from cella.store.contract import Store
from cella.store.opening import open_stores

_SECONDS = 1.0
_AT_ONCE = 7
_ROUNDS = 5
_DOCUMENTS = 100_000
_LINKS = 7
_SAMPLE = 200
_CDNS: tuple[CdnName, ...] = ("cdnsun", "nginx", "bunny", "cloudfront")


def links(folder: Path) -> Iterator[Result]:
    """Signatures, a refresh of a large catalogue, and pages whose links are slow to sign."""
    yield from _signers(folder)
    yield from _refreshed(folder)
    yield from _listed(folder)


# Signatures


def _signers(folder: Path) -> Iterator[Result]:
    rates: dict[str, float] = {}
    for name, speller in _spellers(folder):
        try:
            rates[name] = _rate(speller)
        except CellaError as error:
            print(f"skipping {name}: {error.message}", file=sys.stderr)
    for name, rate in rates.items():
        yield Result(
            f"links signed by {name}, one thread", rate, "/s", None, False, f"{_AT_ONCE} at a time"
        )


def _spellers(folder: Path) -> Iterator[tuple[str, Speller]]:
    signer = Signer(["a key for the links of benchmarks, long enough"])
    url = "https://cdn.studio.example/media"
    cdns = CdnConfigs(
        bunny=BunnyConfig(url=url, key="k" * 36),
        cdnsun=CdnsunConfig(url=url, key="k" * 36),
        cloudfront=CloudfrontConfig(url=url, key=_pem(), key_pair_id="K1"),
        nginx=NginxConfig(url=url, key="k" * 36),
    )

    def made(config: LinkConfig, stores: dict[str, object], backend: str) -> Speller:
        return open_spellers(config, cdns, stores, "https://cella.studio.example", signer)[backend]

    yield "local", made(LinkConfig(), {"local": object()}, "local")
    for name, store in _stores(folder):
        yield name, made(LinkConfig(), {name: store}, name)
    for cdn in _CDNS:
        yield cdn, made(LinkConfig(link_cdn={"local": cdn}), {"local": object()}, "local")


def _stores(folder: Path) -> Iterator[tuple[str, Store]]:
    """The stores of this version that sign, with keys that nobody has."""
    account = folder / "account.json"
    account.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "studio",
                "private_key_id": "1",
                "private_key": _pem(),
                "client_email": "cella@studio.example",
                "client_id": "1",
                "token_uri": "https://oauth2.googleapis.com/token",
            }
        )
    )
    by_hmac = GcsConfig(credentials=str(account), hmac_access_id="GOOG1", hmac_secret="s" * 40)
    places = {
        "s3": ("s3://bucket", Clouds(s3=S3Config(access_key_id="A", secret_access_key="s" * 40))),
        "azure": (
            "az://container",
            Clouds(azure=AzureConfig(account="studio", account_key="c2VjcmV0" * 8)),
        ),
        "gcs (RSA)": ("gs://bucket", Clouds(gcs=GcsConfig(credentials=str(account)))),
        "gcs (HMAC)": ("gs://bucket", Clouds(gcs=by_hmac)),
    }
    for name, (url, clouds) in places.items():
        try:
            backend, opened = open_stores(StoreConfig(url=url), clouds, folder / "blobs")
        except CellaError as error:
            print(f"skipping {name}: {error.message}", file=sys.stderr)
            continue
        if isinstance(opened[backend], Signs):
            yield name, opened[backend]
        else:
            print(f"skipping {name}: it does not sign", file=sys.stderr)


def _rate(speller: Speller) -> float:
    bucket, root = new_id(), new_blob_root()
    blobs = [Linked(f"{root}-{n}.jpg", "plate 01.jpg", "image/jpeg") for n in range(_AT_ONCE)]
    window = speller.window(time.time())
    speller.signed(bucket, blobs, window)
    done, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < _SECONDS:
        speller.signed(bucket, blobs, window)
        done += _AT_ONCE
    return done / spent


def _pem() -> str:
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


# A refresh


def _refreshed(folder: Path) -> Iterator[Result]:
    with cella(folder / "refreshed") as ours:
        fill(ours, _DOCUMENTS)
        seconds = timed(lambda: _refresh(ours, {}))
        theirs = _as_the_original(ours) / _SAMPLE * _DOCUMENTS
    yield Result(
        "100 000 documents refreshed one after the other, two calls a link and one write a document"
        " / `cella links refresh`",
        theirs / seconds,
        "×",
        10,
        False,
        f"{theirs:.0f} s, scaled from {_SAMPLE} documents with calls over loopback, and "
        f"{seconds:.0f} s for {_DOCUMENTS * _LINKS} links that this server signs",
    )


def _refresh(service: Service, settings: dict[str, str]) -> None:
    command = ["links", "refresh", "--backend", "local", "--chunk", "0", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "cella", *command, "--data", str(service.folder)],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        check=True,
    )
    if json.loads(done.stdout)["refreshed"] == 0:
        raise RuntimeError("there was nothing to refresh")


def _as_the_original(service: Service) -> float:
    """Seconds for a sample of documents as Pillar refreshed them, its signatures left out.

    For each link it asked the store whether the blob is there, and for what it knows of it; then
    it wrote the document. A store that answers at once, on loopback, is the best that it could get.
    """
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_store_that_knows, args=(theirs,))
    process.start()
    try:
        asked = HTTPConnection("127.0.0.1", ours.recv())
        with sqlite3.connect(service.folder / "cella.sqlite", isolation_level=None) as rows:
            rows.execute("PRAGMA synchronous=FULL")
            ids = rows.execute("SELECT id, file_path FROM files LIMIT ?", (_SAMPLE,)).fetchall()

            def refresh() -> None:
                for file_id, path in ids:
                    for number in range(_LINKS):
                        for method in ("HEAD", "GET"):
                            asked.request(method, f"/bucket/_/{path}-{number}")
                            asked.getresponse().read()
                    rows.execute("UPDATE files SET updated = updated + 1 WHERE id = ?", (file_id,))

            return timed(refresh)
    finally:
        process.terminate()
        process.join()


def _store_that_knows(told: Pipe) -> None:
    class Answers(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_HEAD(self) -> None:
            self._answer(b"")

        def do_GET(self) -> None:
            self._answer(b'{"name":"a.jpg","size":"6000","contentType":"image/jpeg"}')

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    told.send(server.server_port)
    server.serve_forever()


# Pages


def _listed(folder: Path) -> Iterator[Result]:
    settings = {
        "CELLA_LINK_CDN": "local=cloudfront",
        "CELLA_CLOUDFRONT_URL": "https://cdn.studio.example",
        "CELLA_CLOUDFRONT_KEY": _pem(),
        "CELLA_CLOUDFRONT_KEY_PAIR_ID": "K1",
        "CELLA_LINK_REFRESH_SECONDS": "0",
    }
    with cella(folder / "listed", **settings) as ours:
        fill(ours, 2 * _ROUNDS * PAGE)
        connection = Connection(ours.port, ours.token)
        where = quote(json.dumps({"project": ours.project}))
        base = f"/api/files?where={where}&sort=-_created&max_results={PAGE}"

        def read(page: int) -> None:
            answer = expect(connection.get(f"{base}&page={page}"), 200)
            if not all(each["link"] for each in document_in(answer)["_items"]):
                raise RuntimeError("a link is missing")

        pages = range(1, _ROUNDS + 1)
        waits: list[float] = []
        with _Waiting(ours.port, waits):
            cold = [timed(lambda page=page: read(page)) for page in pages]  # type: ignore[misc]
        _refresh(ours, settings)
        kept = [timed(lambda page=page: read(_ROUNDS + page)) for page in pages]  # type: ignore[misc]
        again = [timed(lambda page=page: read(page)) for page in pages]  # type: ignore[misc]
        connection.close()
    a, b, c = (statistics.median(each) for each in (cold, kept, again))
    yield Result(
        "250 documents whose links need RSA: signed for the reader / kept before",
        a / b,
        "×",
        5,
        False,
        f"{a:.2f} s and {b:.3f} s, medians of {_ROUNDS} pages that nobody read before; "
        f"{c:.3f} s once somebody did",
    )
    yield Result(
        "the longest wait of another reader meanwhile",
        max(waits) * 1000,
        "ms",
        None,
        True,
        f"{len(waits)} answers of /healthz, median {statistics.median(waits) * 1000:.1f} ms",
    )


class _Waiting:
    """Asks for signs of life, one after the other, while the block runs."""

    def __init__(self, port: int, waits: list[float]) -> None:
        self._stop = threading.Event()
        self._port = port
        self._waits = waits
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        connection = Connection(self._port)
        while not self._stop.wait(0.005):
            self._waits.append(timed(lambda: expect(connection.get("/healthz"), 200)))
        connection.close()


MEASURES: dict[str, Callable[[Path], Iterator[Result]]] = {"links": links}
