"""Links that are kept, minded by hand on the data directory or the database itself.

The server may be running meanwhile.
"""

from typing import Annotated

import typer

from cella.assembly import Assembly
from cella.cli import output
from cella.cli.opening import with_stores
from cella.cli.options import AsJson, Data

_CHUNK = 50
_WINDOW = 12.0
_HOUR = 3600

Project = Annotated[str | None, typer.Option(metavar="ID", help="The id of a project.")]


def refresh(
    project: Project = None,
    backend: Annotated[
        str | None, typer.Option(metavar="NAME", help="A backend, such as gcs.")
    ] = None,
    chunk: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many files at most; 0 is all.")
    ] = _CHUNK,
    window: Annotated[
        float, typer.Option(min=0, metavar="HOURS", help="Links that end within so many hours.")
    ] = _WINDOW,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Spell kept links again that end soon, those of a backend or of a project.

    Of a backend also those that were never kept. Ctrl-C stops it, and what is done stays done.
    """
    if (project is None) == (backend is None):
        raise typer.BadParameter("Name either a --project or a --backend.")
    refreshed = 0

    async def work(assembly: Assembly) -> int:
        flow, seconds = assembly.refresh, window * _HOUR
        total = await flow.count(project=project, backend=backend, seconds=seconds, most=chunk)
        with output.counting("Links", total, quiet=quiet) as advance:

            def tell(count: int) -> None:
                nonlocal refreshed
                refreshed += count
                advance(count)

            if project is not None:
                return await flow.project(project, seconds=seconds, most=chunk, tell=tell)
            return await flow.backend(backend or "", seconds=seconds, most=chunk, tell=tell)

    try:
        done = with_stores(data, work)
    except KeyboardInterrupt:
        if not quiet:
            output.say(f"Stopped. The links of {refreshed} files were refreshed, and stay so.")
        raise
    if as_json:
        output.result_json({"refreshed": done})
    elif not quiet:
        output.result(f"Refreshed the links of {done} files")


def expire(
    project: Project = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Have all kept links of a project's files be out of date, so that they are spelled again."""
    if project is None:
        raise typer.BadParameter("Name a --project.")
    wanted = project
    done = with_stores(data, lambda assembly: assembly.refresh.expire(wanted))
    if as_json:
        output.result_json({"expired": done})
        return
    output.result(f"Expired {done} links")
