"""Background jobs, looked at and minded by hand on the data directory or the database itself.

Workers may be running meanwhile.
"""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cella.cli import output
from cella.cli.opening import opened
from cella.cli.options import AsJson, Data
from cella.clock import SystemClock
from cella.jobs.queue import Entry, Progress, State

_LIMIT = 50
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))

Ids = Annotated[list[str], typer.Argument(metavar="JOB_ID…", help="As `cella jobs ls` lists them.")]


def list_jobs(
    state: Annotated[
        State | None, typer.Option(help="Only jobs that are ready, running or dead.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind, as process.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many are listed.")] = _LIMIT,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, the oldest first, and how many there are by kind and state.

    A job: id, state, kind, subject, attempts, age, who works on it and how far, and why it
    failed the last time. In a pipe with tabs between them.
    """
    with opened(data) as assembly:
        tend = assembly.tend()
        counts = tend.counts()
        jobs = tend.listing(state=state, kind=kind, limit=limit)
    if as_json:
        output.result_json({"counts": counts, "jobs": [_as_json(job) for job in jobs]})
        return
    if counts:
        output.say_table(
            ("Kind", "Ready", "Running", "Dead"),
            (
                (name, str(count.ready), str(count.running), str(count.dead))
                for name, count in counts.items()
            ),
        )
        output.say("")
    now = SystemClock().now()
    output.result_table(
        ("Id", "State", "Kind", "Subject", "Attempts", "Age", "At work", "Reason"),
        (
            (
                job.id,
                _state(job),
                job.kind,
                job.subject,
                f"{job.attempts}/{job.max_attempts}",
                _span(now - job.created),
                _at_work(job),
                job.error or "-",
            )
            for job in jobs
        ),
    )
    if len(jobs) == limit:
        output.say(f"No more than {limit} are listed; --limit lists more.")


def show_job(
    job_id: Annotated[str, typer.Argument(metavar="JOB_ID", help="As `cella jobs ls` lists it.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one job. Times are in UTC; in a pipe with tabs between them."""
    with opened(data) as assembly:
        job = assembly.tend().show(job_id)
    if as_json:
        output.result_json(_as_json(job))
        return
    output.result_table(
        ("Field", "Value"),
        (
            ("id", job.id),
            ("state", _state(job)),
            ("kind", job.kind),
            ("subject", job.subject),
            ("attempts", f"{job.attempts} of {job.max_attempts}"),
            ("priority", str(job.priority)),
            ("made", _moment(job.created)),
            ("due", _moment(job.run_at)),
            ("worker", job.worker or "-"),
            ("started", _moment(job.started)),
            ("lease ends", _moment(job.lease_until)),
            ("progress", _progress(job.progress)),
            ("reason", job.error or "-"),
        ),
    )


def retry_jobs(
    job_ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="JOB_ID…", help="As `cella jobs ls` lists them.", show_default=False
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All dead jobs, or those of one kind.")
    ] = False,
    kind: Annotated[str | None, typer.Option(help="With --all: only this kind.")] = None,
    data: Data = None,
) -> None:
    """Try dead jobs again, from now on. Where one of those named is not dead, none is touched."""
    if everything == bool(job_ids) or (kind is not None and not everything):
        raise typer.BadParameter("Name jobs, or give --all, which may have a --kind.")
    with opened(data) as assembly:
        tend = assembly.tend()
        number = tend.retry_all(kind) if everything else len(tend.retry(job_ids or []))
    output.say(f"{_jobs(number)} tried again.")


def cancel_jobs(job_ids: Ids, data: Data = None) -> None:
    """Cancel jobs; one that runs is stopped within a second. They can be tried again.

    Where one of them is unknown or dead, none is touched.
    """
    with opened(data) as assembly:
        cancelled = assembly.tend().cancel(job_ids)
    stopping = sum(job.state == "running" for job in cancelled)
    if stopping < len(cancelled):
        output.say(f"{_jobs(len(cancelled) - stopping)} cancelled.")
    if stopping:
        output.say(f"{_jobs(stopping)} being stopped by who works on it.")


def _jobs(number: int) -> str:
    return "1 job is" if number == 1 else f"{number} jobs are"


def _as_json(job: Entry) -> dict[str, object]:
    return {
        "job_id": job.id,
        "state": job.state,
        "kind": job.kind,
        "subject": job.subject,
        "payload": job.payload,
        "priority": job.priority,
        "attempts": job.attempts,
        "max_attempts": job.max_attempts,
        "created": job.created,
        "run_at": job.run_at,
        "worker": job.worker,
        "started": job.started,
        "lease_until": job.lease_until,
        "progress": job.progress,
        "is_cancelled": job.is_cancelled,
        "reason": job.error,
    }


def _state(job: Entry) -> str:
    return "stopping" if job.is_cancelled else job.state


def _at_work(job: Entry) -> str:
    if job.worker is None:
        return "-"
    return job.worker if job.progress is None else f"{job.worker}: {_progress(job.progress)}"


def _progress(progress: Progress | None) -> str:
    if progress is None:
        return "-"
    told = f"{progress.percent} % {progress.step}"
    if progress.seconds_left is None:
        return told
    return f"{told}, {_span(progress.seconds_left)} left"


def _span(seconds: float) -> str:
    """A time as people say it, in its largest unit."""
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
