"""What `cella doctor` tries: each part of the service does once what it is there for."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal, NamedTuple

from cella.assembly import Assembly
from cella.config import unknown_variables
from cella.db import migrations
from cella.errors import CellaError, DecoderCrashed
from cella.media import ffmpeg
from cella.media.image.render import check as check_formats

State = Literal["ok", "warning", "failed"]

_LITTLE_SPACE = 1 << 30
_GIB = 1 << 30
_SECONDS = 60.0
_BUCKET = "0" * 24


class Check(NamedTuple):
    """How a part fares: `failed` means that the service cannot work."""

    name: str
    state: State
    detail: str


async def check_all(assembly: Assembly) -> list[Check]:
    """Try everything. Whatever goes wrong becomes a line of the result."""
    tries: tuple[tuple[str, Callable[[Assembly], Awaitable[tuple[State, str]]]], ...] = (
        ("settings", _settings),
        ("data directory", _data),
        ("database", _database),
        ("store", _store),
        ("sandbox", _sandbox),
        ("decoders", _decoders),
        ("ffmpeg", _ffmpeg),
    )
    return [await _tried(name, attempt(assembly)) for name, attempt in tries]


async def _tried(name: str, attempt: Awaitable[tuple[State, str]]) -> Check:
    try:
        async with asyncio.timeout(_SECONDS):
            state, detail = await attempt
    except TimeoutError:
        return Check(name, "failed", f"no answer within {_SECONDS:g} seconds")
    except CellaError as error:
        return Check(name, "failed", error.message)
    except Exception as error:
        reason = " ".join(str(error).split()) or "no reason given"
        return Check(name, "failed", f"{type(error).__name__}: {reason}")
    return Check(name, state, detail)


async def _settings(_: Assembly) -> tuple[State, str]:
    unknown = unknown_variables()
    if unknown:
        return "warning", f"no settings of Cella: {', '.join(unknown)}; see docs/configuration.md"
    return "ok", "all known"


async def _data(assembly: Assembly) -> tuple[State, str]:
    folder = assembly.config.data
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"\0")
    free = shutil.disk_usage(folder).free
    detail = f"writable, {free / _GIB:.1f} GiB free"
    return ("ok", detail) if free >= _LITTLE_SPACE else ("warning", f"{detail}: that is little")


async def _database(assembly: Assembly) -> tuple[State, str]:
    return await asyncio.to_thread(_try_database, assembly)


def _try_database(assembly: Assembly) -> tuple[State, str]:
    kind = "SQLite" if assembly.db.is_sqlite else "PostgreSQL"
    assembly.db.open()
    try:
        current, newest = migrations.current(assembly.db), migrations.NEWEST
        assembly.db.write_now(lambda _: None)
    finally:
        assembly.db.close()
    if current is None:
        return "ok", f"{kind} answers and is empty; the first start makes its tables"
    if current != newest:
        return "warning", f"{kind} is at revision {current}; the next start brings it to {newest}"
    return "ok", f"{kind} answers and is at the newest revision, {current}"


async def _store(assembly: Assembly) -> tuple[State, str]:
    store, content = assembly.store, secrets.token_bytes(1024)
    key = f"{_BUCKET}/_/doctor-{secrets.token_hex(8)}"
    async with AsyncExitStack() as stack:
        await store.open()
        stack.push_async_callback(store.close)
        await store.put(key, _body(content))
        stack.push_async_callback(store.delete, key)
        found = b"".join([block async for block in store.get(key)])
    if found != content:
        return "failed", f"{assembly.backend} gave other bytes than were put into it"
    return "ok", f"{assembly.backend} keeps, gives and deletes bytes"


async def _body(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _sandbox(assembly: Assembly) -> tuple[State, str]:
    await assembly.sandbox.open()
    try:
        protections = assembly.sandbox.protections
    finally:
        await assembly.sandbox.close()
    missing = [name for name, there in protections.items() if not there]
    if missing:
        return "warning", f"decoders run in limits, but without {', '.join(missing)}"
    return "ok", f"decoders run in limits, with {', '.join(protections)}"


async def _decoders(assembly: Assembly) -> tuple[State, str]:
    await assembly.sandbox.open()
    try:
        with tempfile.TemporaryDirectory() as folder:
            formats = await check_formats(assembly.sandbox, Path(folder))
    finally:
        await assembly.sandbox.close()
    broken = [name for name, works in formats.items() if not works]
    if broken:
        return "failed", f"no previews of {', '.join(broken)}"
    return "ok", f"previews of {', '.join(formats)}"


async def _ffmpeg(assembly: Assembly) -> tuple[State, str]:
    return await asyncio.to_thread(_try_ffmpeg, assembly.config.ffmpeg.bin)


def _try_ffmpeg(configured: str) -> tuple[State, str]:
    path = ffmpeg.find(configured)
    named = configured or path
    try:
        found = ffmpeg.abilities(ffmpeg.needed(path))
    except DecoderCrashed:
        what = f"{named} is no ffmpeg or does not answer" if named else "not found"
        return "warning", f"{what}: films get no previews and are not encoded"
    detail = f"{found.version}, {path}"
    if found.lacks:
        return "warning", f"{detail}, but without {', '.join(found.lacks)}"
    return "ok", detail
