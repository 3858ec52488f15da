"""Request bodies that arrive in their own time, but not in any time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from cella.errors import BadRequest, TooLarge, TooSlow, UnknownTransfer, UnsupportedCoding
from cella.http.multipart import MultipartLimits, read_fields

MAX_DOCUMENT = 1 << 20
"""Bytes that a document may have on the wire."""

_FORM = MultipartLimits(outside=MAX_DOCUMENT)
_MAX_FIELDS = 1000


def announced_length(request: Request) -> int | None:
    """The request's `Content-Length` in bytes, or None where it has none."""
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise BadRequest("Content-Length is not a number of bytes.")
    return int(text)


async def read_document(request: Request, seconds: float, least: int) -> Any:
    """The document in the request's body, or the list of documents.

    JSON (RFC 8259) of an object or an array, or a form, either `application/x-www-form-urlencoded`
    or `multipart/form-data`, as an object of strings. Of several members with one name the last
    one counts. Raises `BadRequest` where it is none of these, `TooLarge` where it has more than
    `MAX_DOCUMENT` bytes, and what `paced` raises, which is handed `seconds` and `least`.
    """
    if (announced_length(request) or 0) > MAX_DOCUMENT:
        raise _too_large()
    header = request.headers.get("content-type", "")
    chunks = _bounded(paced(request, seconds, least))
    match header.partition(";")[0].strip().lower():
        case "application/json":
            return _json(_text(b"".join([chunk async for chunk in chunks])))
        case "application/x-www-form-urlencoded":
            return _form(_text(b"".join([chunk async for chunk in chunks])))
        case "multipart/form-data":
            return await read_fields(chunks, header, _FORM)
        case _:
            raise BadRequest("Unknown or no Content-Type header supplied")


async def read_object(request: Request, seconds: float, least: int) -> dict[str, Any]:
    """The one document in the request's body; raises what `read_document` raises.

    A list of documents is a `BadRequest` too.
    """
    document = await read_document(request, seconds, least)
    if not isinstance(document, dict):
        raise BadRequest("The body must be a JSON object, not an array.")
    return document


async def paced(request: Request, seconds: float, least: int) -> AsyncIterator[bytes]:
    """The body in chunks; raises `TooSlow` when `seconds` pass with less than `least` bytes.

    Only the time that was spent waiting for the sender counts, not what is done with the chunks.
    Raises before anything is read `UnsupportedCoding` where the body is compressed, and
    `UnknownTransfer` where more was done to it on its way than cutting it into chunks (RFC 9112,
    section 6.1); Starlette's `ClientDisconnect` where the connection breaks off.
    """
    codings = ",".join(request.headers.getlist("content-encoding")).split(",")
    if any(coding.strip().lower() not in ("", "identity") for coding in codings):
        raise UnsupportedCoding("Send the body as it is, without a Content-Encoding.")
    transfer = ",".join(request.headers.getlist("transfer-encoding"))
    if transfer.strip().lower() not in ("", "chunked"):
        raise UnknownTransfer("Send the body with the Transfer-Encoding chunked, or without one.")
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


async def _bounded(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        if received > MAX_DOCUMENT:
            raise _too_large()
        yield chunk


def _too_large() -> TooLarge:
    return TooLarge(f"A document may have {MAX_DOCUMENT >> 20} MiB; this one has more.")


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: see byte {error.start}.") from None
    if not text.strip():
        raise BadRequest("The body is empty; send a document.")
    return text


def _json(text: str) -> Any:
    try:
        document = msgspec.json.decode(text)
    except RecursionError:
        raise BadRequest("The body is not usable JSON: it is nested too deeply.") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from None
    if not isinstance(document, dict | list):
        raise BadRequest("The body must be a JSON object, or an array of objects.")
    return document


def _form(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("The form is not UTF-8; percent-encode it as UTF-8.") from None
    except ValueError:
        raise BadRequest(f"The form has more than {_MAX_FIELDS} fields.") from None
    return dict(pairs)
