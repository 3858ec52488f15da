"""What was deleted brought back, on the data directory or the database itself.

The server may be running meanwhile.
"""

from typing import Annotated

import typer

from cella.cli import output
from cella.cli.opening import opened
from cella.cli.options import AsJson, Data
from cella.errors import CellaError
from cella.flows.restore import Restore


def restore(
    file_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE_ID…", help="What to restore.", show_default=False),
    ] = None,
    project: Annotated[
        str | None,
        typer.Option(
            metavar="PROJECT_ID", help="A deleted project, and the files that went with it."
        ),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Bring deleted files or a deleted project back, as long as the bytes are kept.

    Prints the ids. After a file that cannot be restored it goes on with the next one, and ends with
    exit code 1.
    """
    if bool(file_ids) == bool(project):
        raise typer.BadParameter("Name files, or a project by --project.")
    with opened(data) as assembly:
        flow = assembly.services.restore
        done = _project(flow, project) if project else _files(flow, file_ids or [])
    if as_json:
        output.result_json_array(done)
    else:
        for each in done:
            if "error" not in each:
                output.result(next(iter(each.values())))
    if any("error" in each for each in done):
        raise typer.Exit(1)


def _project(flow: Restore, project_id: str) -> list[dict[str, str]]:
    restored = flow.project_now(project_id)
    output.say(f"{restored.project.name} is there again, with all its files.")
    return [{"project_id": project_id}]


def _files(flow: Restore, file_ids: list[str]) -> list[dict[str, str]]:
    done = []
    for file_id in file_ids:
        try:
            flow.file_now(file_id)
        except CellaError as error:
            output.complain(error.message)
            done.append({"file_id": file_id, "error": error.message})
        else:
            done.append({"file_id": file_id})
    return done
