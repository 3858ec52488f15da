"""`cella serve` and `cella worker`: how they start, what they say, and how they end."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image
from tests.support import servers
from tests.support.servers import COMMAND, cella, environment, serving, wait_until

from cella import config
from cella.cli import processes


def test_the_commands_of_the_first_start_work_as_they_stand(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", (640, 480), "teal").save(photo)
    with said_at_the_start(tmp_path) as banner:
        upload, listing, download = re.findall(r"^    (\S.*)$", banner, re.MULTILINE)
        file_id = json.loads(shell(upload, tmp_path))["file_id"]
        assert file_id in shell(listing, tmp_path)
        assert shell(download, tmp_path) == "copy.jpg\n"
        assert (tmp_path / "copy.jpg").read_bytes() == photo.read_bytes()


def test_the_token_is_shown_on_the_first_start_only(tmp_path: Path) -> None:
    with said_at_the_start(tmp_path) as first:
        token = after(first, "Token")
        assert len(token) >= 32
    with said_at_the_start(tmp_path) as second:
        assert token not in second
        assert "Token  " not in second
        assert str(tmp_path / "data") in second
        assert after(second, "A project") == after(first, "A project")
    with serving(tmp_path) as third:
        assert third.start.token is None
        header = {"Authorization": f"Bearer {token}"}
        assert (
            httpx.get(f"{third.start.url}/api/users/me", headers=header, verify=False).status_code
            == 200
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_signal_ends_it_cleanly(tmp_path: Path, workers: int, number: int) -> None:
    with serving(tmp_path, "--workers", str(workers)) as server:
        process = server.process
        others = servers.descendants(process.pid)
        # Ctrl-C goes to the whole process group, other signals come to the process alone.
        send = os.killpg if number == signal.SIGINT else os.kill
        send(process.pid, number)
        assert process.wait(servers.PATIENCE) == 0
    assert others
    wait_until(lambda: not any(map(servers.lives, others)))
    assert list((tmp_path / "data" / "scratch").iterdir()) == []
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def test_several_processes_share_the_work_and_replace_one_another(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as server:
        first = servers.children(server.process.pid)
        assert len(first) == 2
        os.kill(min(first), signal.SIGKILL)
        wait_until(lambda: len(servers.children(server.process.pid) - first) == 1)
        both = servers.children(server.process.pid)
        uploaded = server.cella("upload", server.start.project, __file__)
        assert uploaded.returncode == 0, uploaded.stderr
        os.kill(max(both & first), signal.SIGKILL)
        wait_until(lambda: servers.is_ready(server.start.url))
        assert server.cella("get", uploaded.stdout.strip(), "-o", "-").stdout


def test_no_process_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as server:
        others = servers.descendants(server.process.pid)
        server.process.kill()
        wait_until(lambda: not any(map(servers.lives, others)))
    assert len(others) >= 2


def test_it_gives_up_where_no_process_can_start(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    overrides = {"data": str(tmp_path), "workers": 2, "database_url": "postgresql://127.0.0.1:1/x"}
    settings = config.load({}, overrides=overrides, folder=tmp_path)
    with processes.listen("127.0.0.1", 0) as listener:
        assert processes.serve(settings, listener) == 1
    assert "The database cannot be opened" in capfd.readouterr().err


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = cella("serve", "--port", str(port), folder=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(rf"cella: .*port {port} .*in use.*--port.*\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_links_lead_to_the_port_that_was_free(tmp_path: Path) -> None:
    with serving(tmp_path, CELLA_EMBEDDED_WORKER="false") as server:
        file_id = server.cella("upload", server.start.project, __file__).stdout.strip()
        header = {"Authorization": f"Bearer {server.start.token}"}
        document = httpx.get(
            f"{server.start.url}/api/files/{file_id}", headers=header, verify=False
        ).json()
        assert document["link"].startswith(server.start.url + "/")


def test_a_worker_beside_the_server_makes_the_previews(tmp_path: Path) -> None:
    Image.new("RGB", (640, 480), "teal").save(tmp_path / "photo.png")
    with serving(tmp_path, CELLA_EMBEDDED_WORKER="false") as server:
        upload = server.cella("upload", server.start.project, "photo.png")
        url = f"{server.start.url}/api/files/{upload.stdout.strip()}"
        assert httpx.get(url, verify=False).json()["status"] == "queued_for_processing"
        with running(tmp_path, "worker") as worker:
            wait_until(lambda: httpx.get(url, verify=False).json()["status"] == "complete")
            worker.send_signal(signal.SIGINT)
            assert worker.wait(servers.PATIENCE) == 0
    said = (tmp_path / "stderr").read_text()
    assert "Stopped; jobs: 1 finished." in said
    assert "Traceback" not in said


@contextmanager
def said_at_the_start(folder: Path) -> Iterator[str]:
    """What a server says on stdout; it is ready, and ends cleanly with Ctrl-C afterwards."""
    with running(folder, "serve", "--port", "0") as process:
        said = folder / "stdout"
        wait_until(lambda: "Ctrl-C stops it" in said.read_text())
        wait_until(lambda: servers.is_ready(after(said.read_text(), "Cella answers at")))
        yield said.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(servers.PATIENCE) == 0


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on, stopped at the end if need be; `stdout` and `stderr` are files."""
    with (folder / "stdout").open("w") as stdout, (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            env=environment(CELLA_LOG_LEVEL="warning"),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )
    with process:
        try:
            yield process
        finally:
            servers.stop(process)


def shell(line: str, folder: Path) -> str:
    """What a line prints that a person has pasted into a shell."""
    return subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=servers.PATIENCE,
        check=True,
    ).stdout


def after(text: str, label: str) -> str:
    """The word that follows a label of the banner."""
    found = re.search(rf"^  {label}\s+(\S+)", text, re.MULTILINE)
    assert found is not None, text
    return found[1]
