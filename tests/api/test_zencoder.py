"""Films at Zencoder over HTTP: a real service, and a real server that calls it back."""

import hashlib
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.media.films import film
from tests.support.conformance import Described
from tests.support.databases import PostgreSQL
from tests.support.providers import Asked, Reply, json_reply
from tests.support.servers import wait_until
from tests.support.service import ORIGIN, Account, Service, Start, postgresql_database, running
from tests.support.zencoder import API_KEY, FILM, SECRET, SECRET_HEADER, Zencoder

from cella.flows.config import ENCODE, ENCODED
from cella.flows.zencoder import ZENCODER_SWEEP
from cella.jobs import queue

HOOK = "/api/encoding/zencoder/notifications"
OURS = {SECRET_HEADER: SECRET}


@pytest.fixture
def zencoder() -> Iterator[Zencoder]:
    """The service that encodes."""
    made = Zencoder()
    yield made
    made.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def cella(request: pytest.FixtureRequest, tmp_path: Path, zencoder: Zencoder) -> Iterator[Service]:
    """A service on each database whose films Zencoder encodes."""
    if request.param == "sqlite":
        with running(tmp_path, **zencoder.settings) as service:
            yield service
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        with (
            postgresql_database(server) as (_, url),
            running(tmp_path, database_url=url, **zencoder.settings) as service,
        ):
            yield service


def encoding(cella: Service, zencoder: Zencoder) -> tuple[Account, str, str]:
    """A film that Zencoder is busy with: its owner, its id, and the job's."""
    before = len(zencoder.created)
    owner, file_id = uploaded(cella)
    wait_until(lambda: "job_id" in cella.document(owner, file_id)["processing"])
    (job_id,) = zencoder.created[before:]
    return owner, file_id, job_id


def uploaded(cella: Service) -> tuple[Account, str]:
    """A film that was uploaded and has its poster: its owner and its id."""
    owner = cella.account("admin")
    content = source()
    document = cella.upload(owner, cella.project(owner), content, "shot.mov", "video/quicktime")
    return owner, document["_id"]


@cache
def source() -> bytes:
    """A film."""
    with tempfile.TemporaryDirectory() as folder:
        coding = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
        return film(Path(folder) / "shot.mov", 12, "24", *coding).read_bytes()


def test_from_the_job_to_the_film(cella: Service, zencoder: Zencoder) -> None:
    owner, file_id, job_id = encoding(cella, zencoder)
    document = cella.document(owner, file_id)
    assert document["status"] == "processing"
    assert document["processing"] == {
        "status": "pending",
        "job_id": job_id,
        "backend": "zencoder",
    }
    root = document["name"].partition(".")[0]
    film, *pictures = document["variations"]
    assert [each["size"] for each in pictures] == ["poster", *"sbtmlh"]
    assert film["file_path"] == f"{root}-mp4.mp4"
    assert cella.get(film["link"]).status_code == 404
    assert zencoder.fetch(job_id) == source()

    zencoder.finish(job_id)
    answer = zencoder.call_back(job_id, cella.url + HOOK)
    assert (answer.status_code, answer.content) == (204, b"")
    wait_until(lambda: cella.document(owner, file_id)["status"] == "complete")
    document = cella.document(owner, file_id)
    assert document["processing"]["status"] == "finished"
    film, *_ = document["variations"]
    expected = {
        "size": "1080p",
        "format": "mp4",
        "content_type": "video/mp4",
        "file_path": f"{root}-1080p.mp4",
        "width": 1920,
        "height": 1080,
        "duration": 100,
        "length": len(FILM),
        "md5": hashlib.md5(FILM).hexdigest(),
    }
    assert {name: film[name] for name in expected} == expected
    made = len(FILM) + sum(each["length"] for each in pictures)
    assert document["length_aggregate_in_bytes"] == document["length"] + made
    assert cella.get(film["link"]).content == FILM


