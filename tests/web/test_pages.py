"""The page as the server hands it out: which addresses it has, headers, codings, caching."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.service import Service, running

from cella.web import policy, routes
from cella.web.built import INDEX, Built

PAGES = ["/", "/p/6b03754937714d6e307c5788", "/f/6b03756237714d6e307c578a", "/admin", "/admin/jobs"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build leaves, in small."""
    folder = tmp_path_factory.mktemp("static")
    build(folder, "one")
    return folder


def build(folder: Path, words: str) -> None:
    """Write what a build writes; the index last, as it comes with the rest."""
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets" / "index-a1.js").write_text(f"// {words} " + "x" * 500)
    (folder / "assets" / "index-a1.js.br").write_bytes(b"br")
    (folder / "assets" / "index-a1.js.gz").write_bytes(b"gzip")
    (folder / "assets" / "strange.exe").write_bytes(b"MZ")
    (folder / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / INDEX).write_text(f"<!doctype html><title>{words}</title>")


@pytest.fixture(scope="module")
def served(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with that build."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes, "_BUILT", Built(folder))
        with running(tmp_path_factory.mktemp("service")) as service:
            yield service


@pytest.mark.parametrize("path", PAGES)
def test_all_addresses_of_the_page_are_answered_with_it(served: Service, path: str) -> None:
    answer = served.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.text.startswith("<!doctype html>")
    head = served.request("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize("path", ["/api/nothing", "/nothing", "/p", "/p/a/b", "/assets/none.js"])
def test_no_other_address_is(served: Service, path: str) -> None:
    answer = served.get(path)
    assert answer.status_code == 404
    assert answer.json()["_error"]["name"] == "not_found"


@pytest.mark.parametrize("name", ["../secrets.json", "..%2f..%2fsecrets.json", "strange.exe"])
def test_nothing_but_what_the_build_made_is_handed_out(served: Service, name: str) -> None:
    assert served.get(f"/assets/{name}").status_code == 404


def test_the_page_may_do_nothing_but_what_it_needs(served: Service) -> None:
    headers = served.get("/").headers
    allowed = directives(headers["content-security-policy"])
    own = f"'self' {served.url}"
    assert allowed["default-src"] == "'none'"
    assert allowed["script-src"] == allowed["style-src"] == "'self'"
    assert allowed["connect-src"] == allowed["frame-src"] == own
    assert allowed["img-src"] == f"{own} blob: data:"
    assert allowed["media-src"] == f"{own} blob:"
    assert allowed["frame-ancestors"] == "'none'"
    assert not re.search("unsafe|\\*|http:(?!//127.0.0.1)|https:", str(allowed))
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in headers


def test_pictures_may_come_from_where_links_lead() -> None:
    text = policy.headers({"https://b.example", "https://a.example"})["Content-Security-Policy"]
    allowed = directives(text)
    assert allowed["img-src"] == "'self' https://a.example https://b.example blob: data:"
    assert allowed["script-src"] == "'self'"


def test_what_has_a_hash_in_its_name_is_kept_for_a_year(served: Service) -> None:
    headers = served.request("HEAD", "/assets/index-a1.js").headers
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert served.get("/icon.svg").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br;q=0.0, gzip; q=0", "identity"),
        ("", "identity"),
        ("brotli, x", "identity"),
    ],
)
def test_the_smallest_coding_that_is_taken_is_sent(
    served: Service, accepted: str, coding: str
) -> None:
    request = httpx.Request(
        "GET", f"{served.url}/assets/index-a1.js", headers={"Accept-Encoding": accepted}
    )
    with httpx.Client(trust_env=False) as client:
        answer = client.send(request, stream=True)
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding", "identity") == coding
    assert answer.headers["vary"] == "Accept-Encoding, Origin"
    assert raw.startswith({"br": b"br", "gzip": b"gzip", "identity": b"// one"}[coding])
    assert int(answer.headers["content-length"]) == len(raw)


def test_a_copy_that_is_current_is_not_sent_again(served: Service) -> None:
    etag = served.get("/").headers["etag"]
    again = served.get("/", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag
    assert served.get("/", headers={"If-None-Match": '"another"'}).status_code == 200


def test_another_build_counts_at_once(tmp_path: Path) -> None:
    built = Built(tmp_path)
    assert built.asset(INDEX) is None
    build(tmp_path, "one")
    first = built.asset(INDEX)
    build(tmp_path, "two")
    second = built.asset(INDEX)
    assert first is not None
    assert second is not None
    assert b"one" in first.bodies["identity"]
    assert b"two" in second.bodies["identity"]
    assert first.etag != second.etag


def test_a_server_without_a_page_says_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_BUILT", Built(tmp_path / "none"))
    with running(tmp_path) as service:
        answer = service.get("/")
        assert answer.status_code == 503
        assert "make web" in answer.text
        assert service.get("/api").json() == {}


def directives(text: str) -> dict[str, str]:
    """The directives of a policy, by name."""
    return dict(item.partition(" ")[::2] for item in text.split("; "))
