"""What a user's name, address and roles may look like.

Names and addresses are in the form NFKC (UAX #15), so that no two of them differ only in how the
same letters are written, such as in full width.
"""

import re
import unicodedata

LONGEST = 128
"""Characters that a name or an address may have."""

_USERNAME = re.compile(r"[\w.@+-]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_ROLE = re.compile(r"[a-z0-9_-]{1,64}")
_UNSEEN = ("Cc", "Cf", "Cs")


def is_username(text: str) -> bool:
    """Whether it is made of letters, digits and `.@+-_` only."""
    return len(text) <= LONGEST and _USERNAME.fullmatch(text) is not None and _is_composed(text)


def is_email(text: str) -> bool:
    """Whether it has the looks of an address; only a message to it would tell more."""
    is_address = len(text) <= LONGEST and _EMAIL.fullmatch(text) is not None
    return is_address and is_plain(text) and _is_composed(text)


def is_role(text: str) -> bool:
    """Whether it is a word of `a-z0-9_-`."""
    return _ROLE.fullmatch(text) is not None


def is_plain(text: str) -> bool:
    """Whether there are no control characters, controls of writing direction, or surrogates."""
    return not any(unicodedata.category(sign) in _UNSEEN for sign in text)


def _is_composed(text: str) -> bool:
    return unicodedata.is_normalized("NFKC", text)
