"""A process that sees only the files it was given. Linux 5.13 and later.

Landlock (https://docs.kernel.org/userspace-api/landlock.html) needs no privilege: a process
gives up all access to files and takes back what it names. Newer kernels add TCP, abstract Unix
sockets and signals to what can be given up.
"""

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from cella.media import libc

_CREATE_RULESET = 444
_ADD_RULE = 445
_RESTRICT_SELF = 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1

_EXECUTE = 1 << 0
_WRITE_FILE = 1 << 1
_READ_FILE = 1 << 2
_READ_DIRECTORY = 1 << 3
_REMOVE_FILE = 1 << 5
_MAKE_REGULAR = 1 << 8
_REFER = 1 << 13
_TRUNCATE = 1 << 14
_DEVICE_CONTROL = 1 << 15

_READ = _READ_FILE | _READ_DIRECTORY
_WRITE = _READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_REGULAR | _TRUNCATE
_FOR_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_CONTROL


class _Ruleset(ctypes.Structure):
    """`struct landlock_ruleset_attr`."""

    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scope", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    """`struct landlock_path_beneath_attr`."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The version of Landlock that the kernel speaks. Raises OSError where it has none."""
    return libc.system_call(
        _CREATE_RULESET,
        ctypes.c_void_p(None),
        ctypes.c_size_t(0),
        ctypes.c_uint32(_CREATE_RULESET_VERSION),
    )


def see_only(reads: Iterable[Path], writes: Iterable[Path], executes: Iterable[Path] = ()) -> None:
    """Leave the calling process only these files and folders, for good; it needs no_new_privs.

    Below the paths in `reads` files can be read, below those in `writes` also be made, written
    and removed; the files in `executes` can be read and executed. What does not exist is passed
    over. Raises OSError where the kernel has no Landlock.
    """
    spoken = version()
    handled = _handled(spoken)
    rules = _Ruleset(
        handled,
        0b11 if spoken >= 4 else 0,  # bind and connect of TCP
        0b11 if spoken >= 6 else 0,  # abstract Unix sockets, signals
    )
    ruleset = libc.system_call(
        _CREATE_RULESET,
        ctypes.c_void_p(ctypes.addressof(rules)),
        ctypes.c_size_t(ctypes.sizeof(rules)),
        ctypes.c_uint32(0),
    )
    try:
        for path in reads:
            _allow(ruleset, path, _READ & handled)
        for path in writes:
            _allow(ruleset, path, _WRITE & handled)
        for path in executes:
            _allow(ruleset, path, _READ_FILE | _EXECUTE)
        libc.system_call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _handled(spoken: int) -> int:
    """Every right over files that this version knows: what is not handled stays allowed."""
    rights = _REFER - 1
    for right, since in ((_REFER, 2), (_TRUNCATE, 3), (_DEVICE_CONTROL, 5)):
        if spoken >= since:
            rights |= right
    return rights


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            rights &= _FOR_FILES
        rule = _PathBeneath(rights, parent)
        libc.system_call(
            _ADD_RULE,
            ctypes.c_int(ruleset),
            ctypes.c_int(_RULE_PATH_BENEATH),
            ctypes.c_void_p(ctypes.addressof(rule)),
            ctypes.c_uint32(0),
        )
    finally:
        os.close(parent)
