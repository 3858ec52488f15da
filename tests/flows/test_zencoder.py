"""Films at Zencoder, from the job to the variation, with each of the steps failing."""

import asyncio
import hashlib
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from tests.flows.test_background import all_done, at_work, delete, known, now, stored, upload
from tests.flows.test_receive_faults import House
from tests.support import databases
from tests.support.faults import FailingDatabase
from tests.support.providers import Reply, json_reply
from tests.support.stores import read
from tests.support.zencoder import API_KEY, FILM, SECRET, Zencoder

from cella.catalog import files, projects
from cella.catalog.files import BlobRef
from cella.clock import Clock, ManualClock, SystemClock
from cella.db import Database, Tx
from cella.encoding.config import ZencoderConfig
from cella.encoding.zencoder import Zencoder as Client
from cella.errors import BadRequest, Forbidden, NotFound, Unauthorized
from cella.flows.config import ENCODE, ENCODED, FORGET_PROJECT, PROCESS, ZENCODER_CANCEL
from cella.flows.discard import ForgetProject
from cella.flows.encoded import Encoded
from cella.flows.tend import Tend
from cella.flows.zencoder import (
    ZENCODER_SWEEP,
    CancelAtZencoder,
    EncodeAtZencoder,
    Notified,
    ZencoderSweep,
)
from cella.ids import new_etag
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.jobs.queue import Job
from cella.jobs.retry import MAX_ATTEMPTS
from cella.jobs.runner import Handler
from cella.jobs.tables import jobs
from cella.links.token import Signer
from cella.links.urls import LocalLinks
from cella.model import File, Processing, Variation
from cella.outbound import Outbound, OutboundConfig
from cella.store.checked import CheckedStore
from cella.store.failing import FailingStore, Faults, Mode, each_step
from cella.store.memory import MemoryStore

HOOK = "https://cella.test/api/encoding/zencoder/notifications"
LINKS = LocalLinks("https://cella.test", Signer(["a key of tests that is long enough"]), 3600)
A_JOB = Job(
    id="",
    kind=ZENCODER_SWEEP,
    subject="",
    payload={},
    priority=0,
    run_at=0.0,
    attempts=1,
    max_attempts=5,
    created=0.0,
    error=None,
)


@pytest.fixture(params=["gcs", "local"])
def backend(request: pytest.FixtureRequest) -> str:
    """A store that Zencoder writes into, and one that it cannot reach."""
    found: str = request.param
    return found


