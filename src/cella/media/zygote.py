"""The process that children are forked from: `python -m cella.media.zygote <socket> <tasks>`.

It has imported the decoders already, so a task costs a fork and not the start of an interpreter;
it has one thread and has decoded nothing, so forking it is safe. It never reads a file, and
parses nothing but requests of its own sandbox. When that sandbox's process ends, however it
does, the control socket closes, and the zygote kills its children and ends too.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import msgspec

from cella.errors import CannotDecode, OverLimit
from cella.media import confinement
from cella.media.wire import (
    NOT_STARTED,
    RESULT_BYTES,
    STDERR_CHARACTERS,
    Answer,
    Greeting,
    Outcome,
    Program,
    Request,
    Task,
)

_REQUEST_BYTES = 1 << 20
_BLOCK = 64 * 1024
_FULLEST_PIPE = 1 << 20
"""What a pipe holds at most, unless the machine says otherwise (pipe(7))."""

_RESULT_FD = 3
_PROGRAMS_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    # Arenas per thread would use up the address space that a child may have.
    "MALLOC_ARENA_MAX": "2",
}


class _Child:
    """A forked child, and the ends of the pipes that it writes its outcome and stderr into.

    `said` is the end of what has come out of the latter.
    """

    def __init__(self, pid: int, outcome: int, stderr: int) -> None:
        self.pid = pid
        self.outcome = outcome
        self.stderr = stderr
        self.said = b""


class _Job:
    """A socket from the sandbox, the request as far as it has come, and the child at work."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.request = bytearray()
        self.child: _Child | None = None


