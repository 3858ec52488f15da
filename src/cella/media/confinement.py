"""What a child gives up before it touches a foreign file, each step for good.

The limits of setrlimit(2) hold on every Unix. The three protections are Linux's; where one is
missing the child goes on without, and `Sandbox.protections` tells the operator.
"""

import math
import os
import resource
import signal
import struct
import sysconfig
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from cella.media import landlock, libc, seccomp
from cella.media.wire import Limits

_OPEN_FILES = 64
_ELF_INTERPRETER = 3  # PT_INTERP of elf(5)
_LIBRARIES = tuple(
    Path(path)
    for path in (
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/etc/ld.so.cache",
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    )
)
"""Where a lazily loaded library or module may come from."""


def confine(
    protections: Collection[str],
    limits: Limits,
    reads: Iterable[Path],
    writes: Iterable[Path],
    program: Path | None = None,
) -> None:
    """Take limits and the named protections upon the calling process.

    With `program` it may become that one, and no other where there is Landlock. Raises OSError
    where one of them, which `try_all` promised, cannot be had: nothing foreign may be decoded
    then.
    """
    _limit(limits, may_end=program is None)
    executes = () if program is None else (program, *_loaders(program))
    for name, protect in _protections(reads, writes, executes):
        if name in protections:
            protect()


def try_all() -> dict[str, bool]:
    """Take every protection upon the calling process, and tell which of them it got."""
    return {name: _succeeds(protect) for name, protect in _protections((), (), ())}


def _protections(
    reads: Iterable[Path], writes: Iterable[Path], executes: Collection[Path]
) -> tuple[tuple[str, Callable[[], None]], ...]:
    """The protections in the order they need: the filter would refuse those before it."""
    return (
        ("no_new_privileges", lambda: libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)),
        ("file_access", lambda: landlock.see_only((*_LIBRARIES, *reads), writes, executes)),
        ("system_calls", lambda: seccomp.refuse_system_calls(may_execute=bool(executes))),
    )


def _loaders(program: Path) -> Iterator[Path]:
    """What the kernel executes to load a program in ELF: the interpreter that it names.

    A program that is whole in itself names none.
    """
    with program.open("rb") as file:
        header = file.read(64)
        if header[:5] != b"\x7fELF\x02":
            return
        (at,) = struct.unpack_from("=Q", header, 32)
        size, count = struct.unpack_from("=HH", header, 54)
        for number in range(count):
            file.seek(at + number * size)
            kind, _, offset, _, _, length = struct.unpack("=IIQQQQ", file.read(40))
            if kind == _ELF_INTERPRETER:
                file.seek(offset)
                yield Path(os.fsdecode(file.read(length).rstrip(b"\0")))


def _succeeds(protect: Callable[[], None]) -> bool:
    try:
        protect()
    except OSError:
        return False
    return True


def _limit(limits: Limits, *, may_end: bool) -> None:
    """`may_end` leaves a second to end of oneself; a program could make use of it otherwise."""
    cpu = max(1, math.ceil(limits.cpu_seconds))
    for what, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        # At the soft limit comes SIGXCPU, which names the reason; at the hard one SIGKILL.
        (resource.RLIMIT_CPU, cpu, cpu + 1 if may_end else cpu),
        (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.output_bytes, limits.output_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES, _OPEN_FILES),
    ):
        _, most = resource.getrlimit(what)
        if most == resource.RLIM_INFINITY:
            resource.setrlimit(what, (soft, hard))
        else:
            resource.setrlimit(what, (min(soft, most), min(hard, most)))


def die_with(parent: int) -> None:
    """Have the kernel end the calling process when `parent`, who forked it, ends; where it can."""
    _succeeds(lambda: libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)