@pytest.fixture
def database(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[Database]:
    """Each database once: with one store it is SQLite, with the other PostgreSQL."""
    if backend == "gcs":
        with databases.sqlite(tmp_path) as opened:
            yield opened
    else:
        server: databases.PostgreSQL = request.getfixturevalue("postgresql")
        with server.database() as opened:
            yield opened


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """A house on each database; what its store is made of does not matter here."""
    store = CheckedStore(MemoryStore())
    await store.open()
    house = House(database, store, tmp_path / "scratch")
    house.scratch.open()
    yield house
    house.scratch.close()
    await store.close()


class Studio:
    """A house whose films Zencoder encodes."""

    def __init__(self, house: House, zencoder: Zencoder, outbound: Outbound, backend: str) -> None:
        self.house = house
        self.zencoder = zencoder
        self.backend = backend
        self.clock: Clock = SystemClock()
        self.config = ZencoderConfig(api_key=API_KEY, url=zencoder.url)
        self.client = Client(self.config, outbound)

    def handlers(self, faults: Faults) -> dict[str, Handler]:
        """The handlers, with whatever they touch going wrong after the plan."""
        db = FailingDatabase(self.house.db, faults)
        store = FailingStore(self.house.store, faults)
        client, clock, attempts = self.client, self.clock, 5
        return {
            ENCODE: EncodeAtZencoder(
                db=db,
                client=client,
                spellers={"local": LINKS},
                clock=clock,
                notifications_url=HOOK,
                attempts=attempts,
            ),
            ENCODED: Encoded(
                db=db,
                stores={"local": store, "gcs": store},
                client=client,
                clock=clock,
                config=self.config,
            ),
            ZENCODER_CANCEL: CancelAtZencoder(client=client, clock=clock),
            ZENCODER_SWEEP: ZencoderSweep(
                db=db, client=client, clock=clock, config=self.config, attempts=attempts, batch=2
            ),
        }

    def notified(self, faults: Faults | None = None) -> Notified:
        """What takes notifications."""
        return Notified(
            db=FailingDatabase(self.house.db, faults or Faults()),
            clock=self.clock,
            bell=Bell(),
            wanted=True,
            secret=SECRET,
            attempts=5,
        )

    async def film(self, **fields: Any) -> File:
        """A film that waits to be encoded, with a poster."""
        file = await upload(self.house, b"a film" * 1000, "shot.mov")
        poster = Variation(
            size="poster", content_type="image/jpeg", length=0, file_path=f"{file.name[:32]}-p.jpg"
        )
        fields = {
            "backend": self.backend,
            "status": "processing",
            "content_type": "video/quicktime",
            "variations": (poster,),
            "format": None,
            **fields,
        }
        await self.change(file, **fields)
        # It has its poster, so nothing is left to be done but to encode it.
        await self.house.db.write(partial(queue.cancel_subject, subject=file.id, kinds=[PROCESS]))
        return await now(self.house, file)

    async def change(self, file: File, *refs: BlobRef, **fields: Any) -> None:
        """Write other values into the file's row."""

        def work(tx: Tx) -> None:
            old = files.get(tx, file.id)
            files.replace(tx, old, msgspec.structs.replace(old, etag=new_etag(), **fields), refs)

        await self.house.db.write(work)

    async def put(self, kind: str, subject: str) -> None:
        """Put a job."""
        await self.house.db.write(
            partial(queue.put, kind=kind, subject=subject, now=self.clock.now())
        )

    async def work(self, faults: Faults | None = None) -> None:
        """Do all jobs."""
        async with at_work(self.house, self.handlers(faults or Faults())):
            await all_done(self.house)

    async def encoding(self, **fields: Any) -> tuple[File, str]:
        """A film that Zencoder is busy with, and the id of the job there."""
        file = await self.film(**fields)
        before = len(self.zencoder.created)
        await self.put(ENCODE, file.id)
        await self.work()
        (job_id,) = self.zencoder.created[before:]
        return await now(self.house, file), job_id

    async def tell(self, job_id: str, **job: Any) -> str:
        """Zencoder tells of a job."""
        return await self.notified().take(self.zencoder.notification(job_id, **job))

    async def sweep(self, seconds: float = 3600.0) -> None:
        """The sweep, and what comes of it, so long from now."""
        self.clock = ManualClock(SystemClock().now() + seconds)
        await self.handlers(Faults())[ZENCODER_SWEEP].work(A_JOB, lambda _: None)
        self.clock = SystemClock()
        # The worker knows nothing of that time.
        await self.house.db.write(lambda tx: tx.execute(sa.update(jobs).values(run_at=0)))
        await self.work()

    async def count(self, kind: str) -> int:
        """How many jobs of a kind there are."""
        asked = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.kind == kind)
        found: int = await self.house.db.read(lambda tx: tx.execute(asked).scalar_one())
        return found

    async def check_complete(self, file: File, film: bytes = FILM, size: str = "1080p") -> None:
        """The film is there under its name and nothing is left under another."""
        done = await now(self.house, file)
        assert done.status == "complete", done.processing
        assert done.processing is not None
        assert (done.processing.status, done.processing.error) == ("finished", None)
        main, poster = done.variations
        root = file.name.partition(".")[0]
        assert main == Variation(
            content_type="video/mp4",
            length=len(film),
            file_path=f"{root}-{size}.mp4",
            md5=hashlib.md5(film).hexdigest(),
            sha256=hashlib.sha256(film).hexdigest(),
            size=size,
            format="mp4",
            width=main.width,
            height=main.height,
            duration=100,
        )
        assert poster.size == "poster"
        assert await read(self.house.store, f"{file.bucket}/_/{main.file_path}") == film
        assert await stored(self.house) == await known(self.house)
        stats = await self.house.db.read(lambda tx: projects.stats(tx, self.house.project))
        assert stats.bytes == sum(
            [(await now(self.house, each)).length_aggregate for each in await self.everything()]
        )

    async def everything(self) -> list[File]:
        """All files."""
        ids = await self.house.db.read(
            lambda tx: tx.execute(sa.select(files.COLUMNS[0])).scalars().all()
        )
        return [
            await self.house.db.read(partial(files.get, file_id=each, deleted=True)) for each in ids
        ]


@pytest.fixture
def zencoder(house: House) -> Iterator[Zencoder]:
    """The service, which reads and writes the house's store."""
    made = Zencoder(house.store)
    yield made
    made.stop()


@pytest.fixture
async def studio(backend: str, house: House, zencoder: Zencoder) -> AsyncIterator[Studio]:
    """A studio whose store Zencoder writes into (`gcs`), or cannot reach."""
    outbound = Outbound(OutboundConfig(allow=frozenset({"127.0.0.1"})))
    outbound.open()
    yield Studio(house, zencoder, outbound, backend)
    await outbound.close()


