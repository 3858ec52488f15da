"""Again: a file that failed is worked on anew, because somebody asks for it."""

from collections.abc import Callable, Mapping

import msgspec

from cella.access import rules
from cella.catalog import files
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import Conflict
from cella.flows.config import FILE_JOBS, PREVIEWS_FIRST, PROCESS
from cella.flows.reach import readable_file
from cella.flows.workshop import changed
from cella.ids import is_id
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.jobs.runner import Handler
from cella.media.kinds import kind_of
from cella.model import Actor, File, Processing

_BY_HAND = "It is tried again by hand."


class Again:
    """Has files that failed worked on again; `attempts` is how many their jobs have then."""

    def __init__(
        self,
        *,
        db: Database,
        handlers: Mapping[str, Handler],
        clock: Clock,
        bell: Bell,
        attempts: int,
    ) -> None:
        self._db = db
        self._handlers = handlers
        self._clock = clock
        self._bell = bell
        self._attempts = attempts

    async def work(self, actor: Actor, file_id: str, precondition: Callable[[str], None]) -> File:
        """Go on where it failed: the job that was given up, or a new one; the file as it is then.

        `precondition` is handed the file's etag and raises where it is the wrong one. Raises
        `NotFound`, `Forbidden`, and `Conflict` where the file did not fail or has no bytes.
        """

        def work(tx: Tx) -> File:
            # Jobs before files, as the ends of jobs do: so none waits for the other for ever.
            dead = queue.dead_of(tx, file_id, FILE_JOBS) if is_id(file_id) else []
            file, project = readable_file(tx, actor, file_id, for_change=True)
            rules.may_file(actor, "PUT", project, file).enforce()
            precondition(file.etag)
            if file.status != "failed":
                raise Conflict("This file did not fail; there is nothing to be tried again.")
            if dead:
                job = queue.revive(tx, dead[-1], attempts=self._attempts, now=self._clock.now())
                self._handlers[job.kind].retrying(tx, job, _BY_HAND)
            else:
                self._begin(tx, file)
            return files.get(tx, file_id)

        file = await self._db.write(work)
        self._bell.ring(queue.BELL)
        return file

    def _begin(self, tx: Tx, file: File) -> None:
        if not file.file_path or kind_of(file.content_type) is None or file.variations:
            raise Conflict("Nothing is known of what failed; upload the file again.")
        processing = Processing(status="waiting", error=_BY_HAND)
        new = msgspec.structs.replace(
            changed(file, self._clock), status="queued_for_processing", processing=processing
        )
        files.replace(tx, file, new)
        queue.put(
            tx,
            kind=PROCESS,
            subject=file.id,
            priority=PREVIEWS_FIRST,
            max_attempts=self._attempts,
            now=self._clock.now(),
        )
