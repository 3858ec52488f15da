"""Files moved from one store to another, by hand, on the database and the stores themselves.

The server may be running meanwhile.
"""

from collections import Counter
from typing import Annotated

import msgspec
import typer

from cella.assembly import Assembly
from cella.cli import output
from cella.cli.opening import with_stores
from cella.cli.options import AsJson, Data
from cella.flows.move import Outcome, Selection, Survey


class _Told(msgspec.Struct):
    """What a run came to."""

    counts: Counter[str] = msgspec.field(default_factory=Counter)
    bytes: int = 0
    left: Counter[str] = msgspec.field(default_factory=Counter)
    failed: list[dict[str, str]] = msgspec.field(default_factory=list)

    def hear(self, outcome: Outcome) -> None:
        """Take one file into account, and complain at once where it failed."""
        self.counts[outcome.state] += 1
        if outcome.state == "moved":
            self.bytes += outcome.size
            self.left[outcome.source] += outcome.size
        if outcome.state == "failed":
            output.complain(f"{outcome.file_id}: {outcome.reason}")
            self.failed.append({"file_id": outcome.file_id, "error": outcome.reason})


def move_files(
    to: Annotated[str, typer.Option(metavar="BACKEND", help="Where to, as local, gcs or s3.")],
    project: Annotated[
        str | None, typer.Option(metavar="PROJECT_ID", help="The files of this project.")
    ] = None,
    backend: Annotated[
        str | None, typer.Option(metavar="BACKEND", help="The files that lie there.")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE_ID", help="This file; may be given several times."),
    ] = None,
    delete_source: Annotated[
        bool,
        typer.Option(
            "--delete-source", help="Have the old bytes go, once no link leads there any more."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell how many files and bytes there are.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Move files to another store. They can be read and changed all the while.

    Each byte is checked. What cannot be moved stays where it is, with exit code 1. Run it again to
    go on where it ended.
    """
    if bool(file) == bool(project or backend):
        raise typer.BadParameter("Name files by --project, --backend or both, or by --file.")
    selection = Selection(project, backend, tuple(dict.fromkeys(file or ())))

    async def work(assembly: Assembly) -> tuple[Survey, _Told]:
        move, told = assembly.move(), _Told()
        survey = await move.survey(selection, to)
        if dry_run:
            return survey, told
        try:
            with output.progress(f"to {to}", survey.size) as advance:
                await move.run(
                    selection, to, delete_source=delete_source, told=told.hear, advance=advance
                )
        finally:
            if not as_json:
                _say(told, survey, delete_source=delete_source)
        return survey, told

    survey, told = with_stores(data, work)
    if dry_run:
        _show(survey, as_json=as_json)
        return
    if as_json:
        output.result_json(_as_json(told, survey, delete_source=delete_source))
    if told.failed:
        raise typer.Exit(1)


def _show(survey: Survey, *, as_json: bool) -> None:
    if as_json:
        output.result_json(
            {"files": survey.files, "bytes": survey.size, "deleted_files": survey.deleted}
        )
        return
    output.result(f"{survey.files}\t{survey.size}")
    output.say(f"{_files(survey.files)} of {survey.size} bytes would be moved.")
    _say_deleted(survey)


def _say(told: _Told, survey: Survey, *, delete_source: bool) -> None:
    output.say(f"{_files(told.counts['moved'])} of {told.bytes} bytes moved.")
    for source, size in told.left.items():
        if delete_source:
            output.say(f"{size} bytes in {source} go when no link leads there any more.")
        else:
            output.say(f"{size} bytes in {source} stay there as copies.")
    if told.counts["busy"]:
        output.say(
            f"{_files(told.counts['busy'])} passed over, because something is being done; run it "
            "again."
        )
    if told.counts["failed"]:
        output.say(f"{_files(told.counts['failed'])} not moved; see above.")
    _say_deleted(survey)


def _say_deleted(survey: Survey) -> None:
    if survey.deleted:
        output.say(
            f"{_files(survey.deleted, 'deleted ')} not moved: what is deleted is forgotten where "
            "it is, or can be moved once it is restored."
        )


def _as_json(told: _Told, survey: Survey, *, delete_source: bool) -> dict[str, object]:
    return {
        "moved": told.counts["moved"],
        "bytes": told.bytes,
        "passed_over": told.counts["busy"],
        "failed": told.failed,
        "copies_left": {} if delete_source else told.left,
        "deleted_files": survey.deleted,
    }


def _files(number: int, which: str = "") -> str:
    return f"1 {which}file" if number == 1 else f"{number} {which}files"
