"""Films and sounds: from an upload to what can be played, and what goes wrong in between."""

import io
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import av
import msgspec
import pytest
from PIL import Image
from tests.api.test_events import following
from tests.media.films import again, film, run
from tests.support.servers import descendants, wait_until
from tests.support.service import Account, Service, Start

from cella.db import Tx
from cella.flows.config import ENCODE
from cella.jobs import queue
from cella.jobs.queue import Progress
from cella.media.reasons import NO_ROOM
from cella.model import Processing, Project

SIZES = [
    *(("270p", "mp4"), ("hls", "m3u8"), ("270p", "m3u8"), ("270p", "m4s")),
    *(("sprites-1", "jpg"), ("sprites", "vtt"), ("poster", "jpg")),
    *((size, "jpg") for size in "sbtmlh"),
]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film of two seconds with sound, whose frames are numbered."""
    sound = ("-f", "lavfi", "-i", "sine=440:duration=2")
    path = tmp_path_factory.mktemp("films") / "short.mp4"
    coding = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac")
    return film(path, 48, "24", *coding, width=480, height=270, sound=sound).read_bytes()


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film of which encoding takes a while."""
    folder = tmp_path_factory.mktemp("films")
    moving = "testsrc2=size=1920x1080:rate=30:duration=2"
    run("-f", "lavfi", "-i", moving, "-c:v", "mpeg4", "-q:v", "30", str(folder / "two.mkv"))
    return again(folder / "two.mkv", folder / "long.mkv", 10).read_bytes()


def send(
    service: Service,
    by: Account,
    project: Project,
    content: bytes,
    name: str = "film.mp4",
    content_type: str = "video/mp4",
) -> str:
    """Upload without waiting; the file's id."""
    answer = service.request(
        "POST",
        f"/api/storage/stream/{project.id}",
        by,
        headers={"Prefer": "respond-async"},
        files={"file": (name, content, content_type)},
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["file_id"])


def settled(service: Service, by: Account, file_id: str) -> dict[str, Any]:
    """The file's document when nothing more is being made of it."""
    with following(service, by, file_id) as told:
        assert list(told)[-1] == ("end", {})
    return service.document(by, file_id)


def named(document: dict[str, Any]) -> list[tuple[str, str]]:
    """The variations by size and extension, in order."""
    return [(each["size"], each["file_path"].rpartition(".")[2]) for each in document["variations"]]


def link(document: dict[str, Any], size: str, extension: str) -> str:
    """The link of a variation."""
    at = named(document).index((size, extension))
    return str(document["variations"][at]["link"])


def encoding(service: Service, file_id: str) -> bool:
    """Whether a worker is encoding the file."""
    processing = service.file(file_id).processing
    return processing is not None and processing.status == "processing"


def ffmpegs() -> set[int]:
    """The ffmpegs that this process has running."""
    return {pid for pid in descendants(os.getpid()) if "ffmpeg" in _name(pid)}


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_a_film_becomes_playable(service: Service, short: bytes) -> None:
    admin = service.account("admin")
    project = service.project(admin, public=False)
    document = service.upload(admin, project, short, "film.mp4", "video/mp4")
    assert document["status"] in ("processing", "complete")
    assert [each["size"] for each in document["variations"][-7:]] == ["poster", *"sbtmlh"], (
        "the answer waits for the previews"
    )

    document = settled(service, admin, document["_id"])
    assert document["status"] == "complete"
    assert (document["width"], document["height"], document["duration"]) == (480, 270, 2)
    media = document["media"]
    assert (media["video_codec"], media["audio_codec"]) == ("h264", "aac")
    assert (media["frame_rate"], media["frames"]) == ("24/1", 48)
    assert document["processing"]["status"] == "finished"
    assert named(document) == SIZES
    for variation in document["variations"]:
        answer = service.get(variation["link"])
        assert answer.status_code == 200
        if variation.get("format") not in ("m3u8", "vtt"):
            assert len(answer.content) == variation["length"]
        assert re.fullmatch("[0-9a-f]{32}", variation["md5"])
    stored = len(short) + sum(each["length"] for each in document["variations"])
    assert document["length_aggregate_in_bytes"] == stored
    assert len(service.blobs(project)) == 1 + len(SIZES)


def test_what_is_played_has_every_frame(local: Service, short: bytes, tmp_path: Path) -> None:
    admin = local.account("admin")
    document = local.upload(admin, local.project(admin), short, "film.mp4", "video/mp4")
    document = settled(local, admin, document["_id"])
    played = tmp_path / "played.mp4"
    played.write_bytes(local.get(link(document, "270p", "mp4")).content)
    with av.open(str(played)) as container:
        assert len(list(container.decode(video=0))) == 48
        assert [track.type for track in container.streams] == ["video", "audio"]


