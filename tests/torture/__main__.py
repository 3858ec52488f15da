"""`python -m tests.torture [--write]`: the torture set against a server, and what came of it.

With --write the report goes to docs/torture.md.
"""

import itertools
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import machine
from tests.media.make import photograph
from tests.support.servers import Server
from tests.torture import run
from tests.torture.case import Case
from tests.torture.cases import CASES
from tests.torture.run import Client, End

_REPORT = Path(__file__).parent.parent.parent / "docs" / "torture.md"
_ROUNDS = 1
_TURNS = 8
_WARM_SECONDS = 5.0
_ALONE_SECONDS = 2.0
_MIB = 1 << 20
# A photographer who is a thread would wait for the others' Python, and not for the server.
_PROCESSES = multiprocessing.get_context("fork")

_HEAD = """\
# The torture set

{count} files made to harm a media store, and files that came to harm: bombs, files that are cut
off or empty, headers that claim what cannot be, playlists in disguise. `tests/torture/cases.py`
makes them, and says how each must end;
`tests/torture/test_torture.py::test_each_ends_well_or_with_a_reason` holds that they do. This page
is written by `make torture`, that is `python -m tests.torture --write`, in one run on
{machine}.

A server as in production, with two jobs at once, is sent all files by an admin, two at a time.

| what | measured |
|---|---|
| files that ended `complete` | {complete} |
| files that ended `failed`, with a reason | {failed} |
| files that ended in another way, or otherwise than they must | {wrong} |
| blobs without a row, and rows without a blob | {strays} |
| reads of somebody else's film | {reads} |
| calls of the listener | {calls} |

## The server's memory

What is foreign is decoded in children. The server's own process receives it, a few blocks at a
time, and remembers the documents that it has shown and the pages of its database, up to bounds.
So its memory grows at first with whatever comes, and the question is whether bad files cost more
of it than good ones. First come as many good pictures, each with bytes behind its end that make
it as long as its counterpart, then the set. That neither takes more than the
one before, but for 12 MiB, is held by
`tests/torture/test_torture.py::test_the_server_s_memory_is_that_of_good_files`.

| the server's process, without its children | MiB at most |
|---|---|
| before, with one picture received | {before} |
| good pictures | {of_good} |
{peaks}
## Others alongside

Then the set comes again, one file when the one before has ended. Beside it,
another client sends photographs of 6 megapixels, each when the one before has its previews, all
on the same machine. How long these take is compared with how long they take alone; beside the
very same bytes under a type that nothing is made of, which is the mere cost of somebody else's
uploads; and beside the good pictures of the same lengths, which is that of sharing the machine
with anybody who uploads pictures. All four go in turns. That the files are bad is to blame for
what the last line has beyond the one before.

| a photograph | median | 95 of 100 within | median, alone being 1 | beside the set it takes |
|---|---|---|---|---|
{photographs}

## Each file

Seconds are those from the acknowledgement to the end, the longest of the rounds.

"""


class Ordeal(NamedTuple):
    """What came of all rounds. Memory is in bytes: before, with good files, and round by round.

    `photographs` are the seconds that each took, by what was sent beside them.
    """

    ends: list[End]
    before: int
    of_good: int
    peaks: list[int]
    photographs: dict[str, list[float]]
    strays: int
    reads: int
    was_called: bool


def suffer(folder: Path) -> Ordeal:
    """Send the set and the photographs."""
    files, room = folder / "files", folder / "room"
    files.mkdir()
    room.mkdir()
    photo = photograph(folder / "photo.jpg", 3_000, 2_000)
    with (
        run.snares(folder) as snares,
        run.server_under_test(room) as server,
        run.client(server) as client,
    ):
        made = run.make(CASES, files, snares.traps)
        good = run.good(made, files)
        client.preview(photo)
        pid = server.process.pid
        before = run.memory(pid)
        of_good = run.peak(pid, lambda: run.endure_all(client, good))
        ends: list[End] = []
        peaks = []
        for number in range(_ROUNDS):
            print(f"memory, round {number + 1} …", file=sys.stderr, flush=True)
            peaks.append(run.peak(pid, lambda: ends.extend(run.endure_all(client, made))))
        photographs = alongside(server, photo, partial(suffered, client), ends, made, good)
        stored, known = run.blobs_and_rows(room / "data")
        return Ordeal(
            ends,
            before,
            of_good,
            peaks,
            photographs,
            len(stored ^ known),
            len(snares.found_in(room)),
            snares.was_called(),
        )


