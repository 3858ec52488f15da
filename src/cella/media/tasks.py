"""The tasks that children of the sandbox run. A task is a name in this table, nothing else."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from cella.media.audio.pipeline import draw_sound
from cella.media.image.pipeline import make_previews
from cella.media.image.samples import write_samples
from cella.media.image.tiles import join_tiles
from cella.media.tracks import examine
from cella.media.wire import JSON, Limits, Task


def _make_previews(arguments: Mapping[str, JSON], limits: Limits) -> JSON:
    source, folder = Path(arguments["source"]), Path(arguments["folder"])
    return make_previews(source, folder, limits.max_pixels)


def _write_samples(arguments: Mapping[str, JSON], limits: Limits) -> JSON:  # noqa: ARG001
    return write_samples(Path(arguments["folder"]))


def _probe(arguments: Mapping[str, JSON], limits: Limits) -> JSON:
    found = [examine(Path(source), limits.max_pixels) for source in arguments["sources"]]
    return msgspec.to_builtins(found)


def _draw_sound(arguments: Mapping[str, JSON], limits: Limits) -> JSON:  # noqa: ARG001
    return draw_sound(Path(arguments["source"]), Path(arguments["folder"]))


def _join_tiles(arguments: Mapping[str, JSON], limits: Limits) -> JSON:  # noqa: ARG001
    raw, folder = Path(arguments["raw"]), Path(arguments["folder"])
    return join_tiles(raw, folder, arguments["width"], arguments["height"], arguments["sheets"])


TASKS: Mapping[str, Task] = {
    "draw_sound": _draw_sound,
    "join_tiles": _join_tiles,
    "make_previews": _make_previews,
    "probe": _probe,
    "write_samples": _write_samples,
}
