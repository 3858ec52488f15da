"""jobs ls, show, retry and cancel: on the data directory, beside workers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Cella, Done
from tests.support.databases import sqlite
from tests.support.servers import COMMAND, environment
from tests.support.terminals import at_a_terminal

from cella.db import Database
from cella.jobs import queue
from cella.jobs.queue import CANCELLED, Job, Progress
from cella.jobs.retry import MAX_ATTEMPTS


class Shop:
    """A data directory with a queue, and commands that work on it."""

    def __init__(self, db: Database, folder: Path, here: Cella) -> None:
        self.db = db
        self.folder = folder
        self._here = here

    def cella(self, *arguments: str) -> Done:
        """Run a command on the data directory."""
        return self._here(*arguments, folder=self.folder, CELLA_DATA=str(self.folder))

    def put(self, kind: str, subject: str) -> str:
        """A job that waits."""
        return self.db.write_now(lambda tx: queue.put(tx, kind=kind, subject=subject, now=0))

    def claim(self, kind: str) -> Job:
        """A job of that kind, now running for a long time."""
        (job,) = self.db.write_now(
            lambda tx: queue.claim(tx, kinds=[kind], worker="host:1", now=0, lease_seconds=1e12)
        )
        return job

    def bury(self, kind: str, reason: str) -> None:
        """Have a waiting job of that kind dead."""
        job = self.claim(kind)
        self.db.write_now(lambda tx: queue.bury(tx, job, error=reason))

    def state(self, job_id: str) -> str:
        """Where the job is."""
        return self.db.read_now(lambda tx: queue.get(tx, job_id)).state


@pytest.fixture
def shop(tmp_path: Path, here: Cella) -> Iterator[Shop]:
    """A shop without any job."""
    with sqlite(tmp_path) as db:
        yield Shop(db, tmp_path, here)


def test_jobs_are_listed_a_line_each_with_tabs(shop: Shop) -> None:
    dead = shop.put("process", "film 1")
    shop.bury("process", "It is cut off.")
    running = shop.put("encode", "film 2")
    job = shop.claim("encode")
    progress = Progress(percent=40, step="Encoding 720p", seconds_left=95)
    shop.db.write_now(lambda tx: queue.write_progress(tx, [(job, progress)]))
    ready = shop.put("process", "film\t3")

    done = shop.cella("jobs", "ls")

    assert done.returncode == 0
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[:5] for line in lines] == [
        [dead, "dead", "process", "film 1", f"1/{MAX_ATTEMPTS}"],
        [running, "running", "encode", "film 2", f"1/{MAX_ATTEMPTS}"],
        [ready, "ready", "process", "film\N{REPLACEMENT CHARACTER}3", f"0/{MAX_ATTEMPTS}"],
    ]
    assert all(line[5].endswith(" d") for line in lines)
    assert [line[6:] for line in lines] == [
        ["-", "It is cut off."],
        ["host:1: 40 % Encoding 720p, 1 min left", "-"],
        ["-", "-"],
    ]
    counts = [line.split() for line in done.stderr.splitlines() if line]
    assert counts == [
        ["KIND", "READY", "RUNNING", "DEAD"],
        ["encode", "0", "1", "0"],
        ["process", "1", "0", "1"],
    ]


def test_the_list_may_be_narrowed(shop: Shop) -> None:
    process = [shop.put("process", f"{number}") for number in range(3)]
    encode = shop.put("encode", "film")
    shop.cella("jobs", "cancel", process[1])

    def listed(*options: str) -> list[str]:
        lines = shop.cella("jobs", "ls", *options).stdout.splitlines()
        return [line.split("\t")[0] for line in lines]

    assert listed("--kind", "encode") == [encode]
    assert listed("--state", "dead") == [process[1]]
    assert listed("--state", "ready", "--kind", "process") == [process[0], process[2]]
    assert listed("--limit", "2") == process[:2]
    assert "--limit" in shop.cella("jobs", "ls", "--limit", "2").stderr
    assert "--limit" not in shop.cella("jobs", "ls").stderr
    assert listed("--state", "running") == []


def test_an_empty_queue_is_an_empty_list(shop: Shop) -> None:
    assert shop.cella("jobs", "ls") == (0, "", "")
    assert json.loads(shop.cella("jobs", "ls", "--json").stdout) == {"counts": {}, "jobs": []}


def test_at_a_terminal_there_are_headings(shop: Shop) -> None:
    shop.put("process", "film")
    variables = environment(CELLA_DATA=str(shop.folder))
    code, shown = at_a_terminal([*COMMAND, "jobs", "ls"], shop.folder, variables)
    assert code == 0
    headings = [line.split() for line in shown.splitlines() if line.isupper()]
    assert headings == [
        ["KIND", "READY", "RUNNING", "DEAD"],
        ["ID", "STATE", "KIND", "SUBJECT", "ATTEMPTS", "AGE", "AT", "WORK", "REASON"],
    ]


def test_scripts_get_json(shop: Shop) -> None:
    job_id = shop.put("process", "film")
    shop.claim("process")

    listed = json.loads(shop.cella("jobs", "ls", "--json").stdout)
    shown = json.loads(shop.cella("jobs", "show", job_id, "--json").stdout)

    assert listed["counts"] == {"process": {"ready": 0, "running": 1, "dead": 0}}
    assert listed["jobs"] == [shown]
    assert (shown["job_id"], shown["state"], shown["worker"]) == (job_id, "running", "host:1")
    assert (shown["attempts"], shown["progress"], shown["reason"]) == (1, None, None)


def test_one_job_is_shown_field_by_field(shop: Shop) -> None:
    job_id = shop.put("process", "film")
    shop.bury("process", "It is cut off.")
    done = shop.cella("jobs", "show", job_id)
    fields = dict(line.split("\t") for line in done.stdout.splitlines())
    assert (fields["id"], fields["state"], fields["reason"]) == (job_id, "dead", "It is cut off.")
    assert (fields["attempts"], fields["made"]) == (f"1 of {MAX_ATTEMPTS}", "1970-01-01 00:00:00")
    assert (fields["worker"], fields["progress"]) == ("-", "-")


def test_dead_jobs_are_tried_again(shop: Shop) -> None:
    ids = [shop.put("process", f"{number}") for number in range(3)]
    for _ in ids:
        shop.bury("process", "It is cut off.")

    done = shop.cella("jobs", "retry", *ids[:2])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "2 jobs are tried again.\n")
    assert [shop.state(job_id) for job_id in ids] == ["ready", "ready", "dead"]


def test_all_dead_jobs_of_a_kind_are_tried_again(shop: Shop) -> None:
    process, encode = shop.put("process", "film"), shop.put("encode", "film")
    for kind in ("process", "encode"):
        shop.bury(kind, "It is cut off.")

    done = shop.cella("jobs", "retry", "--all", "--kind", "encode")
    assert (done.returncode, done.stderr) == (0, "1 job is tried again.\n")
    assert [shop.state(process), shop.state(encode)] == ["dead", "ready"]
    assert shop.cella("jobs", "retry", "--all").stderr == "1 job is tried again.\n"


def test_jobs_are_cancelled_and_running_ones_stopped(shop: Shop) -> None:
    ready, running = shop.put("process", "film"), shop.put("encode", "film")
    shop.claim("encode")

    done = shop.cella("jobs", "cancel", ready, running)

    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "1 job is cancelled.",
        "1 job is being stopped by who works on it.",
    ]
    assert (shop.state(ready), shop.state(running)) == ("dead", "running")
    lines = shop.cella("jobs", "ls").stdout.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["dead", "stopping"]
    assert lines[0].endswith(CANCELLED)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "0" * 24], 1, "no job"),
        (["cancel", "0" * 24], 1, "no job"),
        (["retry", "0" * 24], 1, "no job"),
        (["cancel", "{dead}"], 1, "given up already"),
        (["retry", "{ready}"], 1, "not given up"),
        (["retry", "{dead}", "{ready}"], 1, "not given up"),
        (["cancel", "{ready}", "0"], 1, "no job"),
        (["retry"], 2, "--all"),
        (["retry", "{dead}", "--all"], 2, "--all"),
        (["retry", "{dead}", "--kind", "process"], 2, "--all"),
        (["cancel"], 2, "JOB_ID"),
        (["ls", "--state", "lost"], 2, "--state"),
        (["ls", "--limit", "0"], 2, "--limit"),
    ],
)
def test_what_cannot_be_is_one_clear_line_and_changes_nothing(
    shop: Shop, arguments: list[str], code: int, said: str
) -> None:
    dead = shop.put("process", "film")
    shop.bury("process", "It is cut off.")
    ready = shop.put("process", "film")

    done = shop.cella("jobs", *(word.format(dead=dead, ready=ready) for word in arguments))

    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (shop.state(dead), shop.state(ready)) == ("dead", "ready")
