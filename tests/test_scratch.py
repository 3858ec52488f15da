"""Scratch folders of real processes, alive and killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import scratch_process

from cella.scratch import Scratch, abandoned


class Process:
    """Another process with a scratch below the same root."""

    def __init__(self, root: Path, limit: int | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, scratch_process.__file__, str(root)] + [str(limit)] * bool(limit),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def listen(self) -> str:
        """The next line that the process says."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def tell(self, line: str) -> None:
        """Tell the process what to do."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def ask(self, line: str) -> str:
        """Tell the process what to do, and wait for what it answers."""
        self.tell(line)
        return self.listen()

    def kill(self) -> None:
        """End the process as the power would."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def other(root: Path) -> Iterator[Process]:
    with Process(root) as process:
        process.listen()
        yield process


def _orphans(scratch: Scratch) -> list[str]:
    with scratch.orphans() as found:
        assert {backend for backend, _ in found} <= {"local"}
        return [key for _, key in found]


# --- One process ---


def test_nothing_is_made_before_it_is_opened(root: Path) -> None:
    scratch = Scratch(root)
    assert not root.exists()
    assert _orphans(scratch) == []
    with pytest.raises(RuntimeError):
        _ = scratch.path
    scratch.close()


def test_a_scratch_leaves_nothing(root: Path) -> None:
    scratch = Scratch(root)
    scratch.open()
    assert scratch.path.is_dir()
    (scratch.path / "work" / "left").write_text("x")
    scratch.intend("local", "a")
    scratch.settle("local", "a")
    scratch.close()
    assert list(root.iterdir()) == []
    scratch.open()
    scratch.close()
    assert list(root.iterdir()) == []


async def test_a_room_is_empty_and_goes_with_what_is_in_it(root: Path) -> None:
    scratch = Scratch(root)
    scratch.open()
    async with scratch.room() as first, scratch.room() as second:
        assert first != second
        assert list(first.iterdir()) == list(second.iterdir()) == []
        (first / "folder").mkdir()
        (first / "folder" / "file").write_text("x")
    with pytest.raises(KeyError):
        async with scratch.room() as third:
            raise KeyError
    assert not any(room.exists() for room in (first, second, third))
    scratch.close()


def test_unsettled_are_the_intents_that_are_open(root: Path) -> None:
    scratch = Scratch(root)
    scratch.open()
    for key in "abc":
        scratch.intend("local", key)
    scratch.settle("local", "b")
    scratch.settle("local", "b")
    assert scratch.unsettled == {("local", "a"), ("local", "c")}
    scratch.close()


def test_what_a_dead_process_left_is_seen_and_stays(root: Path, other: Process) -> None:
    other.ask("intend lost")
    room = Path(other.ask("room x"))
    (room / "half.mp4").write_bytes(b"x" * 1000)
    mine = Scratch(root)
    mine.open()
    assert abandoned(root) == mine.abandoned() == []
    other.kill()

    (dead,) = mine.abandoned()

    assert dead.name == room.parent.parent.name
    assert dead.length == 1000 + len("+local:lost\n")
    assert dead.modified == pytest.approx(time.time(), abs=3600)
    assert dead.intents == {("local", "lost")}
    assert room.is_dir()
    assert _orphans(mine) == ["lost"]
    assert mine.abandoned() == []
    mine.close()


def test_its_own_intents_are_nobodys_orphans(root: Path) -> None:
    scratch = Scratch(root)
    scratch.open()
    scratch.intend("local", "mine")
    assert _orphans(scratch) == []
    scratch.close()


def test_what_is_open_at_the_end_is_found_by_the_next(root: Path) -> None:
    first = Scratch(root)
    first.open()
    first.intend("local", "5f/_/a.png")
    first.intend("gcs", "5f/_/b:c.png")
    first.close()
    second = Scratch(root)
    second.open()
    with second.orphans() as found:
        assert found == [("gcs", "5f/_/b:c.png"), ("local", "5f/_/a.png")]
    assert _orphans(second) == []
    second.close()
    assert list(root.iterdir()) == []


def test_orphans_stay_until_they_are_put_right(root: Path) -> None:
    first = Scratch(root)
    first.open()
    first.intend("local", "a")
    first.close()
    (work,) = (lock.with_suffix("") / "work" for lock in root.glob("*.lock"))
    work.mkdir()
    second = Scratch(root)
    seen: list[tuple[str, str]] = []
    for _ in range(2):
        with suppress(KeyError), second.orphans() as found:
            seen += found
            assert not work.exists(), "what was half made need not wait for that"
            raise KeyError
    assert seen == [("local", "a")] * 2
    assert _orphans(second) == ["a"]
    assert _orphans(second) == []


def test_the_journal_does_not_grow_for_ever(root: Path) -> None:
    scratch = Scratch(root)
    scratch.open()
    for number in range(20_000):
        scratch.intend("local", f"key-{number}")
        scratch.settle("local", f"key-{number}")
    scratch.intend("local", "last")
    sizes = [path.stat().st_size for path in scratch.path.iterdir() if path.is_file()]
    assert 0 < sum(sizes) < 100_000
    scratch.close()
    assert _orphans(Scratch(root)) == ["last"]


