"""Users, tokens and projects, made by hand on the data directory or the database itself.

The server may be running meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cella import config
from cella.assembly import Assembly
from cella.cli import output
from cella.cli.options import AsJson, Data
from cella.db import migrations
from cella.errors import NotFound
from cella.flows.administer import Administer

_CENTURY = 36500


def add_user(
    name: Annotated[str, typer.Argument(help="The user's name; it must be free.")],
    email: Annotated[str, typer.Option(help="Where the user gets mail.")] = "",
    role: Annotated[
        list[str] | None,
        typer.Option(help="A role such as admin or subscriber; may be given several times."),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Add a user and print the id."""
    with _administering(data) as administer:
        user = administer.add_user(name, email, role or [])
    if as_json:
        output.result_json({"user_id": user.id, "username": user.username, "roles": user.roles})
        return
    output.result(user.id)
    output.say(f"Added {user.username}. A token: {output.this_command()} token new {name}")


def new_token(
    user: Annotated[str, typer.Argument(help="The name of the user that it is for.")],
    expires: Annotated[
        float | None,
        typer.Option(
            metavar="DAYS", min=0, max=_CENTURY, help="Days that it is valid; else until revoked."
        ),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it. It is not kept and cannot be shown again."""
    with _administering(data) as administer:
        token = administer.new_token(user, expires)
    if as_json:
        output.result_json({"token": token, "username": user, "expires_days": expires})
        return
    output.result(token)
    output.say("Keep it well: it is not shown again.")


def new_project(
    name: Annotated[str, typer.Argument(help="What people call the project.")],
    owner: Annotated[
        str | None,
        typer.Option(metavar="USER", help="Whose it is; else the first administrator's."),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public/--private", help="Whether everybody may look at it.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a project and print the id."""
    with _administering(data) as administer:
        username = owner if owner is not None else _first_admin(administer)
        project = administer.new_project(name, username, public=public)
    if as_json:
        output.result_json({"project_id": project.id, "name": project.name, "owner": username})
        return
    output.result(project.id)
    output.say(f"Made the {'public' if public else 'private'} project of {username}.")


def _first_admin(administer: Administer) -> str:
    admin = administer.first_admin()
    if admin is None:
        raise NotFound(
            "There is no administrator who could own it. Name an owner with --owner, or make "
            f"one: {output.this_command()} user add NAME --role admin"
        )
    return admin.username


@contextmanager
def _administering(data: str | None) -> Iterator[Administer]:
    assembly = Assembly(config.load(overrides={"data": data}))
    assembly.db.open()
    try:
        migrations.upgrade(assembly.db)
        yield assembly.administer
    finally:
        assembly.db.close()
