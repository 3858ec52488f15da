"""Files' documents in the shape that a reader wants, encoded; what was encoded is remembered."""

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any

import msgspec

from cella.access.rules import allowed_methods
from cella.api.answers import remembered
from cella.api.documents import FileDocument, file_document, project_document
from cella.flows.look import Look, Seen
from cella.http.queries import Shape
from cella.lru import Lru
from cella.model import METHODS, Actor, Project
from cella.model.project import Method


class Renderer:
    """Encodes files for one answer."""

    def __init__(
        self, memory: Lru[Hashable, bytes], look: Look, actor: Actor, shape: Shape
    ) -> None:
        self._memory = memory
        self._look = look
        self._actor = actor
        self._shape = shape
        self._is_whole = shape == Shape()
        self._allowed: dict[str, list[Method]] = {}

    async def document(self, seen: Seen) -> msgspec.Raw:
        """The file as its reader gets it, in the shape that is wanted."""
        (document,) = await self.documents([seen])
        return document

    async def documents(self, files: Sequence[Seen]) -> list[msgspec.Raw]:
        """The files, in order. Links that take long to spell are spelled for what is new only."""
        new = [
            each for each in files if each.is_slow and self._memory.get(self._state(each)) is None
        ]
        if new:
            ready = {each.file.id: each for each in await self._look.ready(new)}
            files = [ready.get(each.file.id, each) for each in files]
        return [
            remembered(self._memory, self._state(each), partial(self._made, each)) for each in files
        ]

    def _state(self, seen: Seen) -> Hashable:
        if self._is_whole:
            return seen.state
        owner = self._owner(seen)
        return (
            seen.state,
            self._shape.projection,
            None if owner is None else (owner.etag, *self._allowed_in(owner)),
        )

    def _made(self, seen: Seen) -> FileDocument | dict[str, Any]:
        return file_document(seen) if self._is_whole else self._shaped(seen)

    def _owner(self, seen: Seen) -> Project | None:
        return seen.project if self._shape.embeds_project else None

    def _shaped(self, seen: Seen) -> dict[str, Any]:
        document: dict[str, Any] = msgspec.to_builtins(file_document(seen))
        owner = self._owner(seen)
        if owner is not None:
            shown = project_document(owner, self._allowed_in(owner))
            document["project"] = msgspec.to_builtins(shown)
        projection = self._shape.projection
        return document if projection is None else projection.of(document)

    def _allowed_in(self, project: Project) -> list[Method]:
        if project.id not in self._allowed:
            self._allowed[project.id] = allowed_methods(self._actor, project, METHODS)
        return self._allowed[project.id]
