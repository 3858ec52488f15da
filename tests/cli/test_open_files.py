"""How many files and connections a server may have open."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.servers import children, serving


@pytest.fixture
def few() -> Iterator[tuple[int, int]]:
    """This process may open few files, and so may what it starts, unless it asks for more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = min(1024, before[1] // 2), before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    yield soft, hard
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def limit_of(pid: int) -> int:
    """How many files a process may have open."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(int(line.split()[3]) for line in lines if line.startswith("Max open files"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_may_open_as_many_files_as_the_system_allows(
    few: tuple[int, int], tmp_path: Path, workers: int
) -> None:
    soft, hard = few
    assert soft < hard
    with serving(tmp_path, "--workers", str(workers)) as server:
        pid = server.process.pid
        answering = children(pid) if workers > 1 else {pid}
        assert len(answering) == workers
        assert {limit_of(each) for each in answering} == {hard}
