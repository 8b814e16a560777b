"""Drift in figures for Prometheus: a text file that the service's /metrics appends to its own.

A file, not a port: it costs no socket, it is there between two reports, and after a restart it says what it said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from monitoring.state import State

__all__ = ["METRICS_FILE", "write_metrics"]

METRICS_FILE = "metrics.prom"
"""Name of the file in `<data_dir>/reports`, in Prometheus's text format; replaced whole."""


def write_metrics(folder: Path, state: State) -> None:
    """Write the figures of every model into `<data_dir>/reports`."""
    folder.mkdir(parents=True, exist_ok=True)
    registry = CollectorRegistry()
    registry.register(_Figures(state))
    write_to_textfile(str(folder / METRICS_FILE), registry)


class _Figures:
    """A collector in prometheus_client's sense: state as metrics."""

    def __init__(self, state: State) -> None:
        self._models = dict(sorted(state.models.items()))

    def collect(self) -> Iterator[Metric]:
        """Gauges of the newest reports, and counters since monitoring began."""
        reported = {name: one for name, one in self._models.items() if one.last_report_us is not None}
        yield _gauge(
            "share", "Share of the champion's features that drifted", {m: o.share for m, o in reported.items()}
        )
        yield _gauge("rows", "Decisions in the report's window", {m: o.rows for m, o in reported.items()})
        yield _gauge(
            "score_psi", "Population stability index of the score", {m: o.score_psi for m, o in reported.items()}
        )
        yield _gauge(
            "last_report_timestamp_seconds",
            "When the newest report was made",
            {m: (o.last_report_us or 0) / 1e6 for m, o in reported.items()},
        )
        yield _gauge(
            "last_retrain_timestamp_seconds",
            "When drift last started a retraining",
            {m: o.last_retrain_us / 1e6 for m, o in self._models.items() if o.last_retrain_us is not None},
        )
        yield self._reports()
        yield self._retrainings()

    def _reports(self) -> Metric:
        family = CounterMetricFamily("rapport_drift_reports", "Drift reports", labels=["model", "outcome"])
        for model, one in self._models.items():
            family.add_metric([model, "made"], one.reports)
            family.add_metric([model, "failed"], one.failures)
        return family

    def _retrainings(self) -> Metric:
        text = "Retrainings that drift started"
        family = CounterMetricFamily("rapport_drift_retrainings", text, labels=["model", "outcome"])
        for model, one in self._models.items():
            for outcome in ("promoted", "refused", "failed"):
                family.add_metric([model, outcome], one.retrainings.get(outcome, 0))
        return family


def _gauge(name: str, text: str, values: Mapping[str, float | None]) -> Metric:
    family = GaugeMetricFamily(f"rapport_drift_{name}", text, labels=["model"])
    for model, value in values.items():
        if value is not None:
            family.add_metric([model], value)
    return family
