"""Results: what was measured, against what, and whether the goal is met."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple


class Result(NamedTuple):
    """One line of the report; `value` and `goal` have the unit that `unit` names.

    Without a goal it is there to be known.
    """

    what: str
    value: float
    unit: str
    goal: float | None
    at_most: bool
    detail: str

    @property
    def met(self) -> bool:
        """Whether the goal, if there is one, is reached."""
        if self.goal is None:
            return True
        return self.value <= self.goal if self.at_most else self.value >= self.goal


def timed(work: Callable[[], object]) -> float:
    """Wall seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def alternate(
    rounds: int, ours: Callable[[], float], theirs: Callable[[], float]
) -> tuple[float, float]:
    """Median seconds of both, measured in turns so that the machine's moods hit both alike."""
    pairs = []
    for _ in range(rounds):
        os.sync()
        a = ours()
        os.sync()
        pairs.append((a, theirs()))
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def table(results: Iterable[Result]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| what | measured | goal | met | detail |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        goal, met = "", ""
        if result.goal is not None:
            goal = f"{'≤' if result.at_most else '≥'} {result.goal:g} {result.unit}"
            met = "yes" if result.met else "**no**"
        lines.append(
            f"| {result.what} | {result.value:,.2f} {result.unit} | {goal} | {met} "
            f"| {result.detail} |"
        )
    return "\n".join(lines) + "\n"


def machine() -> str:
    """What it was measured on, in one line."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}"
