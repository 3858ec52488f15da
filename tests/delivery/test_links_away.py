"""Links to stores that sign, also slowly: fresh, verified, signed in threads, or found kept."""

import asyncio
import re
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from tests.api.test_previews import picture
from tests.delivery.test_playlists import MEDIA, PLAYLIST
from tests.support.servers import wait_until
from tests.support.service import Account, Service, Start
from tests.support.signing import DAY, SigningStore, read

from cella.catalog import links as kept_links
from cella.catalog.files import BlobRef
from cella.catalog.links import Kept
from cella.clock import ManualClock
from cella.disposition import serving_headers
from cella.model import Project, Variation

NOW = 1_790_000_000 // (7 * DAY) * (7 * DAY) + DAY
"""Well within a window of links that last seven days."""


class Place(NamedTuple):
    """A service on a store that signs slowly, and who works there."""

    service: Service
    store: SigningStore
    clock: ManualClock
    owner: Account
    project: Project

    def listed(self) -> list[dict[str, Any]]:
        """The files of the project."""
        where = f'{{"project":"{self.project.id}"}}'
        answer = self.service.get("/api/files", self.owner, params={"where": where})
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["_items"]
        return items

    def kept(self) -> dict[str, Kept]:
        """All links that are kept."""

        def work(tx: sa.Connection) -> dict[str, Kept]:
            ids = list(tx.execute(sa.text("SELECT file_id FROM links")).scalars())
            return kept_links.get_many(tx, ids)

        return self.service.assembly.db.read_now(work)

    def refresh(self) -> int:
        """Keep the links of everything."""
        refresh = self.service.assembly.refresh
        return asyncio.run(refresh.backend("local", seconds=0, most=0, tell=lambda _: None))


@pytest.fixture
def place(start: Start) -> Place:
    clock, store = ManualClock(NOW), SigningStore()
    service = start(clock=clock, store=store, link_refresh_seconds=0)
    owner = service.account()
    return Place(service, store, clock, owner, service.project(owner))


def test_links_are_verified_and_end_when_their_document_says(place: Place) -> None:
    document = place.service.upload(
        place.owner, place.project, picture(60, 40), "ä.png", "image/png"
    )
    expires = parsedate_to_datetime(document["link_expires"]).timestamp()
    original = read(document["link"])
    headers = serving_headers("image/png", "ä.png")
    assert original.key == f"{place.project.id}/_/{document['name']}"
    assert original.content_type == headers["content-type"]
    assert original.disposition == headers["content-disposition"]
    assert original.expires == expires
    assert original.begins <= NOW < original.expires <= original.begins + 7 * DAY
    for each in document["variations"]:
        if each.get("is_public"):
            assert each["link"] == f"https://blobs.example/{place.project.id}/_/{each['file_path']}"
        else:
            promise = read(each["link"])
            assert promise.key == f"{place.project.id}/_/{each['file_path']}"
            assert promise.expires == expires
    assert place.store.threads == {"cella-links"}, "never where everybody else is waiting"
    assert len(place.store.signed) == len(document["variations"]), "the public one needs none"


def test_what_was_encoded_in_a_window_is_not_signed_again(place: Place) -> None:
    place.service.upload(place.owner, place.project)
    (first,) = place.listed()
    signed = len(place.store.signed)
    assert place.listed() == [first]
    admin = place.service.account("admin")
    assert place.service.document(admin, first["_id"]) == first
    assert len(place.store.signed) == signed
    place.clock.advance(7 * DAY / 4)
    (later,) = place.listed()
    assert later["_etag"] == first["_etag"]
    assert read(later["link"]).expires == read(first["link"]).expires + 7 * DAY / 4


def test_links_that_are_kept_are_taken_as_they_are_and_reading_writes_nothing(place: Place) -> None:
    for _ in range(3):
        place.service.upload(place.owner, place.project, picture(60, 40), "a.png", "image/png")
    place.clock.advance(7 * DAY / 4)
    assert place.refresh() == 3
    signed, before = len(place.store.signed), place.service.everything()
    items = place.listed()
    assert len(place.store.signed) == signed, "nothing was signed for the reader"
    for item in items:
        kept = place.kept()[item["_id"]]
        assert item["link"] == kept.original
        assert {each["file_path"]: each["link"] for each in item["variations"]} == kept.variations
        assert read(item["link"]).expires == kept.expires
    assert place.service.everything() == before
    assert place.refresh() == 0, "nothing is due"


