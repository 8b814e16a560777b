"""What an audit counts, computed the plain way: a list of events, loops, and the definitions word for word."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from typing import Any

from rapport.audit.profile import DAYS
from rapport.audit.span import DAY_US, HOUR_US, Span

__all__ = ["Event", "counts", "days_known", "duplicates", "quantile", "shape", "texts"]

Event = dict[str, Any]
"""A row of the archive's columns; times in microseconds."""


def day_of(event: Event, span: Span) -> int | None:
    for day in range(DAYS):
        if span.since_us - day * DAY_US <= event["arrival_time"] < span.until_us - day * DAY_US:
            return day
    return None


def counts(events: list[Event], span: Span, late_us: int, fields: list[str]) -> dict[str, Any]:
    """Rows by day and by hour, late ones, ahead ones, and those without each field."""
    found: dict[str, Any] = {name: [0] * DAYS for name in ("rows", "late", "ahead", *fields)}
    found["hours"] = [[0] * span.hours for _ in range(DAYS)]
    for event in events:
        day = day_of(event, span)
        if day is None:
            continue
        found["rows"][day] += 1
        found["hours"][day][(event["arrival_time"] - (span.since_us - day * DAY_US)) // HOUR_US] += 1
        found["late"][day] += event["arrival_time"] - event["event_time"] > late_us
        found["ahead"][day] += event["claimed_time"] is not None
        for name in fields:
            found[name][day] += event[name] is None
    return found


def days_known(events: list[Event], span: Span) -> int:
    """Days of history whose whole window is after the first arrival."""
    first = min((event["arrival_time"] for event in events if event["arrival_time"] < span.until_us), default=None)
    if first is None:
        return 0
    return sum(span.since_us - day * DAY_US >= first for day in range(1, DAYS))


def duplicates(events: list[Event], span: Span) -> dict[str, list[int]]:
    """Rows that came before under their id, alike or not, and rows that came before under another id."""
    found = {name: [0] * DAYS for name in ("repeats", "conflicts", "twins")}
    looked = [event for event in events if span.first_us <= event["arrival_time"] < span.until_us]
    looked.sort(key=lambda event: event["arrival_time"])
    by_id, by_contents = defaultdict[str, list[Any]](list), defaultdict[Any, list[str]](list)
    for event in looked:
        apart = ("event_id", "event_time", "claimed_time", "arrival_time")
        claimed = event["event_time"] if event["claimed_time"] is None else event["claimed_time"]
        contents = (claimed, *(event[name] for name in sorted(event) if name not in apart))
        day = day_of(event, span)
        before, ids = by_id[event["event_id"]], by_contents[contents]
        kinds = {
            "repeats": contents in before,
            "conflicts": bool(before) and contents not in before,
            "twins": bool(ids) and event["event_id"] not in ids,
        }
        for kind, is_one in kinds.items():
            if is_one and day is not None:
                found[kind][day] += 1
        before.append(contents)
        ids.append(event["event_id"])
    return found


def texts(events: list[Event], span: Span, name: str) -> Counter[tuple[str, int]]:
    """How often each value of a field came on each day."""
    days = ((event[name], day_of(event, span)) for event in events if event[name] is not None)
    return Counter((str(value), day) for value, day in days if day is not None)


def quantile(values: list[float], share: float) -> float:
    """The least value that `share` of the values are at or below."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def shape(text: str) -> str:
    """The shape of a text, sign by sign."""
    if text and all(sign in "0123456789" for sign in text):
        return "9"
    spaces = " \t\n\v\f\r"
    if all(sign in spaces.replace("\v", "") for sign in text):
        return "blank"
    hexadecimal = "0123456789abcdefABCDEF"
    parts = text.split("-")
    if [len(part) for part in parts] == [8, 4, 4, 4, 12] and all(
        sign in hexadecimal for part in parts for sign in part
    ):
        return "uuid"
    if re.fullmatch(r"[^@ \t\n\f\r]+@[^@ \t\n\f\r]+\.[^@ \t\n\f\r]+", text):
        return "email"
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}[^\n]*", text):
        return "time"
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return "date"
    if re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\n]*", text):
        return "url"
    if text[0] in " \t\n\f\r" or text[-1] in " \t\n\f\r":
        return "padded"
    if len(text) >= 12 and (set(text) <= set("0123456789abcdef") or set(text) <= set("0123456789ABCDEF")):
        return "hex"
    signs = [_sign(letter) for letter in text]
    runs = _joined(signs, f"aA9{_FOREIGN}")
    if len(runs) <= 16:
        return runs
    words = _joined(["w" if sign in "aA9" else sign for sign in signs], f"w{_FOREIGN}")
    return words if len(words) <= 16 else "other"


_FOREIGN = "\x00"
"""What is not ASCII, until the runs are joined: a question mark of the text is none of it."""


def _joined(signs: list[str], runs: str) -> str:
    kept = [sign for i, sign in enumerate(signs) if sign not in runs or i == 0 or signs[i - 1] != sign]
    return "".join(kept).replace(_FOREIGN, "?")


def _sign(letter: str) -> str:
    if "0" <= letter <= "9":
        return "9"
    if "a" <= letter <= "z":
        return "a"
    if "A" <= letter <= "Z":
        return "A"
    return letter if " " <= letter <= "~" else _FOREIGN