def test_a_player_follows_the_playlists_by_links_alone(local: Service, short: bytes) -> None:
    admin = local.account("admin")
    project = local.project(admin, public=False)
    document = local.upload(admin, project, short, "film.mp4", "video/mp4")
    document = settled(local, admin, document["_id"])
    master = link(document, "hls", "m3u8")
    (rendition,) = (line for line in local.get(master).text.splitlines() if line and line[0] != "#")
    rendition = urljoin(master, rendition)
    lines = local.get(rendition).text.splitlines()
    ranges = [line.partition(":")[2] for line in lines if line.startswith("#EXT-X-BYTERANGE:")]
    segments = {line for line in lines if line and line[0] != "#"}
    (head,) = re.findall(r'#EXT-X-MAP:URI="([^"]+)",BYTERANGE="(\d+)@0"', "\n".join(lines))
    assert segments == {head[0]}
    whole = b""
    for text in (f"{head[1]}@0", *ranges):
        length, start = map(int, text.split("@"))
        asked = {"Range": f"bytes={start}-{start + length - 1}"}
        answer = local.get(urljoin(rendition, head[0]), headers=asked)
        assert answer.status_code == 206
        whole += answer.content
    with av.open(io.BytesIO(whole), "r") as container:
        assert len(list(container.decode(video=0))) == 48


def test_sprites_are_found_by_their_cues(local: Service, short: bytes) -> None:
    admin = local.account("admin")
    document = local.upload(admin, local.project(admin), short, "film.mp4", "video/mp4")
    document = settled(local, admin, document["_id"])
    text = local.get(link(document, "sprites", "vtt")).text
    cues = re.findall(r"^(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$", text, re.MULTILINE)
    assert len(cues) >= 2
    for where, *box in cues:
        x, y, width, height = map(int, box)
        with Image.open(io.BytesIO(local.get(where).content)) as sheet:
            assert x + width <= sheet.width
            assert y + height <= sheet.height


def test_progress_is_told_and_is_no_change(start: Start, short: bytes) -> None:
    service = start(embedded_worker=False)
    admin = service.account("admin")
    file_id = send(service, admin, service.project(admin), short)
    service.change(file_id, status="processing", processing=Processing(status="processing"))
    before = service.document(admin, file_id)
    assert "progress" not in before["processing"]

    def work(tx: Tx) -> None:
        now = service.assembly.clock.now()
        queue.put(tx, kind=ENCODE, subject=file_id, now=now)
        (job,) = queue.claim(tx, kinds=[ENCODE], worker="w", now=now, lease_seconds=60)
        queue.write_progress(tx, [(job, Progress(percent=41, step="Encoding", seconds_left=12))])

    service.assembly.db.write_now(work)
    after = service.document(admin, file_id)
    told = {"progress": 41, "step": "Encoding", "seconds_left": 12}
    assert after["processing"] == before["processing"] | told
    assert after["_etag"] == before["_etag"]
    conditions = {"If-None-Match": before["_etag"]}
    assert service.get(f"/api/files/{file_id}", admin, headers=conditions).status_code == 200
    listed = service.get("/api/files", admin, params={"where": json.dumps({"_id": file_id})})
    assert listed.json()["_items"] == [after]
    with following(service, admin, file_id) as events:
        assert next(events)[1]["processing"] == after["processing"]

    headers = {"If-Match": after["_etag"]}
    put = service.request("PUT", f"/api/files/{file_id}", admin, json=after, headers=headers)
    assert put.status_code == 200, "what was read may come back"


def test_what_a_film_is_made_of_may_come_back_and_cannot_be_set(
    local: Service, short: bytes
) -> None:
    admin = local.account("admin")
    document = local.upload(admin, local.project(admin), short, "film.mp4", "video/mp4")
    document = settled(local, admin, document["_id"])
    path, headers = f"/api/files/{document['_id']}", {"If-Match": document["_etag"]}
    back = {"media": document["media"], "description": "a film"}
    answer = local.request("PATCH", path, admin, json=back, headers=headers)
    assert answer.status_code == 200
    headers = {"If-Match": answer.json()["_etag"]}
    for forged in ({**document["media"], "frames": 7}, {}, None, "film"):
        refused = local.request("PATCH", path, admin, json={"media": forged}, headers=headers)
        assert refused.status_code == 422
        assert refused.json()["_issues"].keys() == {"media"}


def test_films_are_found_by_what_they_are_made_of(service: Service, short: bytes) -> None:
    admin = service.account("admin")
    project = service.project(admin)
    document = service.upload(admin, project, short, "film.mp4", "video/mp4")
    for where, count in (
        ({"media.frame_rate": "24/1"}, 1),
        ({"media.frames": {"$gt": 48}}, 0),
        ({"media.video_codec": {"$exists": True}}, 1),
    ):
        asked = json.dumps({"project": project.id, **where})
        page = service.get("/api/files", admin, params={"where": asked})
        assert [each["_id"] for each in page.json()["_items"]] == [document["_id"]] * count
    settled(service, admin, document["_id"])