class Zygote:
    """Forks a child for every request that comes over `control`, until that closes."""

    def __init__(self, control: socket.socket, tasks: Mapping[str, Task]) -> None:
        self._control = control
        self._tasks = tasks
        self._protections: frozenset[str] = frozenset()
        self._jobs: set[_Job] = set()
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Work until the sandbox is gone; then leave no child behind."""
        woken, waker = os.pipe()
        os.set_blocking(waker, False)
        os.set_blocking(woken, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        found = _find_protections()
        self._protections = frozenset(name for name, held in found.items() if held)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self._selector.register(woken, selectors.EVENT_READ)
        self._selector.register(self._control, selectors.EVENT_READ)
        gc.freeze()
        self._control.sendall(msgspec.json.encode(Greeting(protections=found)) + b"\n")
        while self._step(woken):
            pass
        for job in tuple(self._jobs):
            self._end(job)

    def _step(self, woken: int) -> bool:
        """Handle what has happened; false when the sandbox is gone."""
        for key, _ in self._selector.select():
            if key.fileobj is self._control:
                if not self._accept():
                    return False
            elif key.fd == woken:
                os.read(woken, 4096)
                self._reap()
            elif key.data in self._jobs:
                if key.fileobj is key.data.connection:
                    self._hear(key.data)
                elif key.data.child is not None:
                    self._listen(key.data.child)
        return True

    def _accept(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        for descriptor in descriptors:
            connection = socket.socket(fileno=descriptor)
            connection.setblocking(False)
            job = _Job(connection)
            self._jobs.add(job)
            self._selector.register(connection, selectors.EVENT_READ, job)
        return bool(message)

    def _hear(self, job: _Job) -> None:
        """Take in a piece of the request, or the sandbox's loss of interest."""
        try:
            piece = job.connection.recv(65536)
        except OSError:
            piece = b""
        job.request += piece
        complete = job.request.endswith(b"\n")
        if not piece or job.child is not None or len(job.request) > _REQUEST_BYTES:
            self._end(job)
        elif complete:
            self._start(job)

    def _start(self, job: _Job) -> None:
        try:
            request = msgspec.json.decode(job.request, type=Request)
            job.child = self._fork(request)
            self._selector.register(job.child.stderr, selectors.EVENT_READ, job)
        except (msgspec.MsgspecError, OSError):
            traceback.print_exc()
            self._end(job)

    def _fork(self, request: Request) -> _Child:
        outcome, outcome_end = os.pipe()
        stderr, stderr_end = os.pipe()
        zygote = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            for descriptor in (outcome, outcome_end, stderr, stderr_end):
                os.close(descriptor)
            raise
        if pid == 0:
            self._be_child(zygote, request, outcome_end, stderr_end)
        os.close(outcome_end)
        os.close(stderr_end)
        os.set_blocking(outcome, False)
        os.set_blocking(stderr, False)
        return _Child(pid, outcome, stderr)

    def _be_child(
        self, zygote: int, request: Request, outcome_end: int, stderr_end: int
    ) -> NoReturn:
        """Everything that a child does; it never returns into the zygote's loop."""
        try:
            _detach(outcome_end, stderr_end)
            confinement.die_with(zygote)
            os.nice(request.nice)
            program = request.program
            confinement.confine(
                self._protections,
                request.limits,
                tuple(map(Path, request.reads)),
                tuple(map(Path, request.writes)),
                None if program is None else Path(program.path),
            )
            if program is not None:
                _become(program)
            outcome = _run(self._tasks[request.task], request)
            os.write(_RESULT_FD, _encode(outcome))
        except BaseException:
            traceback.print_exc()
            os._exit(NOT_STARTED if request.program else 1)
        os._exit(0)

    def _listen(self, child: _Child) -> None:
        """Keep the end of what the child says, so that it has room to say more."""
        block = os.read(child.stderr, _BLOCK)
        if block:
            child.said = (child.said + block)[-STDERR_CHARACTERS:]
        else:
            self._selector.unregister(child.stderr)

    def _reap(self) -> None:
        """Answer for the children that have ended."""
        for job in tuple(self._jobs):
            if job.child is None:
                continue
            ended = os.waitid(os.P_PID, job.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                answer = self._bury(job.child)
                job.child = None
                job.connection.setblocking(True)
                with contextlib.suppress(OSError):
                    job.connection.sendall(msgspec.json.encode(answer) + b"\n")
                self._end(job)

    def _end(self, job: _Job) -> None:
        """Forget the job; a child that is still at work is killed, with all that it started."""
        if job.child is not None:
            self._bury(job.child)
        self._jobs.discard(job)
        self._selector.unregister(job.connection)
        job.connection.close()

    def _bury(self, child: _Child) -> Answer:
        """Kill what is left of a child's process group, and tell how the child itself ended."""
        for kill in (os.kill, os.killpg):
            # The group is missing where the child has not come to make its own.
            with contextlib.suppress(ProcessLookupError):
                kill(child.pid, signal.SIGKILL)
        _, status, used = os.wait4(child.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        with contextlib.suppress(KeyError):
            self._selector.unregister(child.stderr)
        outcome = _drain(child.outcome)[: 4 * RESULT_BYTES]
        said = (child.said + _drain(child.stderr))[-STDERR_CHARACTERS:]
        return Answer(
            outcome=outcome.decode(errors="replace"),
            stderr=said.decode(errors="replace"),
            signal=max(0, -code),
            code=max(0, code),
            cpu_seconds=used.ru_utime + used.ru_stime,
        )


def _detach(outcome_end: int, stderr_end: int) -> None:
    """Leave the zygote's session, and keep none of its open files.

    The outcome is read only after the child's end. A write beyond what the kernel holds of it
    fails at once instead of waiting, so that a child cannot hang on it. What it complains of is
    read while it does, and waits for that, so that the last words are never lost.
    """
    os.setsid()
    os.set_blocking(outcome_end, False)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.dup2(stderr_end, 2)
    os.dup2(outcome_end, _RESULT_FD)
    os.closerange(_RESULT_FD + 1, os.sysconf("SC_OPEN_MAX"))
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def _become(program: Program) -> NoReturn:
    """Go on as the program, which gets nothing of ours but the pipe for its complaints."""
    os.close(_RESULT_FD)
    os.execve(  # noqa: S606 - a path of the operator's, and no shell
        program.path, (program.path, *program.arguments), _PROGRAMS_ENVIRONMENT
    )


def _run(task: Task, request: Request) -> Outcome:
    try:
        return Outcome(state="done", value=task(request.arguments, request.limits))
    except CannotDecode as error:
        return Outcome(state="cannot_decode", message=error.message)
    except OverLimit as error:
        return Outcome(state="over_limit", message=error.message)
    except MemoryError:
        return Outcome(state="out_of_memory")


def _encode(outcome: Outcome) -> bytes:
    encoded = msgspec.json.encode(outcome)
    if len(encoded) > RESULT_BYTES:
        raise ValueError(f"the task's answer has {len(encoded)} bytes")
    return encoded


def _drain(pipe: int) -> bytes:
    """What lies in the pipe; whoever may still hold its other end is not waited for."""
    text = b""
    with contextlib.suppress(BlockingIOError):
        while len(text) < _FULLEST_PIPE and (block := os.read(pipe, _BLOCK)):
            text += block
    os.close(pipe)
    return text


def _find_protections() -> dict[str, bool]:
    """Which protections this machine gives, by having a child take them all."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(confinement.try_all()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        found: dict[str, bool] = json.loads(answer.read() or b"{}")
    os.waitpid(pid, 0)
    return found


def main() -> None:
    """Serve the sandbox at the other end of the socket whose descriptor is the first argument.

    The second argument names the module whose `TASKS` maps names to functions.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    tasks: Mapping[str, Task] = importlib.import_module(sys.argv[2]).TASKS
    Zygote(control, tasks).serve()


if __name__ == "__main__":
    main()
