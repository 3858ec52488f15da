"""Passwords and their hashes."""

import asyncio

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from cella.access.passwords import LONGEST, SHORTEST, Passwords
from cella.errors import BadRequest

PASSWORD = "correct horse"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""As an older release might have hashed."""


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords()


async def test_only_the_password_itself_matches(passwords: Passwords) -> None:
    kept = passwords.hash(PASSWORD)
    assert await passwords.verify(kept, PASSWORD)
    for wrong in ("", "correct hors", f"{PASSWORD} ", PASSWORD.upper(), f"{PASSWORD}\0"):
        assert not await passwords.verify(kept, wrong)


def test_what_is_kept_is_argon2id_with_a_salt_of_its_own(passwords: Passwords) -> None:
    one, other = passwords.hash(PASSWORD), passwords.hash(PASSWORD)
    assert one != other
    assert PASSWORD not in one
    kept = extract_parameters(one)
    assert (kept.type, kept.memory_cost, kept.salt_len) == (Type.ID, 64 << 10, 16)


async def test_letters_are_the_same_however_a_keyboard_composes_them(passwords: Passwords) -> None:
    assert await passwords.verify(passwords.hash("caf\u00e9 au lait"), "cafe\u0301 au lait")


@pytest.mark.parametrize("length", [SHORTEST, LONGEST])
async def test_passwords_of_any_characters_do(passwords: Passwords, length: int) -> None:
    password = "\0\U0001f3ac" * (length // 2)
    assert await passwords.verify(passwords.hash(password), password)


@pytest.mark.parametrize("length", [0, SHORTEST - 1, LONGEST + 1])
def test_too_short_and_too_long_ones_are_refused(passwords: Passwords, length: int) -> None:
    with pytest.raises(BadRequest, match=f"{SHORTEST} to {LONGEST}"):
        passwords.hash("x" * length)


async def test_a_password_is_not_its_own_beginning(passwords: Passwords) -> None:
    assert not await passwords.verify(passwords.hash("x" * LONGEST), "x" * (LONGEST + 1))


@pytest.mark.parametrize("guess", ["", PASSWORD, "\ud800", "x" * 100_000])
async def test_nobody_has_no_password(passwords: Passwords, guess: str) -> None:
    assert not await passwords.verify(None, guess)


async def test_a_cheap_hash_matches_and_is_renewed(passwords: Passwords) -> None:
    cheap = CHEAP.hash(PASSWORD)
    assert await passwords.verify(cheap, PASSWORD)
    renewed = await passwords.renewed(cheap, PASSWORD)
    assert renewed is not None
    assert extract_parameters(renewed).memory_cost == 64 << 10
    assert await passwords.verify(renewed, PASSWORD)
    assert await passwords.renewed(renewed, PASSWORD) is None


async def test_the_loop_goes_on_meanwhile(passwords: Passwords) -> None:
    guesses = [asyncio.ensure_future(passwords.verify(None, PASSWORD)) for _ in range(3)]
    turns = 0
    while not all(guess.done() for guess in guesses):
        turns += 1
        await asyncio.sleep(0)
    assert turns > 100