# --- The job ---


async def test_the_job_is_that_of_the_original(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    order = studio.zencoder.orders[job_id]
    root = file.name.partition(".")[0]
    output: dict[str, Any] = {"format": "mp4", "upscale": False}
    source = order["input"]
    if studio.backend == "gcs":
        place = f"gcs://{studio.house.project}/_/{root}"
        output["url"] = f"{place}-mp4.mp4"
        assert source == f"{place}.mov"
        assert studio.zencoder.fetch(job_id) == b"a film" * 1000
    else:
        assert source.startswith("https://cella.test/api/storage/file/")
        assert "&signature=" in source
    assert order == {"input": source, "test": False, "outputs": [output], "notifications": HOOK}
    assert file.status == "processing"
    assert file.format == "quicktime"
    assert file.processing == Processing(status="pending", backend="zencoder", job_id=job_id)
    assert file.variations[0] == Variation(
        format="mp4",
        content_type="video/mp4",
        file_path=f"{root}-mp4.mp4",
        size="",
        duration=0,
        width=0,
        height=0,
        length=0,
    )
    assert file.variations[1].size == "poster"


async def test_a_known_size_is_told_capped(studio: Studio) -> None:
    _, job_id = await studio.encoding(width=4096, height=2160)
    assert studio.zencoder.orders[job_id]["outputs"][0]["size"] == "1920x1008"


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_one_job_is_made_whatever_step_fails(studio: Studio, mode: Mode) -> None:
    """A second attempt finds the id that the first one kept, or the document that tells it."""
    for faults in each_step(mode=mode):
        file = await studio.film()
        before = len(studio.zencoder.created)
        await studio.put(ENCODE, file.id)
        await studio.work(faults)
        (job_id,) = studio.zencoder.created[before:]
        done = await now(studio.house, file)
        assert done.processing == Processing(status="pending", backend="zencoder", job_id=job_id)
    assert faults.calls == 2


async def test_an_id_that_was_kept_is_used(studio: Studio) -> None:
    """As after a kill -9 between the answer and the end of the attempt."""
    file = await studio.film()
    await studio.house.db.write(
        partial(queue.put, kind=ENCODE, subject=file.id, payload={"zencoder_job": "77"}, now=1.0)
    )
    await studio.work()
    assert studio.zencoder.created == []
    done = await now(studio.house, file)
    assert done.processing == Processing(status="pending", backend="zencoder", job_id="77")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 503])
async def test_a_job_that_is_not_taken_is_tried_again_and_then_failed(
    studio: Studio, status: int
) -> None:
    studio.zencoder.refusal = json_reply({"errors": ["Your plan has run out."]}, status)
    file = await studio.film()
    await studio.put(ENCODE, file.id)
    await studio.work()
    done = await now(studio.house, file)
    assert done.status == "failed"
    reason = f"Zencoder does not take the film: Your plan has run out ({status})."
    assert done.processing == Processing(status="failed", backend="zencoder", error=reason)
    assert studio.zencoder.paths.count("/api/v2/jobs") == MAX_ATTEMPTS


@pytest.mark.parametrize("status", [422, 429])
async def test_a_job_that_was_refused_for_a_while_is_done_in_the_end(
    studio: Studio, status: int
) -> None:
    studio.zencoder.refusal = json_reply({"errors": ["Slow down."]}, status)
    file = await studio.film()
    await studio.put(ENCODE, file.id)
    async with at_work(studio.house, studio.handlers(Faults())):
        await _until(lambda: len(studio.zencoder.asked) >= 2)
        studio.zencoder.refusal = None
        await all_done(studio.house)
    done = await now(studio.house, file)
    assert done.status == "processing"
    assert done.processing is not None
    assert (done.processing.status, done.processing.error) == ("pending", None)


async def test_a_zencoder_that_is_away_ends_in_failed(studio: Studio) -> None:
    studio.zencoder.stop()
    file = await studio.film()
    await studio.put(ENCODE, file.id)
    await studio.work()
    done = await now(studio.house, file)
    assert done.status == "failed"
    assert done.processing is not None
    assert "cannot be reached" in str(done.processing.error)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"id":null}', b'{"id":"../1"}', b"[" * 100_000]
)
async def test_an_answer_that_is_none_ends_in_failed(studio: Studio, body: bytes) -> None:
    studio.zencoder.refusal = Reply(201, body)
    file = await studio.film()
    await studio.put(ENCODE, file.id)
    await studio.work()
    done = await now(studio.house, file)
    assert done.status == "failed"
    assert done.processing is not None
    assert "does not tell the job" in str(done.processing.error)


