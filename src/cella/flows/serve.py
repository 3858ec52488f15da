"""Serve: the bytes behind a link, for whoever holds it or may read the file.

Playlists and lists of cues name other blobs of their file. They are stored with bare names, and
what is served has links in the place of these, which work just as long as its own.
"""

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial

import msgspec

from cella.access import rules
from cella.access.rules import AccessConfig
from cella.catalog import files, old_files, projects
from cella.catalog.files import ORIGINAL
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import BadKey, LinkRefused, NotFound
from cella.flows.labels import linked_variation, variation_filename
from cella.links.old import PILLAR, pillar_path, signed_as
from cella.links.threads import SigningThreads
from cella.links.token import Signer
from cella.links.urls import Linked, LocalLinks, Speller, blob_name, local_blob
from cella.links.validity import Window, ending
from cella.model import Actor, File
from cella.store import keys
from cella.store.contract import Store

Find = Callable[[Tx], Sequence[tuple[File, str, str]]]
"""Finds the files that have a blob, each with the blob's size label and its key."""


class Blob(msgspec.Struct, frozen=True):
    """What is served: `filename` is for the user, `modified` in seconds since the epoch.

    `public` tells whether everybody may have it. `names` are the blobs that it may name, in what is
    served with links in their place, which belong to `window`; then no date tells whether a copy is
    current.
    """

    backend: str
    key: str
    filename: str
    content_type: str
    length: int
    etag: str
    modified: int | None
    public: bool
    window: Window | None = None
    names: tuple[Linked, ...] = ()


class Serve:
    """Serves blobs of local links.

    `links` spells those to originals, and `spellers` those in what names other blobs.
    """

    def __init__(
        self,
        *,
        db: Database,
        stores: Mapping[str, Store],
        signer: Signer,
        links: LocalLinks,
        spellers: Mapping[str, Speller],
        threads: SigningThreads,
        clock: Clock,
        access: AccessConfig,
    ) -> None:
        self._db = db
        self._stores = stores
        self._signer = signer
        self._links = links
        self._spellers = spellers
        self._threads = threads
        self._clock = clock
        self._access = access

    async def blob(
        self, actor: Actor, path: str, expires: str | None, signature: str | None
    ) -> Blob:
        """What the link leads to: `path` is the path of its URL as it was received.

        A valid signature is enough, and who may have the blob anyway needs none. Raises
        `LinkRefused`, saying what is wrong with the signature, or `NotFound`.
        """
        old = pillar_path(path)
        if old is not None:
            refusal = self._refusal(signed_as(old), expires, signature)
            find: Find = partial(old_files.by_path, backend=PILLAR, path=old)
        else:
            bucket, name = local_blob(path)
            try:
                key = keys.blob_key(bucket, name)
            except BadKey:
                raise NotFound("There is no such file.") from None
            refusal = self._refusal(key, expires, signature)
            find = partial(_by_key, key=key)
        until = int(expires or 0) if refusal is None else None
        return await self._db.read(lambda tx: self._look(tx, actor, find(tx), refusal, until))

    def link(self, file: File) -> str:
        """A signed link to the original, as a path on this server, whatever the file's backend."""
        ends = self._links.window(self._clock.now()).expires
        (link,) = self._links.until(file.bucket, [file.name], ends)
        return link

    def read(self, blob: Blob, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes `start` up to, not including, `stop`."""
        return self._stores[blob.backend].get(blob.key, start, stop)

    async def spell(self, blob: Blob) -> bytes:
        """The whole of a blob that has `names`, with links in their place."""
        async with aclosing(self.read(blob, 0, blob.length)) as blocks:
            # What has rotten away is handed on as it is.
            text = b"".join([block async for block in blocks]).decode(errors="surrogateescape")
        parts = {keys.part_of_variation(each.name): each for each in blob.names}
        bare = "|".join(re.escape(part) for part in sorted(parts, key=len, reverse=True))
        pattern = re.compile(rf"(?<![\w./-])(?:{bare})(?![\w.-])")
        named = dict.fromkeys(pattern.findall(text))
        links = await self._spelled(blob, [parts[part] for part in named])
        spelled = dict(zip(named, links, strict=True))
        spelt = pattern.sub(lambda found: spelled[found[0]], text)
        return spelt.encode(errors="surrogateescape")

    async def _spelled(self, blob: Blob, named: Sequence[Linked]) -> list[str]:
        if blob.window is None or not named:
            return []
        bucket, _ = keys.split(blob.key)
        speller = self._spellers[blob.backend]
        spell = partial(speller.signed, bucket, named, blob.window)
        return await self._threads.run(spell) if speller.is_slow else spell()

    def _refusal(self, key: str, expires: str | None, signature: str | None) -> LinkRefused | None:
        """What is wrong with the signature, None where it is valid."""
        if signature is None:
            return LinkRefused(
                "The link has no signature, and you may not read this file without one. "
                "Read the file's document for a fresh link."
            )
        try:
            self._signer.verify(key, expires or "", signature, self._clock.now())
        except LinkRefused as refusal:
            return refusal
        return None

    def _look(
        self,
        tx: Tx,
        actor: Actor,
        found: Sequence[tuple[File, str, str]],
        refusal: LinkRefused | None,
        until: int | None,
    ) -> Blob:
        """The first of what was found that the actor may have: several may share old paths."""
        known = [each for each in found if each[0].backend in self._stores]
        if not known:
            raise NotFound("There is no such file, or it was deleted.")
        for file, size, key in known:
            latest = self._spellers[file.backend].window(self._clock.now())
            window = latest if until is None else ending(latest, until)
            blob = _blob(file, size, key, window)
            if refusal is None or blob.public or self._may_have(tx, actor, file):
                return blob
        raise refusal or NotFound("There is no such file.")

    def _may_have(self, tx: Tx, actor: Actor, file: File) -> bool:
        project = None if file.project is None else projects.get(tx, file.project)
        readable = rules.may_file(actor, "GET", project, file).allowed
        return readable and rules.has_full_access(actor, project, file, self._access)


def _by_key(tx: Tx, key: str) -> list[tuple[File, str, str]]:
    file, size = files.by_blob(tx, key)
    return [(file, size, key)]


def _blob(file: File, size: str, key: str, window: Window) -> Blob:
    if size == ORIGINAL:
        return Blob(
            backend=file.backend,
            key=key,
            filename=file.filename,
            content_type=file.content_type,
            length=file.length,
            etag=file.sha256 or file.etag,
            modified=file.created,
            public=False,
        )
    _, name = keys.split(key)
    for variation in file.variations:
        if blob_name(variation.file_path) == name:
            names_others = linked_variation(file, variation).names_others
            etag = variation.sha256 or file.etag
            return Blob(
                backend=file.backend,
                key=key,
                filename=variation_filename(file, variation),
                content_type=variation.content_type,
                length=variation.length,
                etag=f"{etag[:40]}-{window.expires}" if names_others else etag,
                modified=None if names_others else file.created,
                public=variation.is_public,
                window=window,
                names=_names(file) if names_others else (),
            )
    raise NotFound("There is no such file.")


def _names(file: File) -> tuple[Linked, ...]:
    return tuple(linked_variation(file, each) for each in file.variations)
