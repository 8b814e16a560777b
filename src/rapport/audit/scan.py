"""From a topic's archive to its Profile, through DuckDB: everything streams, in a memory that does not follow the rows.

Counts, missing values, lateness and extremes are of all rows, in one pass. Shapes, words and distributions are of a
sample, repeats and twins of some of the ids, where there are too many rows for all; which ones is decided by hashes, so
the same ones are taken each time, and all rows of an id together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from rapport.archive import SOURCE, Archive, Snapshot, stored_schema
from rapport.archive.layout import overlaps
from rapport.archive.repeats import id_of
from rapport.archive.rewriting import sorting
from rapport.archive.sql import identifier, relation
from rapport.audit.fields import AuditField, fields_of
from rapport.audit.profile import DAYS, LATENESS, SHARES, Counted, Counts, Floats, Numbers, Profile, zeros
from rapport.audit.shapes import shape_sql
from rapport.audit.span import DAY_US, HISTORY_DAYS, Span
from rapport.clock import from_us

if TYPE_CHECKING:
    import duckdb

__all__ = ["Limits", "Progress", "scan"]

Progress: TypeAlias = Callable[[str], None]
"""Told what is being done now."""
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


def scan(
    archive: Archive, topic: str, span: Span, limits: Limits | None = None, progress: Progress = lambda text: None
) -> Profile:
    """Count a topic. Readers of the archive never wait for it; an erasure waits until it is done.

    Raises:
        ArchiveError: an unknown topic, or a table that cannot be read.
    """
    limits = limits or Limits()
    profile = Profile(topic, span, hours=zeros(span.hours))
    with archive.snapshot(topic) as snapshot, sorting() as connection:
        files = tuple(path for path in snapshot.files if overlaps(path, None, span.until_us))
        if not files:
            return profile
        connection.execute("SET preserve_insertion_order = false")
        scanner = _Scanner(connection, topic, Snapshot(files, snapshot.schema, snapshot.version), span, limits)
        progress(f"{topic}: counting")
        scanner.count(profile)
        if profile.rows.sum():
            progress(f"{topic}: looking for repeats")
            scanner.repeats(profile)
            progress(f"{topic}: shapes and values")
            scanner.sample(profile)
    return profile


class _Scanner:
    def __init__(
        self, connection: duckdb.DuckDBPyConnection, topic: str, snapshot: Snapshot, span: Span, limits: Limits
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._fields = fields_of(topic)
        self._span = span
        self._limits = limits
        schema = stored_schema(topic)
        self._source = relation(snapshot, schema)
        self._arrives = "arrival_time" in schema.names
        self._arrival = "arrival_time" if self._arrives else "event_time"
        self._time = f"epoch_us({self._arrival})"
        self._late = f"({self._time} - epoch_us(event_time))"

    def _rows(self) -> str:
        """FROM text of the rows from the oldest window to the audited one."""
        first, until = (f"TIMESTAMPTZ '{from_us(us).isoformat()}'" for us in (self._span.first_us, self._span.until_us))
        return f"{self._source} WHERE {self._arrival} >= {first} AND {self._arrival} < {until}"

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(query).fetchall()
        return rows

    def count(self, profile: Profile) -> None:
        numbers = [field for field in self._fields if field.kind in ("number", "length")]
        known = [f"count({field.sql})" for field in self._fields]
        extremes = list(chain.from_iterable((f"min({f.sql})", f"max({f.sql})") for f in numbers))
        late, claimed = self._late, "count(claimed_time)" if self._arrives else "0"
        found = self._ask(
            f"SELECT {self._span.day_sql(self._time)} AS day, {self._span.hour_sql(self._time)} AS hour, count(*), "  # noqa: S608
            f"count(*) FILTER ({late} > {self._limits.late_us}), {claimed}, min({late}), max({late}), "
            f"{', '.join([*known, *extremes])} FROM {self._rows()} GROUP BY ALL"
        )
        profile.known = self._known()
        profile.missing = {field.name: zeros() for field in self._fields}
        ranges = {name: _nothing() for name in [field.name for field in numbers] + [LATENESS] * self._arrives}
        for day, hour, rows, is_late, ahead, least, greatest, *more in found:
            if day is None:
                continue
            profile.rows[day] += rows
            profile.hours[day, hour] += rows
            profile.late[day] += is_late
            profile.ahead[day] += ahead
            for field, given in zip(self._fields, more, strict=False):
                profile.missing[field.name][day] += rows - given
            both = [*zip(*[iter(more[len(self._fields) :])] * 2, strict=True)]
            both += [(least / 1e6, greatest / 1e6)] * self._arrives
            for (low, high), (lows, highs) in zip(both, ranges.values(), strict=True):
                if low is not None:
                    lows[day], highs[day] = np.fmin(lows[day], low), np.fmax(highs[day], high)
        profile.numbers = {name: _numbers(*both) for name, both in ranges.items()}

    def _known(self) -> int:
        """Of how many days the whole window lies after the topic's first arrival."""
        first = f"TIMESTAMPTZ '{from_us(self._span.first_us).isoformat()}'"
        if self._ask(f"SELECT 1 FROM {self._source} WHERE {self._arrival} < {first} LIMIT 1"):  # noqa: S608 - see relation
            return HISTORY_DAYS
        (first_us,) = self._ask(f"SELECT min({self._time}) FROM {self._rows()}")[0]  # noqa: S608 - see relation
        return 0 if first_us is None else int(np.clip((self._span.since_us - first_us) // DAY_US, 0, HISTORY_DAYS))

    def repeats(self, profile: Profile) -> None:
        """Fill repeats, conflicts and twins: of each row hashes of its id, of its contents, and of both."""
        key = identifier(id_of(self._topic))
        apart = {id_of(self._topic), "event_time", "claimed_time", "arrival_time", *SOURCE}
        names = [name for name in stored_schema(self._topic).names if name not in apart]
        claimed = "coalesce(claimed_time, event_time)" if self._arrives else "event_time"
        contents = f"hash(row(epoch_us({claimed}), {', '.join(map(identifier, names))}))"
        total = int(self._ask(f"SELECT count(*) FROM {self._rows()}")[0][0])  # noqa: S608 - see relation
        profile.thinned = min(1.0, self._limits.ids / total)
        make = (
            f"CREATE OR REPLACE TEMP TABLE keys AS SELECT hash({key}) AS id, {contents} AS contents, "  # noqa: S608
            f"{self._time} AS time, {self._span.day_sql(self._time)} AS day FROM {self._rows()} AND "
        )
        self._connection.execute(make + _thin(key, profile.thinned))
        for day, repeats, conflicts in self._ask(_OF_ONE_ID):
            profile.repeats[day], profile.conflicts[day] = repeats, conflicts
        profile.checked = _by_day(self._ask("SELECT day, count(*) FROM keys WHERE day IS NOT NULL GROUP BY day"))
        if profile.thinned < 1:
            # Twins have different ids: which are looked for is for their contents to say.
            self._connection.execute(make + _thin(contents, profile.thinned))
        profile.twins = _by_day(self._ask(_OF_ONE_CONTENT))
        self._connection.execute("DROP TABLE keys")

    def sample(self, profile: Profile) -> None:
        now, before = int(profile.rows[0]), int(profile.rows[1:].sum())
        key = identifier(id_of(self._topic))
        shares = [
            min(1.0, most / max(rows, 1)) for most, rows in ((self._limits.now, now), (self._limits.history, before))
        ]
        day = self._span.day_sql(self._time)
        columns = "".join(f", {field.sql} AS {identifier(field.name)}" for field in self._fields)
        lateness = f", {self._late} / 1e6 AS {LATENESS}" if self._arrives else ""
        self._connection.execute(
            f"CREATE TEMP TABLE sample AS SELECT {day} AS day{columns}{lateness} FROM {self._rows()} "  # noqa: S608
            f"AND CASE {day} WHEN 0 THEN {_thin(key, shares[0])} ELSE {_thin(key, shares[1])} AND {day} IS NOT NULL END"
        )
        profile.sampled = _by_day(self._ask("SELECT day, count(*) FROM sample GROUP BY day"))
        for field in self._fields:
            if field.kind in ("id", "word"):
                self._texts(profile, field)
        for name, numbers in profile.numbers.items():
            self._distribution(identifier(name), numbers)

    def _texts(self, profile: Profile, field: AuditField) -> None:
        name = identifier(field.name)
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE texts AS SELECT {name} AS name, day, count(*) AS rows FROM sample "  # noqa: S608
            f"WHERE {name} IS NOT NULL GROUP BY ALL"
        )
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE shaped AS SELECT shape AS name, day, CAST(sum(rows) AS BIGINT) AS rows "  # noqa: S608
            f"FROM texts JOIN (SELECT name, {shape_sql('name')} AS shape FROM (SELECT DISTINCT name FROM texts)) "
            "USING (name) GROUP BY ALL"
        )
        profile.shapes[field.name] = self._counted("shaped", self._limits.shapes)
        if field.kind == "word":
            words = self._counted("texts", self._limits.words)
            if words.complete:
                words.labels = self._labels(name, words.names)
                profile.words[field.name] = words

    def _counted(self, table: str, most: int) -> Counted:
        """The texts of history, and as many new ones; of a table (name, day, rows)."""
        past = self._ask(
            f"SELECT name, sum(rows) AS rows FROM {table} WHERE day > 0 GROUP BY name "  # noqa: S608 - a table of ours
            f"ORDER BY rows DESC, name LIMIT {most + 1}"
        )
        complete = len(past) <= most
        names = [name for name, _ in past[:most]]
        if complete:
            names += [
                name
                for (name,) in self._ask(
                    f"SELECT name FROM {table} WHERE day = 0 AND name NOT IN (SELECT name FROM {table} WHERE day > 0) "  # noqa: S608
                    f"ORDER BY rows DESC, name LIMIT {most}"
                )
            ]
        rare = f"SELECT count(*) FROM (SELECT name FROM {table} WHERE day > 0 GROUP BY name HAVING sum(rows) = 1)"  # noqa: S608
        counted = Counted(names, names, zeros(len(names)), complete, int(self._ask(rare)[0][0]))
        places = {name: i for i, name in enumerate(names)}
        chosen = f"SELECT name, day, rows FROM {table} WHERE name IN (SELECT unnest(?))"  # noqa: S608 - a table of ours
        for name, day, rows in self._connection.execute(chosen, [names]).fetchall():
            counted.counts[day, places[name]] = rows
        whole = _by_day(self._ask(f"SELECT day, sum(rows) FROM {table} GROUP BY day"))  # noqa: S608 - a table of ours
        counted.left_out = whole - counted.counts.sum(axis=1)
        return counted

    def _labels(self, name: str, words: list[str]) -> list[str]:
        """How values are told: as they are where enough customers have them, else by their shape."""
        told = self._connection.execute(
            f"SELECT {name} AS text, count(DISTINCT customer_id) >= {_SHOWN_FROM}, {shape_sql(name)} FROM sample "  # noqa: S608
            f"WHERE {name} IN (SELECT unnest(?)) GROUP BY ALL",
            [words],
        ).fetchall()
        labels = {word: _label(word) if many else f"\u2039{shape}\u203a" for word, many, shape in told}
        return [labels[word] for word in words]

    def _distribution(self, name: str, numbers: Numbers) -> None:
        for days, quantiles in (("day = 0", numbers.now), ("day > 0", numbers.before)):
            (found,) = self._ask(f"SELECT quantile_disc({name}, {list(SHARES)}) FROM sample WHERE {days}")[0]  # noqa: S608
            if found is not None:
                quantiles[:] = found
        low, *quarters, high = numbers.before.tolist()
        if np.isnan(low):
            numbers.given[:] = _by_day(self._ask(f"SELECT day, count({name}) FROM sample GROUP BY day"))  # noqa: S608
            return
        half = quarters[1]
        least, greatest = float(np.nanmin(numbers.least[1:])), float(np.nanmax(numbers.greatest[1:]))
        found = self._ask(
            f"SELECT day, count({name}), count(*) FILTER ({name} < {low!r}), count(*) FILTER ({name} > {high!r}), "  # noqa: S608
            f"count(*) FILTER ({name} < {2 * least - half!r} OR {name} > {2 * greatest - half!r}), "
            + ", ".join(f"count(*) FILTER ({name} <= {quarter!r})" for quarter in quarters)
            + " FROM sample GROUP BY day"
        )
        for day, given, lower, higher, beyond, *at_most in found:
            numbers.given[day], numbers.low[day], numbers.high[day] = given, lower, higher
            numbers.beyond[day], numbers.quarters[day] = beyond, at_most


