"""Signatures: those that AWS has published, those that Azurite verifies, and what they promise."""

import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.support.clouds import Cloud
from tests.support.stores import KEY, OTHER, body

from cella.errors import BadConfig, BadKey
from cella.store.config import AzureConfig, Clouds, S3Config, StoreConfig
from cella.store.contract import CanSign, Label
from cella.store.opening import open_stores
from cella.store.signing_azure import AzureKey
from cella.store.signing_s3 import AwsKey, Target, presigned, signed_headers

EXAMPLE = AwsKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
MAY_24_2013 = 1369353600
HOUR = 3600
ATTACHED = "attachment; filename*=UTF-8''a%20b.png"


def test_the_link_that_aws_has_published() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html"""
    target = Target("https", "examplebucket.s3.amazonaws.com", "/test.txt")
    (link,) = presigned(EXAMPLE, "us-east-1", [(target, {})], MAY_24_2013, MAY_24_2013 + 86400)
    assert link == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_the_requests_that_aws_has_published() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html"""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    host = "examplebucket.s3.amazonaws.com"
    ranged = signed_headers(
        EXAMPLE,
        "us-east-1",
        MAY_24_2013,
        "GET",
        Target("https", host, "/test.txt"),
        "",
        {"range": "bytes=0-9"},
        empty,
    )
    assert ranged["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
    listing = signed_headers(
        EXAMPLE,
        "us-east-1",
        MAY_24_2013,
        "GET",
        Target("https", host, "/"),
        "max-keys=2&prefix=J",
        {},
        empty,
    )
    assert listing["authorization"].endswith(
        "=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )


def s3_store(url: str = "s3://bucket/blobs", endpoint: str = "") -> CanSign:
    keys = Clouds(s3=S3Config(access_key_id="id", secret_access_key="secret"))
    return _opened(StoreConfig(url=url, endpoint=endpoint), keys)


def azure_store(url: str = "az://container/blobs", endpoint: str = "") -> CanSign:
    keys = Clouds(azure=AzureConfig(account="cella", account_key="c2VjcmV0"))
    return _opened(StoreConfig(url=url, endpoint=endpoint), keys)


def _opened(config: StoreConfig, clouds: Clouds) -> CanSign:
    backend, stores = open_stores(config, clouds, None)  # type: ignore[arg-type]
    store = stores[backend]
    assert isinstance(store, CanSign)
    return store


@pytest.mark.parametrize("make", [s3_store, azure_store])
def test_a_link_is_a_function_of_its_blob_and_its_window(make: type) -> None:
    blobs = [(KEY, "image/png", ""), (KEY.replace("png", "jpg"), "image/jpeg", ATTACHED)]
    links = make().sign(blobs, MAY_24_2013, MAY_24_2013 + HOUR)
    assert links == make().sign(blobs, MAY_24_2013, MAY_24_2013 + HOUR)
    assert links[:1] == make().sign(blobs[:1], MAY_24_2013, MAY_24_2013 + HOUR)
    others = make().sign(blobs, MAY_24_2013 + HOUR, MAY_24_2013 + 2 * HOUR)
    assert len({*links, *others}) == 4
    assert make().sign([], 0, 1) == []
    assert make().public_link(KEY) == ""
    assert make().signs_slowly is False


@pytest.mark.parametrize("make", [s3_store, azure_store])
def test_what_is_no_key_gets_no_link(make: type) -> None:
    with pytest.raises(BadKey):
        make().sign([("../etc/passwd", "", "")], 0, 1)


def test_links_lead_to_the_bucket_and_its_place_in_it() -> None:
    bucket, name = OTHER, f"_/{'0' * 32}.png"
    places = [
        (s3_store(), f"https://bucket.s3.eu-central-1.amazonaws.com/blobs/{bucket}/{name}"),
        (
            s3_store("s3://my.bucket"),
            f"https://s3.eu-central-1.amazonaws.com/my.bucket/{bucket}/{name}",
        ),
        (
            s3_store(endpoint="http://minio:9000/"),
            f"http://minio:9000/bucket/blobs/{bucket}/{name}",
        ),
        (
            s3_store("s3://cella-{project}"),
            f"https://cella-{bucket}.s3.eu-central-1.amazonaws.com/{name}",
        ),
        (
            azure_store(),
            f"https://cella.blob.core.windows.net/container/blobs/{bucket}/{name}",
        ),
        (
            azure_store("az://c-{project}/sub"),
            f"https://cella.blob.core.windows.net/c-{bucket}/sub/{name}",
        ),
    ]
    for store, wanted in places:
        (link,) = store.sign([(f"{bucket}/{name}", "image/png", "")], 0, HOUR)
        assert link.partition("?")[0] == wanted


def test_no_link_lasts_longer_than_a_week() -> None:
    week = 7 * 24 * HOUR
    assert s3_store().longest_link == azure_store().longest_link == week
    (link,) = s3_store().sign([(KEY, "", "")], 0, 2 * week)
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == [str(week)]
    (link,) = azure_store().sign([(KEY, "", "")], 0, 2 * week)
    assert parse_qs(urlsplit(link).query)["se"] == ["1970-01-08T00:00:00Z"]


def test_only_keys_from_the_settings_sign() -> None:
    machine = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
    clouds = Clouds(azure=AzureConfig(account="cella"), machine=machine)
    for url in ("s3://bucket", "az://container"):
        backend, stores = open_stores(StoreConfig(url=url), clouds, None)  # type: ignore[arg-type]
        assert not isinstance(stores[backend], CanSign)


def test_a_key_that_is_none_is_refused_by_the_name_of_its_setting() -> None:
    with pytest.raises(BadConfig, match="CELLA_AZURE_ACCOUNT_KEY") as refusal:
        AzureKey.of("cella", "not base64!")
    assert "not base64!" not in refusal.value.message


def test_no_repr_shows_a_secret() -> None:
    assert "EXAMPLEKEY" not in repr(EXAMPLE)
    assert "secret" not in repr(AzureKey.of("cella", "c2VjcmV0"))


@pytest.mark.parametrize("name", ["s3", "azure"])
async def test_a_link_fetches_the_blob_as_it_says(
    name: str, request: pytest.FixtureRequest
) -> None:
    """Moto checks no signature, but knows the parameters; Azurite checks all."""
    cloud: Cloud = request.getfixturevalue(name)
    store = cloud.store()
    assert isinstance(store, CanSign)
    await store.open()
    await store.put(KEY, body(b"0123456789"), label=Label("image/png", "inline"))
    begins = int(time.time()) - HOUR
    links = store.sign([(KEY, "text/x-a b", ATTACHED), (KEY, "", "")], begins, begins + 2 * HOUR)
    async with httpx.AsyncClient() as client:
        answer = await client.get(links[0], headers={"Range": "bytes=2-4"})
        assert (answer.status_code, answer.content) == (206, b"234")
        assert answer.headers["Content-Type"].startswith("text/x-a b")
        assert answer.headers["Content-Disposition"] == ATTACHED
        answer = await client.get(links[1])
        assert answer.content == b"0123456789"
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Disposition"] == "inline"
    await store.close()


async def test_azurite_refuses_links_that_were_changed_or_are_not_valid_now(azure: Cloud) -> None:
    store = azure.store()
    assert isinstance(store, CanSign)
    await store.open()
    other = KEY.replace("png", "jpg")
    await store.put(KEY, body(b"x"))
    await store.put(other, body(b"y"))
    now = int(time.time())

    def link(begins: int, expires: int) -> str:
        return store.sign([(KEY, "image/png", ATTACHED)], begins, expires)[0]

    good = link(now - HOUR, now + HOUR)
    bad = {
        "expired": link(now - 2 * HOUR, now - HOUR),
        "not begun": link(now + HOUR, now + 2 * HOUR),
        "another blob": good.replace(KEY, other),
        "more rights": good.replace("sp=r", "sp=rw"),
        "another type": good.replace("image%2Fpng", "text%2Fhtml").replace(
            "image/png", "text/html"
        ),
        "another end": good.replace("se=", "se=2"),
        "no signature": good.partition("&sig=")[0],
    }
    assert good not in bad.values()
    async with httpx.AsyncClient() as client:
        assert (await client.get(good)).status_code == 200
        for case, wrong in bad.items():
            assert (await client.get(wrong)).status_code in (400, 403), case
        headers = {"x-ms-blob-type": "BlockBlob"}
        assert (await client.put(good, content=b"z", headers=headers)).status_code == 403
    await store.close()
