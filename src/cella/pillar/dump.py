"""A dump: a folder as `mongodump` writes it, or an archive, and the collections that we want of it.

Of a folder the file of a collection is read once. Of an archive, where collections come in any
order and alternate, the whole is read once for each collection up to where that ends, since
projects need their users to be there, and files their projects.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from cella.errors import BadRequest
from cella.pillar import archive
from cella.pillar.archive import Space
from cella.pillar.source import Document, Source, opened

COLLECTIONS = ("groups", "users", "tokens", "projects", "files")
"""What is taken of a dump, each after those that it refers to."""

_TELLS_PILLAR = {"users", "projects", "files"}
_ENDINGS = (".bson", ".bson.gz")

Advance = Callable[[int], None]
"""Is told how many more bytes have been read."""


class Dump(Protocol):
    """Documents by collection."""

    passed_over: tuple[str, ...]
    """What is there besides, and is not read."""

    size: int
    """Bytes that will be read altogether."""

    collections: tuple[str, ...]
    """Those of `COLLECTIONS` that are there, in that order."""

    def documents(self, collection: str, advance: Advance) -> Iterator[Document]:
        """The documents of a collection. Raises `DamagedDump` and `OSError`."""
        ...


def open_dump(path: Path, database: str | None = None) -> Dump:
    """The dump at `path`; `database` names one where there are several that may be Pillar's.

    Raises `BadRequest` where there is none, or more than one, `DamagedDump` and `OSError`.
    """
    if path.is_dir():
        return _open_folder(path, database)
    if path.exists() and not path.is_file():
        raise BadRequest("A dump is a folder, or a file that can be read more than once; no pipe.")
    return _open_archive(path, database)


class _Folder:
    def __init__(self, files: Mapping[str, Path], passed_over: tuple[str, ...]) -> None:
        self._files = files
        self.passed_over = passed_over
        self.collections = tuple(name for name in COLLECTIONS if name in files)
        self.size = sum(files[name].stat().st_size for name in self.collections)

    def documents(self, collection: str, advance: Advance) -> Iterator[Document]:
        path = self._files[collection]
        with opened(path, f"{path.parent.name}/{path.name}") as source:
            yield from _followed(source, source.documents(), advance)


class _Archive:
    def __init__(self, path: Path, spaces: Mapping[str, Space], passed_over: tuple[str, ...]):
        self._path = path
        self._spaces = spaces
        self._length = path.stat().st_size
        self.passed_over = passed_over
        self.collections = tuple(name for name in COLLECTIONS if name in spaces)
        self.size = self._length * len(self.collections)

    def documents(self, collection: str, advance: Advance) -> Iterator[Document]:
        with opened(self._path, self._path.name) as source:
            archive.prelude(source)
            found = archive.documents(source, self._spaces[collection])
            yield from _followed(source, found, advance)
            advance(self._length - source.consumed)


def _followed(
    source: Source, documents: Iterator[Document], advance: Advance
) -> Iterator[Document]:
    told = 0
    for document in documents:
        yield document
        if source.consumed != told:
            advance(source.consumed - told)
            told = source.consumed


def _open_folder(path: Path, database: str | None) -> Dump:
    folders = {path.absolute().name: _bson_files(path)}
    folders |= {each.name: _bson_files(each) for each in sorted(path.iterdir()) if each.is_dir()}
    chosen = _chosen({name: set(files) for name, files in folders.items()}, database)
    passed_over = [f"the database {name}" for name in folders if folders[name] and name != chosen]
    files = folders[chosen]
    if chosen != path.absolute().name and folders[path.absolute().name]:
        passed_over.remove(f"the database {path.absolute().name}")
        passed_over += folders[path.absolute().name]
    return _Folder(files, (*passed_over, *_others(files)))


def _bson_files(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        ending = next((each for each in _ENDINGS if path.name.endswith(each)), None)
        if ending is not None and path.is_file():
            found.setdefault(path.name.removesuffix(ending), path)
    return found


def _open_archive(path: Path, database: str | None) -> Dump:
    with opened(path, path.name) as source:
        spaces = archive.prelude(source)
    by_database: dict[str, set[str]] = {}
    for space in spaces:
        by_database.setdefault(space.database, set()).add(space.collection)
    chosen = _chosen(by_database, database)
    passed_over = [f"the database {name or 'without a name'}" for name in by_database]
    passed_over.remove(f"the database {chosen or 'without a name'}")
    names = sorted(by_database[chosen])
    return _Archive(
        path, {name: Space(chosen, name) for name in names}, (*passed_over, *_others(names))
    )


def _chosen(databases: Mapping[str, set[str]], wanted: str | None) -> str:
    if wanted is not None:
        if not databases.get(wanted):
            raise BadRequest(f"There is no database {wanted[:80]} in this dump.")
        return wanted
    likely = [name for name, names in databases.items() if _TELLS_PILLAR & names]
    if not likely:
        raise BadRequest(
            "No database of Pillar is in this dump: none has users, projects or files."
        )
    if len(likely) > 1:
        raise BadRequest(
            "Several databases in this dump may be Pillar's: "
            f"{', '.join(likely)}. Name one with --db."
        )
    return likely[0]


def _others(names: Mapping[str, object] | list[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names).difference(COLLECTIONS)))