def test_what_comes_again_or_late_is_answered_alike_and_changes_nothing(
    cella: Service, zencoder: Zencoder
) -> None:
    owner, file_id, job_id = encoding(cella, zencoder)
    zencoder.finish(job_id)
    hook = cella.url + HOOK
    assert zencoder.call_back(job_id, hook).status_code == 204
    wait_until(lambda: cella.document(owner, file_id)["status"] == "complete")
    settled = cella.document(owner, file_id)
    for state, status in (("finished", 204), ("processing", 204), ("cancelled", 204)):
        assert zencoder.call_back(job_id, hook, state=state).status_code == status
    late = zencoder.call_back(job_id, hook, state="failed")
    assert (late.status_code, late.text) == (200, "You failed, but that's okay.")
    cella.wait_until_idle()
    assert cella.document(owner, file_id) == settled


def test_a_failed_job_is_told_by_the_document(cella: Service, zencoder: Zencoder) -> None:
    owner, file_id, job_id = encoding(cella, zencoder)
    zencoder.end(job_id, "failed", "There is no video in it")
    for _ in range(2):
        answer = zencoder.call_back(job_id, cella.url + HOOK)
        assert (answer.status_code, answer.text) == (200, "You failed, but that's okay.")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    document = cella.document(owner, file_id)
    assert document["status"] == "failed"
    assert document["processing"]["status"] == "failed"
    assert document["processing"]["error"] == (
        "Zencoder could not encode the film: There is no video in it."
    )


def test_a_job_of_nobody_is_not_found_but_that_is_okay(cella: Service) -> None:
    answer = cella.request(
        "POST", HOOK, headers=OURS, json={"job": {"id": 4112, "state": "finished"}}
    )
    assert (answer.status_code, answer.text) == (404, "Not found, but that's okay.")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("status", [401, 422])
def test_a_film_whose_job_was_refused_is_tried_again_and_then_failed(
    start: Start, zencoder: Zencoder, status: int
) -> None:
    """Fault 20: with the original it hung for ever. The document says why all the time."""
    service = start(
        **zencoder.settings,
        jobs_max_attempts=3,
        jobs_retry_base_seconds=0.01,
        jobs_poll_seconds=0.05,
    )
    reply = zencoder.reply

    def reply_once(asked: Asked) -> Reply:
        zencoder.hold()
        return reply(asked)

    zencoder.reply = reply_once
    zencoder.refusal = json_reply({"errors": ["Url of input file is invalid"]}, status)
    owner, file_id = uploaded(service)
    wait_until(lambda: len(zencoder.asked) == 2)
    reason = f"Zencoder does not take the film: Url of input file is invalid ({status})."
    document = service.document(owner, file_id)
    assert document["status"] == "queued_for_processing"
    expected = {"status": "waiting", "backend": "zencoder", "error": reason}
    assert document["processing"] == expected

    zencoder.reply = reply
    zencoder.release()
    wait_until(lambda: service.document(owner, file_id)["status"] == "failed")
    assert len(zencoder.asked) == 3
    assert service.document(owner, file_id)["processing"] == {**expected, "status": "failed"}


def test_deleting_a_film_or_its_project_ends_the_job_there(
    start: Start, zencoder: Zencoder
) -> None:
    """Without the sweep, which would find it minutes later."""
    service = start(**zencoder.settings, discard_grace=0, jobs_limits={ZENCODER_SWEEP: 0})
    owner, file_id, job_id = encoding(service, zencoder)
    etag = service.document(owner, file_id)["_etag"]
    gone = service.request("DELETE", f"/api/files/{file_id}", owner, {"If-Match": etag})
    assert gone.status_code == 204
    wait_until(lambda: zencoder.cancelled == [job_id])

    owner, file_id, other = encoding(service, zencoder)
    project = f"/api/projects/{service.document(owner, file_id)['project']}"
    etag = service.get(project, owner).json()["_etag"]
    gone = service.request("DELETE", project, owner, {"If-Match": etag})
    assert gone.status_code == 204
    wait_until(lambda: zencoder.cancelled == [job_id, other])


