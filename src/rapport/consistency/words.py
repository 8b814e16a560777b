"""What a report says beside its figures, in sentences."""

from __future__ import annotations

from rapport.consistency.report import ConsistencyReport

__all__ = ["notes"]


def notes(report: ConsistencyReport) -> list[str]:
    """What was left out, how long events were in flight, and where to look."""
    lines = []
    if report.apart:
        lines.append("nothing to compare: " + ", ".join(f"{why} {n:,}" for why, n in report.apart.items()))
    if report.not_replayed:
        lines.append(f"pushed, not computed, so not replayed: {', '.join(report.not_replayed)}")
    if report.waited_ms:
        most, median = report.waited_ms
        lines.append(
            f"in flight: {median:,.1f} ms in the median, {most:,.1f} ms at most; {report.in_flight_ms:,g} are allowed"
        )
    if report.unexplained:
        ids = dict.fromkeys(example for feature in report.features for example in feature.examples)
        lines.append(f"unexplained values: {report.unexplained:,}, as in decisions {', '.join(list(ids)[:5])}")
    return lines
