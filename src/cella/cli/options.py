"""Options that several commands have."""

from typing import Annotated

import typer

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data directory; else CELLA_DATA, else `data` in cella.toml, else ./data.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Url = Annotated[str, typer.Option("--url", envvar="CELLA_URL", help="The server's address.")]
Token = Annotated[
    str,
    typer.Option("--token", envvar="CELLA_TOKEN", help="Your token.", show_default=False),
]

DEFAULT_URL = "http://127.0.0.1:8333"