# A row whose contents came before under its id repeats it; one whose id came before, with other contents, differs.
_OF_ONE_ID = (
    "WITH twice AS (SELECT id FROM keys GROUP BY id HAVING count(*) > 1), numbered AS (SELECT day, "
    "row_number() OVER (PARTITION BY id ORDER BY time, contents) AS of_id, "
    "row_number() OVER (PARTITION BY id, contents ORDER BY time) AS of_both FROM keys SEMI JOIN twice USING (id)) "
    "SELECT day, count(*) FILTER (of_both > 1), count(*) FILTER (of_both = 1 AND of_id > 1) FROM numbered "
    "WHERE day IS NOT NULL GROUP BY day"
)
# Of the ids that share their contents, the first is the event, and each other one a twin, where it first came.
_OF_ONE_CONTENT = (
    "WITH twice AS (SELECT contents FROM keys GROUP BY contents HAVING min(id) <> max(id)), "
    "firsts AS (SELECT contents, id, min(time) AS time, arg_min(day, time) AS day FROM keys "
    "SEMI JOIN twice USING (contents) GROUP BY ALL), "
    "numbered AS (SELECT day, row_number() OVER (PARTITION BY contents ORDER BY time, id) AS number FROM firsts) "
    "SELECT day, count(*) FROM numbered WHERE day IS NOT NULL AND number > 1 GROUP BY day"
)


def _label(word: str) -> str:
    """A value for people: one line, not long."""
    plain = "".join(sign if sign.isprintable() else "\ufffd" for sign in word[:_LONGEST_LABEL])
    return plain + ("\u2026" if len(word) > _LONGEST_LABEL else "")


def _thin(key: str, share: float) -> str:
    """The condition that a key is among a share of all keys."""
    return "true" if share >= 1 else f"hash({key}) < {int(share * 2**64)}::UBIGINT"


def _by_day(found: Sequence[tuple[Any, ...]]) -> Counts:
    counts = zeros()
    for day, rows in found:
        counts[day] = rows
    return counts


def _nothing() -> tuple[Floats, Floats]:
    return np.full(DAYS, np.nan), np.full(DAYS, np.nan)


def _numbers(least: Floats, greatest: Floats) -> Numbers:
    now, before = (np.full(len(SHARES), np.nan) for _ in range(2))
    return Numbers(zeros(), zeros(), zeros(), zeros(3), zeros(), now, before, least, greatest)
