"""Organise: projects are founded, changed and deleted.

A project's own group is made with it and may do everything; its first member is the owner. What
clients may write is decided in `cella.access.project_edits`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from cella.access import project_edits, rules
from cella.access.project_edits import Names
from cella.access.rules import AccessConfig
from cella.catalog import people, projects
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import BadRequest, Conflict, InvalidDocument, InvalidDocuments
from cella.fields import Issues
from cella.flows.config import FORGET_PROJECT, WHEN_IDLE, FlowsConfig
from cella.flows.reach import readable_project
from cella.ids import new_etag
from cella.jobs import queue
from cella.model import Actor, Project
from cella.model.project import Method

MOST_AT_ONCE = 50
"""Projects that may be founded together."""


class Organise:
    """Founds, changes and deletes projects."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        config: FlowsConfig,
        access: AccessConfig,
        attempts: int,
    ) -> None:
        self._db = db
        self._clock = clock
        self._config = config
        self._access = access
        self._attempts = attempts

    def admit(self, actor: Actor) -> None:
        """Raise `Forbidden` where the actor may not found projects."""
        rules.may_found(actor, self._access).enforce()

    async def found(self, actor: Actor, document: Mapping[str, Any]) -> Project:
        """Make a project of the document of a client.

        Raises `Forbidden`, `InvalidDocument`, or `Conflict` where its `_id` is taken.
        """
        self.admit(actor)

        def work(tx: Tx) -> Project:
            (issues,), drafts = _drafts(tx, actor, [document], self._now())
            if issues:
                raise InvalidDocument(_insertion_failure(1), issues)
            return projects.found(tx, drafts[0])

        return await self._db.write(work)

    async def found_many(
        self, actor: Actor, documents: Sequence[Mapping[str, Any]]
    ) -> list[Project]:
        """Make a project of each document, or none at all; as `found` in all else.

        Raises `BadRequest` for none and for more than `MOST_AT_ONCE`, and `InvalidDocuments`.
        """
        self.admit(actor)
        if not 1 <= len(documents) <= MOST_AT_ONCE:
            raise BadRequest(f"Send 1 to {MOST_AT_ONCE} projects at once.")

        def work(tx: Tx) -> list[Project]:
            issues, drafts = _drafts(tx, actor, documents, self._now())
            if any(issues):
                raise InvalidDocuments(_insertion_failure(sum(map(bool, issues))), issues)
            return [projects.found(tx, project) for project in drafts]

        return await self._db.write(work)

    async def change(
        self,
        actor: Actor,
        project_id: str,
        document: Mapping[str, Any],
        precondition: Callable[[str], None],
        *,
        partial: bool,
    ) -> Project:
        """Change the project to what the document says and return it.

        With `partial` fields that are not in the document stay as they are, and so does each of
        the three parts of the permissions. Otherwise the document replaces all that clients set,
        but what is protected and the permissions stay where it does not name them. Protected
        fields (category, status, url, user) change for administrators only and are ignored from
        others; derived ones and those that begin with `_` are ignored from everybody. A document
        that changes nothing keeps the etag.

        `precondition` is handed the etag and raises where it is the wrong one. Raises `NotFound`,
        `Forbidden`, `InvalidDocument`, `Conflict` where two take a url at the same moment, and
        what `precondition` raises.
        """

        def work(tx: Tx) -> Project:
            project = _to_change(tx, actor, "PUT", project_id, precondition)
            checked = project_edits.read_change(actor, document, partial=partial)
            known = _known(tx, [checked.values])
            others = known._replace(urls=known.urls - {project.url})
            new = project_edits.revise(actor, project, checked, others, partial=partial)
            if new == project:
                return project
            new = msgspec.structs.replace(new, updated=self._now(), etag=new_etag())
            projects.replace(tx, project, new)
            return new

        return await self._db.write(work)

    async def delete(
        self, actor: Actor, project_id: str, precondition: Callable[[str], None]
    ) -> None:
        """Delete the project. It and its files are gone for everybody at once.

        The bytes are forgotten by a job when `discard_grace` is over. Raises `NotFound`,
        `Forbidden`, and what `precondition` raises, which is handed the etag.
        """

        def work(tx: Tx) -> None:
            project = _to_change(tx, actor, "DELETE", project_id, precondition)
            now = self._clock.now()
            gone = msgspec.structs.replace(
                project, deleted=int(now), updated=int(now), etag=new_etag()
            )
            projects.replace(tx, project, gone)
            queue.put(
                tx,
                kind=FORGET_PROJECT,
                subject=project_id,
                priority=WHEN_IDLE,
                run_at=now + self._config.discard_grace,
                max_attempts=self._attempts,
                now=now,
            )

        await self._db.write(work)

    def _now(self) -> int:
        return int(self._clock.now())


def _to_change(
    tx: Tx, actor: Actor, method: Method, project_id: str, precondition: Callable[[str], None]
) -> Project:
    project = readable_project(tx, actor, project_id, for_change=True)
    rules.may(actor, method, project).enforce()
    precondition(project.etag)
    return project


def _drafts(
    tx: Tx, actor: Actor, documents: Sequence[Mapping[str, Any]], now: int
) -> tuple[list[Issues], list[Project]]:
    """What is wrong with each document, and, where nothing is, the projects that they mean."""
    checked = [project_edits.read_new(document) for document in documents]
    known = _known(tx, [values for values, _ in checked])
    urls = set(known.urls)
    issues = []
    for values, misfits in checked:
        seen = known._replace(urls=urls)
        issues.append(misfits | project_edits.judge_new(actor, values, seen))
        urls |= project_edits.named([values]).urls
    if any(issues):
        return issues, []
    drafts = [project_edits.draft(actor, values, now) for values, _ in checked]
    ids = set(known.ids)
    for project in drafts:
        if project.id in ids:
            raise Conflict(f"The _id {project.id} is taken.")
        ids.add(project.id)
    return issues, drafts


def _known(tx: Tx, documents: Collection[Mapping[str, Any]]) -> Names:
    """Of what the documents name: users and groups that exist, ids and urls that are taken."""
    users, groups, ids, urls = project_edits.named(documents)
    return Names(
        people.known_users(tx, users) if users else set(),
        people.known_groups(tx, groups) if groups else set(),
        *(projects.taken(tx, ids, urls) if ids or urls else (set(), set())),
    )


def _insertion_failure(count: int) -> str:
    return f"Insertion failure: {count} document(s) contain(s) error(s)"
