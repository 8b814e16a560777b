"""The battery that every windowed view must pass: online == history == oracle.

Events of generated customers go into the online store shuffled, split, repeated and late, and into the archive; then
the view is read through a plain FeatureStore at ascending times, as windows empty and customers expire, and the same is
asked of the history and of the naive oracle.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
import pandas as pd
import redis
from feast import FeatureStore
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

from rapport.archive import from_rows
from rapport.bus.protocol import Position
from rapport.clock import WORLD_CLOCK_KEY, WorldClock
from rapport.events.columns import BASE, COLUMNS
from rapport.feast.declare import topic_of, view_of
from rapport.feast.event_files import archive_of
from rapport.online import OnlineWriter
from rapport.testing.battery import Disagreement, limited, same_value
from rapport.testing.cases import OracleCase
from rapport.testing.feeding import CustomerEvent, deliver
from rapport.testing.histories import generate, moments
from rapport.testing.oracle import oracle
from rapport.windows import STATUS_NAMES, Kind, View, compile_view

__all__ = ["Disagreement", "check_cases", "check_view"]

_START_US = 1_700_000_000_123_456
_TOLERANCE = 1e-9
_STATUS = {FieldStatus.NOT_FOUND: "missing", FieldStatus.OUTSIDE_MAX_AGE: "expired"}
Row = tuple[str, dict[str, Any]]
"""Status, and value by feature."""


@dataclass(frozen=True, slots=True)
class _Case:
    store: FeatureStore
    client: redis.Redis
    view: View
    kinds: dict[str, Kind]
    topic: str


def check_view(
    store: FeatureStore, name: str, client: redis.Redis, *, seed: int = 0, customers: int = 12, events: int = 150
) -> int:
    """Run the battery on a windowed view of an applied repository; returns how many rows were compared.

    The archive must not hold events of the view's topic yet, nor the online store rows of the view. The world's clock
    in Redis is left standing at the last time read.

    Args:
        store: uses Rapport's online and offline stores, and its topic is one of rapport.events.TOPICS.
        client: the online store's Redis, without decoding.

    Raises:
        Disagreement
    """
    declared = store.get_stream_feature_view(name)
    view, topic = view_of(declared), topic_of(declared)
    used = {a.column for a in view.aggregations}
    case = _Case(store, client, view, {n: k for n, k in COLUMNS[topic].items() if n in used}, topic)
    rng = random.Random(f"{name} {seed}")
    times = moments(view, _START_US)
    arrivals = _arrivals(case, rng, times, customers, events)
    happened = [event for part in arrivals for event in part]
    _fill_archive(case, happened)
    writer = OnlineWriter(client, store.project, [compile_view(view)], cache_rows=customers // 2)
    compared, done = 0, 0
    for as_of_us, part in zip(times, arrivals, strict=True):
        reached = done + len(part)
        deliver(writer, case.kinds, happened, batches=_batches(rng, done, reached))
        done = reached
        compared += _compare(case, happened[:done], as_of_us, [*sorted({who for who, _ in happened}), "nobody"])
    return compared


def check_cases(store: FeatureStore, name: str, client: redis.Redis, cases: Sequence[OracleCase]) -> int:
    """Ask a plain FeatureStore for cases of a windowed view, online and in history; returns how many were compared.

    All events go into the archive in one file, and into the online store in one batch; history is asked once, with
    every customer's own time. Conditions are those of `check_view`.

    Args:
        cases: of customers that the archive and the online store do not know yet.

    Raises:
        Disagreement
    """
    declared = store.get_stream_feature_view(name)
    view, topic = view_of(declared), topic_of(declared)
    used = {a.column for a in view.aggregations}
    case = _Case(store, client, view, {n: k for n, k in COLUMNS[topic].items() if n in used}, topic)
    known = [(one.customer_id, event) for one in cases for event in one.events]
    _fill_archive(case, [*known, *((one.customer_id, event) for one in cases for event in one.future)])
    deliver(OnlineWriter(client, store.project, [compile_view(view)]), case.kinds, known)
    past = _history(case, [one.customer_id for one in cases], [one.as_of_us for one in cases])
    for as_of_us in sorted({one.as_of_us for one in cases}):
        numbers = [number for number, one in enumerate(cases) if one.as_of_us == as_of_us]
        online = _online(case, [cases[number].customer_id for number in numbers], as_of_us)
        for number, got in zip(numbers, online, strict=True):
            _judge(case, cases[number], got, past[number])
    return len(cases)


def _judge(case: _Case, one: OracleCase, online: Row, past: Row) -> None:
    where = f"view {case.view.name!r}, customer {one.customer_id!r}, as of {one.as_of_us}"
    if online != past:
        raise Disagreement(f"{where}: online {online}, history {past}; events {one.events}")
    status, features = limited(case.view, oracle(case.view, one.events, one.as_of_us))
    for a in case.view.aggregations:
        if online[0] != status or not same_value(features[a.name], online[1][a.name], a.function):
            raise Disagreement(
                f"{where}: {a.name} is {online[1][a.name]!r} ({online[0]}), the oracle says {features[a.name]!r} "
                f"({status}); events {one.events}"
            )


def _arrivals(
    case: _Case, rng: random.Random, times: Sequence[int], customers: int, events: int
) -> list[list[CustomerEvent]]:
    """What arrives before each time, in order of arrival: most before the first, shuffled, so that many are late."""
    arrivals = [generate(case.view, case.kinds, rng, customers=customers, events=events, until_us=times[0])]
    for number, (before, until) in enumerate(pairwise(times)):
        few = generate(case.view, case.kinds, rng, customers=3, events=3, until_us=until)
        arrivals.append([(who, (f"{number} {i}", max(t, before + 1), v)) for who, (i, t, v) in few])
    return arrivals


def _batches(rng: random.Random, done: int, until: int) -> list[slice]:
    """Slices that cover done to until in order, some of which begin in what has been delivered before."""
    batches, reached = [], done
    while reached < until:
        end = min(until, reached + rng.randrange(1, 60))
        batches.append(slice(max(0, reached - rng.choice((0, 0, 5, 100))), end))
        reached = end
    return batches


def _fill_archive(case: _Case, events: Sequence[CustomerEvent]) -> None:
    rows = []
    for customer, (event_id, time_us, values) in events:
        base = {"event_id": event_id, "customer_id": customer, "event_time_us": time_us, "arrival_time_us": time_us}
        base |= {"claimed_time_us": None, "schema_version": 1}
        rows.append([*(base[name] for name in BASE), *(values.get(name) for name in COLUMNS[case.topic])])
    archive = archive_of(case.store.config)
    archive.append(case.topic, from_rows(case.topic, rows), writer="conformance", position=Position(1, len(rows)))


def _compare(case: _Case, events: Sequence[CustomerEvent], as_of_us: int, customers: Sequence[str]) -> int:
    online = _online(case, customers, as_of_us)
    past = _history(case, customers, [as_of_us] * len(customers))
    for at, customer in enumerate(customers):
        mine = [event for who, event in events if who == customer]
        truth = oracle(case.view, mine, as_of_us)
        where = f"view {case.view.name!r}, customer {customer!r}, as of {as_of_us}"
        if online[at] != past[at]:
            raise Disagreement(f"{where}: online {online[at]}, history {past[at]}")
        _agree(case.view, where, online[at], truth, mine)
    return len(customers)


def _agree(view: View, where: str, got: Row, want: Row, events: Sequence[Any]) -> None:
    if got[0] != want[0]:
        raise Disagreement(f"{where}: status {got[0]}, the oracle says {want[0]}")
    for a in view.aggregations:
        have, true = got[1][a.name], want[1][a.name]
        if have == true or (
            isinstance(have, float) and isinstance(true, float) and abs(have - true) <= _slack(a, events)
        ):
            continue
        raise Disagreement(f"{where}: {a.name} is {have!r}, the oracle says {true!r}")


def _slack(aggregation: Any, events: Sequence[Any]) -> float:
    numbers = [values.get(aggregation.column) for _, _, values in events]
    size = sum(abs(number) for number in numbers if isinstance(number, int | float))
    return _TOLERANCE * max(1.0, float(size))


def _online(case: _Case, customers: Sequence[str], as_of_us: int) -> list[Row]:
    case.client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, as_of_us, 0.0)))
    references = [f"{case.view.name}:{a.name}" for a in case.view.aggregations]
    response = case.store.get_online_features(references, [{"customer_id": customer} for customer in customers])
    values, proto = response.to_dict(), response.proto
    vectors = dict(zip(proto.metadata.feature_names.val, proto.results, strict=True))
    first = vectors[case.view.aggregations[0].name]
    return [
        (_STATUS.get(first.statuses[at], "present"), {a.name: values[a.name][at] for a in case.view.aggregations})
        for at in range(len(customers))
    ]


def _history(case: _Case, customers: Sequence[str], as_of_us: Sequence[int]) -> list[Row]:
    times = pd.to_datetime(pd.Series(as_of_us, dtype="int64"), unit="us", utc=True)
    spine = pd.DataFrame({"customer_id": list(customers), "event_timestamp": times})
    references = [f"{case.view.name}:{a.name}" for a in case.view.aggregations]
    job = case.store.get_historical_features(spine, references)
    rows = job.to_arrow().to_pylist()
    codes = job.statuses()[case.view.name].tolist()
    return [
        (STATUS_NAMES[code], {a.name: row[a.name] for a in case.view.aggregations})
        for code, row in zip(codes, rows, strict=True)
    ]
