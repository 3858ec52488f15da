"""Files made to harm, and files that came to harm, sent to a real server by an admin.

Each ends complete or failed, with a reason for people; the server lives on as if nothing had
been. `make test` takes the quick ones, `make drills` all.
"""

import re
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.media.make import SAMPLES
from tests.support.servers import lives
from tests.torture import run
from tests.torture.cases import CASES
from tests.torture.run import End

MARGIN = 12 << 20
"""Bytes by which two rounds of like files may differ in memory: an eighth of the largest file."""

SENTENCE = re.compile(r"[A-Z][^\n]{8,300}\.")
PATH = re.compile(r"(?:^|[\s'\"(:])/\w|\\|Traceback|0x[0-9a-f]{4}")
"""What gives away where something lies on the server, or how it is built."""

QUICK = [case for case in CASES if not case.slow]
SHARES = {"few": QUICK[::5], "some": QUICK[::3], "quick": QUICK, "whole": list(CASES)}
WHOLE = pytest.param("whole", marks=[pytest.mark.drill, pytest.mark.timeout(1800)])


def test_the_set_is_large_and_its_names_tell_its_files_apart() -> None:
    assert len(QUICK) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.kind for case in QUICK} == {"picture", "film", "sound", "other"}


@pytest.mark.parametrize("share", ["quick", WHOLE])
def test_each_ends_well_or_with_a_reason(tmp_path: Path, share: str) -> None:
    files, room = tmp_path / "files", tmp_path / "room"
    files.mkdir()
    room.mkdir()
    with (
        run.snares(tmp_path) as snares,
        run.server_under_test(room) as server,
        run.client(server) as client,
    ):
        made = run.make(SHARES[share], files, snares.traps)
        before = look(client.preview(SAMPLES / "plain.jpg"))

        ends = run.endure_all(client, made)

        assert [told(end) for end in ends if is_wrong(end)] == []
        assert [told(end) for end in ends if not is_plain(end)] == []
        assert [told(end) for end in ends if not is_whole(end)] == []
        stored, known = run.blobs_and_rows(room / "data")
        assert stored == known
        assert not snares.was_called()
        assert snares.found_in(room) == []
        assert look(client.preview(SAMPLES / "plain.jpg")) == before
        assert lives(server.process.pid)


@pytest.mark.parametrize("share", ["few", WHOLE])
def test_the_server_s_memory_is_that_of_good_files(tmp_path: Path, share: str) -> None:
    """Whatever comes takes no more of it than as many good pictures of the same lengths.

    Nor does it grow when the set comes again.
    """
    files, room = tmp_path / "files", tmp_path / "room"
    files.mkdir()
    room.mkdir()
    with (
        run.snares(tmp_path) as snares,
        run.server_under_test(room) as server,
        run.client(server) as client,
    ):
        made = run.make(SHARES[share], files, snares.traps)
        good = run.good(made, files)
        pid = server.process.pid
        ends: list[End] = []
        peaks = [
            run.peak(pid, lambda: ends.extend(run.endure_all(client, good))),
            run.peak(pid, lambda: run.endure_all(client, made)),
            run.peak(pid, lambda: run.endure_all(client, made)),
        ]
    assert {end.status for end in ends} == {"complete"}
    assert max(end.length for end in ends) > 4 * MARGIN
    of_good, first, second = peaks
    assert first < of_good + MARGIN
    assert second < first + MARGIN


@pytest.mark.parametrize("share", ["some", WHOLE])
def test_photos_alongside_become_what_they_become_alone(tmp_path: Path, share: str) -> None:
    files, room = tmp_path / "files", tmp_path / "room"
    files.mkdir()
    room.mkdir()
    with (
        run.snares(tmp_path) as snares,
        run.server_under_test(room) as server,
        run.client(server) as client,
        run.client(server) as other,
    ):
        made = run.make(SHARES[share], files, snares.traps)
        alone = look(client.preview(SAMPLES / "plain.jpg"))
        over = threading.Event()
        seen: list[Any] = []

        def go_on() -> None:
            while not over.is_set():
                seen.append(look(other.preview(SAMPLES / "plain.jpg")))

        photographer = threading.Thread(target=go_on)
        photographer.start()
        try:
            run.endure_all(client, made, at_once=1)
        finally:
            over.set()
            photographer.join()
    assert len(seen) > 1
    assert [each for each in seen if each != alone] == []


def look(document: dict[str, Any]) -> Any:
    """What counts of a picture's document: how it ended, and its previews byte for byte."""
    previews = [(item["size"], item["sha256"]) for item in document["variations"]]
    return document["status"], document["width"], document["height"], previews


def told(end: End) -> str:
    """An end in one line, for whoever reads that it is wrong."""
    return f"{end.case.name}: {end.status} after {end.seconds:.1f} s. {end.reason}"


def is_wrong(end: End) -> bool:
    """Whether it ended otherwise than it must, or for another reason."""
    says = end.case.says if end.status == "failed" else None
    return end.status not in end.case.expected or (says or "") not in end.reason.lower()


def is_plain(end: End) -> bool:
    """Whether it has a reason for people, that is, where it failed, and else none."""
    if end.status == "complete":
        return not end.reason
    return SENTENCE.fullmatch(end.reason) is not None and PATH.search(end.reason) is None


def is_whole(end: End) -> bool:
    """Whether it has all its previews or none; a film that cannot be encoded keeps its poster's."""
    sizes = {item.get("size") for item in end.document.get("variations", [])}
    if end.status == "failed":
        return not sizes or (end.case.kind == "film" and sizes == {"poster", *"sbtmlh"})
    return end.case.kind == "other" or sizes >= set("sbtmlh")
