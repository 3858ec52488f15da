"""The tasks that children of the sandbox run. A task is a name in this table, nothing else."""

from collections.abc import Mapping
from pathlib import Path

from cella.media.image.pipeline import make_previews
from cella.media.image.samples import write_samples
from cella.media.wire import JSON, Limits, Task


def _make_previews(arguments: Mapping[str, JSON], limits: Limits) -> JSON:
    source, folder = Path(arguments["source"]), Path(arguments["folder"])
    return make_previews(source, folder, limits.max_pixels)


def _write_samples(arguments: Mapping[str, JSON], limits: Limits) -> JSON:  # noqa: ARG001
    return write_samples(Path(arguments["folder"]))


TASKS: Mapping[str, Task] = {
    "make_previews": _make_previews,
    "write_samples": _write_samples,
}
