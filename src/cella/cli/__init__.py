"""The command `cella`.

What a script needs stands on stdout alone, one a line, or as JSON with `--json`; the rest goes
to stderr. Exit codes: 0 done, 1 refused or failed, 2 bad usage or a wrong setting, 130 ended by
Ctrl-C.
"""

import sys
from importlib import metadata
from typing import Annotated

import typer

from cella.cli import admin, doctor, output, serve, transfer, worker
from cella.errors import BadConfig, CellaError

_FAILED = 1
_BAD_USAGE = 2

app = typer.Typer(
    name="cella",
    help="A media-asset store. Try `cella serve`, then `cella upload PROJECT FILE…`.",
    epilog="Settings come from cella.toml and CELLA_… variables; `cella doctor` lists them.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_users = typer.Typer(help="Users; works on the data directory or database itself.")
_tokens = typer.Typer(help="Tokens; works on the data directory or database itself.")
_projects = typer.Typer(help="Projects; works on the data directory or database itself.")

app.command("serve")(serve.serve)
app.command("worker")(worker.work)
app.command("doctor")(doctor.doctor)
app.add_typer(_users, name="user")
_users.command("add")(admin.add_user)
app.add_typer(_tokens, name="token")
_tokens.command("new")(admin.new_token)
app.add_typer(_projects, name="project")
_projects.command("new")(admin.new_project)
app.command("upload")(transfer.upload)
app.command("ls")(transfer.list_files)
app.command("get")(transfer.get)
app.command("rm")(transfer.remove)

for group in (_users, _tokens, _projects):
    group.callback()(lambda: None)


@app.callback(invoke_without_command=True)
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
        code = app(arguments, prog_name="cella", standalone_mode=False)
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
