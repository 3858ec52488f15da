"""What a person is asked at the terminal."""

import sys
from getpass import getpass

from cella.errors import BadRequest


def new_password() -> str:
    """A new password: typed twice at a terminal, where it is not shown, else a line of stdin.

    Raises `BadRequest` where the two are not the same, or there is none.
    """
    try:
        if not sys.stdin.isatty():
            return sys.stdin.readline().rstrip("\r\n")
        first, second = getpass("New password: "), getpass("Once more: ")
    except EOFError:
        raise BadRequest("There was no password; nothing was changed.") from None
    except UnicodeDecodeError:
        raise BadRequest("The password is not text in UTF-8; nothing was changed.") from None
    if first != second:
        raise BadRequest("The two are not the same; nothing was changed.")
    return first
