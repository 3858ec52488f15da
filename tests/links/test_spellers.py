"""Which links the blobs of each backend get."""

from collections.abc import Sequence
from typing import Any

import pytest

from cella.disposition import serving_headers
from cella.errors import BadConfig
from cella.links.away import Signs
from cella.links.cdn import CdnConfigs
from cella.links.cdnsun import CdnsunConfig
from cella.links.nginx import NginxConfig
from cella.links.old import pillar_path, signed_as
from cella.links.opening import Spellers, open_spellers
from cella.links.token import Signer
from cella.links.urls import ROUTE, Linked
from cella.links.validity import LinkConfig, Window, ending

BUCKET = "5f0123456789abcdef012345"
BASE = "https://studio.example"
HERE = f"{BASE}{ROUTE}/5f/{BUCKET}"
PICTURE = Linked("c1aa.jpg", "Ä photo.jpg", "image/jpeg")
PLAYLIST = Linked("c1aa-720p.m3u8", "film.m3u8", "application/vnd.apple.mpegurl", True)
DAY = 24 * 3600
NOW = 1_700_000_000.0
CDNS = CdnConfigs(
    cdnsun=CdnsunConfig(url="https://cdn.example.com", key="s3cr3t"),
    nginx=NginxConfig(url="https://media.studio.example", key="a secret"),
)


class Away:
    """A store that signs; its links tell all that it was told."""

    longest_link = 7 * DAY

    def __init__(self, *, signs_slowly: bool = False, public: bool = True) -> None:
        self.signs_slowly = signs_slowly
        self._public = public

    def sign(self, blobs: Sequence[tuple[str, str, str]], begins: int, expires: int) -> list[str]:
        """Links that tell what they were made of."""
        return [f"away:{key}|{kind}|{shown}|{begins}|{expires}" for key, kind, shown in blobs]

    def public_link(self, key: str) -> str:
        """A link, or none."""
        return f"away:{key}" if self._public else ""


def spellers(stores: dict[str, Any] | None = None, **settings: Any) -> Spellers:
    """Those of these stores, with all networks configured."""
    signer = Signer(["correct horse battery staple, 32+"])
    return open_spellers(LinkConfig(**settings), CDNS, stores or {"local": object()}, BASE, signer)


def test_the_test_s_store_signs_as_stores_do() -> None:
    assert isinstance(Away(), Signs)
    assert not isinstance(object(), Signs)


def test_a_store_that_signs_is_linked_to_itself() -> None:
    known = spellers({"s3": Away(), "local": object()}, file_link_validity={"default": 30 * DAY})
    window = known["s3"].window(NOW)
    assert window.expires - window.begins == 7 * DAY, "no longer than its links last"
    picture, playlist = known["s3"].signed(BUCKET, [PICTURE, PLAYLIST], window)
    headers = serving_headers("image/jpeg", "Ä photo.jpg")
    key, kind, shown, begins, expires = picture.removeprefix("away:").split("|")
    assert (key, kind) == (f"{BUCKET}/_/c1aa.jpg", headers["content-type"])
    assert shown == headers["content-disposition"]
    assert (int(begins), int(expires)) == window
    assert playlist.startswith(f"{HERE}/c1/c1aa-720p.m3u8?expires={window.expires}&")
    assert known["s3"].public(BUCKET, "c1aa-t.jpg") == f"away:{BUCKET}/_/c1aa-t.jpg"


def test_what_no_store_hands_out_publicly_comes_from_here() -> None:
    known = spellers({"s3": Away(public=False)})
    assert known["s3"].public(BUCKET, "c1aa-t.jpg") == f"{HERE}/c1/c1aa-t.jpg"


@pytest.mark.parametrize("slow", [True, False])
def test_slow_backends_are_told(slow: bool) -> None:
    known = spellers({"gcs": Away(signs_slowly=slow), "local": object()})
    assert known.slow() == (["gcs"] if slow else [])


