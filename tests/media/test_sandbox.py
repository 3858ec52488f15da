"""The sandbox against tasks that misbehave in every way we could think of."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
import uvloop

from cella.errors import CannotDecode, DecoderCrashed, OverLimit, StoreFull
from cella.media.sandbox import Sandbox, SandboxConfig
from cella.media.wire import Limits

CONFIG = SandboxConfig()
HOSTILE = "tests.media.hostile"
PATIENCE = 30.0

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def hostile() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(CONFIG, tasks=HOSTILE)
    await sandbox.open()
    yield sandbox
    await sandbox.close()


def limits(**changes: float) -> Limits:
    return msgspec.structs.replace(CONFIG.limits, **changes)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


async def lingering(sandbox: Sandbox, folder: Path) -> tuple[asyncio.Task[object], int, int]:
    """A task that hangs, with the process ids of its child and of the zygote."""
    task: asyncio.Task[object] = asyncio.ensure_future(
        sandbox.run("linger", {"folder": str(folder)}, writes=[folder])
    )
    await asyncio.to_thread(wait_until, (folder / "pids").exists)
    child, zygote = map(int, (folder / "pids").read_text().split())
    return task, child, zygote


async def test_a_task_gets_its_arguments_and_limits(hostile: Sandbox) -> None:
    answer = await hostile.run("echo", {"a": [1, "ü", None]}, limits(max_pixels=7))
    assert answer == {"arguments": {"a": [1, "ü", None]}, "pixels": 7}


@pytest.mark.parametrize(
    ("task", "changes", "error", "words"),
    [
        ("refuse", {}, CannotDecode, "It is broken."),
        ("too_much", {}, OverLimit, "It is too large."),
        ("fail", {}, DecoderCrashed, "The decoder failed on this file. Try again."),
        (
            "find_full",
            {},
            StoreFull,
            "The server has no room left to work on this file. Try again later.",
        ),
        ("no such task", {}, DecoderCrashed, "The decoder failed on this file. Try again."),
        ("crash", {}, DecoderCrashed, "The decoder crashed on this file. Try again."),
        ("answer_much", {}, DecoderCrashed, "The decoder failed on this file. Try again."),
        (
            "allocate",
            {},
            OverLimit,
            "Decoding this file needs more than 2048 MiB of memory.",
        ),
        (
            "abort_for_memory",
            {},
            OverLimit,
            "Decoding this file needs more than 2048 MiB of memory.",
        ),
        (
            "spin",
            {"cpu_seconds": 1},
            OverLimit,
            "Decoding this file took more than 1 seconds of processor time.",
        ),
        (
            "spin",
            {"wall_seconds": 0.2},
            OverLimit,
            "Decoding this file took more than 0.2 seconds.",
        ),
    ],
)
async def test_what_goes_wrong_is_said_in_words(
    hostile: Sandbox, task: str, changes: dict[str, float], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as raised:
        await hostile.run(task, {}, limits(**changes))
    assert str(raised.value) == words
    assert await hostile.run("echo", {}) is not None


async def test_a_huge_file_is_stopped(hostile: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(OverLimit, match="would write more than 8 MiB"):
        await hostile.run(
            "write_huge",
            {"folder": str(tmp_path)},
            limits(output_bytes=8 << 20),
            writes=[tmp_path],
        )
    assert (tmp_path / "huge").stat().st_size <= 8 << 20


async def test_chatter_neither_blocks_nor_reaches_us(
    hostile: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await hostile.run("chatter", {}) == "done"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "text", ["", "garbage", "[]", '{"state":"fine"}', '{"state":"done"', "\x00\n{}"]
)
async def test_a_forged_answer_is_a_crash(hostile: Sandbox, text: str) -> None:
    with pytest.raises(DecoderCrashed):
        await hostile.run("forge", {"text": text})


async def test_threads_are_possible(hostile: Sandbox) -> None:
    assert await hostile.run("threads", {}) == [1]


async def test_a_child_knows_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLA_SECRET", "hidden")
    sandbox = Sandbox(CONFIG, tasks=HOSTILE)
    await sandbox.open()
    try:
        seen = await sandbox.run("look_around", {})
    finally:
        await sandbox.close()
    assert set(seen["environment"]) <= {
        "LANG",
        "MALLOC_ARENA_MAX",
        "LC_CTYPE",
        "GLIBC_TUNABLES",
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "VIPS_CONCURRENCY",
    }
    assert seen["descriptors"] == [0, 1, 2, 3]
    assert seen["session"]


@pytest.mark.parametrize(
    "what",
    [
        "fork",
        "exec",
        "spawn",
        "socket",
        "unix socket",
        "socket pair",
        "kill zygote",
        "new session",
        "ptrace",
        "raise limit",
    ],
)
async def test_system_calls_are_refused(hostile: Sandbox, what: str) -> None:
    if not hostile.protections["system_calls"]:
        pytest.skip("this machine has no filter for system calls")
    assert await hostile.run("attempt", {"what": what}) == "EPERM"


async def test_only_the_given_files_are_seen(hostile: Sandbox, tmp_path: Path) -> None:
    if not hostile.protections["file_access"]:
        pytest.skip("this machine has no Landlock")
    given, other, room = tmp_path / "given", tmp_path / "other", tmp_path / "room"
    given.write_bytes(b"g")
    other.write_bytes(b"o")
    room.mkdir()

    async def attempt(what: str, path: Path | str) -> object:
        arguments = {"what": what, "path": str(path)}
        return await hostile.run("attempt", arguments, reads=[given], writes=[room])

    assert await attempt("read", given) == "allowed"
    assert await attempt("write", room / "new") == "allowed"
    assert await attempt("read", room / "new") == "allowed"
    for what, path in (
        ("read", other),
        ("read", "/etc/passwd"),
        ("read", f"/proc/{os.getpid()}/environ"),
        ("read", "/proc/self/environ"),
        ("write", given),
        ("write", other),
        ("write", tmp_path / "new"),
        ("list", tmp_path),
        ("list", "/"),
        ("remove", given),
        ("remove", other),
    ):
        assert await attempt(what, path) == "EACCES", (what, path)
    for what, path in (("link", room / "link"), ("change mode", room / "new")):
        assert await attempt(what, path) in {"EACCES", "EPERM"}, what
    assert given.read_bytes() == b"g"
    assert other.read_bytes() == b"o"
    assert [path.name for path in room.iterdir()] == ["new"]


async def test_cancelling_kills_the_child_at_once(hostile: Sandbox, tmp_path: Path) -> None:
    task, child, _ = await lingering(hostile, tmp_path)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(child)
    assert await hostile.run("echo", {}) is not None


async def test_after_the_time_is_up_the_child_is_dead(hostile: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(OverLimit):
        await hostile.run(
            "linger", {"folder": str(tmp_path)}, limits(wall_seconds=2), writes=[tmp_path]
        )
    assert not is_alive(int((tmp_path / "pids").read_text().split()[0]))


async def test_a_zygote_that_died_is_replaced(hostile: Sandbox, tmp_path: Path) -> None:
    task, child, zygote = await lingering(hostile, tmp_path)
    os.kill(zygote, signal.SIGKILL)
    with pytest.raises(DecoderCrashed):
        await task
    answers = await asyncio.gather(*(hostile.run("echo", {}) for _ in range(20)))
    assert len(answers) == 20
    await asyncio.to_thread(wait_until, lambda: not is_alive(child))


async def test_closing_leaves_no_process(tmp_path: Path) -> None:
    sandbox = Sandbox(CONFIG, tasks=HOSTILE)
    await sandbox.open()
    task, child, zygote = await lingering(sandbox, tmp_path)
    await sandbox.close()
    with pytest.raises(DecoderCrashed):
        await task
    assert not is_alive(child)
    assert not is_alive(zygote)
    with pytest.raises(RuntimeError):
        await sandbox.run("echo", {})


async def test_no_more_children_than_places(tmp_path: Path) -> None:
    sandbox = Sandbox(msgspec.structs.replace(CONFIG, at_once=1), tasks=HOSTILE)
    await sandbox.open()
    try:
        first, child, _ = await lingering(sandbox, tmp_path)
        second = asyncio.ensure_future(sandbox.run("echo", {}))
        done, _ = await asyncio.wait([second], timeout=0.2)
        assert not done
        assert is_alive(child)
        first.cancel()
        assert await second is not None
    finally:
        await sandbox.close()


async def test_tasks_that_cannot_be_imported_are_an_error() -> None:
    sandbox = Sandbox(tasks="cella.media.no_such_module")
    with pytest.raises(DecoderCrashed, match="does not start"):
        await sandbox.open()
    await sandbox.close()


async def test_another_event_loop() -> None:
    async def use() -> object:
        sandbox = Sandbox(CONFIG, tasks=HOSTILE)
        await sandbox.open()
        try:
            with pytest.raises(OverLimit):
                await sandbox.run("spin", {}, limits(wall_seconds=0.2))
            return await sandbox.run("echo", {"loop": "uvloop"})
        finally:
            await sandbox.close()

    def use_elsewhere() -> object:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(use())

    answer = await asyncio.to_thread(use_elsewhere)
    assert answer == {"arguments": {"loop": "uvloop"}, "pixels": CONFIG.max_pixels}


PARENT = """
import asyncio, json, sys
from pathlib import Path
from cella.media.sandbox import Sandbox

async def main():
    sys.path[:] = json.loads(sys.argv[2])
    sandbox = Sandbox(tasks="tests.media.hostile")
    await sandbox.open()
    folder = Path(sys.argv[1])
    await sandbox.run("linger", {"folder": str(folder)}, writes=[folder])

asyncio.run(main())
"""


async def test_a_killed_parent_leaves_no_process(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), json.dumps(sys.path)], env=environment
    ) as parent:
        await asyncio.to_thread(wait_until, (tmp_path / "pids").exists)
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert all(map(is_alive, pids))
        parent.kill()
    await asyncio.to_thread(wait_until, lambda: not any(map(is_alive, pids)))
