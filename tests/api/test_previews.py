"""Pictures: what an upload of one answers, and the previews in its document (section 4.5)."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.support.service import Account, Service, Start

from cella.model import Project

SAMPLES = Path(__file__).parents[1] / "media" / "samples"
READABLE = {
    "plain.jpg": "image/jpeg",
    "progressive.jpg": "image/jpeg",
    "cmyk.jpg": "image/jpeg",
    "p3.jpg": "image/jpeg",
    "marked.png": "image/png",
    "alpha.png": "image/png",
    "sixteen.png": "image/png",
    "palette.png": "image/png",
    "grey.png": "image/png",
    "sixteen.tif": "image/tiff",
    "photo.webp": "image/webp",
    "photo.avif": "image/avif",
    "animated.gif": "image/gif",
}


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    """A picture of that many pixels in one colour."""
    target = io.BytesIO()
    Image.new("RGB", (width, height), (200, 80, 40)).save(target, kind)
    return target.getvalue()


def sample(name: str) -> bytes:
    """One of the committed pictures."""
    return (SAMPLES / name).read_bytes()


def upload_async(service: Service, by: Account, project: Project, content: bytes) -> dict[str, Any]:
    """Upload a picture without waiting for its previews, and read its document at once."""
    answer = service.request(
        "POST",
        f"/api/storage/stream/{project.id}",
        by,
        headers={"Prefer": "respond-async"},
        files={"file": ("a.png", content, "image/png")},
    )
    assert answer.status_code == 201
    assert answer.headers["preference-applied"] == "respond-async"
    return service.document(by, answer.json()["file_id"])


def test_the_answer_comes_with_the_previews(service: Service) -> None:
    owner = service.account("subscriber")
    content = picture(5000, 1000)
    document = service.upload(owner, service.project(owner), content, "wide.png", "image/png")
    assert document["status"] == "complete"
    assert document["format"] == "png"
    assert (document["width"], document["height"]) == (5000, 1000)
    root = document["name"].removesuffix(".png")
    sizes = {v["size"]: (v["width"], v["height"]) for v in document["variations"]}
    assert sizes == {
        "s": (90, 90),
        "b": (160, 160),
        "t": (160, 32),
        "m": (320, 64),
        "l": (1024, 204),
        "h": (2048, 409),
    }
    for variation in document["variations"]:
        assert variation["file_path"] == f"{root}-{variation['size']}.jpg"
        assert variation["content_type"] == "image/jpeg"
        assert "format" not in variation
        preview = service.get(variation["link"])
        assert preview.headers["content-type"] == "image/jpeg"
        assert len(preview.content) == variation["length"]
        with Image.open(io.BytesIO(preview.content)) as shown:
            assert (shown.format, shown.size) == ("JPEG", sizes[variation["size"]])
    stored = len(content) + sum(v["length"] for v in document["variations"])
    assert document["length_aggregate_in_bytes"] == stored


def test_small_pictures_are_not_enlarged_but_to_fill_a_square(local: Service) -> None:
    owner = local.account()
    document = local.upload(owner, local.project(owner), picture(3, 2), "tiny.png", "image/png")
    sizes = {v["size"]: (v["width"], v["height"]) for v in document["variations"]}
    assert sizes == {
        "s": (90, 90),
        "b": (160, 160),
        "t": (3, 2),
        "m": (3, 2),
        "l": (3, 2),
        "h": (3, 2),
    }


def test_only_the_small_preview_is_public_and_it_needs_no_signature(service: Service) -> None:
    owner = service.account()
    private = service.project(owner, public=False)
    document = service.upload(owner, private, picture(300, 200), "a.png", "image/png")
    for variation in document["variations"]:
        bare = variation["link"].partition("?")[0]
        if variation["size"] == "t":
            assert variation["is_public"] is True
            assert variation["link"] == bare
            assert service.get(bare).status_code == 200
        else:
            assert "is_public" not in variation
            assert service.get(variation["link"]).status_code == 200
            assert service.get(bare).status_code == 403


@pytest.mark.parametrize(("name", "content_type"), READABLE.items())
def test_every_readable_picture_gets_all_previews(
    local: Service, name: str, content_type: str
) -> None:
    owner = local.account("subscriber")
    document = local.upload(owner, local.project(owner), sample(name), name, content_type)
    assert document["status"] == "complete", document
    assert document["content_type"] == content_type
    assert [v["size"] for v in document["variations"]] == ["s", "b", "t", "m", "l", "h"]
    with Image.open(SAMPLES / name) as original:
        assert (document["width"], document["height"]) == original.size
    for variation in document["variations"]:
        with Image.open(io.BytesIO(local.get(variation["link"]).content)) as shown:
            assert shown.mode in ("RGB", "L")
            assert len(shown.convert("L").getcolors() or ()) > 8, "the preview shows something"


def test_a_picture_stored_on_its_side_is_described_upright(local: Service) -> None:
    owner = local.account()
    content = sample("rotated.jpg")
    with Image.open(io.BytesIO(content)) as original:
        assert original.size == (200, 300)
    document = local.upload(owner, local.project(owner), content, "rotated.jpg", "image/jpeg")
    assert (document["width"], document["height"]) == (300, 200)
    large = next(v for v in document["variations"] if v["size"] == "h")
    assert (large["width"], large["height"]) == (300, 200)


@pytest.mark.parametrize(
    ("content", "name", "content_type"),
    [
        pytest.param(sample("cut.jpg"), "cut.jpg", "image/jpeg", id="cut"),
        pytest.param(b"no picture at all", "text.png", "image/png", id="text"),
        pytest.param(b"", "empty.gif", "image/gif", id="empty"),
        pytest.param(picture(40, 40)[:60], "head.png", "image/png", id="head alone"),
    ],
)
def test_a_broken_picture_is_kept_and_says_what_is_wrong(
    service: Service, content: bytes, name: str, content_type: str
) -> None:
    owner = service.account("subscriber")
    project = service.project(owner)
    document = service.upload(owner, project, content, name, content_type)
    assert document["status"] == "failed"
    assert document["processing"]["status"] == "failed"
    assert re.fullmatch(r"[A-Z][^/]+\.", document["processing"]["error"])
    assert str(service.assembly.config.data) not in document["processing"]["error"]
    assert "variations" not in document
    assert "format" not in document
    assert service.get(document["link"]).content == content
    assert service.blobs(project) == [f"{project.id}/_/{document['name']}"]


def test_a_picture_under_another_name_is_what_its_bytes_say(local: Service) -> None:
    owner = local.account()
    content = picture(30, 20, "JPEG")
    document = local.upload(owner, local.project(owner), content, "a.png", "image/png")
    assert document["content_type"] == "image/jpeg"
    assert document["status"] == "complete"


def test_who_prefers_it_does_not_wait(start: Start) -> None:
    """Nobody works here, so an answer that waited for previews would never come."""
    service = start(embedded_worker=False, upload_wait=3600)
    owner = service.account()
    document = upload_async(service, owner, service.project(owner), picture(30, 20))
    assert document["status"] == "queued_for_processing"
    assert "variations" not in document
    assert service.get(document["link"]).content == picture(30, 20)


def test_the_answer_waits_no_longer_than_configured(start: Start) -> None:
    service = start(embedded_worker=False, upload_wait=0)
    owner = service.account()
    document = service.upload(owner, service.project(owner), picture(30, 20), "a.png", "image/png")
    assert document["status"] == "queued_for_processing"


def test_previews_come_later_to_who_did_not_wait(service: Service) -> None:
    owner = service.account()
    document = upload_async(service, owner, service.project(owner), picture(300, 200))
    service.wait_until_idle()
    later = service.document(owner, document["_id"])
    assert later["status"] == "complete"
    assert len(later["variations"]) == 6
    assert later["_etag"] != document["_etag"]


@pytest.mark.parametrize(
    "prefer", ["respond-async", "wait=10, respond-async", "RESPOND-ASYNC; x=y", "a,respond-async"]
)
def test_the_preference_is_found_among_others(start: Start, prefer: str) -> None:
    service = start(embedded_worker=False, upload_wait=3600)
    owner = service.account()
    answer = service.request(
        "PUT",
        f"/api/storage/stream/{service.project(owner).id}/a.png",
        owner,
        headers={"Prefer": prefer, "Content-Type": "image/png"},
        content=picture(3, 2),
    )
    assert answer.headers["preference-applied"] == "respond-async"


def test_deleting_while_previews_are_made_leaves_no_link(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    document = upload_async(service, owner, project, picture(2000, 1500))
    while True:
        etag = service.document(owner, document["_id"])["_etag"]
        answer = service.request(
            "DELETE", f"/api/files/{document['_id']}", owner, headers={"If-Match": etag}
        )
        if answer.status_code != 412:
            break
    assert answer.status_code == 204
    service.wait_until_idle()
    assert service.get(f"/api/files/{document['_id']}", owner).status_code == 404
    assert service.get(document["link"]).status_code == 404
    page = service.get("/api/files", owner, params={"where": f'{{"project":"{project.id}"}}'})
    assert page.json()["_meta"]["total"] == 0
