"""Signatures of links: what they are, and what does not pass for one."""

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cella.errors import BadConfig, LinkRefused
from cella.links.token import Signer

KEY = "correct horse battery staple, 32+"
NEW_KEY = "another key that is long enough, too"
BLOB = "5f0123456789abcdef012345/_/0123456789abcdef0123456789abcdef.png"
EXPIRES = 1_900_000_000
NOW = EXPIRES - 1000.0

GOLDEN = {
    (BLOB, EXPIRES): "0a35887baa773a10ae4e848652ca4c2aec119411b835ad0f",
    (BLOB, EXPIRES + 1): "0a35887bec9447379d72b5eda59ffa86e55e4089c2f82077",
    (BLOB.replace(".png", "-s.jpg"), EXPIRES): "0a35887b70163e1283d02777eda342e6187f55eb726a67c6",
}
"""Signatures by `KEY`. Where they change, every link that is out there dies."""


def _sign(signer: Signer, blob: str = BLOB, expires: int = EXPIRES) -> str:
    return signer.signing(expires).sign(blob)


@pytest.mark.parametrize(("what", "signature"), GOLDEN.items())
def test_signatures_never_change(what: tuple[str, int], signature: str) -> None:
    assert _sign(Signer([KEY]), *what) == signature


def test_signatures_are_what_their_description_says() -> None:
    key = hashlib.blake2b(KEY.encode(), digest_size=32).digest()
    tag = hashlib.blake2b(
        f"{EXPIRES}\n{BLOB}".encode(), key=key, digest_size=20, person=b"cella link v1"
    )
    key_id = hashlib.blake2b(key, digest_size=4)
    assert _sign(Signer([KEY])) == key_id.hexdigest() + tag.hexdigest()


def test_one_signing_signs_many() -> None:
    signing = Signer([KEY]).signing(EXPIRES)
    for (blob, expires), signature in GOLDEN.items():
        if expires == EXPIRES:
            assert signing.sign(blob) == signature


def test_a_signature_holds_until_its_very_second() -> None:
    signer = Signer([KEY])
    signature = _sign(signer)
    for now in (0.0, NOW, EXPIRES - 0.001):
        signer.verify(BLOB, str(EXPIRES), signature, now)
    for now in (float(EXPIRES), EXPIRES + 0.001, EXPIRES * 2.0):
        with pytest.raises(LinkRefused, match="expired"):
            signer.verify(BLOB, str(EXPIRES), signature, now)


ALPHABET = string.ascii_letters + string.digits + "-_./ +\0é"


def _changes(text: str) -> list[str]:
    """`text` with each of its characters changed, dropped, doubled, or with one put before it."""
    changed = {text[:i] + c + text[i + 1 :] for i in range(len(text)) for c in ALPHABET}
    changed |= {text[:i] + text[i + 1 :] for i in range(len(text))}
    changed |= {text[:i] + c + text[i:] for i in range(len(text) + 1) for c in "0a /"}
    return sorted(changed - {text})


def test_every_change_of_one_character_is_refused() -> None:
    signer = Signer([KEY])
    signature = _sign(signer)
    forged = [(blob, str(EXPIRES), signature) for blob in _changes(BLOB)]
    forged += [(BLOB, expires, signature) for expires in _changes(str(EXPIRES))]
    forged += [(BLOB, str(EXPIRES), other) for other in _changes(signature)]
    for blob, expires, other in forged:
        with pytest.raises(LinkRefused):
            signer.verify(blob, expires, other, NOW)
    assert len(forged) > 5000


@pytest.mark.parametrize(
    "expires",
    [
        *("", "0", "-1", "+1900000000", "1_900_000_000", " 1900000000", "1900000000\n", "1.9e9"),
        *("0001900000000", "01900000000", "１９００００００００", "nan", "9" * 13, "9" * 10_000),
    ],
)
def test_an_expiry_that_is_spelled_otherwise_is_refused(expires: str) -> None:
    signer = Signer([KEY])
    with pytest.raises(LinkRefused, match="changed"):
        signer.verify(BLOB, expires, _sign(signer), NOW)


@given(blob=st.text(max_size=80), expires=st.text(max_size=12), signature=st.text(max_size=60))
def test_nothing_made_up_is_accepted(blob: str, expires: str, signature: str) -> None:
    with pytest.raises(LinkRefused):
        Signer([KEY]).verify(blob, expires, signature, NOW)
    known_id = next(iter(GOLDEN.values()))[:8]
    with pytest.raises(LinkRefused):
        Signer([KEY]).verify(blob, expires, known_id + signature, NOW)


def test_keys_are_rotated_without_a_dead_link() -> None:
    before, both, after = Signer([KEY]), Signer([NEW_KEY, KEY]), Signer([NEW_KEY])
    old, new = _sign(before), _sign(both)

    assert new == _sign(after) != old
    both.verify(BLOB, str(EXPIRES), old, NOW)
    both.verify(BLOB, str(EXPIRES), new, NOW)
    after.verify(BLOB, str(EXPIRES), new, NOW)
    for signer, signature in ((after, old), (before, new)):
        with pytest.raises(LinkRefused, match="not in use"):
            signer.verify(BLOB, str(EXPIRES), signature, NOW)


def test_the_id_of_one_key_with_the_tag_of_another_is_refused() -> None:
    signer = Signer([KEY, NEW_KEY])
    mixed = _sign(Signer([NEW_KEY]))[:8] + _sign(Signer([KEY]))[8:]
    with pytest.raises(LinkRefused):
        signer.verify(BLOB, str(EXPIRES), mixed, NOW)


@pytest.mark.parametrize("keys", [[], [""], ["k" * 31], [KEY, "short"]])
def test_weak_keys_are_refused_and_not_shown(keys: list[str]) -> None:
    with pytest.raises(BadConfig, match="CELLA_LINK_KEYS") as caught:
        Signer(keys)
    assert not any(key in str(caught.value) for key in keys if key)