def test_kept_links_of_another_window_or_another_name_are_not_used(place: Place) -> None:
    document = place.service.upload(place.owner, place.project)
    assert place.refresh() == 1
    place.clock.advance(7 * DAY / 4)
    (later,) = place.listed()
    assert read(later["link"]).expires > read(document["link"]).expires
    assert place.refresh() == 0, "they have not ended yet"
    answer = place.service.request(
        "PATCH",
        f"/api/files/{document['_id']}",
        place.owner,
        headers={"If-Match": document["_etag"]},
        json={"filename": "another.bin"},
    )
    assert answer.status_code == 200, answer.text
    assert place.kept() == {}, "a change that links depend on drops them"
    assert "another.bin" in read(place.listed()[0]["link"]).disposition


def test_strangers_get_the_public_links_only(place: Place) -> None:
    document = place.service.upload(
        place.owner, place.project, picture(60, 40), "a.png", "image/png"
    )
    signed = len(place.store.signed)
    seen = place.service.document(place.service.account("video-encoder"), document["_id"])
    assert "link" not in seen
    linked = {each["size"]: each["link"] for each in seen["variations"] if "link" in each}
    assert list(linked) == ["t"]
    assert len(place.store.signed) == signed


def test_playlists_come_from_here_and_name_links_to_the_store(place: Place) -> None:
    document = place.service.upload(place.owner, place.project)
    root = document["name"].partition(".")[0]
    names = {"720p": "m3u8", "720p-s": "m4s"}
    contents = {"720p": PLAYLIST.replace("720p.m4s", "720p-s.m4s").encode(), "720p-s": MEDIA}
    variations, refs = [], []
    for size, form in names.items():
        name = f"{root}-{size}.{form}"
        place.service.put_blob(f"{place.project.id}/_/{name}", contents[size])
        refs.append(BlobRef(f"{place.project.id}/_/{name}", size))
        variations.append(
            Variation(
                size=size,
                format=form,
                content_type="application/vnd.apple.mpegurl" if form == "m3u8" else "video/mp4",
                length=len(contents[size]),
                file_path=name,
                sha256="0" * 64,
            )
        )
    place.service.change(document["_id"], *refs, variations=tuple(variations))
    document = place.service.document(place.owner, document["_id"])
    playlist, segment = document["variations"]
    assert playlist["link"].startswith(f"{place.service.url}/api/storage/file/")
    assert read(segment["link"]).key.endswith("-720p-s.m4s")

    signed = len(place.store.signed)
    place.clock.advance(7 * DAY / 4)  # so that it is not the window of the playlist any more
    text = place.service.get(playlist["link"]).text
    (link,) = set(re.findall(r"https://blobs\.example[^\s\"]+", text))
    promise = read(link)
    until = re.search(r"expires=(\d+)", playlist["link"])
    assert until is not None
    assert promise.expires == int(until[1]), "it ends with the link of the playlist"
    assert promise.begins <= place.clock.time
    assert len(place.store.signed) == signed + 1, "only what is named is signed"


def test_the_worker_keeps_links_as_soon_as_their_window_begins(start: Start) -> None:
    clock, store = ManualClock(NOW), SigningStore()
    service = start(clock=clock, store=store, link_refresh_seconds=600)
    owner = service.account()
    place = Place(service, store, clock, owner, service.project(owner))
    file_id = service.upload(owner, place.project)["_id"]
    for _ in range(2):
        clock.advance(7 * DAY / 4)
        current = service.assembly.spellers["local"].window(clock.time).expires
        wait_until(partial(_end, place, file_id, current))
    assert service.document(owner, file_id)["link"] == place.kept()[file_id].original


def _end(place: Place, file_id: str, expires: int) -> bool:
    kept = place.kept()
    return file_id in kept and kept[file_id].expires == expires


def test_nothing_is_kept_where_signing_is_quick(start: Start) -> None:
    service = start(store=SigningStore(signs_slowly=False))
    assert {period.kind for period in service.assembly.periods()} == {
        "zencoder_sweep",
        "drop_uploads",
    }
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    assert read(document["link"]).key == f"{document['project']}/_/{document['name']}"
