"""Auditing a topic of the archive: time and memory, beside DuckDB's own summary of the same columns.

Five million clicks of 30 days; the audit looks at the last one and at the 28 before it. The peer is DuckDB's
`SUMMARIZE` of the same rows, with the same memory limit: least, greatest, quartiles, distinct values and nulls of each
column, and neither days, shapes, repeats nor judgement. Each in a process of its own, whose memory is its peak.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.frame import Measurement
from rapport.archive import Archive, arrow_schema
from rapport.archive.rewriting import sorting
from rapport.archive.sql import relation
from rapport.audit.judge import judge
from rapport.audit.scan import scan
from rapport.audit.span import Span
from rapport.testing.weeks import TOPIC, UNTIL_US, fill

__all__ = ["measure"]

_ROWS_A_DAY = 180_000


def measure(quick: bool) -> list[Measurement]:
    """Seconds of the clock and of the processor, and peak memory, of one audit and one summary in turn."""
    with tempfile.TemporaryDirectory(prefix="rapport-audit-") as folder:
        fill(Archive(Path(folder)), rows=_ROWS_A_DAY // (10 if quick else 1))
        tries = [(_run("audit", folder), _run("summary", folder)) for _ in range(3)]
    ours, theirs = ({key: min(one[i][key] for one in tries) for key in tries[0][i]} for i in (0, 1))
    note = f"{ours['rows'] / 1e6:.1f} million events in the archive; the best of three runs in turn"
    units = {"seconds": "s", "processor": "s of processor", "memory": "MB"}
    return [
        Measurement(
            name=f"one audit: {key}",
            unit=unit,
            value=ours[key],
            samples=3,
            better="lower",
            peer="DuckDB SUMMARIZE",
            peer_value=theirs[key],
            note=note,
        )
        for key, unit in units.items()
    ]


def _run(what: str, folder: str) -> dict[str, float]:
    argv = [sys.executable, "-m", "benchmarks.audit", what, folder]
    ended = subprocess.run(argv, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(ended.stdout)
    return found


def _audit(archive: Archive) -> int:
    profile = scan(archive, TOPIC, Span(UNTIL_US))
    judge(profile)
    return int(profile.rows.sum())


def _summary(archive: Archive) -> int:
    with archive.snapshot(TOPIC) as snapshot, sorting() as connection:
        found = connection.execute(f"SUMMARIZE {relation(snapshot, arrow_schema(TOPIC))}").fetchall()
    return int(found[0][-2])


def _main() -> None:
    """Do one of them in this process, and print what it took."""
    import resource
    import time

    archive = Archive(Path(sys.argv[2]))
    started, worked = time.perf_counter(), time.process_time()
    rows = {"audit": _audit, "summary": _summary}[sys.argv[1]](archive)
    took = {"seconds": time.perf_counter() - started, "processor": time.process_time() - worked, "rows": rows}
    took["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps(took))


if __name__ == "__main__":
    _main()
