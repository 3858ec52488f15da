"""Browse: what lies in the bucket of a project, as folders.

Who has full access to the project sees the store itself, and in it also what others have put
there. Everybody else sees what the catalogue knows, by the one rule for files: the store is not
asked at all. Blobs of deleted files are not shown to anybody, and neither are pieces of uploads.
"""

import asyncio
from collections.abc import Mapping, Sequence, Set
from functools import partial
from typing import NamedTuple

import msgspec

from cella.access import rules
from cella.access.rules import AccessConfig
from cella.catalog import browsing, uploads
from cella.catalog.browsing import Known
from cella.catalog.files import ORIGINAL
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import BlobMissing, NotFound
from cella.flows.labels import linked, linked_variation
from cella.flows.reach import readable_project
from cella.links.urls import Linked, LocalLinks, Speller
from cella.model import Actor, Project, Variation
from cella.store import keys
from cella.store.contract import CanBrowse, Entry, Store

GCS = "gcs"
"""The backend that clients of the original browse."""

_LONGEST = 1024
_LOOKED_AT = 250
_ROUNDS = 20
_PLAIN = "application/octet-stream"


class Blob(msgspec.Struct, frozen=True):
    """A blob: `length` in bytes, `modified` in seconds since the epoch.

    A reader without full access to it has no `signed_url`; only a public one has a `public_url`.
    """

    name: str
    length: int
    content_type: str
    modified: float
    signed_url: str | None = None
    public_url: str | None = None


class Item(msgspec.Struct, frozen=True):
    """What stands directly in a folder: a blob with its type, or a folder, which has none."""

    name: str
    content_type: str | None = None


class Folder(msgspec.Struct, frozen=True):
    """A page of what stands in a folder; `following` is where the next one begins, if any."""

    items: Sequence[Item]
    following: str | None = None


class _Reader(NamedTuple):
    actor: Actor
    project: Project
    full: bool


class _Facts(NamedTuple):
    """Which of some blobs are of files, by their keys, and which are pieces of uploads."""

    known: Mapping[str, Known]
    pieces: Set[str]


