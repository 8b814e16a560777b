"""`make chaos`: a long trial, its progress, and a report in .cache/chaos.json.

python -m tests.chaos --kills 200 --events 2000000 --seed 1
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from math import inf
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from rapport.settings import disable_telemetry
from tests.chaos.trial import Report, judge, trial
from tests.telling import teller

_REPORT = Path(".cache") / "chaos.json"


def main() -> int:
    disable_telemetry()
    asked = _arguments()
    say = teller()
    folder = Path(tempfile.mkdtemp(prefix="rapport-chaos-"))
    say(f"seed {asked.seed}, {asked.kills} kills, {asked.events:,} events, in {folder}")
    faults = max(1, asked.kills // 25)
    with trial(
        folder,
        seed=asked.seed,
        kills=asked.kills,
        events=asked.events,
        redis_faults=faults,
        say=say,
        longest_s=60 * asked.minutes,
    ) as run:
        report = judge(run, folder, sample=asked.sample, replays=3, say=say)
    _show(report)
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_bytes(msgspec.json.format(msgspec.json.encode(report.as_dict())))
    say(f"the report is {asked.report}")
    return 1 if report.findings else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="kill -9 of the flow")
    parser.add_argument("--events", type=int, default=2_000_000, help="good events; repeats and bad ones come on top")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--minutes", type=float, default=inf, help="bring the run to its end after this time")
    parser.add_argument("--sample", type=int, default=2_000, help="customers that are held against the naive oracle")
    parser.add_argument("--report", type=Path, default=_REPORT)
    return parser.parse_args()


def _show(report: Report) -> None:
    table = Table(show_header=False)
    for name, value in report.as_dict().items():
        shown = ", ".join(f"{key} {n:,}" for key, n in value.items()) if isinstance(value, dict) else value
        if name != "findings":
            table.add_row(name.replace("_", " "), f"{shown:,}" if isinstance(shown, int | float) else str(shown))
    table.add_row("lost, doubled or wrong", "nothing" if not report.findings else "\n".join(report.findings))
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
