"""Users, tokens and projects, minded by hand on the data directory or the database itself.

The server may be running meanwhile.
"""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cella.catalog.people import Issued
from cella.cli import output, prompt
from cella.cli.opening import opened
from cella.cli.options import AsJson, Data
from cella.config import Config
from cella.errors import NotFound
from cella.flows.administer import Administer
from cella.model import User

_CENTURY = 36500
_ROLES = frozenset({"admin", "badger", "service"})
_STATES = {False: "enabled", True: "disabled"}


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
    with opened(data) as assembly:
        user = assembly.administer.add_user(name, email, role or [])
    for unknown in sorted(set(user.roles) - _known_roles(assembly.config)):
        output.say(f"No setting knows the role {unknown}: on its own it allows nothing.")
    if as_json:
        output.result_json({"user_id": user.id, "username": user.username, "roles": user.roles})
        return
    output.result(user.id)
    output.say(f"Added {user.username}. A token: {output.this_command()} token new {name}")


def list_users(data: Data = None, as_json: AsJson = False) -> None:
    """List the users: id, name, address, roles, and whether they may sign in.

    In a pipe with tabs between them.
    """
    with opened(data) as assembly:
        users = assembly.administer.users()
    if as_json:
        output.result_json_array(map(_user_as_json, users))
        return
    output.result_table(
        ("Id", "Name", "Address", "Roles", "State"),
        (
            (user.id, user.username, user.email, ",".join(user.roles), _STATES[user.disabled])
            for user in users
        ),
    )


def set_password(
    name: Annotated[str, typer.Argument(help="The user's name.")], data: Data = None
) -> None:
    """Set a user's password, asked for twice at a terminal, or read from stdin."""
    with opened(data) as assembly:
        user = assembly.administer.user(name)
        hashed = assembly.passwords.hash(prompt.new_password())
        assembly.administer.set_password(user, hashed)
    output.say(
        f"{name} can sign in with it from now on; browsers are signed out, tokens stay valid."
    )


def disable_user(
    name: Annotated[str, typer.Argument(help="The user's name.")], data: Data = None
) -> None:
    """Shut a user out: password and tokens count for nothing, at once."""
    with opened(data) as assembly:
        assembly.administer.disable(name, disabled=True)
    output.say(f"{name} is shut out. To undo it: {output.this_command()} user enable {name}")


def enable_user(
    name: Annotated[str, typer.Argument(help="The user's name.")], data: Data = None
) -> None:
    """Let a user in again that was shut out, with the same password and tokens."""
    with opened(data) as assembly:
        assembly.administer.disable(name, disabled=False)
    output.say(f"{name} can sign in.")


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
    with opened(data) as assembly:
        token = assembly.administer.new_token(user, expires)
    if as_json:
        output.result_json({"token": token, "username": user, "expires_days": expires})
        return
    output.result(token)
    output.say("Keep it well: it is not shown again.")


def list_tokens(
    user: Annotated[
        str | None, typer.Argument(help="Whose; else everybody's.", show_default=False)
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List tokens: id, user, when it was made, when it ends, and its sub-client.

    The tokens themselves are not kept. In a pipe with tabs between them; times are in UTC.
    """
    with opened(data) as assembly:
        tokens = assembly.administer.tokens(user)
    if as_json:
        output.result_json_array(map(_token_as_json, tokens))
        return
    output.result_table(
        ("Id", "User", "Made", "Ends", "Sub-client"),
        (
            (token.id, name, _moment(token.created), _moment(token.expires), token.subclient)
            for token, name in tokens
        ),
    )


def revoke_tokens(
    token_ids: Annotated[
        list[str], typer.Argument(metavar="TOKEN_ID…", help="As `cella token ls` lists them.")
    ],
    data: Data = None,
) -> None:
    """Make tokens invalid at once. Where one of them is unknown, none is touched."""
    with opened(data) as assembly:
        assembly.administer.revoke(token_ids)


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
    with opened(data) as assembly:
        username = owner if owner is not None else _first_admin(assembly.administer)
        project = assembly.administer.new_project(name, username, public=public)
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


def _known_roles(config: Config) -> frozenset[str]:
    """The roles that mean something by themselves or by a setting."""
    access = config.access
    return _ROLES.union(
        access.roles_for_unlimited_uploads,
        access.full_file_access_roles,
        access.video_encoding_roles,
        access.project_creation_roles,
        config.oidc.roles.values(),
        config.blender_id.roles.values(),
    )


def _user_as_json(user: User) -> dict[str, object]:
    return {
        "user_id": user.id,
        "username": user.username,
        "email": user.email,
        "roles": user.roles,
        "disabled": user.disabled,
    }


def _token_as_json(issued: Issued) -> dict[str, object]:
    token, username = issued
    return {
        "token_id": token.id,
        "username": username,
        "created": token.created,
        "expires": token.expires,
        "subclient": token.subclient,
    }


def _moment(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
