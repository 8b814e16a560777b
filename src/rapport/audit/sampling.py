"""Shapes, values and distributions, of a sample of a topic's rows: what is held does not follow how many there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rapport.archive.repeats import id_of
from rapport.archive.sql import identifier
from rapport.audit.fields import AuditField
from rapport.audit.profile import LATENESS, SHARES, Counted, Numbers, Profile, zeros
from rapport.audit.rows import TopicRows, by_day, thin
from rapport.audit.shapes import shape_sql

__all__ = ["Limits", "look_at_sample"]

_SHOWN_FROM = 5
"""Customers that a value must be of to be told as it is; of fewer its shape is told."""
_LONGEST_LABEL = 40


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is looked at.

    Attributes:
        late_us: from this lateness on a row counts as late.
        now, history: rows of the samples, about.
        ids: rows that are looked at for repeats, about.
        shapes, words: texts of a field that are told apart; a field with more different values has no words.
    """

    late_us: int = 3_600_000_000
    now: int = 250_000
    history: int = 500_000
    ids: int = 5_000_000
    shapes: int = 50
    words: int = 500


def look_at_sample(rows: TopicRows, profile: Profile, limits: Limits) -> None:
    """Fill shapes, words and distributions, of rows that are drawn by a hash of their id."""
    now, before = int(profile.rows[0]), int(profile.rows[1:].sum())
    key = identifier(id_of(rows.topic))
    shares = (min(1.0, limits.now / max(now, 1)), min(1.0, limits.history / max(before, 1)))
    day = rows.day
    columns = "".join(f", {field.sql} AS {identifier(field.name)}" for field in rows.fields)
    lateness = f", {rows.late} / 1e6 AS {LATENESS}" if rows.arrives else ""
    rows.make(
        "sample",
        f"SELECT {day} AS day{columns}{lateness} FROM {rows.rows()} "  # noqa: S608
        f"AND CASE {day} WHEN 0 THEN {thin(key, shares[0])} ELSE {thin(key, shares[1])} AND {day} IS NOT NULL END",
    )
    profile.sampled = by_day(rows.ask("SELECT day, count(*) FROM sample GROUP BY day"))
    for field in rows.fields:
        if field.kind in ("id", "word"):
            _texts(rows, profile, field, limits)
    for name, numbers in profile.numbers.items():
        _distribution(rows, identifier(name), numbers)


def _texts(rows: TopicRows, profile: Profile, field: AuditField, limits: Limits) -> None:
    name = identifier(field.name)
    rows.make(
        "texts",
        f"SELECT {name} AS name, day, count(*) AS rows FROM sample "  # noqa: S608
        f"WHERE {name} IS NOT NULL GROUP BY ALL",
    )
    rows.make(
        "shaped",
        "SELECT shape AS name, day, CAST(sum(rows) AS BIGINT) AS rows "  # noqa: S608
        f"FROM texts JOIN (SELECT name, {shape_sql('name')} AS shape FROM (SELECT DISTINCT name FROM texts)) "
        "USING (name) GROUP BY ALL",
    )
    profile.shapes[field.name] = _counted(rows, "shaped", limits.shapes)
    if field.kind == "word":
        words = _counted(rows, "texts", limits.words)
        if words.complete:
            words.labels = _labels(rows, name, words.names)
            profile.words[field.name] = words


def _counted(rows: TopicRows, table: str, most: int) -> Counted:
    """The texts of history, and as many new ones; of a table (name, day, rows)."""
    past = rows.ask(
        f"SELECT name, sum(rows) AS rows FROM {table} WHERE day > 0 GROUP BY name "  # noqa: S608 - a table of ours
        f"ORDER BY rows DESC, name LIMIT {most + 1}"
    )
    complete = len(past) <= most
    names = [name for name, _ in past[:most]]
    if complete:
        names += [
            name
            for (name,) in rows.ask(
                f"SELECT name FROM {table} WHERE day = 0 AND name NOT IN (SELECT name FROM {table} WHERE day > 0) "  # noqa: S608
                f"ORDER BY rows DESC, name LIMIT {most}"
            )
        ]
    rare = f"SELECT count(*) FROM (SELECT name FROM {table} WHERE day > 0 GROUP BY name HAVING sum(rows) = 1)"  # noqa: S608
    counted = Counted(names, names, zeros(len(names)), complete, int(rows.ask(rare)[0][0]))
    places = {name: i for i, name in enumerate(names)}
    chosen = f"SELECT name, day, rows FROM {table} WHERE name IN (SELECT unnest(?))"  # noqa: S608 - a table of ours
    for name, day, events in rows.ask(chosen, names):
        counted.counts[day, places[name]] = events
    whole = by_day(rows.ask(f"SELECT day, sum(rows) FROM {table} GROUP BY day"))  # noqa: S608 - a table of ours
    counted.left_out = whole - counted.counts.sum(axis=1)
    return counted


def _labels(rows: TopicRows, name: str, words: list[str]) -> list[str]:
    """How values are told: as they are where enough customers have them, else by their shape."""
    told = rows.ask(
        f"SELECT {name} AS text, count(DISTINCT customer_id) >= {_SHOWN_FROM}, {shape_sql(name)} FROM sample "  # noqa: S608
        f"WHERE {name} IN (SELECT unnest(?)) GROUP BY ALL",
        words,
    )
    labels = {word: _label(word) if many else f"\u2039{shape}\u203a" for word, many, shape in told}
    return [labels[word] for word in words]


def _distribution(rows: TopicRows, name: str, numbers: Numbers) -> None:
    for days, quantiles in (("day = 0", numbers.now), ("day > 0", numbers.before)):
        (found,) = rows.ask(f"SELECT quantile_disc({name}, {list(SHARES)}) FROM sample WHERE {days}")[0]  # noqa: S608
        if found is not None:
            quantiles[:] = found
    low, *quarters, high = numbers.before.tolist()
    if np.isnan(low):
        numbers.given[:] = by_day(rows.ask(f"SELECT day, count({name}) FROM sample GROUP BY day"))  # noqa: S608
        return
    half = quarters[1]
    least, greatest = float(np.nanmin(numbers.least[1:])), float(np.nanmax(numbers.greatest[1:]))
    found = rows.ask(
        f"SELECT day, count({name}), count(*) FILTER ({name} < {low!r}), count(*) FILTER ({name} > {high!r}), "  # noqa: S608
        f"count(*) FILTER ({name} < {2 * least - half!r} OR {name} > {2 * greatest - half!r}), "
        + ", ".join(f"count(*) FILTER ({name} <= {quarter!r})" for quarter in quarters)
        + " FROM sample GROUP BY day"
    )
    for day, given, lower, higher, beyond, *at_most in found:
        numbers.given[day], numbers.low[day], numbers.high[day] = given, lower, higher
        numbers.beyond[day], numbers.quarters[day] = beyond, at_most


def _label(word: str) -> str:
    """A value for people: one line, not long."""
    plain = "".join(sign if sign.isprintable() else "\ufffd" for sign in word[:_LONGEST_LABEL])
    return plain + ("\u2026" if len(word) > _LONGEST_LABEL else "")