def test_a_network_in_front_of_a_store_knows_blobs_by_their_keys() -> None:
    known = spellers({"local": object(), "s3": Away()}, link_cdn={"local": "nginx", "s3": "nginx"})
    for backend in ("local", "s3"):
        window = known[backend].window(NOW)
        picture, playlist = known[backend].signed(BUCKET, [PICTURE, PLAYLIST], window)
        assert picture.startswith(f"https://media.studio.example/{BUCKET}/_/c1aa.jpg?md5=")
        assert picture.endswith(f"&expires={window.expires}")
        assert playlist.startswith(f"{HERE}/c1/c1aa-720p.m3u8?")
        assert known[backend].public(BUCKET, "c1aa-t.jpg") == f"{HERE}/c1/c1aa-t.jpg"


def test_old_documents_are_linked_by_their_paths() -> None:
    known = spellers({"local": object(), "pillar": object()})
    old = Linked("c1/c1f7 ä.mp4", "film.mp4", "video/mp4")
    for backend, start in (
        ("cdnsun", "https://cdn.example.com/c1/c1f7%20%C3%A4.mp4?secure="),
        ("pillar", f"{BASE}{ROUTE}/c1/c1f7%20%C3%A4.mp4?expires="),
    ):
        window = known[backend].window(NOW)
        assert window.expires - window.begins == 30 * DAY
        (link,) = known[backend].signed(BUCKET, [old], window)
        assert link.startswith(start)
        assert str(window.expires) in link, "it ends when its document says so"
    assert known["pillar"].public(BUCKET, "c1/c1-t.jpg") == f"{BASE}{ROUTE}/c1/c1-t.jpg"
    assert known["cdnsun"].public(BUCKET, "c1/c1-t.jpg") == "", "there is none but a signed one"


def test_old_documents_may_move_to_another_network() -> None:
    known = spellers({"pillar": object()}, link_cdn={"cdnsun": "nginx", "pillar": "nginx"})
    old = Linked("c1/c1f7.mp4", "film.mp4", "video/mp4")
    for backend in ("cdnsun", "pillar"):
        (link,) = known[backend].signed(BUCKET, [old], Window(1, 2))
        assert link.startswith("https://media.studio.example/c1/c1f7.mp4?md5=")


def test_the_links_of_tests_are_digests_of_paths() -> None:
    known = spellers()
    blob = Linked("c2a5.png", "a.png", "image/png")
    expected = "https://unit.test/048a5303b1c9d5e4f7a0bdcd468a6a04"
    assert known["unittest"].signed(BUCKET, [blob], Window(1, 2)) == [expected]
    assert known["unittest"].public(BUCKET, "c2a5.png") == expected


@pytest.mark.parametrize("backend", ["attract-web", "pillar", "s3", ""])
def test_what_nobody_can_reach_has_empty_links(backend: str) -> None:
    known = spellers()
    window = known[backend].window(NOW)
    assert window.expires > NOW
    assert known[backend].signed(BUCKET, [PICTURE, PLAYLIST], window) == ["", ""]
    assert known[backend].public(BUCKET, "a.jpg") == ""
    assert list(known) == ["local", "cdnsun", "unittest"], "asking makes none"


def test_a_network_that_is_named_needs_its_settings() -> None:
    with pytest.raises(BadConfig, match="CELLA_BUNNY_URL"):
        spellers(link_cdn={"local": "bunny"})


@pytest.mark.parametrize(
    ("expires", "window"),
    [(500, Window(400, 500)), (900, Window(800, 900)), (901, Window(800, 900))],
)
def test_windows_that_end_earlier_have_begun(expires: int, window: Window) -> None:
    assert ending(Window(800, 900), expires) == window


@pytest.mark.parametrize(
    "path",
    [
        "c1/c1f7.mp4/x",
        "c1/d1f7.mp4",
        "c/c",
        "c1//c1f7",
        "c1",
        "",
        "c1f/c1f7",
        "c1%2fc1f7",
        "/c1/c1",
    ],
)
def test_other_paths_mean_no_old_file(path: str) -> None:
    assert pillar_path(f"{ROUTE}/{path}") is None


def test_the_path_of_an_old_file_is_signed_and_no_key() -> None:
    assert pillar_path(f"{ROUTE}/c1/c1f7.mp4") == "c1/c1f7.mp4"
    assert pillar_path(f"{ROUTE}/c1/c1f7.mp4/") == "c1/c1f7.mp4"
    assert ":" in signed_as("c1/c1f7.mp4"), "no key has one"
