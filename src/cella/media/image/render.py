"""Previews of a picture, made in the sandbox: what the flows call."""

import asyncio
import contextlib
from pathlib import Path

import msgspec

from cella.errors import DecoderCrashed, MediaError
from cella.media.image.formats import FORMATS
from cella.media.plan import PREVIEW_TYPE, SIZES, Wanted, plan
from cella.media.rendered import RenderedVariation, length_of
from cella.media.sandbox import Sandbox, absolute
from cella.media.wire import JSON, Limits


class Rendered(msgspec.Struct, kw_only=True, frozen=True):
    """What was made of a picture; `width` and `height` are its own, in pixels, as displayed."""

    width: int
    height: int
    variations: tuple[RenderedVariation, ...]


async def render(
    sandbox: Sandbox, source: Path, folder: Path, limits: Limits | None = None
) -> Rendered:
    """Write the six previews of the picture `source` into the existing, empty `folder`.

    All or nothing: after an error no preview lies there. Raises `CannotDecode` with a sentence
    for who sent the file, `OverLimit` where decoding it would take too much, `DecoderCrashed`
    where another try may do better.
    """
    limits = limits or sandbox.config.limits
    try:
        size = await sandbox.run(
            "make_previews",
            _arguments(source, folder),
            limits,
            reads=[source],
            writes=[folder],
        )
        return await asyncio.to_thread(_collect, size, folder, limits)
    except BaseException:
        _clear(folder)
        raise


async def check(sandbox: Sandbox, folder: Path) -> dict[str, bool]:
    """Whether previews can be made of each format: content types to the result of trying.

    `folder` exists and is empty. Raises nothing for a format that fails.
    """
    try:
        samples = await sandbox.run("write_samples", _arguments(folder, folder), writes=[folder])
    except MediaError:
        samples = {}
    results: dict[str, bool] = {}
    for content_type in FORMATS:
        results[content_type] = False
        with contextlib.suppress(MediaError):
            if content_type in samples:
                await render(sandbox, folder / samples[content_type], folder)
                results[content_type] = True
    return results


def _arguments(source: Path, folder: Path) -> dict[str, JSON]:
    return {"source": absolute(source), "folder": absolute(folder)}


def _collect(size: JSON, folder: Path, limits: Limits) -> Rendered:
    """What lies in the folder. The child may have been taken over, so it is only asked its size."""
    try:
        width, height = msgspec.convert(size, tuple[int, int])
        if width * height > limits.max_pixels:
            raise ValueError(f"{width} × {height} pixels")
        variations = tuple(_variation(folder, wanted) for wanted in plan(width, height))
    except (ValueError, OSError) as error:
        raise DecoderCrashed("The decoder gave a wrong answer. Try again.") from error
    return Rendered(width=width, height=height, variations=variations)


def _variation(folder: Path, wanted: Wanted) -> RenderedVariation:
    path = _preview(folder, wanted.size)
    length = length_of(path)
    if not length:
        raise ValueError(f"no preview {wanted.size}")
    return RenderedVariation(
        size=wanted.size,
        width=wanted.width,
        height=wanted.height,
        length=length,
        path=path,
        content_type=PREVIEW_TYPE,
        is_public=wanted.is_public,
    )


def _clear(folder: Path) -> None:
    for size in SIZES:
        _preview(folder, size.name).unlink(missing_ok=True)


def _preview(folder: Path, size: str) -> Path:
    return folder / f"{size}.jpg"
