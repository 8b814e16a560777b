"""docs/monitoring.md: what each panel of the dashboards shows of an installation under a small load.

python -m tests.metrics --seconds 60
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from rapport.settings import disable_telemetry
from rapport.testing.prometheus import PrometheusServer
from tests.metrics.dashboards import Question, dashboards, questions
from tests.metrics.watched import INTERVAL, watched
from tests.source_tree import ROOT

_MOST = 6
"""Series of a query that are shown."""
_INTRO = """\
# What the dashboards show

<!-- written by `python -m tests.metrics` -->

Each query of the dashboards in `deploy/grafana/`, as a Prometheus answered it after an installation had lived through
{seconds:g} s of a simulated world of {customers:,} customers, at 3,600 world seconds a second, on a busy machine with
two cores. What the queries mean is in [metrics](metrics.md). Of more than {most} series, the {most} greatest are shown.
"""


def _scaled(value: float, steps: list[tuple[float, str]]) -> str:
    size, unit = next((step for step in steps if abs(value) >= step[0]), steps[-1])
    return f"{value / size:,.3g} {unit}".strip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


_FORMATS: dict[str, Callable[[float], str]] = {
    "s": lambda value: _scaled(value, [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"), (1e-3, "ms")]),
    "bytes": lambda value: _scaled(value, [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")]),
    "percentunit": lambda value: f"{value:.1%}",
    "cps": lambda value: f"{_number(value)}/s",
    "reqps": lambda value: f"{_number(value)}/s",
    "short": _number,
    "bool": lambda value: "yes" if value else "no",
}


def _answers(prometheus: PrometheusServer, question: Question) -> Iterator[str]:
    found = [(float(series["value"][1]), series["metric"]) for series in prometheus.ask(question.expression)]
    known = sorted(((value, labels) for value, labels in found if not math.isnan(value)), key=lambda pair: -pair[0])
    for value, labels in known[:_MOST]:
        legend = question.legend
        for name, text in labels.items():
            legend = legend.replace("{{" + name + "}}", text)
        name = " ".join(word for word in legend.split() if "{{" not in word) or "none"
        yield f"{name}: {_FORMATS[question.unit](value)}"


def _page(prometheus: PrometheusServer, seconds: float, customers: int) -> str:
    lines = [_INTRO.format(seconds=seconds, customers=customers, most=_MOST)]
    names = dashboards()
    for dashboard, asked in groupby(questions(INTERVAL), key=lambda question: question.dashboard):
        lines += [f"## {names[dashboard]['title']}\n", "| panel | shows |", "|---|---|"]
        for panel, some in groupby(asked, key=lambda question: question.panel):
            shown = [answer for question in some for answer in _answers(prometheus, question)]
            lines.append(f"| {panel} | {'; '.join(shown) or 'nothing'} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    options = argparse.ArgumentParser(description="Write docs/monitoring.md.")
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--customers", type=int, default=1_000)
    given = options.parse_args()
    disable_telemetry()
    with (
        tempfile.TemporaryDirectory(prefix="rapport-metrics-") as folder,
        watched(Path(folder), given.seconds, given.customers) as seen,
    ):
        page = _page(seen.prometheus, given.seconds, given.customers)
    (ROOT / "docs" / "monitoring.md").write_text(page)


if __name__ == "__main__":
    main()
