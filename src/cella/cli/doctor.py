"""`cella doctor`: the settings in force, and whether everything works."""

import asyncio
import sys
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from cella import config
from cella.assembly import Assembly
from cella.cli import output
from cella.cli.checks import Check, check_all
from cella.cli.options import AsJson, Data
from cella.config import Config
from cella.keyring import MADE

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}
_PIPE_WIDTH = 200


class Shown(msgspec.Struct, frozen=True):
    """A setting in force. `source` is `default`, `set` or, for a secret, `made`."""

    name: str
    variable: str
    value: Any
    source: str


def doctor(data: Data = None, as_json: AsJson = False) -> None:
    """Print the settings in force, without secrets, and try every part of the service.

    Ends with exit code 1 where something that is needed does not work. The service may be
    running meanwhile.
    """
    settings = config.load(overrides={"data": data})
    shown = [*_shown(settings)]
    checks = asyncio.run(check_all(Assembly(settings)))
    if as_json:
        output.result_json({"settings": shown, "checks": [check._asdict() for check in checks]})
    else:
        _print(shown, checks)
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(1)


def _shown(settings: Config) -> list[Shown]:
    return [
        Shown(setting.name, setting.variable, _plain(value), _source(setting, value))
        for setting, value in config.effective(settings)
    ]


def _source(setting: config.Setting, value: Any) -> str:
    if value != setting.default:
        return "set"
    return "made" if setting.name in MADE else "default"


def _plain(value: Any) -> Any:
    """The value as JSON has it, and in an order of its own where it has none."""
    return sorted(value) if isinstance(value, frozenset) else value


def _print(shown: list[Shown], checks: list[Check]) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    table = Table(Column("Setting", no_wrap=True), "Value", "From", box=None, pad_edge=False)
    for each in shown:
        table.add_row(each.name, Text(_spelled(each)), each.source)
    console.print(table)
    console.print()
    table = Table("Part", "State", "Detail", box=None, pad_edge=False)
    for check in checks:
        state = Text(check.state, style=_COLOURS[check.state])
        table.add_row(check.name, state, Text(output.printable(check.detail)))
    console.print(table)


def _spelled(each: Shown) -> str:
    if each.source == "made":
        return "(made by Cella)"
    match each.value:
        case dict():
            return ",".join(f"{name}={value}" for name, value in each.value.items())
        case list() | tuple():
            return ",".join(map(str, each.value))
        case _:
            return str(each.value)
