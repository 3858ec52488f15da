"""What other servers kept, taken over into the data directory or the database itself."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer

from cella.cli import output
from cella.cli.opening import opened
from cella.cli.options import AsJson, Data
from cella.errors import CellaError
from cella.flows.import_pillar.outcomes import Counts, Outcome, Verdict
from cella.pillar.dump import COLLECTIONS, Dump, open_dump

_REFUSALS_SAID = 50


def import_pillar(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DUMP", help="A folder that mongodump wrote, or an archive; packed or not."
        ),
    ],
    database: Annotated[
        str | None,
        typer.Option("--db", metavar="NAME", help="Which database, where there are several."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and judge everything, and write nothing.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write what there is to say of each document, as lines of JSON."
        ),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take over users, groups, tokens, projects and files from a dump of a Pillar server.

    Ids, dates and etags stay. It can be run again with a newer dump.
    """
    dump = open_dump(source, database)
    for name in COLLECTIONS:
        if name not in dump.collections:
            output.say(f"There is no collection {name} in the dump.")
    if dump.passed_over:
        output.say(f"Not read: {', '.join(map(output.printable, dump.passed_over))}.")
    counts: dict[str, Counts] = {}
    failure: CellaError | OSError | None = None
    with opened(data) as assembly, _told(report) as told:
        try:
            with output.progress(source.name or str(source), dump.size) as advance:
                assembly.import_pillar().run(dump, counts, advance=advance, tell=told, dry=dry_run)
        except (CellaError, OSError) as error:
            failure = error
    _summarise(dump, counts, dry_run=dry_run, as_json=as_json)
    if failure is not None:
        raise failure
    if any(each.verdicts[Verdict.REFUSED] for each in counts.values()):
        raise typer.Exit(1)


class _Teller:
    """Says what could not be taken, as far as anybody reads that, and writes down everything."""

    def __init__(self, report: IO[bytes] | None) -> None:
        self._report = report
        self.refused = 0

    def __call__(self, collection: str, outcome: Outcome) -> None:
        if outcome.verdict is Verdict.REFUSED:
            self.refused += 1
            if self.refused <= _REFUSALS_SAID:
                output.complain(f"{collection} {outcome.id}: {outcome.reason}")
        if self._report is not None:
            line = {
                "collection": collection,
                "id": outcome.id,
                "verdict": outcome.verdict,
                "reason": outcome.reason,
                "notes": outcome.notes,
            }
            self._report.write(msgspec.json.encode(line) + b"\n")


@contextmanager
def _told(report: Path | None) -> Iterator[_Teller]:
    if report is None:
        teller = _Teller(None)
        yield teller
    else:
        with report.open("wb") as file:
            teller = _Teller(file)
            yield teller
    if teller.refused > _REFUSALS_SAID:
        more = teller.refused - _REFUSALS_SAID
        output.say(f"… and {more} more; --report FILE writes all of them down.")


def _summarise(dump: Dump, counts: Mapping[str, Counts], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        output.result_json(
            {
                "dry_run": dry_run,
                "not_read": dump.passed_over,
                "collections": {name: _as_json(each) for name, each in counts.items()},
            }
        )
        return
    output.result_table(
        ("Collection", *(verdict.capitalize() for verdict in Verdict)),
        (
            (name, *(str(each.verdicts[verdict]) for verdict in Verdict))
            for name, each in counts.items()
        ),
    )
    for name, each in counts.items():
        for (verdict, reason), number in sorted(each.reasons.items()):
            output.say(f"{name}, {verdict}, {number}: {reason}")
        for note, number in sorted(each.notes.items()):
            output.say(f"{name}, of those taken, {number}: {note}")
    if dry_run:
        output.say("This was a dry run: nothing was written.")


def _as_json(counts: Counts) -> dict[str, object]:
    return {
        **{verdict.replace(" ", "_"): counts.verdicts[verdict] for verdict in Verdict},
        "reasons": [
            {"verdict": verdict, "reason": reason, "count": number}
            for (verdict, reason), number in sorted(counts.reasons.items())
        ],
        "notes": dict(sorted(counts.notes.items())),
    }