@pytest.mark.parametrize(
    "secret", [None, "", "x", SECRET + "x", SECRET[:-1], SECRET.upper(), "-SECRET-", "\xff"]
)
def test_the_secret_is_judged_before_the_body(
    start: Start, zencoder: Zencoder, secret: str | None
) -> None:
    """Fault 8: also before a body that nobody sends, is no JSON, or much too large."""
    service = start(**zencoder.settings)
    headers = {} if secret is None else {SECRET_HEADER: secret.encode("latin-1")}
    for body in (b"", b"{", b"x" * (2 << 20)):
        answer = service.request(
            "POST",
            HOOK,
            headers={**headers, "Content-Type": "application/json"},  # type: ignore[dict-item]
            content=body,
        )
        assert answer.status_code == 401
        assert answer.json()["_error"]["name"] == "unauthorized"


def test_without_a_secret_nobody_is_believed(start: Start, zencoder: Zencoder) -> None:
    """Fault 8: there is no default."""
    service = start(**{**zencoder.settings, "zencoder_notifications_secret": ""})
    for secret in (None, "", "-SECRET-", "None"):
        headers = {} if secret is None else {SECRET_HEADER: secret}
        assert service.request("POST", HOOK, headers=headers, json={}).status_code == 401


def test_where_films_are_encoded_here_nothing_is_heard(local: Service) -> None:
    answer = local.request("POST", HOOK, headers=OURS, json={})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"job":{"state":"finished"}}', "application/json", 400),
        (b'{"job":{"id":1,"state":"finished"}}', "text/plain", 400),
        (b"job=1", "application/x-www-form-urlencoded", 400),
        (b'{"job":"%s"}' % (b"x" * (1 << 20)), "application/json", 413),
        (b'{"job":{"id":1,"state":"finished"}}', "application/json; charset=utf-8", 404),
    ],
)
def test_what_is_no_notification_is_refused(
    start: Start, zencoder: Zencoder, body: bytes, kind: str, status: int
) -> None:
    service = start(**zencoder.settings)
    headers = {**OURS, "Content-Type": kind, "Origin": ORIGIN}
    answer = service.request("POST", HOOK, headers=headers, content=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    if status != 404:
        assert answer.json()["_error"]["code"] == status


def test_the_answers_are_as_described(cella: Service, zencoder: Zencoder) -> None:
    described = Described(cella.get("/api/openapi.json").json())
    _, _, job_id = encoding(cella, zencoder)
    document = zencoder.notification(job_id, state="failed")
    for status, headers, sent in (
        (401, {}, document),
        (400, OURS, {}),
        (404, OURS, {"job": {"id": 4112, "state": "finished"}}),
        (204, OURS, zencoder.notification(job_id, state="processing")),
        (200, OURS, document),
    ):
        answer = cella.request("POST", HOOK, headers=headers, json=sent)
        assert answer.status_code == status, answer.text
        described.check(answer)


def test_no_setting_shows_the_secrets(start: Start, zencoder: Zencoder) -> None:
    service = start(**zencoder.settings)
    shown = repr(service.assembly.config)
    assert API_KEY not in shown
    assert SECRET not in shown


def test_who_encodes_is_a_setting(start: Start, zencoder: Zencoder) -> None:
    """What was begun there is still brought to its end after the setting was changed back."""
    there = start(**zencoder.settings).assembly.handlers
    here = start(encoding_backend="local").assembly.handlers
    assert {ENCODE, ENCODED, ZENCODER_SWEEP} <= there.keys()
    assert {ENCODED, ZENCODER_SWEEP} <= here.keys()
    assert type(there[ENCODE]) is not type(here.get(ENCODE))


def test_a_notification_that_never_came_is_made_up_for(cella: Service, zencoder: Zencoder) -> None:
    owner, file_id, job_id = encoding(cella, zencoder)
    zencoder.finish(job_id)
    cella.change(file_id, updated=1)
    cella.assembly.db.write_now(lambda tx: queue.put(tx, kind=ZENCODER_SWEEP, subject="", now=1.0))
    wait_until(lambda: cella.document(owner, file_id)["status"] == "complete")
