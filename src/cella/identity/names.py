"""Names as providers tell them, made fit to be kept and shown."""

import re
import unicodedata

LONGEST = 128
"""Characters that a name or an address may have."""

_USERNAME = 64
_UNFIT = re.compile(r"[^\w.@+-]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def fit_username(*wishes: str) -> str:
    """A user name of at most 64 characters: the first of `wishes` of which something is left.

    Letters, digits and the signs of `.@+-_` are kept (NFKC); `user` where nothing is.
    """
    for wish in wishes:
        name = _UNFIT.sub("-", unicodedata.normalize("NFKC", fit_line(wish)))
        name = name[:_USERNAME].strip("-")
        if name:
            return name
    return "user"


def fit_line(text: str) -> str:
    """The text as one line of at most 128 characters that can be seen."""
    seen = "".join(sign for sign in text if unicodedata.category(sign) not in _UNSEEN)
    return " ".join(seen.split())[:LONGEST].strip()


def fit_email(text: str) -> str:
    """The text where it is an address, else nothing."""
    address = fit_line(text)
    is_whole = address == text.strip() and _EMAIL.fullmatch(address) is not None
    return address if is_whole else ""