async def test_a_file_that_was_deleted_meanwhile_is_cancelled_there(studio: Studio) -> None:
    file = await studio.film()
    await studio.put(ENCODE, file.id)
    stalled = Faults(1, only="write", mode="stall")
    async with at_work(studio.house, studio.handlers(stalled)):
        await stalled.stalled.wait()
        await delete(studio.house, file, grace=3600)
        stalled.release()
        await _until(lambda: bool(studio.zencoder.cancelled))
    assert studio.zencoder.cancelled == studio.zencoder.created


async def test_a_job_that_is_cancelled_while_it_is_made_is_cancelled_there(
    studio: Studio,
) -> None:
    file = await studio.film()
    job = msgspec.structs.replace(A_JOB, kind=ENCODE, subject=file.id)
    handler = studio.handlers(Faults())[ENCODE]
    studio.zencoder.hold()
    attempt = asyncio.create_task(handler.work(job, lambda _: None))
    await _until(lambda: bool(studio.zencoder.asked))
    attempt.cancel()
    studio.zencoder.release()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    await studio.house.db.write(lambda tx: handler.cancelled(tx, job))
    await studio.work()
    # Twice, as nobody holds the job in the queue: telling it again does no harm.
    assert set(studio.zencoder.cancelled) == set(studio.zencoder.created)
    assert studio.zencoder.created
    done = await now(studio.house, file)
    assert done.status == "failed"
    assert done.processing is not None
    assert done.processing.status == "cancelled"


async def test_a_film_is_tried_again_by_hand(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id)
    await studio.tell(job_id)
    only = "copy" if studio.backend == "gcs" else "put"
    await studio.work(Faults(1, only=only, lasting=True))
    assert (await now(studio.house, file)).status == "failed"
    tend = Tend(
        db=studio.house.db, handlers=studio.handlers(Faults()), clock=studio.clock, attempts=5
    )
    assert await asyncio.to_thread(tend.retry_all, ENCODED) == 1
    assert (await now(studio.house, file)).status == "processing"
    await studio.work()
    await studio.check_complete(file)


# --- What is told ---


@pytest.mark.parametrize("numbered", [True, False])
async def test_a_finished_film_becomes_the_file_s_own(studio: Studio, numbered: bool) -> None:
    studio.zencoder.numbered = numbered
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id)
    assert await studio.tell(job_id) == "taken"
    await studio.work()
    await studio.check_complete(file)


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(640, 360, "480p"), (1280, 720, "720p"), (3840, 2160, "UHD"), (608, 1080, "1080p")],
)
async def test_a_film_is_named_after_its_size(
    studio: Studio, width: int, height: int, size: str
) -> None:
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id, b"film", width, height)
    await studio.tell(job_id)
    await studio.work()
    await studio.check_complete(file, b"film", size)


@pytest.mark.parametrize("mode", ["before", pytest.param("after", marks=pytest.mark.drill)])
async def test_a_film_is_taken_over_whatever_step_fails(studio: Studio, mode: Mode) -> None:
    """One failure of any step costs a retry; afterwards the film is there, and nothing else."""
    failed = 0
    for faults in each_step(mode=mode):
        file, job_id = await studio.encoding()
        studio.zencoder.finish(job_id, b"a film of two blocks" * 100_000)
        await studio.tell(job_id)
        await studio.work(faults)
        await studio.check_complete(file, b"a film of two blocks" * 100_000)
        failed += faults.fired
    assert failed >= 5


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_a_notification_that_was_not_answered_is_taken_the_next_time(
    studio: Studio, mode: Mode
) -> None:
    """As Zencoder does where an answer is lost: it tells again, and one job comes of it."""
    for faults in each_step(mode=mode):
        file, job_id = await studio.encoding()
        studio.zencoder.finish(job_id)
        told = studio.zencoder.notification(job_id)
        try:
            await studio.notified(faults).take(told)
        except Exception:
            assert await studio.notified().take(told) == "taken"
        assert await studio.count(ENCODED) == 1
        await studio.work()
        await studio.check_complete(file)


async def test_a_notification_that_comes_again_changes_nothing(studio: Studio) -> None:
    """Fault 16: the original renamed the film to its own name, and so deleted it."""
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id)
    assert await studio.tell(job_id) == "taken"
    assert await studio.tell(job_id) == "taken"
    assert await studio.count(ENCODED) == 1
    await studio.work()
    before = await now(studio.house, file)
    for _ in range(2):
        assert await studio.tell(job_id) == "taken"
        assert await studio.count(ENCODED) == 0
        await studio.work()
    assert await now(studio.house, file) == before
    await studio.check_complete(file)


