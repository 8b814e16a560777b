"""One drift report: Evidently compares binned columns; HTML, JSON and the workspace keep what it found.

Evidently takes ten seconds to import, when a report is made: in a process of its own (`monitoring.child`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from monitoring.align import SCORE, Aligned, align
from monitoring.bins import Floats
from monitoring.subject import Subject
from monitoring.summary import ColumnDrift, Summary
from monitoring.workspace import SCORE_VALUE, add_run
from rapport.clock import from_us
from rapport.files import write_whole

if TYPE_CHECKING:
    from evidently import Run

__all__ = ["KEPT_PAGES", "PSI_THRESHOLD", "compare", "make_report"]

PSI_THRESHOLD = 0.1
"""From here a column counts as drifted: the usual mark of a change worth looking at, half a standard deviation or less.
benchmarks/drift_alarms.py measures what it finds and how often it is wrong."""
KEPT_PAGES = 50
"""Newest HTML pages that a model keeps, four megabytes each; the JSON files stay."""


def make_report(subject: Subject, data_dir: Path, now_us: int) -> Summary:
    """Compare; write `reports/<model>/<time>.{html,json}` and add to the workspace `evidently`, both in data_dir."""
    aligned = align(subject.reference, subject.current, subject.manifest.feature_names)
    run = compare(aligned, subject, now_us)
    folder = data_dir / "reports" / subject.manifest.name
    page = folder / f"{from_us(now_us):%Y-%m-%dT%H-%M-%S.%fZ}.html"
    summary = _summary(subject, aligned, _indices(run), page, now_us)
    write_whole(page, run.get_html_str(as_iframe=False).encode())
    write_whole(page.with_suffix(".json"), _document(summary, run))
    add_run(data_dir / "evidently", subject.manifest.name, run)
    for old in sorted(folder.glob("*.html"))[:-KEPT_PAGES]:
        old.unlink()
    return summary


def compare(aligned: Aligned, subject: Subject, now_us: int) -> Run:
    """Evidently's report: drift of each feature and of the score, rows, and the score's mean."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.core.container import MetricOrContainer
    from evidently.metrics import MeanValue, RowCount, ValueDrift
    from evidently.presets import DataDriftPreset

    metrics: list[MetricOrContainer] = [
        DataDriftPreset(columns=list(aligned.features), cat_method="psi", cat_threshold=PSI_THRESHOLD),
        RowCount(),
    ]
    before, now, numbers = aligned.reference, aligned.current, []
    if SCORE in aligned.columns:
        before, now = (
            frame.assign(**{SCORE_VALUE: raw}) for frame, raw in zip((before, now), aligned.raw[SCORE], strict=True)
        )
        metrics += [ValueDrift(column=SCORE, method="psi", threshold=PSI_THRESHOLD), MeanValue(column=SCORE_VALUE)]
        numbers = [SCORE_VALUE]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=list(aligned.columns))
    return Report(metrics).run(
        Dataset.from_pandas(now, data_definition=definition),
        Dataset.from_pandas(before, data_definition=definition),
        timestamp=from_us(now_us),
        name=f"{subject.manifest.name} {subject.manifest.version}",
        metadata={"version": subject.manifest.version},
        tags=[subject.manifest.version],
    )


def _indices(run: Run) -> dict[str, float]:
    """Column to population stability index, as Evidently has computed them."""
    found = (metric for metric in run.dict()["metrics"] if metric["config"]["type"].endswith(":ValueDrift"))
    return {metric["config"]["column"]: float(metric["value"]) for metric in found}


def _summary(subject: Subject, aligned: Aligned, indices: dict[str, float], page: Path, now_us: int) -> Summary:
    columns = {name: _column(aligned, name, indices[name]) for name in aligned.columns}
    score = columns.pop(SCORE, None)
    return Summary(
        model=subject.manifest.name,
        version=subject.manifest.version,
        time_us=now_us,
        since_us=subject.since_us,
        until_us=subject.until_us,
        rows=subject.rows,
        excluded=subject.excluded,
        compared=len(aligned.current),
        reference_rows=len(aligned.reference),
        threshold=PSI_THRESHOLD,
        columns=tuple(columns.values()),
        score=score,
        html=str(page),
        json=str(page.with_suffix(".json")),
    )


def _column(aligned: Aligned, name: str, psi: float) -> ColumnDrift:
    before, now = aligned.raw[name]
    missing_reference, missing_current = aligned.missing(name)
    return ColumnDrift(
        name=name,
        psi=psi,
        drifted=psi >= PSI_THRESHOLD,
        mean_reference=_mean(before),
        mean_current=_mean(now),
        missing_reference=missing_reference,
        missing_current=missing_current,
    )


def _mean(values: Floats) -> float | None:
    seen = values[np.isfinite(values)]
    return float(seen.mean()) if len(seen) else None


def _document(summary: Summary, run: Run) -> bytes:
    found = {"share": summary.share, "drifted": summary.drifted, **msgspec.to_builtins(summary)}
    return msgspec.json.encode({"summary": found, "evidently": json.loads(run.json())})
