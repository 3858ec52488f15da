"""What is measured. Each function gives its results; `__main__` runs them all."""

import http
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import sqlalchemy as sa
from PIL import Image
from tests.media.make import photograph

from benchmarks.client import (
    Answer,
    Connection,
    document_in,
    expect,
    id_of,
    send_form,
    send_in_pieces,
)
from benchmarks.report import Result, alternate, timed
from benchmarks.service import Peak, Service, cella, nginx
from cella.catalog import files
from cella.catalog.files import BlobRef
from cella.catalog.tables import files as files_table
from cella.config import load
from cella.db import Database, Tx
from cella.ids import new_blob_root, new_etag, new_id
from cella.media.plan import plan
from cella.model import File, Variation
from cella.store.disk import DiskStore

_GIB = 1 << 30
_ROUNDS = 5
_PATIENCE = 60.0
_IMAGE_ROUNDS = 3
_DOCUMENTS = 100_000
PAGE = 250
"""Documents on a page."""
_LIST_REQUESTS = 400
_RANGES = 4000
_RANGE = 64 << 10
_SMALL_FILES = 500
_SMALL_SIZE = 20_000
_CONNECTIONS = 8
_SWEPT = 20_000
_LENGTH = 9_000_000
_PIECE = 64 << 20
_QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def large_files(folder: Path) -> Iterator[Result]:
    """1 GiB in by a form and out by a link, against nginx's PUT and GET of the same file."""
    source = _gibibyte(folder)
    with cella(folder / "cella") as ours, nginx(folder / "nginx") as theirs, Peak(ours.pid) as peak:
        links: list[str] = []

        def upload() -> float:
            connection = Connection(ours.port, ours.token)
            path = f"/api/storage/stream/{ours.project}"
            seconds = timed(lambda: links.append(id_of(send_form(connection, path, source))))
            _wait_for_md5(connection, links[-1])
            connection.close()
            return seconds

        def put() -> float:
            connection = Connection(theirs.port)
            (theirs.folder / "files" / "f.bin").unlink(missing_ok=True)
            seconds = timed(lambda: expect(connection.put("/f.bin", source), 201))
            connection.close()
            return seconds

        a, b = alternate(_ROUNDS, upload, put)
        yield Result(
            "1 GiB upload by form, hashed and durable / nginx PUT (neither)",
            a / b,
            "×",
            2.0,
            True,
            f"{a:.2f} s and {b:.2f} s, medians of {_ROUNDS}",
        )
        yield Result(
            "server memory meanwhile, peak",
            peak.main / (1 << 20),
            "MiB",
            100,
            True,
            f"{peak.whole / (1 << 20):.0f} MiB with its decoder process",
        )
        yield from _downloads(ours, theirs, links[-1])


def pieces(folder: Path) -> Iterator[Result]:
    """1 GiB that comes in pieces and is made one file, against the same by a form."""
    source = _gibibyte(folder)
    with cella(folder / "cella") as ours, Peak(ours.pid) as peak:

        def sent(send: Callable[[Connection], str]) -> float:
            connection = Connection(ours.port, ours.token)
            ids: list[str] = []
            seconds = timed(lambda: ids.append(send(connection)))
            _wait_for_md5(connection, ids[0])
            connection.close()
            return seconds

        path = f"/api/storage/stream/{ours.project}"
        a, b = alternate(
            _ROUNDS,
            lambda: sent(lambda connection: send_in_pieces(connection, ours.project, source)),
            lambda: sent(lambda connection: id_of(send_form(connection, path, source))),
        )
        yield Result(
            "1 GiB upload in pieces, until the file is there / by form",
            a / b,
            "×",
            None,
            True,
            f"{a:.2f} s and {b:.2f} s, medians of {_ROUNDS}; "
            f"server memory at most {peak.main / (1 << 20):.0f} MiB",
        )


def _gibibyte(folder: Path) -> Path:
    source = folder / "source.bin"
    with source.open("wb") as file, Path("/dev/urandom").open("rb") as chance:
        for _ in range(_GIB >> 20):
            file.write(chance.read(1 << 20))
    return source


def _downloads(ours: Service, theirs: Service, file_id: str) -> Iterator[Result]:
    link = _link(ours, file_id)
    a, b = alternate(
        _ROUNDS,
        lambda: _download(ours.port, link),
        lambda: _download(theirs.port, "/f.bin"),
    )
    yield Result("1 GiB download / nginx", a / b, "×", 1.5, True, f"{a:.2f} s and {b:.2f} s")
    connection = Connection(ours.port)

    def ranges() -> None:
        for number in range(_RANGES):
            start = number * 7919 * 4096 % (_GIB - _RANGE)
            header = f"Range: bytes={start}-{start + _RANGE - 1}\r\n"
            expect(connection.get(link, header, keep=False), http.HTTPStatus.PARTIAL_CONTENT)

    rate = _RANGES / timed(ranges)
    connection.close()
    yield Result("64 KiB ranges on one connection", rate, "/s", 1000, False, f"{_RANGES} ranges")


