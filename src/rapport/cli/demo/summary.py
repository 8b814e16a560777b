"""The demo's figures, as rows for people and as one document for machines."""

from __future__ import annotations

from typing import Any

from rapport.cli.demo.measures import Measures, percentile

__all__ = ["as_dict", "rows"]


def rows(measures: Measures) -> list[tuple[str, str]]:
    """What was measured, in words and figures."""
    fresh, latencies = measures.freshness_ms, measures.latencies_ms
    shown = [
        ("history into readable features", f"{measures.history_events / max(measures.history_s, 1e-9):,.0f} events/s"),
        ("first decision after the start", _seconds(measures.first_decision_s)),
        ("training, gate and promotion", _seconds(measures.champions_s)),
        ("event to readable feature", f"p50 {_ms(fresh, 50)}, p99 {_ms(fresh, 99)} ({len(fresh)} probes)"),
        ("decision over HTTP", f"p50 {_ms(latencies, 50)}, p99 {_ms(latencies, 99)}"),
        ("decisions asked", f"{measures.decisions:,}"),
        ("failed requests", f"{measures.failed:,}"),
    ]
    for name, versions in sorted(measures.versions.items()):
        counted = ", ".join(f"{count:,} by version {version}" for version, count in versions.items())
        shown.append((f"decisions with {name}", counted))
    if measures.promoted:
        shown.append(
            ("promoted after drift", ", ".join(f"{name} {version}" for name, version in measures.promoted.items()))
        )
    if measures.report:
        shown.append(("drift report", measures.report))
    return shown


def as_dict(measures: Measures) -> dict[str, Any]:
    fresh, latencies = measures.freshness_ms, measures.latencies_ms
    return {
        "history_events": measures.history_events,
        "history_events_per_s": measures.history_events / max(measures.history_s, 1e-9),
        "first_decision_s": measures.first_decision_s,
        "champions_s": measures.champions_s,
        "event_to_readable_ms": {"p50": percentile(fresh, 50), "p99": percentile(fresh, 99), "probes": len(fresh)},
        "decision_ms": {"p50": percentile(latencies, 50), "p99": percentile(latencies, 99)},
        "decisions": measures.decisions,
        "failed": measures.failed,
        "versions": {name: dict(versions) for name, versions in measures.versions.items()},
        "firings": measures.firings,
        "promoted": measures.promoted,
        "drift_report": measures.report,
        "addresses": dict(measures.addresses),
    }


def _ms(values: list[float], percent: float) -> str:
    value = percentile(values, percent)
    return "-" if value is None else f"{value:.1f} ms"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"
