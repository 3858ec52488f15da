"""The few calls of the C library that Python has no function for. Linux only."""

import ctypes
import os

_library = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def prctl(option: int, *arguments: int) -> None:
    """prctl(2). Raises OSError where the kernel refuses or does not know it."""
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    _checked("prctl", ctypes.c_int(option), *padded)


def system_call(number: int, *arguments: "ctypes._SimpleCData[int] | ctypes.c_void_p") -> int:
    """syscall(2), by number. Raises OSError where the kernel refuses or does not know it."""
    return _checked("syscall", ctypes.c_long(number), *arguments)


def _checked(name: str, *arguments: object) -> int:
    function = getattr(_library, name, None)
    if function is None:
        raise OSError(f"the C library of this platform has no {name}")
    result = int(function(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
