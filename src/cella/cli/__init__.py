"""The command `cella`.

What a script needs stands on stdout alone, one a line, or as JSON with `--json`; the rest goes
to stderr. Exit codes: 0 done, 1 refused or failed, 2 bad usage or a wrong setting, 130 ended by
Ctrl-C.
"""

import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from typing import Annotated

import typer

from cella.cli import output
from cella.errors import BadConfig, CellaError

_FAILED = 1
_BAD_USAGE = 2

_COMMANDS = {
    "serve": "serve.serve",
    "worker": "worker.work",
    "doctor": "doctor.doctor",
    "user add": "admin.add_user",
    "user ls": "admin.list_users",
    "user password": "admin.set_password",
    "user disable": "admin.disable_user",
    "user enable": "admin.enable_user",
    "token new": "admin.new_token",
    "token ls": "admin.list_tokens",
    "token revoke": "admin.revoke_tokens",
    "project new": "admin.new_project",
    "jobs ls": "jobs.list_jobs",
    "jobs show": "jobs.show_job",
    "jobs retry": "jobs.retry_jobs",
    "jobs cancel": "jobs.cancel_jobs",
    "import pillar": "importing.import_pillar",
    "sweep": "upkeep.sweep",
    "verify": "upkeep.verify",
    "links refresh": "links.refresh",
    "links expire": "links.expire",
    "files move": "move.move_files",
    "restore": "restore.restore",
    "upload": "transfer.upload",
    "ls": "transfer.list_files",
    "get": "transfer.get",
    "rm": "transfer.remove",
}
_GROUPS = {
    "user": "Users; works on the data directory or database itself.",
    "token": "Tokens; works on the data directory or database itself.",
    "project": "Projects; works on the data directory or database itself.",
    "jobs": "Background work; works on the data directory or database itself.",
    "import": "Other servers' data; works on the data directory or database itself.",
    "links": "Kept links; works on the data directory or database itself.",
    "files": "Files; works on the data directory, database and stores themselves.",
}


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """All commands, or those alone that begin as `arguments` do, where there are any.

    What a server is made of takes a second to import, and most commands are not the server.
    """
    app = typer.Typer(
        name="cella",
        help="A media-asset store. Try `cella serve`, then `cella upload PROJECT FILE…`.",
        epilog="Settings come from cella.toml and CELLA_… variables; `cella doctor` lists them.",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    groups: dict[str, typer.Typer] = {}
    wanted = [words for words in _COMMANDS if words.split()[:1] == list(arguments[:1])]
    for words in wanted or _COMMANDS:
        group, _, name = words.rpartition(" ")
        if group and group not in groups:
            groups[group] = typer.Typer(help=_GROUPS[group])
            groups[group].callback()(lambda: None)
            app.add_typer(groups[group], name=group)
        module, _, function = _COMMANDS[words].partition(".")
        command = getattr(import_module(f"cella.cli.{module}"), function)
        groups.get(group, app).command(name)(command)
    return app


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        output.result(metadata.version("cella"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        output.result(context.get_help())
        raise typer.Exit(_BAD_USAGE)


def main() -> None:
    """Run the command that the process was started with, and end the process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    output.prepare()
    try:
        code = application(arguments)(arguments, prog_name="cella", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        output.complain(error.format_message())
        return _BAD_USAGE
    except BadConfig as error:
        output.complain(error.message)
        return _BAD_USAGE
    except CellaError as error:
        output.complain(error.message)
        return _FAILED
    except BrokenPipeError:
        output.abandon()
        return _FAILED
    except OSError as error:
        output.complain(output.spell(error))
        return _FAILED
    return code if isinstance(code, int) else 0