def previews(folder: Path) -> Iterator[Result]:
    """Six variations of a 24-megapixel JPEG, upload included, against Pillow decoding for each."""
    folder.mkdir(parents=True, exist_ok=True)
    source = photograph(folder / "24mp.jpg", 6000, 4000)
    with cella(folder / "cella") as ours:
        path = f"/api/storage/stream/{ours.project}"

        def upload() -> float:
            connection = Connection(ours.port, ours.token)
            seconds = timed(lambda: id_of(send_form(connection, path, source)))
            connection.close()
            return seconds

        upload()
        a, b = alternate(_IMAGE_ROUNDS, upload, lambda: timed(lambda: _with_pillow(source)))
        connection = Connection(ours.port, ours.token)
        document = document_in(
            connection.get(f"/api/files/{id_of(send_form(connection, path, source))}")
        )
        connection.close()
        if len(document["variations"]) != len(plan(6000, 4000)):
            raise RuntimeError("the previews were not there when the upload was answered")
    yield Result(
        "one full Pillow decode per size / six variations of 24 megapixels, upload included",
        b / a,
        "×",
        6,
        False,
        f"{b:.2f} s and {a:.2f} s",
    )


def _with_pillow(source: Path) -> None:
    for wanted in plan(6000, 4000):
        with Image.open(source) as picture:
            picture.load()
            small = picture.convert("RGB").resize(
                (wanted.width, wanted.height), Image.Resampling.LANCZOS
            )
            small.save(BytesIO(), "JPEG", quality=90)


def lists(folder: Path) -> Iterator[Result]:
    """250 documents with all their links from a catalogue of 100 000, by page number."""
    with cella(folder / "cella") as ours:
        fill(ours, _DOCUMENTS)
        connection = Connection(ours.port, ours.token)
        where = quote(json.dumps({"project": ours.project}))
        base = f"/api/files?where={where}&sort=-_created&max_results={PAGE}"
        last = _DOCUMENTS // PAGE

        def read(page: int) -> Answer:
            return expect(connection.get(f"{base}&page={page}"), 200)

        if len(document_in(read(last))["_items"]) != PAGE:
            raise RuntimeError("the page is not full")
        first_seconds, deep_seconds = alternate(
            _ROUNDS,
            lambda: timed(lambda: [read(1) for _ in range(_LIST_REQUESTS)]),
            lambda: timed(lambda: [read(last) for _ in range(_LIST_REQUESTS)]),
        )
        yield Result(
            "250 documents with their links, one connection",
            _LIST_REQUESTS / first_seconds,
            "/s",
            200,
            False,
            f"the first page of {last}, again and again",
        )
        yield Result(
            f"the deep page (number {last}) / the first",
            deep_seconds / first_seconds,
            "×",
            1.1,
            True,
            f"{_LIST_REQUESTS / deep_seconds:.0f} /s",
        )
        every = timed(lambda: [read(page) for page in range(1, last + 1)])
        yield Result(
            "every page of the catalogue in turn, none seen before",
            last / every,
            "/s",
            None,
            False,
            "each page is read once; nothing is remembered from before",
        )
        connection.close()


