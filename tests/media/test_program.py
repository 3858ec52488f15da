"""Programs in the sandbox: confined as tasks are. Python plays the one that was taken over."""

import asyncio
import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cella.errors import DecoderCrashed, OverLimit
from cella.media.sandbox import Exit, Sandbox, SandboxConfig
from cella.media.wire import Limits

PYTHON = Path(sys.executable).resolve()
INSTALLED = Path(sysconfig.get_path("stdlib")).parents[1]
PATIENCE = 30.0

pytestmark = pytest.mark.asyncio(loop_scope="module")


def limits(**changes: Any) -> Limits:
    return msgspec.structs.replace(SandboxConfig().limits, **changes)


async def python(sandbox: Sandbox, code: str, room: Path, *, nice: int = 0, **changes: Any) -> Exit:
    """Run a program that does what `code` says; it may write in `room`."""
    given = limits(**changes)
    words = ["-I", "-S", "-c", code]
    return await sandbox.run_program(
        PYTHON, words, given, reads=[INSTALLED / "lib"], writes=[room], nice=nice
    )


async def test_it_runs_and_tells_how_it_ended(sandbox: Sandbox, tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write('x' * 5000 + 'the end'); sys.exit(7)"
    ended = await python(sandbox, code, tmp_path)
    assert ended.code == 7
    assert ended.stderr.endswith("the end")
    assert len(ended.stderr) <= 2000


@pytest.mark.parametrize("end", ["sys.exit(1)", "os._exit(1)", "os.close(2); sys.exit(1)"])
async def test_its_last_words_are_heard_after_much_chatter(
    sandbox: Sandbox, tmp_path: Path, end: str
) -> None:
    code = f"""
import os, sys
for number in range(3000):
    os.write(2, b"%099d\\n" % number)
os.write(2, b"the reason\\n")
{end}
"""
    ended = await python(sandbox, code, tmp_path)
    assert ended.code == 1
    assert ended.stderr.endswith(f"{2999:099d}\nthe reason\n")
    assert len(ended.stderr) == 2000


async def test_it_is_killed_in_the_middle_of_its_chatter(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(OverLimit, match=r"more than 0\.5 seconds"):
        await python(
            sandbox,
            "import os\nwhile True: os.write(2, bytes(1000))",
            tmp_path,
            wall_seconds=0.5,
        )
    assert (await python(sandbox, "pass", tmp_path)) == Exit(0, "")


async def test_it_has_threads_a_session_and_nothing_of_ours(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLA_SECRET", "hidden")
    code = f"""
import json, os, threading
found = []
thread = threading.Thread(target=lambda: found.append(1)); thread.start(); thread.join()
seen = dict(found=found, env=sorted(os.environ), session=os.getsid(0) == os.getpid(),
    nice=os.nice(0), open=[n for n in range(64) if os.path.exists(f"/dev/fd/{{n}}")])
open({str(tmp_path / "seen")!r}, "w").write(json.dumps(seen))
"""
    ended = await python(sandbox, code, tmp_path, nice=7)
    assert ended.code == 0, ended.stderr
    seen = msgspec.json.decode((tmp_path / "seen").read_bytes())
    assert seen["found"] == [1]
    assert set(seen["env"]) <= {"LANG", "LC_CTYPE", "MALLOC_ARENA_MAX"}
    assert seen["session"]
    assert seen["nice"] == 7


ATTEMPTS = {
    "fork": "os.fork()",
    "another program": "os.execv('/bin/true', ['true'])",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {{}})",
    "socket": "socket.socket()",
    "unix socket": "socket.socket(socket.AF_UNIX)",
    "kill": "os.kill(os.getppid(), 9)",
    "leave": "os.setpgid(0, os.getppid())",
    "read": "open({other!r}).read()",
    "passwords": "open('/etc/passwd').read()",
    "environment": "open(f'/proc/{{os.getppid()}}/environ').read()",
    "write": "open({other!r}, 'w')",
    "remove": "os.unlink({other!r})",
    "more": "resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))",
}


@pytest.mark.parametrize("what", ATTEMPTS)
async def test_it_cannot_break_out(sandbox: Sandbox, tmp_path: Path, what: str) -> None:
    if not all(sandbox.protections.values()):
        pytest.skip("this machine does not protect programs")
    room, other = tmp_path / "room", tmp_path / "other"
    room.mkdir()
    other.write_text("o")
    attempt = ATTEMPTS[what].format(other=str(other))
    code = f"""
import os, resource, socket, sys
try:
    {attempt}
except (OSError, ValueError):
    sys.exit(3)
"""
    ended = await python(sandbox, code, room)
    assert ended.code == 3, ended.stderr
    assert other.read_text() == "o"


@pytest.mark.parametrize(
    ("code", "changes", "words"),
    [
        ("while True: pass", {"cpu_seconds": 1}, "more than 1 seconds of processor time"),
        (
            "import signal; signal.signal(signal.SIGXCPU, lambda *_: 1 / 0)\nwhile True: pass",
            {"cpu_seconds": 1},
            "more than 1 seconds of processor time",
        ),
        ("import time; time.sleep(60)", {"wall_seconds": 0.3}, "more than 0.3 seconds"),
        (
            "f = open({room!r} + '/huge', 'wb')\nwhile True: f.write(bytes(1 << 20))",
            {"output_bytes": 8 << 20},
            "would write more than 8 MiB",
        ),
    ],
)
async def test_its_limits_are_said_in_words(
    sandbox: Sandbox, tmp_path: Path, code: str, changes: dict[str, Any], words: str
) -> None:
    prepared = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
    with pytest.raises(OverLimit, match=words):
        await python(sandbox, prepared + code.format(room=str(tmp_path)), tmp_path, **changes)


async def test_what_is_no_program_is_no_fault_of_the_file(sandbox: Sandbox, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("nothing to run")
    for path in (text, tmp_path / "missing"):
        with pytest.raises(DecoderCrashed, match="cella doctor"):
            await sandbox.run_program(path, [])


async def test_a_signal_is_a_crash(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(DecoderCrashed, match="crashed"):
        await python(sandbox, "import os; os.abort()", tmp_path)


async def test_cancelling_kills_it_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    code = f"""
import os, time
open({str(tmp_path / "new")!r}, "w").write(str(os.getpid()))
os.rename({str(tmp_path / "new")!r}, {str(tmp_path / "pid")!r})
time.sleep(3600)
"""
    running = asyncio.ensure_future(python(sandbox, code, tmp_path))
    async with asyncio.timeout(PATIENCE):
        while not (tmp_path / "pid").exists():
            await asyncio.sleep(0.01)
    pid = int((tmp_path / "pid").read_text())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_what_is_nice_takes_no_place(tmp_path: Path) -> None:
    sandbox = Sandbox(msgspec.structs.replace(SandboxConfig(), at_once=1))
    await sandbox.open()
    try:
        code = f"import time; open({str(tmp_path / 'there')!r}, 'w'); time.sleep(3600)"
        running = asyncio.ensure_future(python(sandbox, code, tmp_path, nice=5))
        async with asyncio.timeout(PATIENCE):
            while not (tmp_path / "there").exists():
                await asyncio.sleep(0.01)
        assert (await python(sandbox, "pass", tmp_path)).code == 0
        running.cancel()
    finally:
        await sandbox.close()
