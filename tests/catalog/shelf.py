"""A project's files twice: in the catalogue, and in plain Python that is easily believed."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from tests.catalog.documents import NOW, a_file, a_project, a_user, a_variation, changed, granted

from cella.catalog import files, people, projects
from cella.catalog.files import ORIGINAL, BlobRef
from cella.catalog.listing import FileQuery, Listing
from cella.catalog.orders import Order
from cella.catalog.tables import blobs
from cella.db import Database, Tx
from cella.model import Actor, File, Project

ATTRIBUTES = {
    "_id": "id",
    "_created": "created",
    "_updated": "updated",
    "_etag": "etag",
    "length_aggregate_in_bytes": "length_aggregate",
}
"""Fields of the wire whose attribute has another name."""


def held(file: File, field: str) -> Any:
    """What the file holds in a field of the wire."""
    return getattr(file, ATTRIBUTES.get(field, field))


class Shelf:
    """Does everything to both sides. `reader` may read this project and nothing else."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.listing = Listing()
        user = a_user()
        self.reader = Actor(user=user.id)
        self.project: Project = a_project(user.id, permissions=granted(users={user.id: ("GET",)}))
        self.files: dict[str, File] = {}
        self.refs: dict[str, set[BlobRef]] = {}

        def make(tx: Tx) -> None:
            people.add_user(tx, user)
            projects.add(tx, self.project)

        db.write_now(make)

    def get(self, file_id: str) -> File:
        """The file, as the catalogue has it."""
        return self.db.read_now(lambda tx: files.get(tx, file_id))

    def add(self, *fields: dict[str, Any]) -> list[File]:
        """Add a file for each of `fields`, in one transaction."""
        new = [a_file(**{"project": self.project.id, **each}) for each in fields]

        def work(tx: Tx) -> None:
            for file in new:
                files.add(tx, file, [BlobRef(self._key(file.file_path), ORIGINAL)])

        self.db.write_now(work)
        for file in new:
            self.files[file.id] = file
            self.refs[file.id] = {BlobRef(self._key(file.file_path), ORIGINAL)}
        return new

    def grow(self, which: int, length: int) -> None:
        """Give one of the files another variation."""
        old = self._pick(which)
        if old is None:
            return
        variation = a_variation(length=length)
        new = changed(old, variations=(*old.variations, variation))
        ref = BlobRef(self._key(variation.file_path), "s")
        self.db.write_now(lambda tx: files.replace(tx, old, new, [ref]))
        self.files[old.id] = new
        self.refs[old.id].add(ref)

    def delete(self, which: int) -> None:
        """Delete one of the files, or bring it back where it is deleted."""
        old = self._pick(which)
        if old is None:
            return
        new = changed(old, deleted=NOW if old.deleted is None else None)
        self.db.write_now(lambda tx: files.replace(tx, old, new))
        self.files[old.id] = new

    def forget(self, which: int) -> None:
        """Forget one of the files, which only works where it is deleted."""
        old = self._pick(which)
        if old is None:
            return
        answer = self.db.write_now(lambda tx: files.forget(tx, old.id))
        if old.deleted is None:
            assert answer is None
            return
        assert answer == ("local", sorted(ref.key for ref in self.refs[old.id]))
        del self.files[old.id], self.refs[old.id]

    def check_totals(self) -> None:
        """The totals and the list of blobs are those of the files."""
        stats = self.db.read_now(lambda tx: projects.stats(tx, self.project.id))
        assert stats.files == len(self._visible())
        assert stats.bytes == sum(file.length_aggregate for file in self.files.values())
        assert self._stored_refs() == self.refs

    def check_page(self, sort: Sequence[Order], limit: int, page: int) -> None:
        """The page is the one that a sorted list has there."""
        found = self.find(where={"project": self.project.id}, sort=sort, limit=limit, page=page)
        start = (page - 1) * limit
        assert found == (len(self._visible()), self._sorted(sort)[start : start + limit])

    def find(
        self,
        where: dict[str, Any],
        sort: Sequence[Order] = (),
        limit: int = 250,
        page: int = 1,
        actor: Actor | None = None,
        *,
        full: bool = False,
    ) -> tuple[int, list[str]]:
        """What the catalogue lists: the number of all, and the ids of the page."""
        query = FileQuery(where=where, sort=tuple(sort), limit=limit, page=page)
        found = self.db.read_now(
            lambda tx: self.listing.page(tx, actor or self.reader, query, full=full)
        )
        known = [file for file in found.files if file.id in self.files]
        assert known == [self.files[file.id] for file in known]
        return found.total, [file.id for file in found.files]

    def _sorted(self, sort: Sequence[Order]) -> list[str]:
        last_descends = sort[-1][1] if sort else False
        rows = sorted(self._visible(), key=lambda file: file.id, reverse=last_descends)
        for field, descends in reversed(sort):
            rows.sort(key=lambda file: _null_first(held(file, field)), reverse=descends)
        return [file.id for file in rows]

    def _visible(self) -> list[File]:
        return [file for file in self.files.values() if file.deleted is None]

    def _pick(self, which: int) -> File | None:
        ids = sorted(self.files)
        return self.files[ids[which % len(ids)]] if ids else None

    def _key(self, name: str | None) -> str:
        return f"{self.project.id}/_/{name}"

    def _stored_refs(self) -> dict[str, set[BlobRef]]:
        query = sa.select(blobs).where(blobs.c.key.startswith(self.project.id))
        stored: dict[str, set[BlobRef]] = {}
        for row in self.db.read_now(lambda tx: tx.execute(query).all()):
            stored.setdefault(row.file_id, set()).add(BlobRef(row.key, row.size))
        return stored


def _null_first(value: Any) -> tuple[bool, Any]:
    return (value is not None, value)