def small_files(folder: Path) -> Iterator[Result]:
    """500 files of 20 KB on 8 connections, each durable before its answer."""
    with cella(folder / "cella") as ours:
        path = f"/api/storage/stream/{ours.project}"
        body = bytes(range(256)) * (_SMALL_SIZE // 256 + 1)
        shares = [
            _SMALL_FILES // _CONNECTIONS + (n < _SMALL_FILES % _CONNECTIONS)
            for n in range(_CONNECTIONS)
        ]

        def send(count: int) -> None:
            connection = Connection(ours.port, ours.token)
            for _ in range(count):
                id_of(send_form(connection, path, body[:_SMALL_SIZE]))
            connection.close()

        send(20)
        rates = [_SMALL_FILES / timed(lambda: _in_threads(send, shares)) for _ in range(_ROUNDS)]
    yield Result(
        f"files of 20 KB, {_CONNECTIONS} connections, durable",
        statistics.median(rates),
        "/s",
        300,
        False,
        f"{_SMALL_FILES} files, median of {_ROUNDS}, slowest {min(rates):.0f} /s",
    )


def upkeep(folder: Path) -> Iterator[Result]:
    """A sweep of 20 000 blobs on a disk, and 1 GiB read again, against sha256sum."""
    with cella(folder / "cella") as ours:
        fill(ours, _SWEPT)
        key, blobs = f"{ours.project}/_/", DiskStore(ours.folder / "blobs")
        for name in _originals(ours):
            blob = blobs.path(key + name)
            blob.parent.mkdir(parents=True, exist_ok=True)
            blob.touch()
            os.truncate(blob, _LENGTH)
        seconds = timed(lambda: _command(ours, "sweep"))
        yield Result(
            "blobs compared with the catalogue by a sweep",
            _SWEPT / seconds,
            "/s",
            None,
            False,
            f"{_SWEPT} blobs, with the start of the command",
        )
    with cella(folder / "large") as ours:
        connection = Connection(ours.port, ours.token)
        path = f"/api/storage/stream/{ours.project}"
        source = folder / "source.bin"
        with source.open("wb") as file, Path("/dev/urandom").open("rb") as chance:
            for _ in range(_PIECE >> 20):
                file.write(chance.read(1 << 20))
        for _ in range(_GIB // _PIECE):
            _wait_for_md5(connection, id_of(send_form(connection, path, source)))
        connection.close()
        pieces = sorted(str(blob) for blob in (ours.folder / "blobs").rglob("*.bin"))
        a, b = alternate(
            _ROUNDS,
            lambda: timed(lambda: _command(ours, "verify")),
            lambda: timed(lambda: subprocess.run(["sha256sum", *pieces], check=True, **_QUIET)),
        )
    yield Result(
        "1 GiB read again by verify, its start included / sha256sum",
        a / b,
        "×",
        1.5,
        True,
        f"{a:.2f} s and {b:.2f} s, medians of {_ROUNDS}, in {len(pieces)} blobs",
    )


def _originals(service: Service) -> Iterator[str]:
    db = Database(
        load({"CELLA_DATA": str(service.folder)}).database, service.folder / "cella.sqlite"
    )
    db.open()
    try:
        query = sa.select(files_table.c.file_path)
        yield from db.read_now(lambda tx: tx.execute(query).scalars().all())
    finally:
        db.close()


def _command(service: Service, name: str) -> None:
    """Run a command on the service's data to its end, whatever it finds."""
    subprocess.run(
        [sys.executable, "-m", "cella", name],
        env={**os.environ, "CELLA_DATA": str(service.folder)},
        check=False,
        **_QUIET,
    )


MEASURES: dict[str, Callable[[Path], Iterator[Result]]] = {
    "large": large_files,
    "pieces": pieces,
    "previews": previews,
    "lists": lists,
    "small": small_files,
    "upkeep": upkeep,
}


def _in_threads(work: Callable[[int], None], shares: list[int]) -> None:
    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def fill(service: Service, count: int) -> None:
    """Put so many pictures with their previews into the catalogue; they have no bytes."""
    db = Database(
        load({"CELLA_DATA": str(service.folder)}).database, service.folder / "cella.sqlite"
    )
    db.open()
    try:
        for start in range(0, count, 5000):
            made = [_document(service.project, number) for number in range(start, start + 5000)]

            def add(tx: Tx, made: list[File] = made) -> None:
                for file in made:
                    refs = [BlobRef(f"{service.project}/_/{file.file_path}", "")]
                    files.add(tx, file, refs)

            db.write_now(add)
    finally:
        db.close()


def _document(project: str, number: int) -> File:
    root = new_blob_root()
    variations = tuple(
        Variation(
            size=wanted.size,
            content_type="image/jpeg",
            width=wanted.width,
            height=wanted.height,
            length=6000,
            md5=new_etag()[:32],
            sha256=(new_etag() + new_etag())[:64],
            file_path=f"{root}-{wanted.size}.jpg",
            is_public=wanted.is_public,
        )
        for wanted in plan(6000, 4000)
    )
    return File(
        id=new_id(),
        created=1_700_000_000 + number,
        updated=1_700_000_000 + number,
        etag=new_etag(),
        project=project,
        user=new_id(),
        name=f"{root}.jpg",
        filename=f"plate {number:06}.jpg",
        content_type="image/jpeg",
        length=_LENGTH,
        backend="local",
        file_path=f"{root}.jpg",
        status="complete",
        md5=new_etag()[:32],
        sha256=(new_etag() + new_etag())[:64],
        format="jpeg",
        width=6000,
        height=4000,
        variations=variations,
    )


def _wait_for_md5(connection: Connection, file_id: str) -> None:
    """Let the background work on the upload end, so that it weighs on no other measure."""
    deadline = time.monotonic() + _PATIENCE
    while not document_in(connection.get(f"/api/files/{file_id}"))["md5"]:
        if time.monotonic() > deadline:
            raise RuntimeError("the MD5 was not worked out")
        time.sleep(0.05)


def _download(port: int, path: str) -> float:
    connection = Connection(port)
    seconds = timed(lambda: expect(connection.get(path, keep=False), 200))
    connection.close()
    return seconds


def _link(service: Service, file_id: str) -> str:
    connection = Connection(service.port, service.token)
    parts = urlsplit(document_in(connection.get(f"/api/files/{file_id}"))["link"])
    connection.close()
    return f"{parts.path}?{parts.query}"


def room(folder: Path) -> None:
    """Refuse to begin where the disk has no room for it."""
    if shutil.disk_usage(folder).free < 16 * _GIB:
        raise RuntimeError("the benchmarks need 16 GiB of free disk")