def alongside(
    server: Server,
    photo: Path,
    send: Callable[[list[tuple[Case, Path]]], list[End]],
    ends: list[End],
    made: list[tuple[Case, Path]],
    good: list[tuple[Case, Path]],
) -> dict[str, list[float]]:
    """The seconds that photographs take alone, and beside each kind of files, in turns."""
    harmless = run.harmless(made)
    beside(server, photo, lambda: time.sleep(_WARM_SECONDS))
    found: dict[str, list[float]] = {
        "alone": [],
        "beside the same bytes, of which nothing is made": [],
        "beside good pictures of the same lengths": [],
        "beside the set": [],
    }
    alone, of_bytes, of_good, of_set = found.values()
    for number, turn in itertools.product(range(_ROUNDS), range(_TURNS)):
        print(f"round {number + 1}, turn {turn + 1} …", file=sys.stderr, flush=True)
        some = slice(turn, None, _TURNS)
        alone += beside(server, photo, lambda: time.sleep(_ALONE_SECONDS))
        of_bytes += beside(server, photo, partial(send, harmless[some]))
        of_good += beside(server, photo, partial(send, good[some]))
        of_set += beside(server, photo, partial(_keep, ends, send, made[some]))
    return found


def suffered(client: Client, files: list[tuple[Case, Path]]) -> list[End]:
    """Send these files, one when the one before has ended."""
    return run.endure_all(client, files, at_once=1)


def taken(client: Client, photo: Path, is_over: Callable[[], bool]) -> list[float]:
    """The seconds that each photograph takes, one after the other."""
    seconds = []
    while not is_over():
        began = time.perf_counter()
        document = client.preview(photo)
        seconds.append(time.perf_counter() - began)
        assert document["status"] == "complete", document
    return seconds


def _keep(
    ends: list[End],
    send: Callable[[list[tuple[Case, Path]]], list[End]],
    files: list[tuple[Case, Path]],
) -> None:
    ends += send(files)


def beside(server: Server, photo: Path, work: Callable[[], object]) -> list[float]:
    """The seconds that each photograph takes, sent by another process while `work` is done."""
    over = _PROCESSES.Event()
    told, telling = _PROCESSES.Pipe(duplex=False)
    photographer = _PROCESSES.Process(target=_photographer, args=(server, photo, over, telling))
    photographer.start()
    telling.close()
    try:
        work()
    finally:
        over.set()
        seconds: list[float] = told.recv()
        photographer.join()
    return seconds


def _photographer(server: Server, photo: Path, over: Event, telling: Connection) -> None:
    with run.client(server) as client:
        telling.send(taken(client, photo, over.is_set))


def report(ordeal: Ordeal) -> str:
    """The page."""
    ends = longest(ordeal.ends)
    statuses = [end.status for end in ends]
    head = _HEAD.format(
        count=len(CASES),
        machine=machine(),
        complete=statuses.count("complete"),
        failed=statuses.count("failed"),
        wrong=sum(not is_right(end) for end in ordeal.ends),
        before=ordeal.before // _MIB,
        of_good=ordeal.of_good // _MIB,
        peaks="".join(
            f"| the set, round {number} | {peak // _MIB} |\n"
            for number, peak in enumerate(ordeal.peaks, 1)
        ),
        strays=ordeal.strays,
        reads=ordeal.reads,
        calls=int(ordeal.was_called),
        photographs="\n".join(_photographs(ordeal.photographs)),
    )
    lines = ["| file | bytes | ends | reason | seconds |", "|---|---|---|---|---|"]
    lines += [
        f"| {end.case.name} | {end.length:,} | {end.status} | {end.reason} | {end.seconds:.2f} |"
        for end in ends
    ]
    return head + "\n".join(lines) + "\n"


def longest(ends: Iterable[End]) -> list[End]:
    """Of all ends of each file the one that took longest, in the order of the set."""
    found: dict[str, End] = {}
    for end in ends:
        name = end.case.name
        found[name] = max(end, found.get(name, end), key=lambda each: each.seconds)
    return [found[case.name] for case in CASES]


def is_right(end: End) -> bool:
    """Whether a file ended as it must."""
    return end.status in end.case.expected


def _photographs(photographs: dict[str, list[float]]) -> Iterator[str]:
    alone, *_, of_set = map(statistics.median, photographs.values())
    for name, seconds in photographs.items():
        median, most = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
        yield (
            f"| {name} | {1000 * median:.0f} ms | {1000 * most:.0f} ms | {median / alone:.2f}"
            f" | {of_set / median:.2f} of it |"
        )


def main(arguments: list[str]) -> int:
    """Run it; 1 where a file ended otherwise than it must."""
    with tempfile.TemporaryDirectory(prefix="cella-torture-") as folder:
        ordeal = suffer(Path(folder))
    page = report(ordeal)
    print(page)
    if "--write" in arguments:
        _REPORT.write_text(page)
    return 0 if all(map(is_right, ordeal.ends)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