async def test_many_at_once_are_taken_once(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id)
    said = await asyncio.gather(*(studio.tell(job_id) for _ in range(20)))
    assert set(said) == {"taken"}
    assert await studio.count(ENCODED) == 1
    await studio.work()
    await studio.check_complete(file)


async def test_a_film_that_has_its_name_already_stays(studio: Studio) -> None:
    """Fault 16, where the document comes from the original, which had renamed the film."""
    file, job_id = await studio.encoding()
    root = file.name.partition(".")[0]
    name = f"{root}-1080p.mp4"
    studio.zencoder.finish(job_id)
    key = f"{file.bucket}/_/{name}"

    async def body() -> AsyncIterator[bytes]:
        yield FILM

    await studio.house.store.put(key, body(), replace=True)
    if studio.backend == "gcs":
        await studio.house.store.delete(f"{file.bucket}/_/{root}-mp4.mp4")
    main, poster = file.variations
    renamed = msgspec.structs.replace(main, file_path=name, size="1080p")
    await studio.change(file, BlobRef(key, "1080p"), variations=(renamed, poster))
    await studio.tell(job_id)
    await studio.work()
    await studio.check_complete(file)


async def test_outputs_find_the_variation_of_their_format_and_width(studio: Studio) -> None:
    """Fault 15: the original compared with a builtin, and always took the first one."""
    file, job_id = await studio.encoding()
    root = file.name.partition(".")[0]
    main, poster = file.variations
    places = [
        msgspec.structs.replace(main, file_path=f"{root}-a.webm", format="webm"),
        msgspec.structs.replace(main, file_path=f"{root}-b.mp4", width=1280, height=720),
        msgspec.structs.replace(main, file_path=f"{root}-c.mp4", width=640, height=360),
    ]
    await studio.change(file, variations=(*places, poster))
    told: list[dict[str, Any]] = []
    for at, (width, kind, name) in enumerate(
        [(640, "mpeg4", "c.mp4"), (1280, "mpeg4", "b.mp4"), (640, "webm", "a.webm")]
    ):
        content = b"film %d" % at
        url = f"{studio.zencoder.url.removesuffix('/api/v2')}/films/{at}"
        studio.zencoder.films[f"/films/{at}"] = content

        async def body(content: bytes = content) -> AsyncIterator[bytes]:
            yield content

        if studio.backend == "gcs":
            await studio.house.store.put(f"{file.bucket}/_/{root}-{name}", body())
        told.append({"format": kind, "width": width, "height": width * 9 // 16, "url": url})
    told.insert(1, {"format": "jpg", "width": 640, "height": 360, "url": "https://a.test/b.jpg"})
    document = studio.zencoder.notification(job_id, state="finished")
    await studio.notified().take({**document, "outputs": told})
    await studio.work()
    done = await now(studio.house, file)
    assert done.status == "complete"
    assert [(item.file_path[33:], item.size, item.width) for item in done.variations[:3]] == [
        ("480p.webm", "480p", 640),
        ("720p.mp4", "720p", 1280),
        ("480p.mp4", "480p", 640),
    ]
    contents = [
        await read(studio.house.store, f"{file.bucket}/_/{item.file_path}")
        for item in done.variations[:3]
    ]
    assert contents == [b"film 2", b"film 1", b"film 0"]
    assert await stored(studio.house) == await known(studio.house)


@pytest.mark.parametrize(
    "state", ["processing", "pending", "waiting", "done", "assigning", "Finished", "finished "]
)
async def test_only_finished_completes(studio: Studio, state: str) -> None:
    """Fault 17: to the original all that was not `failed` was as good as finished."""
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id)
    try:
        assert await studio.tell(job_id, state=state) == "taken"
    except BadRequest:
        assert state in ("Finished",)
    assert await studio.count(ENCODED) == 0
    done = await now(studio.house, file)
    assert done.status == "processing"
    assert done.processing is not None
    known_state = state in ("processing", "waiting")
    assert done.processing.status == (state if known_state else "pending")
    if not known_state:
        assert done.etag == file.etag


async def test_states_only_go_forward(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    for told, state in [
        ("waiting", "waiting"),
        ("processing", "processing"),
        ("waiting", "processing"),
        ("pending", "processing"),
    ]:
        await studio.tell(job_id, state=told)
        processing = (await now(studio.house, file)).processing
        assert processing is not None
        assert processing.status == state


async def test_a_failed_job_fails_the_file_with_its_reason(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    studio.zencoder.end(job_id, "failed", "The file has no video.")
    assert await studio.tell(job_id) == "failed"
    done = await now(studio.house, file)
    assert done.status == "failed"
    assert done.processing == Processing(
        status="failed",
        backend="zencoder",
        job_id=job_id,
        error="Zencoder could not encode the film: The file has no video.",
    )
    assert await studio.tell(job_id) == "failed"
    assert await now(studio.house, file) == done


async def test_a_cancelled_job_fails_the_file(studio: Studio) -> None:
    """Fault 17: the original completed it."""
    file, job_id = await studio.encoding()
    studio.zencoder.end(job_id, "cancelled")
    assert await studio.tell(job_id) == "taken"
    done = await now(studio.house, file)
    assert done.status == "failed"
    assert done.processing is not None
    assert done.processing.status == "cancelled"


STATES = ("pending", "waiting", "processing", "finished", "failed", "cancelled", "odd")


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_settles_with_the_first_that_ends(studio: Studio, seed: int) -> None:
    """What is told late, twice or out of order changes nothing that has settled."""
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id)
    told = random.Random(seed).choices(STATES, k=12)
    for state in told:
        await studio.tell(job_id, state=state)
    await studio.work()
    ending = next((state for state in told if state in STATES[3:6]), None)
    done = await now(studio.house, file)
    assert done.processing is not None
    if ending == "finished":
        await studio.check_complete(file)
    else:
        assert done.status == ("failed" if ending else "processing")
        assert ending is None or done.processing.status == ending


async def test_a_job_of_nobody_is_not_found(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    other = {"job": {"id": 4112, "state": "finished"}, "outputs": []}
    with pytest.raises(NotFound):
        await studio.notified().take(other)
    await delete(studio.house, file, grace=3600)
    with pytest.raises(NotFound):
        await studio.tell(job_id)
    local = await studio.film(processing=Processing(status="pending", job_id="55"))
    with pytest.raises(NotFound):
        await studio.notified().take({"job": {"id": 55, "state": "failed"}})
    assert (await now(studio.house, local)).status == "processing"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"job": None},
        {"job": {"id": 1}},
        {"job": {"id": 1.5, "state": "finished"}},
        {"job": {"id": "a/b", "state": "finished"}},
        {"job": {"id": 1, "state": 2}},
        {"job": {"id": 1, "state": "finished"}, "outputs": 3},
        {"job": {"id": 1, "state": "finished"}, "outputs": [{"format": "mp4", "width": -1}]},
        {"job": {"id": 1, "state": "finished"}, "input": {"duration_in_ms": "long"}},
    ],
)
async def test_what_is_no_notification_is_refused(studio: Studio, document: Any) -> None:
    with pytest.raises(BadRequest):
        await studio.notified().take(document)


