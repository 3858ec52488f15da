"""Change: documents that clients write, new ones without bytes and present ones in part.

What may be written is judged by `cella.access.file_edits`. An edit is judged against the state that
it changes, in the transaction that changes it, so of two editors at once one wins and the other
gets to know.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from cella.access import file_edits, rules
from cella.access.file_edits import Edited
from cella.access.rules import AccessConfig
from cella.catalog import files, people, projects
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import Conflict, Forbidden, InvalidDocument, InvalidDocuments
from cella.fields import Issues
from cella.flows.reach import readable_file
from cella.ids import new_etag, new_id
from cella.model import Actor, File, Project

MAX_TOTAL = 1 << 62
"""Bytes that the files of a project may have together: half of what can be counted."""

_TOO_MUCH = "with this the project would have more bytes than can be counted"
_REFUSED = "The document was not changed: _issues tells what is wrong with which field."


class Change:
    """Writes files' documents."""

    def __init__(self, *, db: Database, clock: Clock, backend: str, access: AccessConfig) -> None:
        self._db = db
        self._clock = clock
        self._backend = backend
        self._access = access

    def admit(self, actor: Actor) -> str:
        """The user who wants to add documents; raises `Forbidden` for the anonymous."""
        if actor.user is None:
            raise Forbidden("Sign in first: adding documents needs a valid token.")
        return actor.user

    async def add(self, actor: Actor, document: Mapping[str, Any]) -> File:
        """Add one file without bytes.

        Raises `Forbidden`, `InvalidDocument`, and `Conflict` where its `_id` is taken.
        """
        try:
            (file,) = await self.add_all(actor, [document])
        except InvalidDocuments as error:
            raise InvalidDocument(error.message, error.issues[0]) from None
        return file

    async def add_all(self, actor: Actor, documents: Sequence[Mapping[str, Any]]) -> list[File]:
        """Add files without bytes, all or none of them.

        Raises `Forbidden`, `InvalidDocuments`, and `Conflict` where an `_id` is taken.
        """
        user, now = self.admit(actor), int(self._clock.now())
        drafts = [
            file_edits.draft(actor, document, self._blank(user, now)) for document in documents
        ]
        chosen = [
            draft.file.id
            for draft, document in zip(drafts, documents, strict=True)
            if "_id" in document
        ]

        def work(tx: Tx) -> list[File]:
            _raise_any(_related(tx, actor, drafts))
            _check_ids(tx, chosen)
            new = [file for file, _ in drafts]
            files.add_all(tx, new)
            over = _overfull(tx, {file.project for file in new})
            _raise_any([{"length": _TOO_MUCH} if file.project in over else {} for file in new])
            return new

        return await self._db.write(work)

    async def permit(self, actor: Actor, file_id: str, precondition: Callable[[str], None]) -> None:
        """Judge who wants to change a file, before the body is read.

        `precondition` is handed the file's etag and raises where it is the wrong one. Raises
        `NotFound`, `Forbidden`, and what `precondition` raises.
        """
        await self._db.read(lambda tx: _changeable(tx, actor, file_id, precondition))

    async def edit(
        self,
        actor: Actor,
        file_id: str,
        precondition: Callable[[str], None],
        document: Mapping[str, Any],
        *,
        whole: bool,
    ) -> File:
        """Change the file to what `document` says, which is the `whole` of it or a part.

        What changes nothing keeps the etag. Raises what `permit` raises, and `InvalidDocument`.
        """

        def work(tx: Tx) -> File:
            old, project = _changeable(tx, actor, file_id, precondition, for_change=True)
            full = rules.has_full_access(actor, project, old, self._access)
            shown = rules.visible_variations(old, full)
            new, issues = file_edits.edit(actor, old, document, shown=shown, whole=whole)
            if new.user != old.user and not people.known_users(tx, [new.user]):
                issues["user"] = _absent(new.user, "users")
            if issues:
                raise InvalidDocument(_REFUSED, issues)
            if new == old:
                return old
            now = int(self._clock.now())
            new = msgspec.structs.replace(new, etag=new_etag(), updated=now)
            files.replace(tx, old, new)
            if _overfull(tx, {new.project}):
                raise InvalidDocument(_REFUSED, {"length": _TOO_MUCH})
            return new

        return await self._db.write(work)

    def _blank(self, user: str, now: int) -> File:
        return File(
            id=new_id(),
            created=now,
            updated=now,
            etag=new_etag(),
            project=None,
            user=user,
            name="",
            filename="",
            content_type="",
            length=0,
            backend=self._backend,
            file_path=None,
            status="complete",
        )


def _changeable(
    tx: Tx,
    actor: Actor,
    file_id: str,
    precondition: Callable[[str], None],
    *,
    for_change: bool = False,
) -> tuple[File, Project | None]:
    file, project = readable_file(tx, actor, file_id, for_change=for_change)
    rules.may_file(actor, "PUT", project, file).enforce()
    precondition(file.etag)
    return file, project


def _related(tx: Tx, actor: Actor, drafts: Sequence[Edited]) -> list[Issues]:
    """What is wrong with each document, its project and user included.

    Raises `Forbidden` where the actor may read a project but not add to it. One that the actor
    may not even read is as good as none.
    """
    wanted = {file.project for file, _ in drafts if file.project is not None}
    known = {project.id: project for project in projects.get_many(tx, wanted, for_adding=True)}
    users = people.known_users(tx, {file.user for file, _ in drafts})
    found: list[Issues] = []
    for file, issues in drafts:
        missing: Issues = {}
        if file.project is not None and not _may_add(actor, known.get(file.project)):
            missing["project"] = _absent(file.project, "projects")
        if file.user not in users:
            missing["user"] = _absent(file.user, "users")
        found.append(missing | issues)
    return found


def _may_add(actor: Actor, project: Project | None) -> bool:
    if project is None:
        return False
    decision = rules.may(actor, "POST", project)
    if rules.may(actor, "GET", project).allowed:
        decision.enforce()
    return decision.allowed


def _check_ids(tx: Tx, chosen: Sequence[str]) -> None:
    """Raise `Conflict` where one of the ids that clients chose is another file's."""
    for file_id in sorted(files.taken(tx, chosen)):
        raise Conflict(f"There is a file with the _id {file_id} already.")
    if len(set(chosen)) < len(chosen):
        raise Conflict("Two of these documents have the same _id.")


def _overfull(tx: Tx, project_ids: Collection[str | None]) -> set[str]:
    """Those of the projects that have more than `MAX_TOTAL`; it counts what was just written."""
    known = {each for each in project_ids if each is not None}
    return {each for each in known if projects.stats(tx, each).bytes > MAX_TOTAL}


def _raise_any(issues: Sequence[Issues]) -> None:
    wrong = sum(map(bool, issues))
    if wrong:
        message = f"Insertion failure: {wrong} document(s) contain(s) error(s)"
        raise InvalidDocuments(message, issues)


def _absent(thing: str, resource: str) -> str:
    return f"value '{thing}' must exist in resource '{resource}', field '_id'."