def test_deleting_a_film_stops_its_encoder(local: Service, long: bytes) -> None:
    admin = local.account("admin")
    file_id = send(local, admin, local.project(admin), long, "film.mkv", "video/x-matroska")
    wait_until(lambda: encoding(local, file_id) and bool(ffmpegs()))
    headers = {"If-Match": local.document(admin, file_id)["_etag"]}
    gone = local.request("DELETE", f"/api/files/{file_id}", admin, headers=headers)
    assert gone.status_code == 204
    wait_until(lambda: not ffmpegs())

    def is_encoded() -> bool:
        entries = local.assembly.db.read_now(lambda tx: queue.listing(tx, limit=1000))
        return ENCODE in {entry.kind for entry in entries if entry.subject == file_id}

    # The process ends first; that it has ended is then noted.
    wait_until(lambda: not is_encoded())


def test_an_encode_that_was_cancelled_can_be_tried_again(local: Service, long: bytes) -> None:
    admin = local.account("admin")
    file_id = send(local, admin, local.project(admin), long, "film.mkv", "video/x-matroska")
    wait_until(lambda: encoding(local, file_id) and bool(ffmpegs()))
    (job,) = (
        entry
        for entry in local.assembly.db.read_now(lambda tx: queue.listing(tx, limit=1000))
        if entry.subject == file_id
    )
    tend = local.assembly.tend()
    tend.cancel([job.id])
    document = settled(local, admin, file_id)
    assert document["status"] == "failed"
    assert document["processing"]["status"] == "cancelled"
    assert document["processing"]["error"] == "It was cancelled."
    assert [each["size"] for each in document["variations"]] == ["poster", *"sbtmlh"]
    assert not ffmpegs()
    tend.retry([job.id])
    assert not service_settled(local, file_id)
    wait_until(lambda: encoding(local, file_id))
    tend.cancel([job.id])
    settled(local, admin, file_id)


def test_a_film_waits_for_room_on_the_disk(start: Start, short: bytes) -> None:
    service = start(encoding_reserve_bytes=1 << 62)
    admin = service.account("admin")
    file_id = send(service, admin, service.project(admin), short)
    wait_until(lambda: waiting_for(service, file_id) == NO_ROOM)
    assert service.document(admin, file_id)["status"] == "processing"


def waiting_for(service: Service, file_id: str) -> str | None:
    """Why the file is not worked on for now."""
    processing = service.file(file_id).processing
    waits = processing is not None and processing.status == "waiting"
    return processing.error if processing is not None and waits else None


def service_settled(service: Service, file_id: str) -> bool:
    """Whether nothing more is being made of the file."""
    return service.file(file_id).status in ("complete", "failed")


def test_a_film_that_is_cut_off_says_so(local: Service, short: bytes) -> None:
    admin = local.account("admin")
    file_id = send(local, admin, local.project(admin), short[: len(short) // 3])
    document = settled(local, admin, file_id)
    assert document["status"] == "failed"
    assert document["processing"]["status"] == "failed"
    assert document["processing"]["error"].endswith(".")
    assert str(local.assembly.config.data) not in document["processing"]["error"]


def test_who_may_read_but_not_have_all_sees_the_pictures_only(local: Service, short: bytes) -> None:
    admin = local.account("admin")
    document = local.upload(admin, local.project(admin), short, "film.mp4", "video/mp4")
    document = settled(local, admin, document["_id"])
    shown = local.document(local.account(), document["_id"])
    assert {each["content_type"] for each in shown["variations"]} == {"image/jpeg"}
    assert [each["size"] for each in shown["variations"] if "link" in each] == ["t"]
    assert shown["media"] == document["media"]


def test_calling_a_film_a_sound_has_nothing_encoded(local: Service, tmp_path: Path) -> None:
    owner = local.account()
    silent = film(tmp_path / "a.mp4", 12, "24", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    document = local.upload(owner, local.project(owner), silent.read_bytes(), "a.m4a", "audio/mp4")
    assert document["content_type"] == "audio/mp4"
    assert document["status"] == "complete"
    assert [each["size"] for each in document["variations"]] == ["poster", *"sbtmlh"]
    assert "processing" not in document


def test_a_sound_has_its_peaks_and_its_waveform(service: Service, tmp_path: Path) -> None:
    owner = service.account()
    path = tmp_path / "a.wav"
    run("-f", "lavfi", "-i", "sine=440:duration=1:sample_rate=8000", "-ac", "1", str(path))
    document = service.upload(
        owner, service.project(owner), path.read_bytes(), "a.wav", "audio/x-wav"
    )
    assert document["status"] == "complete"
    assert document["duration"] == 1
    assert document["media"]["sample_rate"] == 8000
    assert named(document) == [
        ("peaks", "json"),
        ("waveform", "png"),
        *((size, "jpg") for size in "sbtmlh"),
    ]
    peaks = msgspec.json.decode(service.get(link(document, "peaks", "json")).content)
    assert len(peaks["data"]) == 2 * peaks["length"]
    assert max(peaks["data"]) > 0 > min(peaks["data"])
    with Image.open(io.BytesIO(service.get(link(document, "waveform", "png")).content)) as shown:
        assert shown.width > shown.height
