"""The oracle battery of one view: rows in memory, rows in Redis, and history, against the naive oracle.

Many customers' cases are checked at once, as they are computed at once: their events are mixed, shuffled and split into
batches, and some batches are delivered again. A disagreement is shrunk to the fewest events that still show it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pprint import pformat
from typing import Any

import numpy as np
import redis

from rapport.errors import RapportError
from rapport.online import OnlineReader, OnlineWriter
from rapport.online.hashes import read_hashes
from rapport.online.keys import TILES, KeyMaker, field_of
from rapport.online.marks import MARK_BYTES
from rapport.online.views import WindowedView
from rapport.testing.cases import OracleCase
from rapport.testing.feeding import CustomerEvent, deliver, events_of
from rapport.testing.oracle import OracleEvent, oracle
from rapport.windows import STATUS_NAMES, Kind, Values, View, compile_view, history, read, update

__all__ = ["Battery", "Disagreement", "limited", "same_value"]

_INT64 = (-(2**63), 2**63 - 1)
_LEAST = 5e-324
"""The distance between two doubles near zero."""
_MOST_TRIES = 400
Answer = tuple[str, dict[str, Any]]
"""Status, and value by feature."""


class Disagreement(AssertionError):  # noqa: N818 - a finding
    """Online, history and oracle do not agree; names the view, the customer, the time and the feature."""


class Battery:
    """Checks cases of one view.

    Args:
        view: the declaration.
        client: Redis for the rows; `decode_responses` off. Keys of project "battery" are written, and deleted again.
        seed: of orders, splits and repeats.
    """

    def __init__(self, view: View, client: redis.Redis, seed: int) -> None:
        self.view = view
        self._plan = compile_view(view)
        self._kinds = {name: view.kinds[name] for name in self._plan.columns}
        self._client = client
        self._rng = random.Random(f"{view.name} {seed}")
        self._reader = OnlineReader("battery", [WindowedView(self._plan, self._plan.names)], client=client)

    @property
    def kinds(self) -> dict[str, Kind]:
        """The event columns that the view looks at."""
        return dict(self._kinds)

    def check(self, cases: Sequence[OracleCase]) -> None:
        """Compute all cases together, and compare each answer.

        Raises:
            Disagreement: of the first case that differs, shrunk.
        """
        found = self._disagreement(cases)
        if found is None:
            return
        number, what = found
        case = self._shrunk(cases[number])
        alone = self._alone(case)
        what = alone[1] if alone else f"{what} (among {len(cases)} customers; not when it is alone)"
        raise Disagreement(f"view {self.view.name!r}: {what}\n{self._reproduction(case)}")

    def _disagreement(self, cases: Sequence[OracleCase]) -> tuple[int, str] | None:
        """The first case whose answers differ, and how; None when all agree."""
        want = [limited(self.view, oracle(self.view, case.events + case.future, case.as_of_us)) for case in cases]
        memory, rows = self._in_memory(cases)
        online, stored = self._online(cases)
        past = self._history(cases)
        for number, case in enumerate(cases):
            for name, got in (("rows", memory[number]), ("history", past[number])):
                if wrong := _differences(self.view, want[number], got):
                    return number, f"{name} of {case.customer_id!r} as of {case.as_of_us}: {wrong}"
            if stored[number] != rows[number]:
                return number, f"the bytes in Redis of {case.customer_id!r} are not those of the row in memory"
            if past[number] != memory[number]:
                return number, f"history of {case.customer_id!r} is {past[number]}, online {memory[number]}"
            if not _reads_as(memory[number], online[number]):
                return number, f"the reader says {online[number]} of {case.customer_id!r}, the row {memory[number]}"
        return None

    def _mixed(self, cases: Sequence[OracleCase]) -> list[tuple[int, OracleEvent]]:
        """All events, each with its case's number, in an order of no meaning."""
        mixed = [(number, event) for number, case in enumerate(cases) for event in case.events]
        self._rng.shuffle(mixed)
        return mixed

    def _in_memory(self, cases: Sequence[OracleCase]) -> tuple[list[Answer], list[bytes | None]]:
        rows: list[bytes | None] = [None] * len(cases)
        mixed, at = self._mixed(cases), 0
        while at < len(mixed):
            part = mixed[at : at + self._rng.randrange(1, 300)]
            at += len(part)
            places = np.array([number for number, _ in part], np.int64)
            new = update(
                self._plan, rows, places, events_of(self._kinds, [event for _, event in part], self.view.scales)
            )
            rows = [row or None for row in new]
        as_of = np.array([case.as_of_us for case in cases], np.int64)
        return _answers(read(self._plan, rows, as_of)), rows

    def _online(self, cases: Sequence[OracleCase]) -> tuple[list[Answer], list[bytes | None]]:
        """Two writers with stale memories take turns on what is partly delivered twice; then all is read at once."""
        events: list[CustomerEvent] = [(cases[number].customer_id, event) for number, event in self._mixed(cases)]
        writers = [OnlineWriter(self._client, "battery", [self._plan], cache_rows=size) for size in (0, 50)]
        for batch in self._batches(len(events)):
            deliver(self._rng.choice(writers), self._kinds, events, batches=[batch], scales=self.view.scales)
        ids = [case.customer_id for case in cases]
        answers: list[Answer | None] = [None] * len(cases)
        for as_of_us, numbers in _by_time(cases):
            rows = self._reader.read([ids[number] for number in numbers], as_of_us)
            for place, number in enumerate(numbers):
                values = {name.partition("__")[2]: value for name, value in rows.row(place).items()}
                answers[number] = (rows.status[self.view.name][place], values)
        return [answer for answer in answers if answer], self._taken(ids)

    def _taken(self, ids: Sequence[str]) -> list[bytes | None]:
        """The stored rows without their marks; the customers' hashes are deleted."""
        keys = KeyMaker("battery").keys(ids)
        found = read_hashes(self._client, keys, [field_of(self.view.name, TILES)], "reading rows")
        self._client.delete(*keys)
        return [value and value[MARK_BYTES:] for (value,) in found]

    def _batches(self, count: int) -> Iterator[slice]:
        """Slices that cover `count` events in order, some of which begin in what has been delivered before."""
        reached = 0
        while reached < count:
            end = min(count, reached + self._rng.randrange(1, 400))
            yield slice(max(0, reached - self._rng.choice((0, 0, 3, 500))), end)
            reached = end

    def _history(self, cases: Sequence[OracleCase]) -> list[Answer]:
        sorted_events = [sorted(case.events + case.future, key=lambda event: event[1]) for case in cases]
        starts = np.cumsum([0, *(len(events) for events in sorted_events)]).astype(np.int64)
        flat = [event for events in sorted_events for event in events]
        columns = events_of(self._kinds, flat, self.view.scales)
        as_of = np.array([case.as_of_us for case in cases], np.int64)
        return _answers(history(self._plan, columns, starts, np.arange(len(cases)), as_of))

    def _shrunk(self, case: OracleCase) -> OracleCase:
        """The case with as few events as still show a disagreement when it is checked alone."""
        if self._alone(case) is None:
            return case
        tried = 0
        size = max(1, len(case.events) // 2)
        while size and tried < _MOST_TRIES:
            at = 0
            while at < len(case.events):
                tried += 1
                fewer = replace(case, events=case.events[:at] + case.events[at + size :])
                if self._alone(fewer) is not None:
                    case = fewer
                else:
                    at += size
            size //= 2
        bare = replace(case, future=[])
        return bare if self._alone(bare) is not None else case

    def _alone(self, case: OracleCase) -> tuple[int, str] | None:
        try:
            return self._disagreement([case])
        except RapportError as error:
            return 0, str(error)

    def _reproduction(self, case: OracleCase) -> str:
        needed = {a.column for a in self.view.aggregations if a.column}
        view = replace(self.view, kinds={name: kind for name, kind in self.view.kinds.items() if name in needed})
        return (
            "from decimal import Decimal\n\n"
            "import redis\n"
            "from rapport.testing.battery import Battery\n"
            "from rapport.testing.cases import OracleCase\n"
            "from rapport.windows import Aggregation, Kind, View\n\n"
            f"view = {_source(view)}\n"
            f"case = {pformat(case, width=110)}\n"
            'Battery(view, redis.Redis.from_url("redis://127.0.0.1:6379"), seed=0).check([case])\n'
        )


def limited(view: View, answer: Answer) -> Answer:
    """The oracle's answer, its sums of integers and decimals at the nearest limit of 64 bits."""
    status, features = answer
    for a in view.aggregations:
        value = features[a.name]
        if a.function == "sum" and isinstance(value, int):
            features[a.name] = max(_INT64[0], min(_INT64[1], value))
        elif a.function == "sum" and isinstance(value, Decimal):
            low, high = (Decimal(limit).scaleb(-view.scales[a.column]) for limit in _INT64)
            features[a.name] = max(low, min(high, value))
    return status, features


def same_value(want: Any, got: Any, function: str) -> bool:
    """Whether a value is the oracle's: equal, and of the same type; std to 1e-14 of it, as its root is rounded."""
    if isinstance(want, float) and isinstance(got, float):
        if math.isinf(want) or want == got:
            return want == got
        return function == "std" and math.isclose(want, got, rel_tol=1e-14, abs_tol=_LEAST)
    return type(want) is type(got) and bool(want == got)


def _differences(view: View, want: Answer, got: Answer) -> str:
    if want[0] != got[0]:
        return f"status {got[0]}, the oracle says {want[0]}"
    wrong = [
        f"{a.name} ({a.function} of {a.column or 'events'}) is {got[1][a.name]!r}, the oracle says {want[1][a.name]!r}"
        for a in view.aggregations
        if not same_value(want[1][a.name], got[1][a.name], a.function)
    ]
    return "; ".join(wrong)


def _reads_as(row: Answer, vector: Answer) -> bool:
    """Whether a reader of vectors says what the row does: numbers as float64, decimals to their last digits."""
    for name, value in row[1].items():
        got = vector[1][name]
        if isinstance(value, Decimal):
            if not isinstance(got, float) or not math.isclose(float(value), got, rel_tol=1e-15, abs_tol=_LEAST):
                return False
        elif got != (int(float(value)) if type(value) is int else value):
            return False
    return row[0] == vector[0]


def _answers(values: Values) -> list[Answer]:
    return [(STATUS_NAMES[values.status[at]], values.row(at)) for at in range(len(values))]


def _by_time(cases: Sequence[OracleCase]) -> Iterator[tuple[int, list[int]]]:
    times: dict[int, list[int]] = {}
    for number, case in enumerate(cases):
        times.setdefault(case.as_of_us, []).append(number)
    yield from times.items()


def _source(view: View) -> str:
    """Python text of a view."""
    kinds = ", ".join(f"{name!r}: Kind.{kind.name}" for name, kind in view.kinds.items())
    aggregations = ", ".join(map(repr, view.aggregations))
    return f"View({view.name!r}, {{{kinds}}}, ({aggregations},), {view.ttl_us}, {dict(view.scales)})"
