"""The processes that answer HTTP: this one alone, or several that share its listening socket.

With several, this process supervises: it starts the others, replaces those that die, and passes
on the end. They are in process groups of their own, so a Ctrl-C reaches only the supervisor.
Each gets the settings as the first line of its stdin, and stops when its stdin ends: so none
outlives the supervisor, however that ends.
"""

import asyncio
import contextlib
import errno
import logging
import os
import resource
import signal
import socket
import sys
import threading
from types import FrameType

import msgspec
import uvicorn

from cella import asgi
from cella.assembly import Assembly
from cella.cli.connection import BoundedProtocol
from cella.config import Config
from cella.errors import BadConfig, CellaError
from cella.http import logs
from cella.store.opening import backend_name

_BACKLOG = 2048
_GRACE_SECONDS = 10
_LAST_SECONDS = 120.0
_PAUSE_SECONDS = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

KEEP_ALIVE_SECONDS = 65
"""Seconds that a connection may lie idle; proxies in front must give theirs up before that."""

NOT_STARTED = 3
"""The exit code of a process that could not start; another try would do no better."""

_log = logging.getLogger("cella.processes")


def listen(host: str, port: int) -> socket.socket:
    """A socket that clients can connect to from now on.

    Raises `CellaError` where the port is taken, `BadConfig` where the address is none.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server((host, port), family=family[0][0], backlog=_BACKLOG)
    except socket.gaierror as error:
        raise BadConfig(f"--host: {host} is no address of this machine.") from error
    except OSError as error:
        raise _cannot_listen(host, port, error) from error


def refuse_private_store(config: Config, wanted: str, *, servers: int = 2) -> None:
    """Raise `BadConfig` where blobs in memory would have to be seen by several processes."""
    if servers > 1 and backend_name(config.store) == "memory":
        raise BadConfig(f"{wanted}: a memory:// store works with one process only.")


def serve(config: Config, listener: socket.socket) -> int:
    """Answer on `listener` until a signal ends it; the exit code."""
    _raise_limit_of_files()
    if config.service.workers > 1:
        return asyncio.run(_supervise(config, listener))
    return 1 if _answer(_server(config), listener) else 0


def serve_for_supervisor(descriptor: int) -> int:
    """Answer on an inherited socket until stdin ends; the exit code."""
    config = msgspec.json.decode(sys.stdin.buffer.readline(), type=Config)
    logs.configure(config.service.log_format, config.service.log_level)
    server = _server(config)
    threading.Thread(target=_end_with_stdin, args=[server], daemon=True).start()
    return _answer(server, socket.socket(fileno=descriptor))


def _raise_limit_of_files() -> None:
    """Allow this process and its children as many open files as the system lets them have.

    The usual 1024 are for programs that use `select`; each connection and each blob is one.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _server(config: Config) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            asgi.build(Assembly(config)),
            loop="uvloop",
            http=BoundedProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )


def _answer(server: uvicorn.Server, listener: socket.socket) -> int:
    """Run the server to its end: 0, or `NOT_STARTED`.

    uvicorn raises the signal that ended it once more; our handlers make that harmless, and
    catch those that come before its own stand.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    for number in _SIGNALS:
        signal.signal(number, end)
    try:
        server.run([listener])
    except SystemExit:
        return NOT_STARTED
    return 0


def _end_with_stdin(server: uvicorn.Server) -> None:
    # Past the buffer of `sys.stdin`: its lock, held by a thread, would spoil the process's end.
    while os.read(sys.stdin.fileno(), 1):
        pass
    server.should_exit = True


async def _supervise(config: Config, listener: socket.socket) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    keepers = [
        asyncio.create_task(_keep(config, listener.fileno(), stop))
        for _ in range(config.service.workers)
    ]
    ended_well = await asyncio.gather(*keepers)
    return 0 if all(ended_well) else 1


async def _keep(config: Config, descriptor: int, stop: asyncio.Event) -> bool:
    """Have one process answer until `stop` is set; False where it cannot start."""
    while not stop.is_set():
        process = await _start(config, descriptor)
        ended = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await _end(process, ended)
        elif process.returncode == NOT_STARTED:
            stopped.cancel()
            stop.set()
            return False
        else:
            _log.error("process %d ended with %s", process.pid, process.returncode)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped, _PAUSE_SECONDS)
    return True


async def _start(config: Config, descriptor: int) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "cella.cli.child",
        str(descriptor),
        stdin=asyncio.subprocess.PIPE,
        pass_fds=[descriptor],
        process_group=0,
    )
    assert process.stdin is not None  # noqa: S101 - for the type checker
    process.stdin.write(msgspec.json.encode(config) + b"\n")
    with contextlib.suppress(ConnectionError):
        await process.stdin.drain()
    return process


async def _end(process: asyncio.subprocess.Process, ended: "asyncio.Task[int]") -> None:
    """Let the process finish what it does, and end it where that takes too long."""
    assert process.stdin is not None  # noqa: S101 - for the type checker
    process.stdin.close()
    await asyncio.wait({ended}, timeout=_LAST_SECONDS)
    if not ended.done():
        process.kill()
        await ended


def _cannot_listen(host: str, port: int, error: OSError) -> CellaError:
    match error.errno:
        case errno.EADDRINUSE:
            reason = "it is in use. Stop what answers there, or choose another with --port"
        case errno.EACCES:
            reason = "ports below 1024 are for root. Choose another with --port"
        case errno.EADDRNOTAVAIL:
            reason = f"{host} is no address of this machine. Choose another with --host"
        case _:
            reason = os.strerror(error.errno or 0)
    return CellaError(f"Cannot listen on port {port} of {host}: {reason}.")