@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")), max_size=20),
    torn=st.sampled_from(["", "+", "+local:x", "-local:a"]),
)
def test_a_journal_tells_what_is_open(root: Path, steps: list[tuple[bool, str]], torn: str) -> None:
    scratch = Scratch(root)
    scratch.open()
    scratch.intend("local", "always")
    expected = {"always"}
    for begins, key in steps:
        if begins:
            scratch.intend("local", key)
            expected.add(key)
        else:
            scratch.settle("local", key)
            expected.discard(key)
    (journal,) = (path for path in scratch.path.iterdir() if path.is_file())
    scratch.close()
    with journal.open("a") as file:
        file.write(torn)
    assert _orphans(Scratch(root)) == sorted(expected)


def test_a_journal_that_a_power_cut_spoiled_hinders_nobody(root: Path) -> None:
    scratch = Scratch(root)
    scratch.open()
    scratch.intend("local", "a")
    (journal,) = (path for path in scratch.path.iterdir() if path.is_file())
    scratch.close()
    with journal.open("ab") as file:
        file.write(b"\0\0\xff\xfe\n\n+local:b\n\0\0")
    assert _orphans(Scratch(root)) == ["a", "b"]


# --- Many processes ---


def test_the_intents_of_a_living_process_are_not_found(root: Path, other: Process) -> None:
    other.ask("intend a")
    assert _orphans(Scratch(root)) == []
    other.ask("settle a")
    other.ask("intend b")
    assert _orphans(Scratch(root)) == []
    other.kill()
    assert _orphans(Scratch(root)) == ["b"]
    assert list(root.iterdir()) == []


def test_a_killed_process_leaves_its_open_intents_and_nothing_else(
    root: Path, other: Process
) -> None:
    for line in ("intend a", "intend b", "settle a", "intend c", "settle c", "intend d"):
        assert other.ask(line) == "done"
    room = Path(other.ask("room"))
    (room / "file").write_text("x")
    other.kill()

    scratch = Scratch(root)
    scratch.open()
    assert _orphans(scratch) == ["b", "d"]
    assert not room.exists()
    assert {path.stem for path in root.iterdir()} == {scratch.path.name}
    scratch.close()


def test_a_process_that_lives_on_is_spared_when_others_die(root: Path, other: Process) -> None:
    with Process(root) as doomed:
        doomed.listen()
        other.ask("intend mine")
        doomed.ask("intend theirs")
        doomed.kill()
        assert other.ask("orphans") == "theirs"
    assert Path(other.ask("room")).is_dir()
    other.kill()
    assert _orphans(Scratch(root)) == ["mine"]


def test_a_child_of_the_dead_does_not_keep_its_lock(root: Path) -> None:
    """Programs that a process has started may outlive it."""
    scratch = Scratch(root)
    scratch.open()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        scratch.intend("local", "a")
        scratch.close()
        assert _orphans(Scratch(root)) == ["a"]
        assert child.poll() is None


def test_what_a_full_disk_cut_off_was_never_intended(root: Path) -> None:
    with Process(root, limit=100) as process:
        process.listen()
        answers = {name: process.ask(f"intend {name}") for name in (f"key-{n}" for n in range(9))}
        process.kill()
    noted = [name for name, answer in answers.items() if answer == "done"]
    assert 0 < len(noted) < len(answers)
    assert _orphans(Scratch(root)) == noted


def test_those_who_look_at_once_share_the_orphans(root: Path) -> None:
    """Every orphan is found by one at least; nobody stumbles over another."""
    keys = [f"key-{number}" for number in range(12)]
    with ExitStack() as stack:
        for key in keys:
            dead = stack.enter_context(Process(root))
            dead.listen()
            dead.ask(f"intend {key}")
            dead.kill()
        heirs = [stack.enter_context(Process(root)) for _ in range(4)]
        for heir in heirs:
            heir.listen()
        for heir in heirs:
            heir.tell("orphans")
        found = [key for heir in heirs for key in heir.listen().split() if key != "done"]
        assert sorted(found) == sorted(keys)
        assert len(list(root.iterdir())) == 2 * len(heirs)


def test_openers_and_heirs_may_race(root: Path) -> None:
    """While some look for the dead, others open and close: no living one is taken for dead."""
    with ExitStack() as stack:
        busy = [stack.enter_context(Process(root)) for _ in range(2)]
        looking = [stack.enter_context(Process(root)) for _ in range(2)]
        for process in (*busy, *looking):
            process.listen()
        for _ in range(150):
            for process in busy:
                process.tell("again")
            for process in looking:
                process.tell("orphans")
            folders = [Path(process.listen()) for process in busy]
            assert [process.listen() for process in looking] == ["done"] * len(looking)
            assert all((folder / "work").is_dir() for folder in folders)
        for process in busy:
            assert process.ask("intend mine") == "done"
        assert _orphans(Scratch(root)) == []
