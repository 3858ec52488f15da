"""`cella serve`: the HTTP server, and on the first start an administrator, a project, a token."""

import asyncio
from typing import Annotated

import typer

from cella import config
from cella.assembly import Assembly, base_url
from cella.cli import output, processes
from cella.cli.banner import Start, banner
from cella.cli.options import AsJson, Data
from cella.http import logs


def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="The port; 0 is any free one.", show_default="8333"),
    ] = None,
    data: Data = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="How many processes answer.", show_default="1"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the server until Ctrl-C.

    The first start makes an administrator, a public project and a token, which is shown once.
    """
    overrides = {"host": host, "port": port, "data": data, "workers": workers}
    settings = config.load(overrides=overrides)
    processes.refuse_private_store(settings, "--workers", servers=settings.service.workers)
    with processes.listen(settings.service.host, settings.service.port) as listener:
        overrides["port"] = listener.getsockname()[1]
        settings = config.load(overrides=overrides)
        logs.configure(settings.service.log_format, settings.service.log_level)
        start = asyncio.run(_make_ready(Assembly(settings)))
        if as_json:
            output.result_json(start)
        else:
            output.result(banner(start, output.this_command()))
        raise typer.Exit(processes.serve(settings, listener))


async def _make_ready(assembly: Assembly) -> Start:
    """Try every part once, and make what the first start makes."""
    async with assembly.running():
        founded = assembly.administer.found()
        project = founded.project if founded else assembly.administer.first_project()
        return Start(
            url=base_url(assembly.config),
            data=str(assembly.config.data),
            project=project.id if project else None,
            project_name=project.name if project else None,
            username=founded.user.username if founded else None,
            token=founded.token if founded else None,
        )
