"""Playlists and lists of cues: served with links in the place of the names that they hold."""

import re
from typing import Any, NamedTuple

import pytest
from tests.support.service import Account, Service

from cella.catalog.files import BlobRef
from cella.model import Project, Variation

PLAYLIST = (
    '#EXTM3U\n#EXT-X-MAP:URI="720p.m4s",BYTERANGE="800@0"\n#EXTINF:2.0,\n'
    "#EXT-X-BYTERANGE:4@0\n720p.m4s\nhttp://elsewhere.example/720p.m4s\n1720p.m4s\n"
)
CUES = "WEBVTT\n\n00:00.000 --> 00:01.000\nsprites-1.jpg#xywh=0,0,160,90\n"
MEDIA = b"some media, not really"


ROTTEN = b"#EXTM3U\n\xff\xfe\x00 is no text\n"


class Film(NamedTuple):
    """A file with a playlist, a list of cues, and what these name."""

    service: Service
    owner: Account
    project: Project
    document: dict[str, Any]

    def link(self, size: str, form: str) -> str:
        """The link of a variation."""
        (found,) = (
            each["link"]
            for each in self.document["variations"]
            if (each["size"], each["file_path"].rpartition(".")[2]) == (size, form)
        )
        return str(found)


@pytest.fixture
def film(service: Service) -> Film:
    """A film as if it had been made playable."""
    owner = service.account("subscriber")
    project = service.project(owner, public=False)
    document = service.upload(owner, project)
    root = document["name"].partition(".")[0]
    contents = {
        ("720p", "m3u8", "application/vnd.apple.mpegurl"): PLAYLIST.encode(),
        ("360p", "m3u8", "application/vnd.apple.mpegurl"): ROTTEN,
        ("720p", "m4s", "video/iso.segment"): MEDIA,
        ("sprites", "vtt", "text/vtt"): CUES.encode(),
        ("sprites-1", "jpg", "image/jpeg"): b"a picture",
    }
    variations, refs = [], []
    for (size, form, content_type), content in contents.items():
        name = f"{root}-{size}.{form}"
        service.put_blob(f"{project.id}/_/{name}", content)
        refs.append(BlobRef(f"{project.id}/_/{name}", size))
        variations.append(
            Variation(
                size=size,
                format=form,
                content_type=content_type,
                length=len(content),
                file_path=name,
                sha256="0" * 64,
            )
        )
    service.change(document["_id"], *refs, variations=tuple(variations))
    return Film(service, owner, project, service.document(owner, document["_id"]))


def test_names_become_links_that_work_and_end_with_their_own(film: Film) -> None:
    link = film.link("720p", "m3u8")
    answer = film.service.get(link)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert answer.headers["cache-control"] == "private, no-cache"
    lines = answer.text.splitlines()
    named = re.findall(r'URI="([^"]+)"', lines[1])
    assert named == [lines[4]]
    assert lines[5:] == PLAYLIST.splitlines()[5:], "other names stay as they are"
    assert film.service.get(named[0]).content == MEDIA
    expires = re.compile(r"expires=(\d+)")
    assert expires.findall(named[0]) == expires.findall(link)


def test_what_has_rotten_is_handed_on_as_it_is(film: Film) -> None:
    answer = film.service.get(film.link("360p", "m3u8"))
    assert (answer.status_code, answer.content) == (200, ROTTEN)


def test_cues_lead_to_their_pictures(film: Film) -> None:
    answer = film.service.get(film.link("sprites", "vtt"))
    assert answer.headers["content-type"] == "text/vtt; charset=utf-8"
    where, _, part = answer.text.splitlines()[3].partition("#")
    assert part == "xywh=0,0,160,90"
    assert film.service.get(where).content == b"a picture"


def test_ranges_mean_nothing_and_copies_are_known_again(film: Film) -> None:
    link = film.link("720p", "m3u8")
    whole = film.service.get(link)
    assert film.service.get(link, headers={"Range": "bytes=0-3"}).content == whole.content
    again = film.service.get(link, headers={"If-None-Match": whole.headers["etag"]})
    assert again.status_code == 304
    assert "last-modified" not in whole.headers, "its links end, and no date tells"
    dated = {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    assert film.service.get(link, headers=dated).status_code == 200
    head = film.service.request("HEAD", link)
    assert head.headers["content-length"] == str(len(whole.content))
    assert head.content == b""


def test_who_may_see_the_file_needs_no_signature_and_others_do(film: Film) -> None:
    bare = film.link("720p", "m3u8").partition("?")[0]
    assert film.service.get(bare).status_code == 403
    assert film.service.get(bare, film.service.account()).status_code == 403
    answer = film.service.get(bare, film.owner)
    assert film.service.get(answer.text.splitlines()[4]).content == MEDIA


def test_playlists_that_were_uploaded_are_served_as_they_are(film: Film) -> None:
    content = PLAYLIST.encode()
    document = film.service.upload(
        film.owner, film.project, content, "a.m3u8", "application/vnd.apple.mpegurl"
    )
    assert film.service.get(document["link"]).content == content
