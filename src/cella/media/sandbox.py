"""A child with limits for each piece of work on a foreign file.

The sandbox keeps one helper process, the zygote (`cella.media.zygote`), which forks a child per
task in a few milliseconds. The child has bounds on memory, time and output, its own session,
no network, no programs, no secrets in its environment, and where the kernel has Landlock it sees
no files but the ones it was given. So a poison file costs one child and one error.
"""

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from cella.errors import CannotDecode, DecoderCrashed, OverLimit, StoreFull
from cella.media.reasons import NO_ROOM, NO_ROOM_SIGNS
from cella.media.wire import (
    JSON,
    NOT_STARTED,
    Answer,
    Greeting,
    Limits,
    Outcome,
    Program,
    Request,
)
from cella.settings import Count, SomeSeconds

_MIB = 1 << 20

_TUNABLES = (
    "glibc.malloc.hugetlb=1",
    "glibc.malloc.mmap_threshold=268435456",
    "glibc.malloc.trim_threshold=268435456",
    "glibc.malloc.top_pad=16777216",
)
"""A child lives for one file. It takes memory in large pieces and gives none back before its end:
a page at a time, as is usual, costs it a fifth of its time."""

_START_SECONDS = 60.0
_END_SECONDS = 5.0
_ANSWER_BYTES = 1 << 20
_OUT_OF_MEMORY_SIGNALS = frozenset({signal.SIGABRT, signal.SIGTRAP, signal.SIGILL, signal.SIGSEGV})
_OUT_OF_MEMORY_WORDS = ("memory", "alloc")
_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN})

log = logging.getLogger(__name__)


class SandboxConfig(msgspec.Struct, kw_only=True, frozen=True):
    """What each task may use unless it is told otherwise.

    Seconds, bytes and pixels as in `Limits`. `at_once` is the number of children that run at the
    same time; more wait.

    The pixels allow a panorama of 32 768 × 16 384. Pictures that are decoded line by line
    (JPEG, PNG, TIFF) need little memory at any size; 2 GiB hold 268 million pixels of those that
    are decoded as a whole (progressive JPEG in 4:4:4, interlaced PNG, WebP, GIF), and over 100
    million of an AVIF. What needs more fails as `OverLimit`.
    """

    wall_seconds: SomeSeconds = 60.0
    cpu_seconds: SomeSeconds = 60.0
    memory_bytes: Count = 2048 * _MIB
    output_bytes: Count = 256 * _MIB
    max_pixels: Count = 512 * _MIB
    at_once: Count = 8

    @property
    def limits(self) -> Limits:
        """The limits of a task that was given none of its own."""
        return Limits(
            wall_seconds=self.wall_seconds,
            cpu_seconds=self.cpu_seconds,
            memory_bytes=self.memory_bytes,
            output_bytes=self.output_bytes,
            max_pixels=self.max_pixels,
        )


class Exit(NamedTuple):
    """What a program exited with, and the end of what it wrote to stderr, which is not for all."""

    code: int
    stderr: str


