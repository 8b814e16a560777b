"""Reasons in words: what a feature is called, what its value reads like, and which way it moved a score.

The words follow from the feature's name (`view__what_window`, with units at the end), so that a new feature needs none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from rapport.decisions.record import Reason

__all__ = ["phrase_of", "reason_of", "value_text"]

_WINDOW = re.compile(r"_(\d+)([smhd])(?=_|$)")
_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_SINCE = re.compile(r"^since_(?P<what>.+)_s$")
_UNIT = re.compile(r"_(s|micros)(?=_|$)")
_SHARE = re.compile(r"(^|_)share(_|$)")
_RENAMED = {
    "recency_s": "time since the last order",
    "frequency": "orders ever",
    "monetary_micros": "spent ever",
    "open_tickets": "open tickets",
}


def reason_of(model: str, feature: str, contribution: float, value: float | None) -> Reason:
    """A feature's part in a model's score, in words.

    Args:
        contribution: in log-odds.
        value: the feature's; None: not known.
    """
    verb = "raises" if contribution > 0 else "lowers"
    text = f"{phrase_of(feature)}: {value_text(feature, value)} ({verb} {model.replace('_', ' ')})"
    return Reason(model, feature, value, contribution, text)


@lru_cache(maxsize=1_024)
def phrase_of(name: str) -> str:
    """A feature's full name in words: `carts__cart_adds_1d` reads "cart adds in the last day"."""
    short = name.partition("__")[2] or name
    if short in _RENAMED:
        return _RENAMED[short]
    window = _WINDOW.search(short)
    tail = f" in the last {_length(int(window[1]), window[2])}" if window else ""
    bare = _WINDOW.sub("", short) if window else short
    since = _SINCE.match(bare)
    if since:
        return f"time since the last {since['what'].replace('_', ' ')}"
    words = _UNIT.sub("", bare).replace("_", " ")
    for ending, prefix in ((" mean", "mean "), (" max", "highest "), (" min", "lowest "), (" last", "last ")):
        if words.endswith(ending):
            words = prefix + words.removesuffix(ending)
    if words.endswith(" std"):
        words = "spread of " + words.removesuffix(" std")
    return words + tail


def value_text(name: str, value: float | None) -> str:
    """A value as people read it, by the unit in the feature's name."""
    return "not known" if value is None else _writer_of(name)(value)


@lru_cache(maxsize=1_024)
def _writer_of(name: str) -> Callable[[float], str]:
    """What writes the values of a feature."""
    short = name.partition("__")[2] or name
    if "_micros" in short:
        return lambda value: f"{value / 1e6:,.2f}"
    if short.endswith("_s") or "_time_s_" in short:
        return _duration
    if _SHARE.search(short):
        return lambda value: f"{value:.0%}"
    return lambda value: f"{value:,.0f}" if value == int(value) else f"{value:.2f}"


def _length(count: int, unit: str) -> str:
    word = _UNITS[unit]
    return word if count == 1 else f"{count} {word}s"


def _duration(seconds: float) -> str:
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {word}{'' if count == 1 else 's'}"
    return f"{seconds:.0f} s"
