"""`cella worker`: background work in a process of its own."""

import asyncio
import signal

from cella import config
from cella import worker as workers
from cella.assembly import Assembly
from cella.cli import output
from cella.cli.options import Data
from cella.cli.processes import refuse_private_store
from cella.http import logs


def work(data: Data = None) -> None:
    """Do background work, such as previews, until Ctrl-C.

    Any number of workers may run beside servers, on all machines that reach the database and
    the store.
    """
    settings = config.load(overrides={"data": data})
    refuse_private_store(settings, "cella worker")
    logs.configure(settings.service.log_format, settings.service.log_level)
    asyncio.run(_work(Assembly(settings)))


async def _work(assembly: Assembly) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        output.say("Stopping: what is under way is finished or handed back.")
        loop.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    async with assembly.running():
        runner = assembly.runner()
        async with workers.working(runner, assembly.sandbox):
            output.say(f"Waiting for {', '.join(assembly.handlers)} jobs; Ctrl-C stops.")
            await stop.wait()
    done = ", ".join(f"{count} {outcome}" for outcome, count in runner.outcomes.items())
    output.say(f"Stopped; jobs: {done or 'none'}.")