class Sandbox:
    """Runs tasks in children. It belongs to the event loop that opened it.

    `tasks` names the module whose `TASKS` maps names to functions.
    """

    def __init__(
        self, config: SandboxConfig | None = None, *, tasks: str = "cella.media.tasks"
    ) -> None:
        self._tasks = tasks
        self.config = config or SandboxConfig()
        self._zygote: _Zygote | None = None
        self._places: asyncio.Semaphore | None = None
        self._starting = asyncio.Lock()

    @property
    def protections(self) -> Mapping[str, bool]:
        """What guards the children on this machine, beyond limits; only while it is open.

        `no_new_privileges`; `file_access` (Landlock); `system_calls` (seccomp).
        """
        if self._zygote is None:
            raise RuntimeError("the sandbox is not open")
        return dict(self._zygote.protections)

    async def open(self) -> None:
        """Start the zygote. Raises `DecoderCrashed` where it does not come up."""
        self._places = asyncio.Semaphore(self.config.at_once)
        await self._living_zygote()

    async def close(self) -> None:
        """End the zygote, and with it every child; tasks that still run raise DecoderCrashed."""
        self._places = None
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            await asyncio.to_thread(zygote.end)

    async def run(
        self,
        task: str,
        arguments: Mapping[str, JSON],
        limits: Limits | None = None,
        *,
        reads: Iterable[Path] = (),
        writes: Iterable[Path] = (),
    ) -> JSON:
        """Run the named task in a fresh child and return its value.

        The child may read the files and folders in `reads`, and make files in the folders in
        `writes`; all exist already. Raises `CannotDecode` and `OverLimit` with the task's
        sentence, `OverLimit` where it hit one of `limits`, `StoreFull` where it found the disk
        full, and `DecoderCrashed` where it ended in any other way. Whenever this returns or
        raises, cancellation included, the child and all that it started are dead. Waiting for a
        free place does not count as wall time.
        """
        limits = limits or self.config.limits
        request = Request(
            task=task,
            arguments=dict(arguments),
            limits=limits,
            reads=tuple(map(absolute, reads)),
            writes=tuple(map(absolute, writes)),
        )
        async with self._place():
            answer = await self._answer(request)
        return _value(answer, limits)

    async def run_program(
        self,
        program: Path,
        arguments: Iterable[str],
        limits: Limits | None = None,
        *,
        reads: Iterable[Path] = (),
        writes: Iterable[Path] = (),
        nice: int = 0,
    ) -> Exit:
        """Run a program in a fresh child, and tell how it exited.

        It is confined as the tasks are, to the same kinds of limits, and cannot start others;
        threads are possible. `reads`, `writes` and what holds of the child when this returns or
        raises are as for `run`. Raises `OverLimit` where it hit one of `limits`, and
        `DecoderCrashed` where a signal ended it for another reason. One that is nicer than 0 is
        work in the background, and takes no place from what others wait for.
        """
        limits = limits or self.config.limits
        request = Request(
            program=Program(path=absolute(program), arguments=tuple(arguments)),
            limits=limits,
            reads=tuple(map(absolute, reads)),
            writes=tuple(map(absolute, writes)),
            nice=nice,
        )
        async with contextlib.nullcontext() if nice else self._place():
            answer = await self._answer(request)
        # A kernel that is short of memory kills likewise, and the kernel's two clocks differ.
        if answer.signal == signal.SIGKILL and answer.cpu_seconds > limits.cpu_seconds / 2:
            raise _too_much_time(limits)
        if answer.signal:
            raise _death(answer, limits)
        if answer.code == NOT_STARTED:
            log.error("a program does not start: %s", answer.stderr)
            raise DecoderCrashed("A decoder does not start. Run `cella doctor` on the server.")
        return Exit(answer.code, answer.stderr)

    def _place(self) -> asyncio.Semaphore:
        if self._places is None:
            raise RuntimeError("the sandbox is not open")
        return self._places

    async def _answer(self, request: Request) -> Answer:
        job = await self._connect()
        with job:
            return await _converse(job, request)

    async def _connect(self) -> socket.socket:
        """A socket whose other end the zygote has; a zygote that died is replaced, once."""
        for attempt in (1, 2):
            zygote = await self._living_zygote()
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            with theirs:
                try:
                    socket.send_fds(zygote.control, [b"\0"], [theirs.fileno()])
                except OSError as error:
                    ours.close()
                    if error.errno not in _GONE or attempt == 2:
                        raise DecoderCrashed("The decoder is busy or gone. Try again.") from error
                    zygote.gone = True
                else:
                    return ours
        raise AssertionError("the loop returns or raises")

    async def _living_zygote(self) -> "_Zygote":
        async with self._starting:
            if self._places is None:
                raise DecoderCrashed("The server is shutting down. Try again.")
            zygote = self._zygote
            if zygote is not None and (zygote.gone or zygote.process.poll() is not None):
                self._zygote = None
                await asyncio.to_thread(zygote.end)
            if self._zygote is None:
                self._zygote = await _start_zygote(self._tasks)
            return self._zygote


