"""The command `cella`.

What a script needs stands on stdout alone, one a line, or as JSON with `--json`; the rest goes
to stderr. Exit codes: 0 done, 1 refused or failed, 2 bad usage or a wrong setting, 130 ended by
Ctrl-C.
"""

import sys
from importlib import metadata
from typing import Annotated

import typer

from cella.cli import (
    admin,
    doctor,
    importing,
    jobs,
    links,
    move,
    output,
    restore,
    serve,
    transfer,
    upkeep,
    worker,
)
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
_jobs = typer.Typer(help="Background work; works on the data directory or database itself.")
_links = typer.Typer(help="Kept links; works on the data directory or database itself.")
_projects = typer.Typer(help="Projects; works on the data directory or database itself.")
_imports = typer.Typer(help="Other servers' data; works on the data directory or database itself.")
_files = typer.Typer(help="Files; works on the data directory, database and stores themselves.")

app.command("serve")(serve.serve)
app.command("worker")(worker.work)
app.command("doctor")(doctor.doctor)
app.add_typer(_users, name="user")
_users.command("add")(admin.add_user)
_users.command("ls")(admin.list_users)
_users.command("password")(admin.set_password)
_users.command("disable")(admin.disable_user)
_users.command("enable")(admin.enable_user)
app.add_typer(_tokens, name="token")
_tokens.command("new")(admin.new_token)
_tokens.command("ls")(admin.list_tokens)
_tokens.command("revoke")(admin.revoke_tokens)
app.add_typer(_projects, name="project")
_projects.command("new")(admin.new_project)
app.add_typer(_jobs, name="jobs")
_jobs.command("ls")(jobs.list_jobs)
_jobs.command("show")(jobs.show_job)
_jobs.command("retry")(jobs.retry_jobs)
_jobs.command("cancel")(jobs.cancel_jobs)
app.add_typer(_imports, name="import")
_imports.command("pillar")(importing.import_pillar)
app.command("sweep")(upkeep.sweep)
app.command("verify")(upkeep.verify)
app.add_typer(_links, name="links")
_links.command("refresh")(links.refresh)
_links.command("expire")(links.expire)
app.add_typer(_files, name="files")
_files.command("move")(move.move_files)
app.command("restore")(restore.restore)
app.command("upload")(transfer.upload)
app.command("ls")(transfer.list_files)
app.command("get")(transfer.get)
app.command("rm")(transfer.remove)

for group in (_users, _tokens, _projects, _jobs, _imports, _links, _files):
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
