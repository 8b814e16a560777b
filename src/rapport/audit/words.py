"""Figures and sentences of findings, for people."""

from __future__ import annotations

import math

from rapport.audit.findings import Check

__all__ = ["advice_on", "number", "percent", "times"]

_ADVICE: dict[tuple[str, str], str] = {
    ("missing", "missing"): "Ask the producer whether the field was renamed or dropped; history will lack it.",
    ("missing", "refused"): "`rapport deadletters list --topic {topic} --reason {reason}` shows them; tell the producer, "
    "mend with `retry --set`, and send again.",
    ("formats", "refused"): "`rapport deadletters list --topic {topic} --reason {reason}` shows them; tell the producer "
    "what changed, mend and send again.",
    ("formats", "new_shape"): "Ask the producer whether ids are made differently now: joins with older ones may fail.",
    ("formats", "shape"): "Ask the producer whether ids are made differently now: joins with older ones may fail.",
    ("formats", "new_value"): "If the value is meant, nothing; else tell the producer: features by value do not know it.",
    ("formats", "value"): "See whether one producer sends more or less than it did; if it is meant, nothing.",
    ("formats", "spelling"): "Have the producers agree on one spelling: each counts as a value of its own.",
    ("duplicates", "refused"): "A producer sends again what was accepted: features are right, the producer wastes work.",
    ("duplicates", "repeats"): "Stop the producer from sending again, then `rapport archive dedupe {topic}`: features "
    "count them twice.",
    ("duplicates", "conflicts"): "Two events share an id: have the producer make ids that are never used again.",
    ("duplicates", "twins"): "One event seems to be sent under several ids: the id must be made once, and kept on retries.",
    ("late", ""): "See whether a producer was offline or holds events back; features count them when they come.",
    ("future", "ahead"): "A producer's clock is ahead: have it set by NTP. Events are clamped to their arrival.",
    ("future", "refused"): "A producer's clock is minutes ahead: set it, then `rapport deadletters retry --reason "
    "future_event`.",
    ("volume", ""): "See `rapport status` and the producers: is one down, or sending twice? If it is meant, nothing.",
    ("ranges", ""): "Ask the producer whether the unit or the source has changed; models see values they never learned.",
}


def advice_on(check: Check, what: str, topic: str) -> str:
    """What to do about a finding; `what` may go on after a colon: `refused:bad_json`."""
    kind, _, reason = what.partition(":")
    text = _ADVICE.get((check, kind)) or _ADVICE[check, ""]
    return text.replace("{topic}", topic).replace("{reason}", reason)


def percent(share: float) -> str:
    """A share for people; what is not quite nothing or all never shows as that."""
    value = share * 100
    if 0 < value < 0.01:
        return "under 0.01 %"
    if 99.99 < value < 100:
        return "over 99.99 %"
    return f"{value:.1f} %" if value >= 10 else f"{value:.2f} %" if value else "0 %"


def number(value: float) -> str:
    """A figure for people."""
    if not math.isfinite(value):
        return "-"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def times(now: float, before: float) -> str:
    """How now compares with before: `60.0 % less`, `3.2 times as much`."""
    if not before:
        return "where there was none"
    ratio = now / before
    return f"{ratio:.1f} times as much" if ratio >= 2 else f"{percent(abs(ratio - 1))} {'more' if ratio > 1 else 'less'}"