# --- What was told and is not so ---


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"file_size_in_bytes": 1}, ""),
        ({"md5_checksum": "0" * 32}, "The film has another MD5 than Zencoder told."),
    ],
)
async def test_a_film_that_is_not_the_one_that_was_told_fails(
    studio: Studio, changed: dict[str, Any], reason: str
) -> None:
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id)
    told = studio.zencoder.notification(job_id)
    told["outputs"][0] |= changed
    await studio.notified().take(told)
    await studio.work()
    done = await now(studio.house, file)
    assert done.status == "failed"
    assert done.processing is not None
    assert done.processing.status == "failed"
    assert reason in str(done.processing.error)
    assert done.processing.error


@pytest.mark.parametrize("outputs", [[], [{"format": "jpg"}], [{"format": "webm", "width": 640}]])
async def test_a_job_without_a_film_fails(studio: Studio, outputs: list[Any]) -> None:
    file, job_id = await studio.encoding()
    await studio.notified().take({"job": {"id": job_id, "state": "finished"}, "outputs": outputs})
    await studio.work()
    done = await now(studio.house, file)
    assert done.status == "failed"
    assert done.processing is not None
    assert "no film that was wanted" in str(done.processing.error)


async def test_an_output_that_failed_fails_the_file(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    studio.zencoder.end(job_id, "failed", "Cannot write to the bucket")
    await studio.tell(job_id, state="finished")
    await studio.work()
    done = await now(studio.house, file)
    assert done.status == "failed"
    assert done.processing is not None
    assert "Cannot write to the bucket" in str(done.processing.error)


async def test_a_film_that_is_nowhere_is_looked_for_and_then_failed(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id)
    studio.zencoder.films.clear()
    for key in await stored(studio.house) - await known(studio.house):
        await studio.house.store.delete(key)
    await studio.tell(job_id)
    await studio.work()
    done = await now(studio.house, file)
    assert done.status == "failed"
    assert done.processing is not None
    assert done.processing.error


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "file:///etc/passwd", "", "x"])
async def test_a_film_is_fetched_from_the_open_internet_only(studio: Studio, url: str) -> None:
    if studio.backend == "gcs":
        pytest.skip("Nothing is fetched there.")
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id)
    told = studio.zencoder.notification(job_id)
    told["outputs"][0]["url"] = url
    await studio.notified().take(told)
    await studio.work()
    assert (await now(studio.house, file)).status == "failed"


