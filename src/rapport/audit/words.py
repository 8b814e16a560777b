"""Figures and sentences of findings, for people."""

from __future__ import annotations

import math

from rapport.audit.findings import Check

__all__ = ["advice_on", "number", "percent", "times"]

_LETTERS = (
    "`rapport deadletters list{of_topic} --reason {reason}` shows them: tell the producer, mend them with "
    "`rapport deadletters retry --set`, and send them again."
)
_SHAPES = "Ask the producer whether it is made differently now: joins with older values may fail."
_ADVICE = {
    "missing/missing": "Ask the producer whether the field was renamed or dropped; history will lack it.",
    "missing/refused": _LETTERS,
    "formats/refused": _LETTERS,
    "formats/new_shape": _SHAPES,
    "formats/shape": _SHAPES,
    "formats/new_value": "If the value is meant, nothing; else tell the producer: no feature knows it.",
    "formats/value": "See whether one producer sends more or less than it did; if it is meant, nothing.",
    "formats/spelling": "Have the producers agree on one spelling: each counts as a value of its own.",
    "duplicates/refused": "A producer sends again what was accepted; it is counted once, and costs work.",
    "duplicates/repeats": "Stop what sends them again, then `rapport archive dedupe`: features count them twice.",
    "duplicates/conflicts": "Two events share an id: have the producer make ids that are never used again.",
    "duplicates/twins": "One event seems to have several ids: make the id once, and keep it on retries.",
    "late": "See whether a producer was offline or holds events back; features count them when they come.",
    "future/ahead": "A producer's clock is ahead: have it set by NTP. Events are clamped to their arrival.",
    "future/refused": "A producer's clock is minutes ahead: set it, and `rapport deadletters retry` its events.",
    "volume": "See `rapport status` and the producers: is one down, or sending twice? If it is meant, nothing.",
    "ranges": "Ask the producer whether unit or source has changed; models see values they never learned.",
}


def advice_on(check: Check, what: str, topic: str) -> str:
    """What to do about a finding; `what` may go on after a colon: `refused:bad_json`. No topic: letters elsewhere."""
    kind, _, reason = what.partition(":")
    text = _ADVICE.get(f"{check}/{kind}") or _ADVICE[check]
    return text.replace("{of_topic}", f" --topic {topic}" if topic else "").replace("{reason}", reason)


def percent(share: float) -> str:
    """A share for people; what is not quite nothing or all never shows as that."""
    value = share * 100
    if value in (0, 100):
        return f"{value:.0f} %"
    if 0 < value < 0.01:
        return "under 0.01 %"
    if 99.99 < value < 100:
        return "over 99.99 %"
    return f"{value:.1f} %" if 10 <= value < 99.9 else f"{value:.2f} %"


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
    return (
        f"{ratio:.1f} times as much" if ratio >= 2 else f"{percent(abs(ratio - 1))} {'more' if ratio > 1 else 'less'}"
    )
