"""What is measured of previews and films: the whole service against the bare work."""

import contextlib
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa
from tests.media.make import photograph

from benchmarks.client import Connection, document_in, expect, id_of, send_form
from benchmarks.report import Result, alternate, timed
from benchmarks.service import Service, cella, worker
from cella.config import load
from cella.db import Database
from cella.jobs.tables import jobs
from cella.media import ffmpeg
from cella.media.image.pipeline import make_previews
from cella.media.video.ladder import Rung, ladder

_PHOTOS = 500
_DIFFERENT = 10
_WORKERS = 2
_PATIENCE = 600.0
_LATER = 1e12
_WIDTH, _HEIGHT = 1920, 1080
_SECONDS = 10
_FILM_ROUNDS = 3


def photos(folder: Path) -> Iterator[Result]:
    """Previews of 500 photographs by two workers, against a loop over the same decoder."""
    sources = [
        photograph(folder / f"{number}.jpg", 4000 + 60 * number, 3000 + 45 * number)
        for number in range(_DIFFERENT)
    ]
    with cella(folder / "cella", CELLA_EMBEDDED_WORKER="false") as ours:
        connection = Connection(ours.port, ours.token)
        path = f"/api/storage/stream/{ours.project}"
        prefer = "Prefer: respond-async\r\n"
        for number in range(_PHOTOS):
            source = sources[number % _DIFFERENT]
            expect(connection.post_form(path, source, source.name, prefer), 201)
        connection.close()
        with _database(ours) as db, contextlib.ExitStack() as stack:
            _due_at(db, _LATER)
            for _ in range(_WORKERS):
                stack.enter_context(worker(ours))
            seconds = timed(lambda: _until_done(db))
    bare = timed(lambda: _bare_loop([sources[n % _DIFFERENT] for n in range(_PHOTOS)]))
    yield Result(
        f"previews of {_PHOTOS} photographs, {_WORKERS} workers / bare loops",
        bare / seconds,
        "×",
        0.8,
        False,
        f"{_PHOTOS / seconds:.1f} /s and {_PHOTOS / bare:.1f} /s, of 12 to 16 megapixels each",
    )


def films(folder: Path) -> Iterator[Result]:
    """A film made playable, upload to last byte, against one ffmpeg with the same settings."""
    program = ffmpeg.needed(ffmpeg.find())
    source = folder / "film.mp4"
    _film(program, source)
    with cella(folder / "cella") as ours:
        path = f"/api/storage/stream/{ours.project}"

        def upload() -> float:
            connection = Connection(ours.port, ours.token)
            seconds = timed(lambda: _until_complete(connection, path, source))
            connection.close()
            return seconds

        rungs = ladder(_WIDTH, _HEIGHT)
        a, b = alternate(_FILM_ROUNDS, upload, lambda: _raw(program, source, folder, rungs))
        first = statistics.median(
            _raw(program, source, folder, rungs[:1]) for _ in range(_FILM_ROUNDS)
        )
    what = f"a film of {_SECONDS} s, 1080p24"
    names = ", ".join(rung.name for rung in rungs)
    yield Result(
        f"{what}, all outputs, upload included / one ffmpeg for {names}",
        a / b,
        "×",
        1.25,
        True,
        f"{a:.2f} s and {b:.2f} s, medians of {_FILM_ROUNDS}",
    )
    yield Result(
        f"the same / one ffmpeg for {rungs[0].name} alone",
        a / first,
        "×",
        None,
        True,
        f"{first:.2f} s",
    )


def _film(program: Path, target: Path) -> None:
    moving = f"mandelbrot=size={_WIDTH}x{_HEIGHT}:rate=24,noise=alls=8:allf=t"
    sound = "sine=440:sample_rate=48000"
    _run(
        program,
        *("-f", "lavfi", "-i", moving, "-f", "lavfi", "-i", sound, "-t", str(_SECONDS)),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p"),
        *("-c:a", "aac", str(target)),
    )


def _raw(program: Path, source: Path, folder: Path, rungs: Sequence[Rung]) -> float:
    """Seconds that ffmpeg takes for the rungs: decoded once, with the settings of Cella."""
    heads = "".join(f"[s{at}]" for at in range(len(rungs)))
    scales = [f"[s{at}]scale={rung.width}:{rung.height}[v{at}]" for at, rung in enumerate(rungs)]
    graph = ";".join((f"[0:v]split={len(rungs)}{heads}", *scales))
    outputs: list[str] = []
    for at, rung in enumerate(rungs):
        outputs += ["-map", f"[v{at}]", "-map", "0:a", "-c:v", "libx264", "-preset", "veryfast"]
        outputs += ["-profile:v", "high", "-crf", "21", "-maxrate", f"{rung.kbit}k"]
        outputs += ["-bufsize", f"{2 * rung.kbit}k", "-g", "48", "-sc_threshold", "0"]
        outputs += ["-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "160k", "-ac", "2"]
        outputs += ["-movflags", "+faststart", str(folder / f"{rung.name}.mp4")]
    return timed(lambda: _run(program, "-i", str(source), "-filter_complex", graph, *outputs))


def _run(program: Path, *arguments: str) -> None:
    words = [str(program), "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *arguments]
    subprocess.run(words, check=True)


def _until_complete(connection: Connection, path: str, source: Path) -> None:
    file_id = id_of(send_form(connection, path, source))
    deadline = time.monotonic() + _PATIENCE
    while True:
        document = document_in(connection.get(f"/api/files/{file_id}"))
        if document["status"] == "complete":
            return
        if document["status"] == "failed" or time.monotonic() > deadline:
            raise RuntimeError(f"the film was not made playable: {document.get('processing')}")
        time.sleep(0.05)


def _until_done(db: Database) -> None:
    _due_at(db, time.time())
    deadline = time.monotonic() + _PATIENCE
    count = sa.select(sa.func.count()).select_from(jobs)
    while db.read_now(lambda tx: tx.execute(count).scalar_one()):
        if time.monotonic() > deadline:
            raise RuntimeError("the previews were not made")
        time.sleep(0.05)


def _due_at(db: Database, instant: float) -> None:
    db.write_now(lambda tx: tx.execute(sa.update(jobs).values(run_at=instant)))


@contextlib.contextmanager
def _database(service: Service) -> Iterator[Database]:
    config = load({"CELLA_DATA": str(service.folder)})
    db = Database(config.database, service.folder / "cella.sqlite")
    db.open()
    try:
        yield db
    finally:
        db.close()


def _bare_loop(sources: list[Path]) -> None:
    """The six previews of each picture, one after the other, in as many processes."""
    context = multiprocessing.get_context("spawn")
    shares = [sources[number::_WORKERS] for number in range(_WORKERS)]
    processes = [context.Process(target=_decode_all, args=(share,)) for share in shares]
    for process in processes:
        process.start()
    for process in processes:
        process.join(_PATIENCE)
        if process.exitcode != 0:
            raise RuntimeError("the bare loop failed")


def _decode_all(sources: list[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for source in sources:
            make_previews(source, Path(folder), sys.maxsize)


MEASURES: dict[str, Callable[[Path], Iterator[Result]]] = {"photos": photos, "films": films}