async def test_a_store_that_stays_away_ends_in_failed(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id)
    await studio.tell(job_id)
    only = "copy" if studio.backend == "gcs" else "put"
    await studio.work(Faults(1, only=only, lasting=True))
    done = await now(studio.house, file)
    assert done.status == "failed"
    assert done.processing is not None
    assert done.processing.error == "The store did not answer: a drill is going on."


async def test_a_file_that_is_deleted_while_its_film_is_taken_over(studio: Studio) -> None:
    """It stays deleted, and the film goes with it."""
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id)
    await studio.tell(job_id)
    stalled = Faults(1, only="get" if studio.backend == "gcs" else "put", mode="stall")
    async with at_work(studio.house, studio.handlers(stalled)):
        await stalled.stalled.wait()
        await delete(studio.house, file, grace=3600)
        stalled.release()
        await _until_async(lambda: studio.count(ENCODED), 0)
    assert (await now(studio.house, file)).deleted is not None


# --- The sweep ---


async def test_a_notification_that_never_came_is_made_up_for(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    studio.zencoder.finish(job_id)
    await studio.sweep()
    await studio.check_complete(file)


async def test_what_is_young_or_settled_is_not_asked_about(studio: Studio) -> None:
    await studio.encoding()
    _, failed = await studio.encoding()
    await studio.tell(failed, state="failed")
    before = len(studio.zencoder.asked)
    await studio.sweep(60)
    assert len(studio.zencoder.asked) == before
    await studio.sweep()
    assert len(studio.zencoder.asked) == before + 1


async def test_all_of_them_are_asked_about(studio: Studio) -> None:
    """More than one batch has, with some in front that are over, or still go on."""
    found = [await studio.encoding() for _ in range(7)]
    for at, (_, job_id) in enumerate(found):
        if at % 3 == 0:
            studio.zencoder.end(job_id, "processing")
        else:
            studio.zencoder.finish(job_id)
    await studio.sweep()
    for at, (file, _) in enumerate(found):
        done = await now(studio.house, file)
        assert done.processing is not None
        assert done.processing.status == ("finished" if at % 3 else "processing")
        assert done.status == ("complete" if at % 3 else "processing")


async def test_a_job_that_zencoder_has_forgotten_is_failed(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    del studio.zencoder.jobs[job_id]
    await studio.sweep()
    done = await now(studio.house, file)
    assert done.status == "failed"
    assert done.processing == Processing(
        status="failed",
        backend="zencoder",
        job_id=job_id,
        error="Zencoder does not know the job any more.",
    )


async def test_a_zencoder_that_is_away_is_asked_the_next_time(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    studio.zencoder.stop()
    await studio.sweep()
    assert await now(studio.house, file) == file
    studio.zencoder.start()
    studio.zencoder.finish(job_id)
    await studio.sweep()
    await studio.check_complete(file)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"job":{"id":1,"state":"finished"}}'])
async def test_what_cannot_be_read_keeps_nobody_else_waiting(studio: Studio, body: bytes) -> None:
    garbled, job_id = await studio.encoding()
    file, other = await studio.encoding()
    studio.zencoder.finish(other)
    serve = studio.zencoder.reply
    studio.zencoder.reply = lambda asked: Reply(200, body) if job_id in asked.path else serve(asked)
    await studio.sweep()
    await studio.check_complete(file)
    assert await now(studio.house, garbled) == garbled


@pytest.mark.parametrize("is_away", [True, False])
async def test_a_job_of_which_nothing_is_heard_is_given_up(studio: Studio, is_away: bool) -> None:
    file, job_id = await studio.encoding()
    if is_away:
        studio.zencoder.stop()
    await studio.sweep(studio.config.give_up_seconds + 60)
    done = await now(studio.house, file)
    assert done.status == "failed"
    assert done.processing is not None
    assert done.processing.error == "Zencoder has not finished in time."
    assert studio.zencoder.cancelled == ([] if is_away else [job_id])


async def test_the_job_of_a_deleted_file_is_ended(studio: Studio) -> None:
    """Whoever deleted it, and whatever became of what would have told Zencoder."""
    found = [await studio.encoding() for _ in range(3)]
    for file, _ in found[:2]:
        await studio.change(file, deleted=1)
    before = len(studio.zencoder.asked)
    async with at_work(studio.house, studio.handlers(Faults())):
        await studio.put(ZENCODER_SWEEP, "")
        await _until(lambda: len(studio.zencoder.cancelled) == 2)
    assert sorted(studio.zencoder.cancelled) == sorted(job_id for _, job_id in found[:2])
    assert len(studio.zencoder.asked) == before + 2
    async with at_work(studio.house, studio.handlers(Faults())):
        await studio.put(ZENCODER_SWEEP, "")
        await _until_async(lambda: studio.count(ZENCODER_SWEEP), 0)
    assert len(studio.zencoder.cancelled) == 2


async def test_zencoder_is_told_of_a_deleted_file_at_once_and_once(studio: Studio) -> None:
    file, job_id = await studio.encoding()
    await delete(studio.house, file, grace=1e6)
    async with at_work(studio.house, studio.handlers(Faults())):
        await _until_async(lambda: studio.count(ZENCODER_CANCEL), 0)
        assert studio.zencoder.cancelled == [job_id]
        await studio.put(ZENCODER_SWEEP, "")
        await _until_async(lambda: studio.count(ZENCODER_SWEEP), 0)
        await _until_async(lambda: studio.count(ZENCODER_CANCEL), 0)
    assert studio.zencoder.cancelled == [job_id]
    gone = await studio.house.db.read(partial(files.get, file_id=file.id, deleted=True))
    assert gone.processing == Processing(
        status="cancelled", backend="zencoder", job_id=job_id, error="The file was deleted."
    )


async def test_a_zencoder_that_was_away_is_told_of_a_deleted_file_by_the_sweep(
    studio: Studio,
) -> None:
    file, job_id = await studio.encoding()
    studio.zencoder.stop()
    await delete(studio.house, file, grace=1e6)
    given_up = partial(queue.listing, state="dead", kind=ZENCODER_CANCEL, limit=1)
    async with at_work(studio.house, studio.handlers(Faults())):
        await _until_async(lambda: _count(studio.house.db.read(given_up)), 1)
        studio.zencoder.start()
        await studio.put(ZENCODER_SWEEP, "")
        await _until(lambda: bool(studio.zencoder.cancelled))
    assert studio.zencoder.cancelled == [job_id]


async def test_a_project_s_films_are_cancelled_there_when_it_is_forgotten(studio: Studio) -> None:
    found = [await studio.encoding() for _ in range(3)]
    over, _ = found[2]
    await studio.tell(found[2][1], state="failed")
    project = over.project
    assert project is not None

    def work(tx: Tx) -> None:
        old = projects.get(tx, project)
        gone = msgspec.structs.replace(old, deleted=1, etag=new_etag())
        projects.replace(tx, old, gone)

    await studio.house.db.write(work)
    await studio.put(FORGET_PROJECT, project)
    forget = ForgetProject(db=studio.house.db, clock=studio.clock, attempts=5, batch=2)
    async with at_work(studio.house, {**studio.handlers(Faults()), FORGET_PROJECT: forget}):
        await _until_async(lambda: studio.count(FORGET_PROJECT), 0)
        await _until_async(lambda: studio.count(ZENCODER_CANCEL), 0)
    assert sorted(studio.zencoder.cancelled) == sorted(job_id for _, job_id in found[:2])


# --- Who may tell ---


def test_who_does_not_know_the_secret_is_not_heard(house: House) -> None:
    """Fault 8: no default, no exception, and every length of a wrong secret is wrong alike."""
    for wanted, secret in itertools.product((True, False), ("", SECRET, "é" * 20)):
        notified = Notified(
            db=house.db, clock=SystemClock(), bell=Bell(), wanted=wanted, secret=secret, attempts=5
        )
        wrong = Unauthorized if wanted else Forbidden
        for sent in (None, b"", b"x", SECRET.encode() + b"x", b"-SECRET-", b"\xff"):
            with pytest.raises(wrong):
                notified.admit(sent)
        if wanted and secret:
            notified.admit(secret.encode())


async def _until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def _count(rows: Awaitable[Sequence[object]]) -> int:
    return len(await rows)


async def _until_async(told: Any, wanted: object) -> None:
    async with asyncio.timeout(30):
        while await told() != wanted:
            await asyncio.sleep(0.02)
