"""Tasks of a decoder that was taken over, or is simply bad. The zygote of the tests imports it."""

import ctypes
import errno
import fcntl
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cella.errors import CannotDecode, OverLimit
from cella.media.wire import JSON, Limits, Task

Arguments = Mapping[str, JSON]


def echo(arguments: Arguments, limits: Limits) -> JSON:
    return {"arguments": dict(arguments), "pixels": limits.max_pixels}


def refuse(arguments: Arguments, limits: Limits) -> JSON:
    raise CannotDecode("It is broken.")


def too_much(arguments: Arguments, limits: Limits) -> JSON:
    raise OverLimit("It is too large.")


def fail(arguments: Arguments, limits: Limits) -> JSON:
    raise KeyError("something")


def allocate(arguments: Arguments, limits: Limits) -> JSON:
    return len(bytearray(4 << 30))


def abort_for_memory(arguments: Arguments, limits: Limits) -> JSON:
    """What GLib does when it gets no memory."""
    os.write(2, b"GLib-ERROR **: failed to allocate 4294967296 bytes\n")
    os.abort()


def spin(arguments: Arguments, limits: Limits) -> JSON:
    while True:
        pass


def linger(arguments: Arguments, limits: Limits) -> JSON:
    """Write its own and the zygote's process id to a file, then do nothing for an hour."""
    folder = Path(arguments["folder"])
    (folder / "unfinished").write_text(f"{os.getpid()} {os.getppid()}")
    (folder / "unfinished").rename(folder / "pids")
    time.sleep(3600)
    return None


def write_huge(arguments: Arguments, limits: Limits) -> JSON:
    with Path(arguments["folder"], "huge").open("wb") as file:
        while True:
            file.write(bytes(1 << 20))


def find_full(arguments: Arguments, limits: Limits) -> JSON:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def chatter(arguments: Arguments, limits: Limits) -> JSON:
    for descriptor in (1, 2):
        for _ in range(1000):
            try:
                os.write(descriptor, b"garbage " * 1000)
            except BlockingIOError:
                break
    return "done"


def forge(arguments: Arguments, limits: Limits) -> JSON:
    os.write(3, arguments["text"].encode())
    os._exit(0)


def answer_much(arguments: Arguments, limits: Limits) -> JSON:
    return "x" * (10 << 20)


def crash(arguments: Arguments, limits: Limits) -> JSON:
    return ctypes.string_at(0).decode()


def threads(arguments: Arguments, limits: Limits) -> JSON:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(1))
    thread.start()
    thread.join()
    return found


def look_around(arguments: Arguments, limits: Limits) -> JSON:
    return {
        "environment": sorted(os.environ),
        "descriptors": [number for number in range(64) if _is_open(number)],
        "session": os.getsid(0) == os.getpid(),
    }


def _is_open(number: int) -> bool:
    try:
        fcntl.fcntl(number, fcntl.F_GETFD)
    except OSError:
        return False
    return True


def attempt(arguments: Arguments, limits: Limits) -> JSON:
    """Try what is named; the answer is the name of the error, or "allowed"."""
    try:
        _ATTEMPTS[arguments["what"]](arguments.get("path", ""))
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "allowed"


def _fork(_: str) -> None:
    if os.fork() == 0:
        os._exit(0)


def _socket_pair(_: str) -> None:
    for end in socket.socketpair():
        end.close()


def _raise_limit(_: str) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    except ValueError as error:
        raise PermissionError(errno.EPERM, str(error)) from error


def _ptrace(_: str) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.ptrace(16, os.getppid(), None, None) < 0:  # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), "ptrace")


_ATTEMPTS: dict[str, Callable[[str], Any]] = {
    "fork": _fork,
    "exec": lambda _: os.execv(sys.executable, [sys.executable, "-c", ""]),
    "spawn": lambda _: os.posix_spawn("/bin/true", ["true"], {}),
    "socket": lambda _: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "unix socket": lambda _: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "socket pair": _socket_pair,
    "kill zygote": lambda _: os.kill(os.getppid(), signal.SIGKILL),
    "new session": lambda _: os.setpgid(0, os.getppid()),
    "ptrace": _ptrace,
    "raise limit": _raise_limit,
    "read": lambda path: Path(path).read_bytes(),
    "list": lambda path: list(Path(path).iterdir()),
    "write": lambda path: Path(path).write_bytes(b"x"),
    "remove": lambda path: Path(path).unlink(),
    "link": lambda path: Path(path).symlink_to("/etc/passwd"),
    "change mode": lambda path: Path(path).chmod(0o4777),
}

TASKS: Mapping[str, Task] = {
    function.__name__: function
    for function in (
        echo,
        refuse,
        too_much,
        fail,
        allocate,
        abort_for_memory,
        spin,
        linger,
        write_huge,
        find_full,
        chatter,
        forge,
        answer_much,
        crash,
        threads,
        look_around,
        attempt,
    )
}
