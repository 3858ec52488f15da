"""What a child gives up before it touches a foreign file, each step for good.

The limits of setrlimit(2) hold on every Unix. The three protections are Linux's; where one is
missing the child goes on without, and `Sandbox.protections` tells the operator.
"""

import math
import os
import resource
import signal
import sysconfig
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from cella.media import landlock, libc, seccomp
from cella.media.wire import Limits

_OPEN_FILES = 64
_LIBRARIES = tuple(
    Path(path)
    for path in (
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    )
)
"""Where a lazily loaded library or module may come from."""


def confine(
    protections: Collection[str], limits: Limits, reads: Iterable[Path], writes: Iterable[Path]
) -> None:
    """Take limits and the named protections upon the calling process.

    Raises OSError where one of them, which `available` promised, cannot be had: nothing foreign
    may be decoded then.
    """
    _limit(limits)
    for name, protect in _protections(reads, writes):
        if name in protections:
            protect()


def try_all() -> dict[str, bool]:
    """Take every protection upon the calling process, and tell which of them it got."""
    return {name: _succeeds(protect) for name, protect in _protections((), ())}


def _protections(
    reads: Iterable[Path], writes: Iterable[Path]
) -> tuple[tuple[str, Callable[[], None]], ...]:
    """The protections in the order they need: the filter would refuse those before it."""
    return (
        ("no_new_privileges", lambda: libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)),
        ("file_access", lambda: landlock.see_only((*_LIBRARIES, *reads), writes)),
        ("system_calls", seccomp.refuse_system_calls),
    )


def _succeeds(protect: Callable[[], None]) -> bool:
    try:
        protect()
    except OSError:
        return False
    return True


def _limit(limits: Limits) -> None:
    cpu = max(1, math.ceil(limits.cpu_seconds))
    for what, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        # At the soft limit comes SIGXCPU, which names the reason; at the hard one SIGKILL.
        (resource.RLIMIT_CPU, cpu, cpu + 1),
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
