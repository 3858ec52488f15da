"""What the sandbox, its zygote and a task's child say to each other.

The sandbox hands a fresh socket to the zygote and sends one `Request` through it, as a line of
JSON. The zygote answers with one `Answer` and closes. Anything else that the sandbox does to the
socket, closing it above all, means that the answer is no longer wanted.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

JSON = Any
"""What JSON can say: None, bool, int, float, str, and lists and string-keyed dicts of these."""

RESULT_BYTES = 32 * 1024
"""The most that a task may answer. It fits into a pipe that nobody reads yet (pipe(7))."""

STDERR_CHARACTERS = 2000
"""How much of a child's last words is kept, in bytes of UTF-8."""

NOT_STARTED = 126
"""What a child exits with that did not come to be the program it should have been."""


class Limits(msgspec.Struct, kw_only=True, frozen=True):
    """What one task may use: seconds, bytes, pixels.

    `memory_bytes` bounds the address space, libraries included (about 150 MB of it);
    `output_bytes` bounds each file that is written.
    """

    wall_seconds: float
    cpu_seconds: float
    memory_bytes: int
    output_bytes: int
    max_pixels: int


class Program(msgspec.Struct, kw_only=True, frozen=True):
    """A program to become, and its arguments without its own name."""

    path: str
    arguments: tuple[str, ...]


class Request(msgspec.Struct, kw_only=True, frozen=True):
    """One task or program, and the files it may read and the folders it may write in.

    `nice` is by how much it steps back behind others, as nice(2) has it.
    """

    task: str = ""
    arguments: dict[str, JSON] = {}
    program: Program | None = None
    limits: Limits
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    nice: int = 0


class Answer(msgspec.Struct, kw_only=True, frozen=True):
    """How a child ended: its `Outcome` as JSON text, not to be trusted, and how it exited.

    `signal` is the number of the signal that ended it, 0 where none did; `code` is what it
    exited with then. `cpu_seconds` is the time of the processor that it took.
    """

    outcome: str
    signal: int
    code: int
    cpu_seconds: float
    stderr: str


class Outcome(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What a task came to: a value, or what was wrong in a sentence for a person."""

    state: Literal["done", "cannot_decode", "over_limit", "out_of_memory"]
    value: JSON = None
    message: str = ""


class Greeting(msgspec.Struct, kw_only=True, frozen=True):
    """The zygote's first line: it is ready, and this is what guards its children."""

    protections: dict[str, bool]


Task = Callable[[Mapping[str, JSON], Limits], JSON]
"""A function that runs in a child: its arguments and limits to its value.

It raises `CannotDecode` or `OverLimit` with a sentence for the file's owner.
"""
