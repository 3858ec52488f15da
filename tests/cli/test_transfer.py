"""upload, ls, get and rm against a real server."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.cli.conftest import Cella, Studio
from tests.support.servers import COMMAND, Server, cella, environment
from tests.support.terminals import at_a_terminal

MIB = 1 << 20
ODD_NAME = "wéird 100%25 ü#?&+ 김치.bin"


@pytest.fixture
def project(studio: Studio) -> str:
    """The id of an empty, private project of the administrator."""
    made = studio.cella("project", "new", "Empty")
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_a_file_makes_the_round_trip(server: Server, project: str, tmp_path: Path) -> None:
    original = tmp_path / ODD_NAME
    original.write_bytes(os.urandom(3 * MIB + 17))
    uploaded = server.cella("upload", project, str(original))
    assert uploaded.returncode == 0, uploaded.stderr
    file_id = uploaded.stdout.removesuffix("\n")

    listed = server.cella("ls", project).stdout
    assert listed == f"{file_id}\t{3 * MIB + 17}\tcomplete\t{ODD_NAME}\n"

    got = cella("get", file_id, folder=tmp_path / "..", **server.variables)
    assert got.stdout == f"{ODD_NAME}\n"
    copy = tmp_path.parent / ODD_NAME
    assert sha256(copy) == sha256(original)
    copy.unlink()

    assert server.cella("rm", file_id).stdout == f"{file_id}\n"
    assert server.cella("ls", project).stdout == ""
    gone = server.cella("get", file_id)
    assert (gone.returncode, gone.stderr) == (1, f"cella: File {file_id} does not exist.\n")


def test_what_scripts_want_is_there_as_json(studio: Studio, project: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    uploaded = studio.cella("upload", "--json", project, str(tmp_path / "a.txt"), str(tmp_path))
    assert uploaded.returncode == 1
    good, bad = json.loads(uploaded.stdout)
    assert bad["file"] == str(tmp_path)
    assert "folder" in bad["error"]

    [document] = json.loads(studio.cella("ls", "--json", project).stdout)
    assert document["_id"] == good["file_id"]
    assert document["filename"] == "a.txt"

    target = tmp_path / "b.txt"
    got = json.loads(studio.cella("get", "--json", good["file_id"], "-o", str(target)).stdout)
    digest = hashlib.sha256(b"a").hexdigest()
    expected = {"file_id": good["file_id"], "path": str(target), "length": 1, "sha256": digest}
    assert got == expected

    removed = studio.cella("rm", "--json", good["file_id"], "0" * 24)
    assert removed.returncode == 1
    assert [sorted(each) for each in json.loads(removed.stdout)] == [
        ["file_id"],
        ["error", "file_id"],
    ]
    assert json.loads(studio.cella("ls", "--json", project).stdout) == []


def test_one_bad_file_does_not_stop_the_others(
    studio: Studio, project: str, tmp_path: Path, here: Cella
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "good.txt").write_text("good")
    names = ["folder", "missing.txt", "good.txt"]
    done = here("upload", project, *names, folder=tmp_path, **studio.server.variables)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr.splitlines() == [
        "cella: folder: That is a folder. Name the files in it, for example: folder/*",
        "cella: missing.txt: No such file or directory",
    ]


def test_a_list_is_complete_beyond_one_page(
    studio: Studio, project: str, tmp_path: Path, here: Cella
) -> None:
    names = [f"{number:03}.txt" for number in range(260)]
    for name in names:
        (tmp_path / name).write_text(name)
    uploaded = here("upload", project, *names, folder=tmp_path, **studio.server.variables)
    ids = uploaded.stdout.splitlines()
    assert len(set(ids)) == 260
    listed = [line.split("\t") for line in studio.cella("ls", project).stdout.splitlines()]
    assert sorted(line[0] for line in listed) == sorted(ids)
    assert sorted(line[3] for line in listed) == names


def test_a_reader_that_leaves_early_is_no_error(studio: Studio, project: str) -> None:
    studio.cella("upload", project, __file__)
    line = f"{' '.join(COMMAND)} ls {project} --json | true"
    done = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {line}; echo $?"],
        env=environment(**studio.server.variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_a_project_is_known_by_its_url_and_its_name(studio: Studio) -> None:
    name = "Spring; a film"
    project = studio.cella("project", "new", name).stdout.strip()
    by_url = studio.cella("upload", f"p-{project}", __file__).stdout.strip()
    assert studio.cella("ls", name).stdout.startswith(by_url)
    unknown = studio.cella("ls", "Autumn")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "'Autumn'" in unknown.stderr

    other = studio.cella("project", "new", name).stdout.strip()
    ambiguous = studio.cella("ls", name)
    assert ambiguous.returncode == 1
    assert project in ambiguous.stderr
    assert other in ambiguous.stderr


def test_an_existing_file_is_kept_unless_forced(
    studio: Studio, project: str, tmp_path: Path
) -> None:
    file_id = studio.cella("upload", project, __file__).stdout.strip()
    target = tmp_path / "mine.txt"
    target.write_text("mine")
    refused = studio.cella("get", file_id, "-o", str(target))
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    assert target.read_text() == "mine"
    assert studio.cella("get", file_id, "-o", str(target), "--force").returncode == 0
    assert target.read_bytes() == Path(__file__).read_bytes()
    into_folder = studio.cella("get", file_id, "-o", str(tmp_path))
    assert into_folder.stdout.strip() == str(tmp_path / Path(__file__).name)
    assert studio.cella("get", file_id, "-o", "-").stdout == Path(__file__).read_text()


def test_what_is_no_ordinary_file_is_never_replaced(
    studio: Studio, project: str, tmp_path: Path
) -> None:
    file_id = studio.cella("upload", project, __file__).stdout.strip()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused = studio.cella("get", file_id, "-o", str(pipe), "--force")
    assert refused.returncode == 1
    assert "no ordinary file" in refused.stderr
    assert pipe.is_fifo()


def test_who_has_no_token_is_told_by_the_server(studio: Studio, project: str) -> None:
    file_id = studio.cella("upload", project, __file__).stdout.strip()
    for arguments in (
        ["upload", project, __file__],
        ["upload", studio.start.project, __file__],
        ["get", file_id],
        ["rm", file_id],
    ):
        refused = studio.cella(*arguments, CELLA_TOKEN="")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert re.fullmatch(r"cella: .*(Sign in first|may not).*\n", refused.stderr)
    assert studio.cella("ls", project, CELLA_TOKEN="").stdout == ""


def test_a_file_beyond_the_limit_is_refused_with_the_servers_message(
    studio: Studio, tmp_path: Path
) -> None:
    assert studio.cella("user", "add", "limited").returncode == 0
    token = studio.cella("token", "new", "limited").stdout.strip()
    project = studio.cella("project", "new", "Limited", "--owner", "limited").stdout.strip()
    large = sparse(tmp_path / "large.bin", 40 * MIB)
    refused = studio.cella("upload", project, str(large), CELLA_TOKEN=token)
    assert refused.returncode == 1
    assert "32 MiB" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_server_that_is_not_there_is_one_clear_line(tmp_path: Path, here: Cella) -> None:
    for url in ("http://127.0.0.1:1", "http://nosuch.invalid"):
        done = here("ls", "0" * 24, "--url", url, folder=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"cella: Cannot reach {url}: ")
        assert len(done.stderr.splitlines()) == 1


def test_memory_does_not_grow_with_the_file(studio: Studio, project: str, tmp_path: Path) -> None:
    small = sparse(tmp_path / "small.bin", 1)
    large = sparse(tmp_path / "large.bin", 64 * MIB)
    least, small_id = measured(studio.server, "upload", project, str(small))
    most, large_id = measured(studio.server, "upload", project, str(large))
    assert most - least < 16 * MIB
    least, _ = measured(studio.server, "get", small_id, "-o", str(tmp_path / "small.copy"))
    most, _ = measured(studio.server, "get", large_id, "-o", str(tmp_path / "large.copy"))
    assert most - least < 16 * MIB
    assert sha256(tmp_path / "large.copy") == sha256(large)


def test_a_person_sees_progress_and_a_table(studio: Studio, project: str, tmp_path: Path) -> None:
    sparse(tmp_path / "film.bin", 20 * MIB)
    variables = environment(**studio.server.variables)
    code, shown = at_a_terminal(
        [*COMMAND, "upload", project, str(tmp_path / "film.bin")], tmp_path, variables
    )
    assert code == 0
    for part in ("film.bin", "20.0/20.0 MiB", "MB/s", "0:00:0"):
        assert part in shown
    code, shown = at_a_terminal([*COMMAND, "ls", project], tmp_path, variables)
    assert code == 0
    assert shown.splitlines()[0].split() == ["ID", "SIZE", "TYPE", "STATE", "NAME"]
    assert "20.0 MiB" in shown


class Liar(BaseHTTPRequestHandler):
    """A server whose bytes are not what its documents say, or that is none of ours."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        """Answer from the table."""
        self.asked.append((self.path, self.headers["Authorization"]))
        body = self.answers.get(self.path, b"<html>What is this?</html>")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def lying(document: dict[str, Any]) -> Iterator[str]:
    """The address of a server that has one document, and `bytes` behind its link."""
    Liar.answers = {"/api/files/1": json.dumps(document).encode(), "/link": b"bytes"}
    Liar.asked = []
    with HTTPServer(("127.0.0.1", 0), Liar) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "said", [{"length": 5, "sha256": "0" * 64}, {"length": 6}], ids=["digest", "length"]
)
def test_wrong_bytes_are_an_error_and_leave_nothing(
    said: dict[str, Any], tmp_path: Path, here: Cella
) -> None:
    with lying(document(**said)) as url:
        for target in ([], ["-o", "-"]):
            done = here("get", "1", *target, folder=tmp_path, CELLA_URL=url)
            assert done.returncode == 1
            assert "SHA-256" in done.stderr
            assert list(tmp_path.iterdir()) == []


def test_the_token_is_not_sent_to_where_a_link_leads(tmp_path: Path, here: Cella) -> None:
    with lying(document()) as url:
        done = here("get", "1", folder=tmp_path, CELLA_URL=url, CELLA_TOKEN="secret")
        assert done.stdout == "passwd\n"
        assert (tmp_path / "passwd").read_bytes() == b"bytes"
        assert Liar.asked == [("/api/files/1", "Bearer secret"), ("/link", None)]


def test_what_is_no_cella_server_is_said_so(tmp_path: Path, here: Cella) -> None:
    with lying(document()) as url:
        done = here("ls", "0" * 24, folder=tmp_path, CELLA_URL=url)
    assert done.returncode == 1
    assert done.stderr == f"cella: What answers at {url} is no Cella server; check CELLA_URL.\n"


def document(**fields: Any) -> dict[str, Any]:
    """A document with a name that would like to be a path."""
    return {
        "_id": "1",
        "_etag": "2",
        "filename": "../../etc/passwd\n",
        "length": 5,
        "content_type": "text/plain",
        "status": "complete",
        "link": "/link",
        **fields,
    }


def measured(server: Server, *arguments: str) -> tuple[int, str]:
    """Run a command that succeeds; its peak of memory in bytes, and what it printed."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=server.folder,
        env=environment(**server.variables),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read().strip()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), said


def sparse(path: Path, length: int) -> Path:
    """A file of that many zero bytes."""
    with path.open("wb") as file:
        file.truncate(length)
    return path


def sha256(path: Path) -> str:
    """The digest of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
