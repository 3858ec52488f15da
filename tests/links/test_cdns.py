"""Links of content delivery networks: as they are documented, or as others compute them."""

import subprocess
from base64 import b64decode
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cella.errors import BadConfig
from cella.links.bunny import Bunny, BunnyConfig
from cella.links.cdn import Cdn, CdnConfigs, make_cdn
from cella.links.cdnsun import Cdnsun, CdnsunConfig
from cella.links.cloudfront import Cloudfront, CloudfrontConfig, policy
from cella.links.nginx import Nginx, NginxConfig, checksum
from cella.links.validity import CdnName

EXPIRES = 1_900_000_000
UMLAUT = "ab/Größe 1 – ä?#%41.jpg"
"""A path with everything in it that has to be encoded."""


def pem(key: RSAPrivateKey) -> str:
    """The key as it stands in a setting."""
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()


@pytest.fixture(scope="module")
def rsa_key() -> RSAPrivateKey:
    """A key of the size that CloudFront asks for."""
    return generate_private_key(65537, 2048)


# CDNsun: contract, 5.2


@pytest.mark.parametrize(
    ("folder", "link"),
    [
        ("", "/ab/abcdef.jpg?secure=C_5YCB4w2ShKKq8HjginqQ==,1470000000"),
        ("/sub", "/sub/ab/abcdef.jpg?secure=1ivBcE-ULQUM9znrTEQ54g==,1470000000"),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_cdnsun_as_the_original_signed(folder: str, link: str, slash: str) -> None:
    cdn = Cdnsun(CdnsunConfig(url=f"https://cdn.example.com{folder}{slash}", key="s3cr3t"))
    for path in ("ab/abcdef.jpg", "/ab/abcdef.jpg"):
        assert cdn.signed([path], 1470000000) == [f"https://cdn.example.com{link}"]
    assert cdn.public("ab/abcdef.jpg") == "", "it asks everybody for a signature"


def test_cdnsun_without_signing_gives_plain_links() -> None:
    cdn = Cdnsun(CdnsunConfig(url="http://cdn.example.com/sub", signing=False))
    assert cdn.signed(["ab/a b.jpg"], EXPIRES) == ["http://cdn.example.com/sub/ab/a%20b.jpg"]
    assert cdn.public("ab/a b.jpg") == "http://cdn.example.com/sub/ab/a%20b.jpg"


def test_cdnsun_hashes_a_path_as_it_is_named() -> None:
    cdn = Cdnsun(CdnsunConfig(url="https://cdn.example.com/sub", key="s3cr3t"))
    (link,) = cdn.signed([UMLAUT], EXPIRES)
    parts = urlsplit(link)
    assert link.isascii()
    assert unquote(parts.path) == f"/sub/{UMLAUT}"
    hashed = by_openssl(f"{EXPIRES}/sub/{UMLAUT}s3cr3t") + "=="
    assert parts.query == f"secure={hashed},{EXPIRES}"


# nginx


def by_openssl(text: str) -> str:
    """The checksum that nginx's documentation has openssl work out."""
    pipe = "openssl md5 -binary | openssl base64 | tr +/ -_ | tr -d ="
    done = subprocess.run(
        ["sh", "-c", pipe], input=text.encode(), capture_output=True, check=True, timeout=30
    )
    return done.stdout.decode().strip()


def test_the_example_of_nginx() -> None:
    assert checksum("2147483647/s/link127.0.0.1 secret") == "_e4Nc3iduzkWRm01TBBNYw"


def test_nginx_hashes_what_it_decodes() -> None:
    cdn = Nginx(NginxConfig(url="https://media.studio.example/m", key="a secret"))
    (link,) = cdn.signed([UMLAUT], EXPIRES)
    parts = urlsplit(link)
    assert link.isascii()
    uri = unquote(parts.path)
    assert uri == f"/m/{UMLAUT}"
    assert parse_qs(parts.query) == {
        "md5": [by_openssl(f"{EXPIRES}{uri} a secret")],
        "expires": [str(EXPIRES)],
    }


# Bunny


def test_the_example_of_bunny() -> None:
    """The first vector that Bunny's own implementations are compared by."""
    cdn = Bunny(BunnyConfig(url="https://token-tester.b-cdn.net", key="SecurityKey"))
    assert cdn.signed(["300kb.jpg"], 1598024587) == [
        "https://token-tester.b-cdn.net/300kb.jpg"
        "?token=HS256-o10JRWlsAItyAsdKS6jJKjabHN4FrFsplDHPV1idcX4&expires=1598024587"
    ]


def test_bunny_signs_the_path_as_it_is_sent() -> None:
    cdn = Bunny(BunnyConfig(url="https://z.b-cdn.net/m", key="k"))
    (link,) = cdn.signed([UMLAUT], EXPIRES)
    shown = urlsplit(link).path
    assert link.isascii()
    assert unquote(shown) == f"/m/{UMLAUT}"
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", "k", "-binary"],
        input=f"{shown}{EXPIRES}".encode(),
        capture_output=True,
        check=True,
        timeout=30,
    )
    token = parse_qs(urlsplit(link).query)["token"][0].removeprefix("HS256-")
    assert b64decode(token + "=", altchars=b"-_") == done.stdout


# CloudFront


def test_the_policy_is_that_of_the_documentation() -> None:
    url = "http://d111111abcdef8.cloudfront.net/horizon.jpg?size=large&license=yes"
    assert policy(url, 1357034400) == (
        '{"Statement":[{"Resource":"http://d111111abcdef8.cloudfront.net/horizon.jpg'
        '?size=large&license=yes","Condition":{"DateLessThan":{"AWS:EpochTime":1357034400}}}]}'
    )


@pytest.mark.parametrize("line_feed", ["\n", "\\n"])
def test_cloudfront_verifies_what_is_signed(rsa_key: RSAPrivateKey, line_feed: str) -> None:
    key = pem(rsa_key).replace("\n", line_feed)
    cdn = Cloudfront(
        CloudfrontConfig(url="https://d1.cloudfront.net/m/", key=key, key_pair_id="K2JCJMDEHXQW5F")
    )
    (link,) = cdn.signed([UMLAUT], EXPIRES)
    url, _, query = link.partition("?")
    assert link.isascii()
    assert unquote(urlsplit(url).path) == f"/m/{UMLAUT}"
    names = [pair.partition("=")[0] for pair in query.split("&")]
    assert names == ["Expires", "Signature", "Key-Pair-Id"]
    said = dict(pair.split("=", 1) for pair in query.split("&"))
    assert said["Expires"] == str(EXPIRES)
    assert said["Key-Pair-Id"] == "K2JCJMDEHXQW5F"
    signature = b64decode(said["Signature"].translate(str.maketrans("-_~", "+=/")), validate=True)
    rsa_key.public_key().verify(signature, policy(url, EXPIRES).encode(), PKCS1v15(), SHA1())
    assert cdn.signed([UMLAUT], EXPIRES) == [link], "the same for everybody"


# All of them


def configs(rsa_key: RSAPrivateKey) -> CdnConfigs:
    """Every network, with settings that fit."""
    url = "https://cdn.studio.example/m"
    return CdnConfigs(
        bunny=BunnyConfig(url=url, key="k"),
        cdnsun=CdnsunConfig(url=url, key="k"),
        cloudfront=CloudfrontConfig(url=url, key=pem(rsa_key), key_pair_id="K1"),
        nginx=NginxConfig(url=url, key="k"),
    )


NAMES: tuple[CdnName, ...] = ("bunny", "cdnsun", "cloudfront", "nginx")


@pytest.mark.parametrize("name", NAMES)
def test_links_end_with_their_window_and_belong_to_one_path(
    name: CdnName, rsa_key: RSAPrivateKey
) -> None:
    cdn: Cdn = make_cdn(name, configs(rsa_key))
    links = cdn.signed(["a/_/one.jpg", "a/_/two.jpg"], EXPIRES)
    assert all(str(EXPIRES) in link for link in links)
    assert [urlsplit(link).path for link in links] == ["/m/a/_/one.jpg", "/m/a/_/two.jpg"]
    assert len({urlsplit(link).query for link in links}) == 2
    assert cdn.signed(["a/_/one.jpg"], EXPIRES + 1)[0] != links[0]
    assert cdn.signed([], EXPIRES) == []
    assert cdn.is_slow == (name == "cloudfront")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("url", "key", "wrong"),
    [
        ("", "k", "URL"),
        ("ftp://cdn.example", "k", "URL"),
        ("cdn.example", "k", "URL"),
        ("https://cdn.example/?a=b", "k", "URL"),
        ("https://cdn.example/a b", "k", "URL"),
        ("https://cdn.example:0/", "k", "URL"),
        ("https://[cdn.example/", "k", "URL"),
        ("https://cdn.example/", "", "KEY"),
    ],
)
def test_settings_that_do_not_fit_are_named(name: CdnName, url: str, key: str, wrong: str) -> None:
    told = CdnConfigs(
        bunny=BunnyConfig(url=url, key=key),
        cdnsun=CdnsunConfig(url=url, key=key),
        cloudfront=CloudfrontConfig(url=url, key=key, key_pair_id="K1"),
        nginx=NginxConfig(url=url, key=key),
    )
    with pytest.raises(BadConfig, match=f"CELLA_{name.upper()}_{wrong}"):
        make_cdn(name, told)


@pytest.mark.parametrize("key", ["no key", "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n"])
def test_a_key_that_is_none_is_not_repeated(key: str) -> None:
    with pytest.raises(BadConfig, match="CELLA_CLOUDFRONT_KEY") as caught:
        Cloudfront(CloudfrontConfig(url="https://d1.cloudfront.net", key=key, key_pair_id="K1"))
    assert "hunter2" not in str(caught.value)


def test_cloudfront_needs_the_id_of_its_key(rsa_key: RSAPrivateKey) -> None:
    with pytest.raises(BadConfig, match="CELLA_CLOUDFRONT_KEY_PAIR_ID"):
        Cloudfront(CloudfrontConfig(url="https://d1.cloudfront.net", key=pem(rsa_key)))
