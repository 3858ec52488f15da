"""The files of the page, as the build left them: read once, compressed already.

The build writes `<name>.br` and `<name>.gz` beside what they make smaller. Names below `assets/`
hold a hash of what is in them, so such a file never changes.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

INDEX = "index.html"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_CODINGS = {".br": "br", ".gz": "gzip"}


class Asset(NamedTuple):
    """A file of the page: `bodies` by content coding, of which `identity` is always there."""

    content_type: str
    etag: str
    bodies: Mapping[str, bytes]
    is_hashed: bool


class Built:
    """What lies in a folder, read when it is first asked for, and again after another build."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._built_at: int | None = None
        self._assets: Mapping[str, Asset] = {}

    def asset(self, name: str) -> Asset | None:
        """The file of this name, relative to the folder; None where the build made no such file.

        Looks at the disk: to be called in a thread.
        """
        built_at = self._newest()
        if built_at != self._built_at:
            self._assets = dict(_read(self._folder)) if built_at is not None else {}
            self._built_at = built_at
        return self._assets.get(name)

    def _newest(self) -> int | None:
        try:
            return (self._folder / INDEX).stat().st_mtime_ns
        except FileNotFoundError:
            return None


def _read(folder: Path) -> Iterator[tuple[str, Asset]]:
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _TYPES):
        body = path.read_bytes()
        bodies = {"identity": body}
        for suffix, coding in _CODINGS.items():
            packed = path.with_name(path.name + suffix)
            if packed.is_file():
                bodies[coding] = packed.read_bytes()
        name = path.relative_to(folder).as_posix()
        etag = hashlib.sha256(body).hexdigest()[:40]
        yield name, Asset(_TYPES[path.suffix], etag, bodies, name.startswith("assets/"))
