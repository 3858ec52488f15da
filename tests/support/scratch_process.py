"""A process with a scratch: `python scratch_process.py ROOT [LIMIT]`.

Opens it and says where it is, then does what each line of its input tells and answers with a line:
`intend NAME`, `settle NAME`, `again` (close and open), `orphans`, `room`. With LIMIT no file of
the process grows beyond so many bytes, as on a full disk.
"""

import asyncio
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from cella.scratch import Scratch


def main(root: str, limit: str = "") -> None:
    scratch = Scratch(Path(root))
    scratch.open()
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))

    def orphans(_: str) -> str:
        with scratch.orphans() as found:
            return " ".join(key for _, key in found)

    rooms, loop = AsyncExitStack(), asyncio.new_event_loop()

    def room(_: str) -> str:
        return str(loop.run_until_complete(rooms.enter_async_context(scratch.room())))

    def again(_: str) -> str:
        scratch.close()
        scratch.open()
        return str(scratch.path)

    verbs: dict[str, Callable[[str], object]] = {
        "intend": lambda name: scratch.intend("local", name),
        "settle": lambda name: scratch.settle("local", name),
        "again": again,
        "orphans": orphans,
        "room": room,
    }
    print(scratch.path, flush=True)
    for line in sys.stdin:
        verb, _, name = line.strip().partition(" ")
        try:
            answer = verbs[verb](name) or "done"
        except OSError as error:
            answer = type(error).__name__
        print(answer, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