class Browse:
    """Shows buckets. `backend` is the store of new blobs."""

    def __init__(
        self,
        *,
        db: Database,
        stores: Mapping[str, Store],
        backend: str,
        spellers: Mapping[str, Speller],
        clock: Clock,
        access: AccessConfig,
    ) -> None:
        self._db = db
        self._stores = stores
        self._backend = backend
        self._spellers = spellers
        self._clock = clock
        self._access = access

    def backend_of_original(self) -> str:
        """The backend that is shown to clients of the original: `gcs`, if there is one."""
        return GCS if GCS in self._stores else self._backend

    async def look(
        self,
        actor: Actor,
        project_id: str,
        path: str,
        *,
        backend: str | None = None,
        after: str = "",
        most: int,
    ) -> Blob | Folder:
        """The blob at `path` in the project's bucket, or up to `most` of what the folder holds.

        What is not there is an empty folder. The page begins after the name `after`. Raises
        `NotFound`, also for a backend that is not configured or cannot be browsed, and `Forbidden`.
        """
        reader = await self._db.read(lambda tx: self._reader(tx, actor, project_id))
        name = self._backend if backend is None else backend
        store = self._stores.get(name)
        if store is None or not isinstance(store, CanBrowse):
            raise NotFound("There is no store of that name that can be browsed.")
        if not _may_be(path) or not _may_be(after.removesuffix("/")):
            return Folder([])
        bucket = reader.project.id
        if not reader.full:
            return await self._db.read(
                lambda tx: self._in_catalogue(tx, reader, name, path, after, most)
            )
        try:
            if path:
                return await self._blob(reader, name, path, await store.find(bucket, path))
        except BlobMissing:
            pass
        return await self._folder(reader, store, path, after, most)

    def _reader(self, tx: Tx, actor: Actor, project_id: str) -> _Reader:
        project = readable_project(tx, actor, project_id)
        full = rules.has_full_access_to_all(actor, project, self._access)
        return _Reader(actor, project, full)

    async def _blob(self, reader: _Reader, backend: str, path: str, entry: Entry) -> Blob | Folder:
        key = f"{reader.project.id}/{path}"
        facts = await self._db.read(partial(_facts, names=[key]))
        known = facts.known.get(key)
        if key in facts.pieces:
            return Folder([])
        if known is not None:
            if known.file.deleted is not None:
                return Folder([])
            shown = self._shown(reader, known)
            if shown is None:
                return Folder([])
            return await asyncio.to_thread(self._spelled, reader, known, shown, entry)
        content_type = entry.content_type or _PLAIN
        return Blob(
            entry.name,
            entry.length,
            content_type,
            entry.modified,
            signed_url=await asyncio.to_thread(self._strange_url, backend, key, content_type),
        )

    async def _folder(
        self, reader: _Reader, store: CanBrowse, path: str, after: str, most: int
    ) -> Folder:
        """A page of the store's own listing, without what is deleted.

        It goes on until there is something to show, but not for ever: a page may be empty, and
        others follow.
        """
        bucket, at_once = reader.project.id, max(most, _LOOKED_AT)
        for rounds_left in reversed(range(_ROUNDS)):
            found = await store.browse(bucket, path, after, at_once)
            folder = f"{bucket}/{path}/" if path else f"{bucket}/"
            names = [folder + entry.name for entry in found if not entry.is_folder]
            facts = await self._db.read(partial(_facts, names=names))
            shown = [
                Item(entry.name)
                if entry.is_folder
                else self._item(reader, entry, facts.known.get(folder + entry.name))
                for entry in found
                if folder + entry.name not in facts.pieces
            ]
            items = [item for item in shown if item is not None]
            more = len(found) == at_once
            if len(items) > most or (items and more):
                return Folder(items[:most], _place(items[:most][-1]))
            if items or not more:
                return Folder(items)
            after = _place(Item(found[-1].name, None if found[-1].is_folder else _PLAIN))
            if not rounds_left:
                return Folder([], after)
        raise AssertionError("unreachable: the last round returns")

    def _item(self, reader: _Reader, entry: Entry, known: Known | None) -> Item | None:
        if known is None:
            return Item(entry.name, entry.content_type or _PLAIN)
        if known.file.deleted is not None:
            return None
        shown = self._shown(reader, known)
        return None if shown is None else Item(entry.name, shown.content_type)

    def _in_catalogue(
        self, tx: Tx, reader: _Reader, backend: str, path: str, after: str, most: int
    ) -> Blob | Folder:
        """What somebody sees who sees only what the catalogue knows: one folder of blobs."""
        prefix = f"{reader.project.id}/{keys.FOLDER}/"
        if path == "":
            is_wanted = after < f"{keys.FOLDER}/"
            has_some = is_wanted and browsing.page(tx, backend, prefix, after="", most=1)
            return Folder([Item(keys.FOLDER)] if has_some else [])
        if path != keys.FOLDER:
            known = browsing.by_keys(tx, [f"{reader.project.id}/{path}"])
            for each in known.values():
                shown = self._shown(reader, each)
                if each.file.deleted is None and each.file.backend == backend and shown is not None:
                    return self._spelled(reader, each, shown, None)
            return Folder([])
        items: list[Item] = []
        last = prefix + after
        while found := browsing.page(tx, backend, prefix, after=last, most=most):
            last = found[-1].key
            for each in found:
                shown = self._shown(reader, each)
                if shown is not None and len(items) == most:
                    return Folder(items, items[-1].name)
                if shown is not None:
                    items.append(Item(keys.split(each.key)[1], shown.content_type))
        return Folder(items)

    def _shown(self, reader: _Reader, known: Known) -> Linked | None:
        """The blob as its reader gets to know it; None where he does not."""
        file = known.file
        if file.project != reader.project.id:
            return None
        if known.size == ORIGINAL:
            return linked(file)
        variation = self._variation(reader, known)
        return None if variation is None else linked_variation(file, variation)

    def _variation(self, reader: _Reader, known: Known) -> Variation | None:
        name = keys.split(known.key)[1]
        full = self._is_full(reader, known)
        for variation in rules.visible_variations(known.file, full):
            if variation.file_path == name:
                return variation
        return None

    def _is_full(self, reader: _Reader, known: Known) -> bool:
        return rules.has_full_access(reader.actor, reader.project, known.file, self._access)

    def _spelled(self, reader: _Reader, known: Known, shown: Linked, entry: Entry | None) -> Blob:
        """The blob with its links; what the store did not tell of it, its document tells."""
        file = known.file
        variation = None if known.size == ORIGINAL else self._variation(reader, known)
        speller = self._spellers.get(file.backend)
        signed = public = None
        if speller is not None:
            if self._is_full(reader, known):
                window = speller.window(self._clock.now())
                (signed,) = speller.signed(file.bucket, [shown], window)
            if variation is not None and variation.is_public:
                public = speller.public(file.bucket, variation.file_path)
        return Blob(
            keys.split(known.key)[1],
            (variation or file).length if entry is None else entry.length,
            shown.content_type,
            file.created if entry is None else entry.modified,
            signed_url=signed,
            public_url=public,
        )

    def _strange_url(self, backend: str, key: str, content_type: str) -> str | None:
        """A link to what others have put there, where the store itself hands it out."""
        speller = self._spellers.get(backend)
        if speller is None or isinstance(speller, LocalLinks) or not keys.is_key(key):
            return None
        bucket, name = keys.split(key)
        window = speller.window(self._clock.now())
        (link,) = speller.signed(bucket, [Linked(name, name, content_type)], window)
        return link


def _facts(tx: Tx, names: Sequence[str]) -> _Facts:
    return _Facts(browsing.by_keys(tx, names), uploads.known_keys(tx, names))


def _may_be(path: str) -> bool:
    """Whether there may be something at a path: nothing in it leads elsewhere or deceives."""
    return len(path) <= _LONGEST and (
        not path
        or all(
            part not in ("", ".", "..") and part.isprintable() and "\\" not in part
            for part in path.split("/")
        )
    )


def _place(item: Item) -> str:
    """How a page is told to begin after this."""
    return item.name if item.content_type is not None else f"{item.name}/"
