"""Request bodies that arrive in their own time, but not in any time."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request

from cella.errors import BadRequest, TooSlow, UnsupportedCoding


def announced_length(request: Request) -> int | None:
    """The request's `Content-Length` in bytes, or None where it has none."""
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise BadRequest("Content-Length is not a number of bytes.")
    return int(text)


async def paced(request: Request, seconds: float, least: int) -> AsyncIterator[bytes]:
    """The body in chunks; raises `TooSlow` when `seconds` pass with less than `least` bytes.

    Only the time that was spent waiting for the sender counts, not what is done with the chunks.
    Raises `UnsupportedCoding` before anything is read where the body is compressed, and
    Starlette's `ClientDisconnect` where the connection breaks off.
    """
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() not in ("", "identity"):
        raise UnsupportedCoding("Send the body as it is, without a Content-Encoding.")
    loop = asyncio.get_running_loop()
    chunks = request.stream()
    announced = announced_length(request)
    left, received, total = seconds, 0, 0
    while True:
        asked = loop.time()
        try:
            async with asyncio.timeout_at(asked + left):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise TooSlow(
                f"The upload brought less than {least} bytes in {seconds:g} seconds "
                "and was given up."
            ) from None
        if chunk is None:
            if announced is not None and total != announced:
                raise BadRequest(f"The body has {total} bytes where {announced} were announced.")
            return
        left -= loop.time() - asked
        received += len(chunk)
        total += len(chunk)
        if received >= least:
            left, received = seconds, 0
        yield chunk
