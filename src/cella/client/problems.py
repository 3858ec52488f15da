"""What goes wrong between a client and a server: httpx's errors become ours here."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import msgspec

from cella.errors import CellaError

_NUMBER = re.compile(r"^\[Errno -?\d+\] ")


class Refused(CellaError):
    """The server refused; the message is its own, `status` the HTTP status."""

    code = "refused"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Unreachable(CellaError):
    """The server cannot be reached, or the connection to it broke off."""

    code = "unreachable"
    retriable = True


class BadAnswer(CellaError):
    """What answered is no Cella server."""

    code = "bad_answer"


class _Error(msgspec.Struct):
    message: str


class _Problem(msgspec.Struct):
    error: _Error = msgspec.field(name="_error")


def refusal(response: httpx.Response) -> Refused:
    """The error that an answer with a status of 4xx or 5xx stands for; its body was read."""
    try:
        message = msgspec.json.decode(response.content, type=_Problem).error.message
    except msgspec.DecodeError:
        message = f"The server answered {response.status_code} {response.reason_phrase}."
    return Refused(message, response.status_code)


@contextmanager
def plain_words(server: str) -> Iterator[None]:
    """Whatever httpx raises inside is raised as `Unreachable`, which names the server."""
    try:
        yield
    except httpx.ConnectError as error:
        reason = _NUMBER.sub("", str(error)).rstrip(".")
        raise Unreachable(f"Cannot reach {server}: {reason}. Is the server running?") from error
    except httpx.TimeoutException as error:
        raise Unreachable(f"{server} did not answer in time.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"The connection to {server} broke off: {error}") from error
