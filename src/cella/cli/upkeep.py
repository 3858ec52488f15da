"""Looking after stores: compared with the catalogue, and read again.

These work on the data directory, the database and the stores themselves; servers may be running.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec
import typer

from cella.assembly import Assembly
from cella.cli import output
from cella.cli.opening import with_stores
from cella.cli.options import AsJson, Data
from cella.errors import NotFound, SweepRefused
from cella.flows import sweep as sweeping
from cella.flows.sweep import Swept
from cella.flows.verify import Verified

Backend = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The backend of the store; else all.", show_default=False),
]

_HOUR = 3600.0


def sweep(
    backend: Backend = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Note blobs without a row; they stay in place.")
    ] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Delete what was in quarantine for long.")
    ] = False,
    grace: Annotated[
        float, typer.Option(metavar="HOURS", min=0, help="How long in quarantine is long.")
    ] = sweeping.GRACE / _HOUR,
    most_share: Annotated[
        float,
        typer.Option(
            metavar="PERCENT", min=0, max=100, help="With more blobs without a row, refuse to act."
        ),
    ] = sweeping.MOST_SHARE,
    force: Annotated[
        bool, typer.Option("--force", help="Act even if the database may be an old one.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Compare a store with the catalogue: blobs without a row, rows without their blob.

    Only reports, unless it is told to do more. A line each: what, key, bytes, file, project, name;
    in a pipe with tabs between them. Ends with 1 where something is wrong.
    """

    async def work(assembly: Assembly) -> list[Swept]:
        done = []
        for each in _backends(assembly, backend):
            async with assembly.sweep.survey(each, most_share=most_share) as survey:
                done.append(survey.report)
                if survey.report.doubt and force:
                    output.complain(f"{each}: {survey.report.doubt} Going on by force.")
                if quarantine or purge:
                    try:
                        await assembly.sweep.act(
                            survey,
                            quarantine=quarantine,
                            purge=purge,
                            grace=grace * _HOUR,
                            force=force,
                        )
                    except SweepRefused as error:
                        output.complain(f"{each}: {error.message}")
                elif survey.report.doubt:
                    output.complain(f"{each}: {survey.report.doubt} So --quarantine would refuse.")
        return done

    done = with_stores(data, work)
    _print(done, as_json, _say_swept)
    refused = (quarantine or purge) and not force and any(each.doubt for each in done)
    if refused or any(each.is_wrong for each in done):
        raise typer.Exit(1)


def verify(
    backend: Backend = None,
    share: Annotated[
        float,
        typer.Option(metavar="PERCENT", min=0, max=100, help="How much of the store is read."),
    ] = 100.0,
    most: Annotated[
        int | None,
        typer.Option("--bytes", metavar="N", min=1, help="Read this many bytes at most."),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin with the first blob.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Read stored bytes again and compare them with what the catalogue says.

    Goes on where the last run ended. A line for each blob that is missing, cut, changed, or unread
    because the store did not answer: what, key, bytes, file, project, name; in a pipe with tabs
    between them. Ends with 1 where there is one.
    """

    async def work(assembly: Assembly) -> list[Verified]:
        done = []
        for each in _backends(assembly, backend):
            budget = await assembly.verify.budget(each, share=share, most=most)
            with output.progress(each, budget) as advance:
                done.append(
                    await assembly.verify.run(
                        each, share=share, most=most, restart=restart, advance=advance
                    )
                )
        return done

    done = with_stores(data, work)
    _print(done, as_json, _say_verified)
    if any(each.is_wrong for each in done):
        raise typer.Exit(1)


def _backends(assembly: Assembly, wanted: str | None) -> list[str]:
    if wanted is None:
        return sorted(assembly.stores)
    if wanted not in assembly.stores:
        known = ", ".join(sorted(assembly.stores))
        raise NotFound(f"There is no store {wanted} here; there is {known}.")
    return [wanted]


def _print(
    done: list[Swept] | list[Verified], as_json: bool, say: Callable[[Swept | Verified], None]
) -> None:
    if as_json:
        output.result_json_array(done)
        return
    output.result_table(
        ("What", "Key", "Bytes", "File", "Project", "Name"),
        (
            (
                found.what,
                found.key,
                "-" if found.length is None else str(found.length),
                found.file_id or "-",
                found.project or "-",
                found.name or "-",
            )
            for report in done
            for found in report.findings
        ),
    )
    for report in done:
        say(report)


def _say_swept(report: Swept | Verified) -> None:
    facts = msgspec.structs.asdict(report)
    for line in (
        "{backend}: {blobs} blobs of {bytes} bytes, {rows} rows.",
        "{missing} rows without their blob, {differing} whose blob has another length.",
        "{strays} blobs without a row ({stray_bytes} bytes), and {copies} that have moved to "
        "another store ({copy_bytes} bytes); {loose} of them are in no quarantine.",
        "{young} blobs may be about to get a row, {busy} belong to files that are being processed, "
        "{unfinished} uploads or jobs that broke off have left something.",
        "{noted} put into quarantine, {released} out of it; {purged} purged "
        "({purged_bytes} bytes), and what {dropped} uploads have left.",
    ):
        output.say(line.format_map(facts))


def _say_verified(report: Swept | Verified) -> None:
    facts = msgspec.structs.asdict(report)
    output.say("{backend}: {blobs} blobs read, {bytes} bytes.".format_map(facts))
    output.say(
        "{missing} missing, {cut} cut, {changed} changed, {unread} not verified because the store "
        "did not answer.".format_map(facts)
    )
    if facts["filled"]:
        output.say("{filled} had no SHA-256 and have one now.".format_map(facts))
    if facts["wrapped"]:
        output.say("The end of the store was reached; it went on from the beginning.")
    if facts["stopped"]:
        output.say(facts["stopped"])
