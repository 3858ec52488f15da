"""How local links are spelled, and read again."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cella.errors import BadKey, NotFound
from cella.ids import new_blob_root, new_id
from cella.links.token import Signer
from cella.links.urls import ROUTE, Linked, LocalLinks, local_blob
from cella.store import keys

BASE = "https://studio.example:8443"
BUCKET = "5f0123456789abcdef012345"
NAME = "0123456789abcdef0123456789abcdef.png"
PATH = f"5f/{BUCKET}/01/{NAME}"
EXPIRES = 1_900_000_000
DAY = 24 * 3600


@pytest.fixture
def signer() -> Signer:
    return Signer(["correct horse battery staple, 32+"])


@pytest.fixture
def links(signer: Signer) -> LocalLinks:
    return LocalLinks(BASE, signer, DAY)


def _led_to(path: str) -> str:
    """The key of the blob that is served for the path of a URL."""
    return keys.blob_key(*local_blob(path))


def test_links_are_spelled_as_ever(links: LocalLinks) -> None:
    assert links.public(BUCKET, NAME) == f"{BASE}/api/storage/file/{PATH}"
    assert links.until(BUCKET, [NAME], EXPIRES) == [
        f"{BASE}/api/storage/file/{PATH}?expires=1900000000&signature=0a35887baa773a10ae4e848652ca4c2aec119411b835ad0f"
    ]


def test_a_slash_at_the_end_of_the_base_does_not_count(links: LocalLinks, signer: Signer) -> None:
    with_slash = LocalLinks(BASE + "/", signer, DAY)
    assert with_slash.public(BUCKET, NAME) == links.public(BUCKET, NAME)


def test_links_of_nothing(links: LocalLinks) -> None:
    assert links.until(BUCKET, [], EXPIRES) == []


def test_links_of_a_window_work_until_it_expires(links: LocalLinks) -> None:
    blob = Linked(NAME, "a photo.png", "image/png")
    window = links.window(1_700_000_000.0)
    assert links.signed(BUCKET, [blob], window) == links.until(BUCKET, [NAME], window.expires)


def test_links_of_one_window_are_equal(links: LocalLinks) -> None:
    begins, expires = links.window(1_700_000_000.0)
    assert expires - begins == DAY
    assert links.window(begins + DAY / 4 - 0.01) == (begins, expires)
    assert links.window(begins + DAY / 4).begins == begins + DAY / 4


def test_signed_links_lead_back_to_their_blobs(links: LocalLinks, signer: Signer) -> None:
    bucket, root = new_id(), new_blob_root()
    names = [f"{root}.exr", f"{root}-s.jpg", root]
    for name, url in zip(names, links.until(bucket, names, EXPIRES), strict=True):
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == BASE
        key = _led_to(parts.path)
        assert key == keys.blob_key(bucket, name)
        query = parse_qs(parts.query, strict_parsing=True)
        assert set(query) == {"expires", "signature"}
        signer.verify(key, query["expires"][0], query["signature"][0], EXPIRES - 1)


def test_public_links_lead_back_to_their_blobs(links: LocalLinks) -> None:
    parts = urlsplit(links.public(BUCKET, NAME))
    assert parts.query == ""
    assert _led_to(parts.path) == keys.blob_key(BUCKET, NAME)


def test_a_slash_at_the_end_of_a_path_does_not_count() -> None:
    assert _led_to(f"{ROUTE}/{PATH}/") == _led_to(f"{ROUTE}/{PATH}")


def test_links_without_a_base_are_paths(signer: Signer, links: LocalLinks) -> None:
    here = LocalLinks("", signer, DAY)
    assert [BASE + link for link in here.until(BUCKET, [NAME], EXPIRES)] == links.until(
        BUCKET, [NAME], EXPIRES
    )


HOSTILE = [
    "",
    "/",
    "....",
    NAME,
    f"{BUCKET}/{NAME}",
    f"5f/{BUCKET}/{NAME}",
    f"{PATH}/more",
    f"more/{PATH}",
    f"5e/{BUCKET}/01/{NAME}",
    f"5f/{BUCKET}/02/{NAME}",
    f"5F/{BUCKET}/01/{NAME}",
    f"5f//{BUCKET}/01/{NAME}",
    f"5f/{BUCKET}/01//{NAME}",
    f"5f/{BUCKET}/_/01/{NAME}",
    "../../../..",
    "../../../../etc/passwd",
    "/etc/ssl/pr/private",
    "../../5f/5f",
    f"5f/{BUCKET}/../..",
    f"5f/{BUCKET}/../..{NAME}",
    f"5f/{BUCKET}/.s/.secret",
    f"5f/{BUCKET}/a./a..b",
    f"5f/{BUCKET[:-1]}/01/{NAME}",
    f"5f/{BUCKET}0/01/{NAME}",
    f"5F/{BUCKET.upper()}/01/{NAME}",
    f"5f/{BUCKET}/01/{NAME}\0",
    f"5f/{BUCKET}/01/{NAME}\n",
    f"/5f/{BUCKET}/01/{NAME}",
    f"5f/{BUCKET}/01/{NAME}//",
    f"5f/{BUCKET}/01/{NAME}%0a",
    f"5f/{BUCKET}/01/{NAME.replace('.', '%2e')}",
    f"5f%2f{BUCKET}/01/{NAME}",
    f"%35f/{BUCKET}/01/{NAME}",
    f"5f/{BUCKET}/01/01\\..\\..\\x",
    f"5f/{BUCKET}/%2/%2e%2e",
    f"5f/{BUCKET}/01/{'01' * 200}",
    f"5f/{BUCKET}/é0/é0.png",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_paths_lead_nowhere(path: str) -> None:
    with pytest.raises((NotFound, BadKey)):
        _led_to(f"{ROUTE}/{path}")


@pytest.mark.parametrize("route", ["", "/", "/api/storage/File", "/api/storage/file/..", "//"])
def test_no_other_route_leads_to_a_blob(route: str) -> None:
    with pytest.raises(NotFound):
        _led_to(f"{route}/{PATH}")


@given(st.text(alphabet="./\\0aA5f%\0 é", max_size=40))
def test_no_path_leads_out_of_the_buckets(path: str) -> None:
    with pytest.raises((NotFound, BadKey)):
        _led_to(f"{ROUTE}/{path}")
