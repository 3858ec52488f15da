"""Where what is said goes: results to stdout, everything for people to stderr."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from cella.client import Progress as Advance

_NAME_WIDTH = 32


def prepare() -> None:
    """Make stdout take any text, whatever the terminal's encoding."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def abandon() -> None:
    """Nobody reads stdout any more: have what is left in it go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def result(line: str) -> None:
    """Print something that a script may need."""
    print(line, flush=True)


def result_json(value: object) -> None:
    """Print the whole result as one JSON document."""
    result(msgspec.json.encode(value).decode())


def result_json_array(values: Iterable[object]) -> None:
    """Print the results as one JSON array, an item a line, while they come."""
    print("[", end="")
    for number, value in enumerate(values):
        print(",\n " if number else "", msgspec.json.encode(value).decode(), sep="", end="")
    result("]")


def result_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows: in columns at a terminal, under headings; else with tabs between the cells."""
    if sys.stdout.isatty():
        for line in _columns(headings, rows):
            print(line)
        return
    for row in rows:
        print("\t".join(printable(cell) for cell in row))


def say_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Tell a person rows, in columns under headings."""
    for line in _columns(headings, rows):
        say(line)


def say(line: str) -> None:
    """Tell a person something."""
    print(line, file=sys.stderr, flush=True)


def complain(message: str) -> None:
    """Tell a person what went wrong, in one line."""
    say(f"cella: {printable(' '.join(message.split()))}")


def spell(error: OSError) -> str:
    """What an error of the operating system says, and about which file."""
    return f"{error.filename}: {reason(error)}" if error.filename else reason(error)


def reason(error: OSError) -> str:
    """What an error of the operating system says."""
    return error.strerror or str(error) or type(error).__name__


def printable(text: str) -> str:
    """The text without anything that could steer a terminal or break a line."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


@contextmanager
def progress(name: str, total: int) -> Iterator[Advance]:
    """A bar with rate and time left, on a terminal; `total` is in bytes."""
    with _bar(name, total, DownloadColumn(binary_units=True), TransferSpeedColumn()) as advance:
        yield advance


@contextmanager
def counting(name: str, total: int, *, quiet: bool = False) -> Iterator[Advance]:
    """A bar with time left, on a terminal; `total` is a number of things."""
    with _bar(name, total, MofNCompleteColumn(), quiet=quiet) as advance:
        yield advance


@contextmanager
def _bar(name: str, total: int, *columns: ProgressColumn, quiet: bool = False) -> Iterator[Advance]:
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet or not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(_short(printable(name)), total=total)
        yield lambda count: bar.advance(task, count)


def this_command() -> str:
    """How this command was started, as one would type it again."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return f"{sys.executable} -m cella"
    on_path = any(
        Path(folder or ".").absolute() == started.parent.absolute() for folder in os.get_exec_path()
    )
    return started.name if on_path else str(started)


def _columns(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = [[heading.upper() for heading in headings]]
    lines += ([printable(cell) for cell in row] for row in rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _short(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "…"
