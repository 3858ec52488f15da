"""Signed links of Google Cloud Storage, against Google's own client at the same instant."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from google.cloud.storage import _signing
from google.oauth2 import service_account as google_accounts
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.keys import ACCOUNT, private_key, service_account
from tests.support.stores import BUCKET, KEY

from cella.errors import BadKey
from cella.store.config import GcsConfig
from cella.store.contract import CanSign
from cella.store.gcs import make
from cella.store.gcs_signing import LONGEST, Signed, hmac_key, link, links, rsa
from cella.store.service import Place

CLOUD = "https://storage.googleapis.com"
BEGINS = 1_795_996_800
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def rsa_sign(message: bytes) -> bytes:
    return private_key().sign(message, padding.PKCS1v15(), hashes.SHA256())


def googles(base: str, blob: Signed, begins: int, seconds: int) -> str:
    """What Google's client signs at that instant."""
    credentials = google_accounts.Credentials(
        signer=_Signer(), service_account_email=ACCOUNT, token_uri="http://127.0.0.1:9"
    )
    signed: str = _signing.generate_signed_url_v4(
        credentials,
        resource=link("", blob.where),
        expiration=timedelta(seconds=seconds),
        api_access_endpoint=base,
        response_type=blob.content_type or None,
        response_disposition=blob.disposition or None,
        _request_timestamp=datetime.fromtimestamp(begins, UTC).strftime("%Y%m%dT%H%M%SZ"),
    )
    return signed


class _Signer:
    key_id = "1"

    def sign(self, message: bytes) -> bytes:
        return rsa_sign(message)


@given(
    name=TEXTS.filter(bool),
    content_type=TEXTS,
    disposition=TEXTS,
    begins=st.integers(0, 4_000_000_000),
    seconds=st.integers(1, LONGEST),
    base=st.sampled_from([CLOUD, "http://127.0.0.1:4443"]),
)
@settings(max_examples=60, deadline=None)
def test_links_are_those_that_googles_client_signs(
    name: str, content_type: str, disposition: str, begins: int, seconds: int, base: str
) -> None:
    blob = Signed(Place("bucket", name), content_type, disposition)
    ours = links(rsa(ACCOUNT, rsa_sign), base, [blob], begins, begins + seconds)
    assert ours == [googles(base, blob, begins, seconds)]


def test_a_signature_is_one_of_the_key() -> None:
    blob = Signed(Place("bucket", "a/_/b.png"), "image/png", 'inline; filename="ü.png"')
    [signed] = links(rsa(ACCOUNT, rsa_sign), CLOUD, [blob], BEGINS, BEGINS + 60)
    signature = bytes.fromhex(dict(parse_qsl(urlsplit(signed).query))["X-Goog-Signature"])
    private_key().public_key().verify(
        signature, string_to_sign(signed), padding.PKCS1v15(), hashes.SHA256()
    )


def test_an_hmac_key_signs_the_same_request() -> None:
    """The derivation of the key is that of the documentation, written out."""
    blob = Signed(Place("bucket", "a/_/b.png"), "image/png", "inline")
    [signed] = links(hmac_key("GOOG1EXAMPLE", "the secret"), CLOUD, [blob], BEGINS, BEGINS + 60)
    asked = dict(parse_qsl(urlsplit(signed).query))
    assert asked["X-Goog-Algorithm"] == "GOOG4-HMAC-SHA256"
    assert asked["X-Goog-Credential"] == "GOOG1EXAMPLE/20261130/auto/storage/goog4_request"
    key = b"GOOG4the secret"
    for part in (b"20261130", b"auto", b"storage", b"goog4_request"):
        key = hmac.new(key, part, hashlib.sha256).digest()
    wanted = hmac.new(key, string_to_sign(signed), hashlib.sha256).hexdigest()
    assert asked["X-Goog-Signature"] == wanted


def test_the_links_of_a_window_are_equal_and_those_of_others_are_not(tmp_path: Path) -> None:
    config = GcsConfig(credentials=str(service_account(tmp_path)))
    store = make("CELLA_STORE_URL", "bucket", "", "", "EU", config)
    assert isinstance(store, CanSign)
    blobs = [(KEY, "image/png", "inline"), (f"{BUCKET}/_/other", "text/plain", "")]
    signed = store.sign(blobs, BEGINS, BEGINS + 3600)
    assert signed == store.sign(blobs, BEGINS, BEGINS + 3600)
    assert len({*signed, *store.sign(blobs, BEGINS + 3600, BEGINS + 7200)}) == 4
    assert signed[0].startswith(f"{CLOUD}/bucket/{KEY}?X-Goog-Algorithm=GOOG4-RSA-SHA256&")
    assert "response-content-disposition" not in signed[1]
    with pytest.raises(BadKey):
        store.sign([("../etc/passwd", "", "")], BEGINS, BEGINS + 60)


@pytest.mark.parametrize("seconds", [-1, 0, LONGEST + 1])
def test_a_link_lasts_at_most_a_week(seconds: int) -> None:
    with pytest.raises(ValueError, match="week"):
        links(hmac_key("a", "b"), CLOUD, [], BEGINS, BEGINS + seconds)


def string_to_sign(signed: str) -> bytes:
    """What of a link is signed, put together from the link alone."""
    parts = urlsplit(signed)
    query = parts.query.rpartition("&X-Goog-Signature=")[0]
    asked = dict(pair.split("=", 1) for pair in query.split("&"))
    request = f"GET\n{parts.path}\n{query}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    scope = unquote(asked["X-Goog-Credential"]).partition("/")[2]
    digest = hashlib.sha256(request.encode()).hexdigest()
    return "\n".join((asked["X-Goog-Algorithm"], asked["X-Goog-Date"], scope, digest)).encode()
