"""`python -m benchmarks [NAME …] [--write]`: measure, print, and with --write keep the report."""

import sys
import tempfile
from pathlib import Path

from benchmarks import links, measures, media
from benchmarks.report import Result, machine, table

_MEASURES = {**measures.MEASURES, **media.MEASURES, **links.MEASURES}
_REPORT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_HEAD = """\
# Benchmarks

Measured by `make bench`, that is `python -m benchmarks --write`, in one run on
{machine}. The figures are ratios to a peer, in
turns with it, or rates; the client is the same for both and sends and receives in blocks
(`benchmarks/client.py`). Cella runs as `cella serve` does by default: SQLite and disk, every
upload hashed with SHA-256 and durable before its answer, and logs warnings only. nginx is
Debian's nginx-light with two workers and no access log; it neither hashes nor waits for the disk.
Each measure begins on an idle server, with the background work of the one before done.

"""


def main(arguments: list[str]) -> int:
    """Run the named measures, or all."""
    names = [name for name in arguments if not name.startswith("-")] or list(_MEASURES)
    unknown = [name for name in names if name not in _MEASURES]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(_MEASURES)}", file=sys.stderr)
        return 2
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="cella-bench-", ignore_cleanup_errors=True) as folder:
        measures.room(Path(folder))
        Path(folder).chmod(0o755)
        for name in names:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            (Path(folder) / name).mkdir()
            results += _MEASURES[name](Path(folder) / name)
    report = table(results)
    print(report)
    if "--write" in arguments:
        _REPORT.write_text(_HEAD.format(machine=machine()) + report)
    return 0 if all(result.met for result in results) else 1


sys.exit(main(sys.argv[1:]))
