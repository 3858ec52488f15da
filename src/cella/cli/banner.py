"""What `cella serve` says when it starts. Pure."""

from shlex import quote
from urllib.parse import quote as quote_url

import msgspec

from cella.cli.options import DEFAULT_URL


class Start(msgspec.Struct, frozen=True):
    """Where things are; `username` and `token` only on the first start."""

    url: str
    data: str
    project: str | None
    project_name: str | None
    username: str | None
    token: str | None


def banner(start: Start, command: str) -> str:
    """The lines for a person; `command` is how `cella` is started here."""
    lines = [
        "",
        f"  Cella answers at  {start.url}  (Ctrl-C stops it)",
        f"  Its API           {start.url}/api/docs",
        f"  Its data          {start.data}",
    ]
    if start.project:
        lines.append(f"  A project         {start.project}  ({start.project_name})")
    if start.token is None or start.project is None:
        lines.append(f"  A new token       {command} token new USER --data {quote(start.data)}")
        return "\n".join([*lines, ""])
    return "\n".join(
        [
            *lines,
            f"  Administrator     {start.username}",
            f"  Token             {start.token}",
            "                    It is shown this once and not kept: write it down.",
            "",
            "  Try it in another terminal. Upload a file, here photo.jpg:",
            "",
            f"    {_upload(start)}",
            "",
            "  List the project's files:",
            "",
            f"    {_cella(start, command)} ls {start.project}",
            "",
            "  Download the newest, here to copy.jpg:",
            "",
            f"    {_download(start, command)}",
            "",
        ]
    )


def _upload(start: Start) -> str:
    return (
        f"curl -H 'Authorization: Bearer {start.token}' -F file=@photo.jpg "
        f"{start.url}/api/storage/stream/{quote_url(start.project or '')}"
    )


def _download(start: Start, command: str) -> str:
    cella = _cella(start, command)
    return f"{cella} get -o copy.jpg $({cella} ls {start.project} | tail -n 1 | cut -f 1)"


def _cella(start: Start, command: str) -> str:
    where = "" if start.url == DEFAULT_URL else f"CELLA_URL={start.url} "
    return f"{where}CELLA_TOKEN={start.token} {command}"