class _Zygote:
    """The helper process, the socket that commands it, and what guards its children."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self.process = process
        self.control = control
        self.protections: Mapping[str, bool] = {}
        self.gone = False

    def end(self) -> None:
        """Close the control socket, upon which the zygote ends itself; wait until it has."""
        self.control.close()
        try:
            self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _spawn_zygote(tasks: str) -> _Zygote:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", "cella.media.zygote", str(theirs.fileno()), tasks],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
    return _Zygote(process, ours)


async def _start_zygote(tasks: str) -> _Zygote:
    zygote = _spawn_zygote(tasks)
    try:
        async with asyncio.timeout(_START_SECONDS):
            line = await _read_line(zygote.control)
        zygote.protections = msgspec.json.decode(line, type=Greeting).protections
    except (TimeoutError, OSError, msgspec.MsgspecError) as error:
        await asyncio.to_thread(zygote.end)
        raise DecoderCrashed(
            "The decoding helper does not start. Run `cella doctor` on the server."
        ) from error
    except BaseException:
        await asyncio.to_thread(zygote.end)
        raise
    return zygote


def _environment() -> dict[str, str]:
    """All that the zygote and its children know of ours: no setting, no secret."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        # One thread of work per child: the number of children is what uses the cores.
        "VIPS_CONCURRENCY": "1",
        # Arenas per thread would use up the address space that a child may have.
        "MALLOC_ARENA_MAX": "2",
        "GLIBC_TUNABLES": ":".join(_TUNABLES),
    }


async def _converse(job: socket.socket, request: Request) -> Answer:
    """Send the request and wait for the answer, or end the child and wait until it is dead."""
    wall = request.limits.wall_seconds
    try:
        async with asyncio.timeout(wall):
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(job, msgspec.json.encode(request) + b"\n")
            line = await _read_line(job)
        return msgspec.json.decode(line, type=Answer)
    except TimeoutError:
        await _abandon(job)
        raise OverLimit(f"Decoding this file took more than {wall:g} seconds.") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise DecoderCrashed("The decoder gave no answer. Try again.") from error
    except BaseException:
        await _abandon(job)
        raise


async def _abandon(job: socket.socket) -> None:
    """Have the child killed. The zygote closes its end when the child is dead."""
    with contextlib.suppress(OSError, TimeoutError):
        job.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(_END_SECONDS):
            await _read_line(job)


async def _read_line(connection: socket.socket) -> bytes:
    """What comes up to the end of a line or of the connection."""
    loop = asyncio.get_running_loop()
    line = b""
    while not line.endswith(b"\n") and len(line) < _ANSWER_BYTES:
        block = await loop.sock_recv(connection, 65536)
        if not block:
            break
        line += block
    return line


def _value(answer: Answer, limits: Limits) -> JSON:
    """The task's value, or the error that its end stands for."""
    if answer.signal:
        raise _death(answer, limits)
    try:
        outcome = msgspec.json.decode(answer.outcome, type=Outcome)
    except msgspec.MsgspecError as error:
        log.warning("a decoder failed: %s", answer.stderr)
        if any(sign in answer.stderr.lower() for sign in NO_ROOM_SIGNS):
            raise StoreFull(NO_ROOM) from error
        raise DecoderCrashed("The decoder failed on this file. Try again.") from error
    match outcome.state:
        case "done":
            return outcome.value
        case "cannot_decode":
            raise CannotDecode(outcome.message)
        case "over_limit":
            raise OverLimit(outcome.message)
        case "out_of_memory":
            raise _too_much_memory(limits)


def _death(answer: Answer, limits: Limits) -> OverLimit | DecoderCrashed:
    if answer.signal == signal.SIGXCPU:
        return _too_much_time(limits)
    if answer.signal == signal.SIGXFSZ:
        return OverLimit(
            f"Decoding this file would write more than {mebibytes(limits.output_bytes)}."
        )
    if answer.signal in _OUT_OF_MEMORY_SIGNALS and any(
        word in answer.stderr.lower() for word in _OUT_OF_MEMORY_WORDS
    ):
        return _too_much_memory(limits)
    log.warning("a decoder died of signal %d: %s", answer.signal, answer.stderr)
    return DecoderCrashed("The decoder crashed on this file. Try again.")


def _too_much_time(limits: Limits) -> OverLimit:
    return OverLimit(
        f"Decoding this file took more than {limits.cpu_seconds:g} seconds of processor time."
    )


def _too_much_memory(limits: Limits) -> OverLimit:
    return OverLimit(
        f"Decoding this file needs more than {mebibytes(limits.memory_bytes)} of memory."
    )


def absolute(path: Path) -> str:
    """The path as children are told it: their working folder is not ours."""
    return str(path.absolute())


def mebibytes(count: int) -> str:
    """So many bytes, as sentences for people tell them."""
    return f"{count / _MIB:g} MiB"
