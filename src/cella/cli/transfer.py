"""Files, by way of a server's HTTP API."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cella.cli import output
from cella.cli.options import DEFAULT_URL, AsJson, Token, Url
from cella.client import Client, RemoteFile, connect, default_name, save
from cella.errors import CellaError

Project = Annotated[
    str, typer.Argument(metavar="PROJECT", help="The project's id, its url, or its name.")
]

_COLUMNS = "{:<24}  {:>10}  {:<24.24}  {:<10}  {}"
_STATES = {"queued_for_processing": "queued"}
_STEP = 1024


def upload(
    project: Project,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="What to upload.")],
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Upload files and print their ids. Previews are made afterwards.

    After a file that fails it goes on with the next one, and ends with exit code 1.
    """
    done: list[dict[str, str]] = []
    with connect(url, token) as client:
        project_id = client.project_id(project)
        for path in files:
            try:
                file_id = _upload(client, project_id, path)
            except (CellaError, OSError) as error:
                reason = error.message if isinstance(error, CellaError) else output.reason(error)
                output.complain(f"{path}: {reason}")
                done.append({"file": str(path), "error": reason})
            else:
                done.append({"file": str(path), "file_id": file_id})
                if not as_json:
                    output.result(file_id)
    if as_json:
        output.result_json_array(done)
    if any("error" in each for each in done):
        raise typer.Exit(1)


def list_files(
    project: Project, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False
) -> None:
    """List the files of a project, oldest first.

    In a pipe each line is: id, size in bytes, status and name, with tabs between them.
    """
    with connect(url, token) as client:
        project_id = client.project_id(project)
        if as_json:
            output.result_json_array(client.documents(project_id))
            return
        lines = _for_people if sys.stdout.isatty() else _for_scripts
        for line in lines(client.files(project_id)):
            print(line)


def get(
    file_id: Annotated[str, typer.Argument(help="The file's id.")],
    to: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="Where to; - is stdout. Else the file's own name, in this folder.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Download a file, check its SHA-256, and print where it is."""
    with connect(url, token) as client:
        file = client.file(file_id)
        with output.progress(file.filename, file.length) as progress:
            if to == Path("-"):
                client.download(file, sys.stdout.buffer, progress)
                return
            target = _target(to, file)
            save(client, file, target, progress, replace=force)
    if as_json:
        output.result_json(
            {
                "file_id": file.id,
                "path": str(target),
                "length": file.length,
                "sha256": file.sha256,
            }
        )
        return
    output.result(str(target))


def remove(
    file_ids: Annotated[list[str], typer.Argument(metavar="FILE_ID…", help="What to delete.")],
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Delete files, with their previews, and print the ids of those that are gone."""
    done: list[dict[str, str]] = []
    with connect(url, token) as client:
        for file_id in file_ids:
            try:
                client.delete(file_id)
            except CellaError as error:
                output.complain(error.message)
                done.append({"file_id": file_id, "error": error.message})
            else:
                done.append({"file_id": file_id})
                if not as_json:
                    output.result(file_id)
    if as_json:
        output.result_json_array(done)
    if any("error" in each for each in done):
        raise typer.Exit(1)


def _upload(client: Client, project_id: str, path: Path) -> str:
    if path.is_dir():
        raise CellaError(f"That is a folder. Name the files in it, for example: {path}/*")
    if path.exists() and not path.is_file():
        raise CellaError("That is not a regular file.")
    with output.progress(path.name, path.stat().st_size) as progress:
        return client.upload(project_id, path, progress)


def _target(to: Path | None, file: RemoteFile) -> Path:
    if to is None:
        return Path(default_name(file.filename))
    return to / default_name(file.filename) if to.is_dir() else to


def _for_scripts(files: Iterator[RemoteFile]) -> Iterator[str]:
    for file in files:
        name = output.printable(file.filename)
        yield f"{file.id}\t{file.length}\t{file.status}\t{name}"


def _for_people(files: Iterator[RemoteFile]) -> Iterator[str]:
    yield _COLUMNS.format("ID", "SIZE", "TYPE", "STATE", "NAME")
    for file in files:
        yield _COLUMNS.format(
            file.id,
            _size(file.length),
            file.content_type,
            _STATES.get(file.status, file.status),
            output.printable(file.filename),
        )


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < _STEP:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _STEP
    return f"{count:.1f} TiB"
