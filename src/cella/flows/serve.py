"""Serve: the bytes behind a link, for whoever holds it or may read the file."""

from collections.abc import AsyncGenerator, Mapping

import msgspec

from cella.access import rules
from cella.access.rules import AccessConfig
from cella.catalog import files, projects
from cella.catalog.files import ORIGINAL
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import BadKey, LinkRefused, NotFound
from cella.links.token import Signer
from cella.links.urls import local_blob
from cella.model import Actor, File
from cella.store import keys
from cella.store.contract import Store


class Blob(msgspec.Struct, frozen=True):
    """What is served: `filename` is for the user, `modified` in seconds since the epoch.

    `public` tells whether everybody may have it.
    """

    backend: str
    key: str
    filename: str
    content_type: str
    length: int
    etag: str
    modified: int
    public: bool


class Serve:
    """Serves blobs of local links."""

    def __init__(
        self,
        *,
        db: Database,
        stores: Mapping[str, Store],
        signer: Signer,
        clock: Clock,
        access: AccessConfig,
    ) -> None:
        self._db = db
        self._stores = stores
        self._signer = signer
        self._clock = clock
        self._access = access

    async def blob(
        self, actor: Actor, path: str, expires: str | None, signature: str | None
    ) -> Blob:
        """What the link leads to: `path` is the part below `cella.links.urls.ROUTE`, decoded.

        A valid signature is enough, and who may have the blob anyway needs none. Raises
        `LinkRefused`, saying what is wrong with the signature, or `NotFound`.
        """
        bucket, name = local_blob(path)
        try:
            key = keys.blob_key(bucket, name)
        except BadKey:
            raise NotFound("There is no such file.") from None
        refusal = self._refusal(key, expires, signature)
        return await self._db.read(lambda tx: self._look(tx, actor, key, refusal))

    def read(self, blob: Blob, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes `start` up to, not including, `stop`."""
        return self._stores[blob.backend].get(blob.key, start, stop)

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

    def _look(self, tx: Tx, actor: Actor, key: str, refusal: LinkRefused | None) -> Blob:
        file, size = files.by_blob(tx, key)
        blob = _blob(file, size, key)
        if refusal is not None and not blob.public and not self._may_have(tx, actor, file):
            raise refusal
        return blob

    def _may_have(self, tx: Tx, actor: Actor, file: File) -> bool:
        project = None if file.project is None else projects.get(tx, file.project)
        readable = project is None or rules.may(actor, "GET", project).allowed
        return readable and rules.has_full_access(actor, project, file, self._access)


def _blob(file: File, size: str, key: str) -> Blob:
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
    for variation in file.variations:
        if key.endswith("/" + variation.file_path):
            stem = file.filename.rpartition(".")[0] or file.filename
            extension = variation.file_path.rpartition(".")[2]
            return Blob(
                backend=file.backend,
                key=key,
                filename=f"{stem}-{size}.{extension}",
                content_type=variation.content_type,
                length=variation.length,
                etag=variation.sha256 or file.etag,
                modified=file.created,
                public=variation.is_public,
            )
    raise NotFound("There is no such file.")
