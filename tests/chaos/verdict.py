"""What came of a run, held against what was sent. Each check gives the findings, none when all is well.

The judges are independent of the engine: the producer's own list, SQL over the events that were sent for every row of
every view, and the naive oracle for a part of the customers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import redis

from flows.features import load_declared
from rapport.archive import Archive
from rapport.archive.sql import connect, identifier
from rapport.dead_letters import DEAD_LETTERS
from rapport.online import OnlineReader
from rapport.online import connect as connect_store
from rapport.online.views import WindowedView
from rapport.testing.oracle import oracle
from rapport.testing.sql_oracle import sql_oracle
from rapport.windows import Kind, Plan
from tests.chaos.producer import Sent
from tests.chaos.run import Run
from tests.chaos.world import NOW_US, TOPICS

_MINUTE, _DAY = 60_000_000, 86_400_000_000
AS_OF_US = (NOW_US, NOW_US + 7 * _MINUTE + 1, NOW_US + _DAY, NOW_US + 31 * _DAY, NOW_US + 91 * _DAY)
"""When the rows are read: now, and as windows empty and customers expire."""
_READ_AT_ONCE = 2_000
_TOLERANCE = 1e-9


def check_records(run: Run, counts: dict[str, int]) -> list[str]:
    """accepted + dead letters = produced, for every call of publish; one with a lost answer may be there in part."""
    wrong = []
    accepted = letters = 0
    for origin, attempt in run.sent.attempts.items():
        fates = {name: counts.get(f"origin:{origin}:{name}", 0) for name in ("accepted", "dead:duplicate")}
        refused = {reason: counts.get(f"origin:{origin}:dead:{reason}", 0) for reason in attempt.refused}
        total = sum(fates.values()) + sum(refused.values())
        whole = total == attempt.records and refused == attempt.refused
        part = total <= attempt.records and all(n <= attempt.refused[reason] for reason, n in refused.items())
        if not whole and (attempt.known or not part):
            wrong.append(
                f"published as {origin!r}: {attempt.records} records, {attempt.refused}; got {fates} {refused}"
            )
        accepted += fates["accepted"]
        letters += total - fates["accepted"]
    stated = {kind: sum(n for name, n in counts.items() if name.startswith(kind)) for kind in ("accepted:", "dead:")}
    if (stated["accepted:"], stated["dead:"]) != (accepted, letters):
        wrong.append(f"the counters say {stated}; by origin they are {accepted} and {letters}")
    if accepted != run.sent.events:
        wrong.append(f"{accepted:,} events were accepted of {run.sent.events:,} good ones")
    bus = run.bus()
    kept = sum(bus.reader(DEAD_LETTERS, part).lag() for part in range(bus.partitions(DEAD_LETTERS)))
    if kept != letters:
        wrong.append(f"{kept:,} dead letters are kept; {letters:,} were counted")
    return wrong


def truth_of(sent: Sent) -> dict[str, pa.Table]:
    """Topic to the columns of its good events, each event once."""
    return {topic: pa.concat_tables(tables) for topic, tables in sent.truth.items()}


def check_archive(run: Run, truth: dict[str, pa.Table]) -> list[str]:
    """Every good event is in the archive once, with the columns it should have."""
    archive, wrong = Archive(run.project.settings.data_dir / "archive"), []
    for topic in TOPICS:
        names = [name for name in truth[topic].column_names if name != "time"]
        columns = ", ".join(map(identifier, names))
        with archive.snapshot(topic) as snapshot, connect() as connection:
            connection.register("sent", truth[topic])
            files = [str(path) for path in snapshot.files]
            stored = f"SELECT {columns}, epoch_us(event_time) AS time FROM read_parquet({files!r})"
            sent = f'SELECT {columns}, "time" FROM sent'
            lost, strange = (
                connection.sql(f"SELECT count(*) FROM ({a} EXCEPT ALL {b})").fetchall()[0][0]
                for a, b in ((sent, stored), (stored, sent))
            )
        if lost or strange:
            wrong.append(f"archive of {topic}: {lost:,} events are not there as sent, {strange:,} are there besides")
    return wrong


def check_rows(run: Run, truth: dict[str, pa.Table]) -> tuple[int, list[str]]:
    """Every row of every view, read at several times, against SQL over what was sent; how many were compared."""
    compared, wrong = 0, []
    for topic, plan in _plans(run):
        for as_of_us in AS_OF_US:
            want = sql_oracle(plan.view, truth[topic], as_of_us)
            compared += want.num_rows
            wrong += _compare(run, plan, want, as_of_us)
    return compared, wrong


def check_sample(run: Run, truth: dict[str, pa.Table], customers: int) -> tuple[int, list[str]]:
    """The rows of some customers against the naive oracle, integers, strings and booleans exactly."""
    rng, compared, wrong = random.Random(run.world.seed), 0, []
    chosen = [
        run.world.customer(n) for n in rng.sample(range(run.world.customers), min(customers, run.world.customers))
    ]
    for topic, plan in _plans(run):
        events = _events_of(truth[topic], plan.columns, chosen)
        as_of_us = rng.choice(AS_OF_US[:3])
        reader = _reader(run, plan)
        rows = reader.read(chosen, as_of_us)
        for at, customer in enumerate(chosen):
            status, want = oracle(plan.view, events.get(customer, []), as_of_us)
            got = {name.partition("__")[2]: value for name, value in rows.row(at).items()}
            if rows.status[plan.view.name][at] != status or not all(_same(want[n], got[n]) for n in want):
                wrong.append(f"{plan.view.name} as of {as_of_us}: {status} {want}, but {got}")
            compared += 1
    return compared, wrong


def row_bytes(url: str, mark_bytes: int) -> dict[bytes, dict[bytes, bytes]]:
    """Every customer's hash, the source marks before its rows cut off."""
    found: dict[bytes, dict[bytes, bytes]] = {}
    with redis.Redis.from_url(url, socket_timeout=60) as client:
        keys = list(client.scan_iter(b"*customer_id*", count=5_000))
        for at in range(0, len(keys), 1_000):
            with client.pipeline(transaction=False) as pipe:
                for key in keys[at : at + 1_000]:
                    pipe.hgetall(key)
                for key, stored in zip(keys[at:], pipe.execute(), strict=False):
                    found[key] = {f: v if f.startswith(b"_ts:") else v[mark_bytes:] for f, v in stored.items()}
    return found


def _plans(run: Run) -> Iterator[tuple[str, Plan]]:
    for topic, plans in load_declared(run.project.settings).plans.items():
        for plan in plans:
            yield topic, plan


def _reader(run: Run, plan: Plan) -> OnlineReader:
    client = connect_store(run.project.settings, timeout_s=60)
    return OnlineReader("rapport", [WindowedView(plan, plan.names)], client=client)


def _compare(run: Run, plan: Plan, want: pa.Table, as_of_us: int) -> list[str]:
    view, reader = plan.view, _reader(run, plan)
    customers, newest = want["customer_id"].to_pylist(), want["newest"].to_numpy()
    expired = (as_of_us - newest > view.ttl_us) if view.ttl_us else np.zeros(len(newest), np.bool_)
    wrong: Counter[str] = Counter()
    for at in range(0, len(customers), _READ_AT_ONCE):
        part = slice(at, at + _READ_AT_ONCE)
        rows = reader.read(customers[part], as_of_us)
        status = np.array(rows.status[view.name])
        wrong["status"] += int((status != np.where(expired[part], "expired", "present")).sum())
        wrong["newest event"] += int((rows.newest_us[view.name] != newest[part]).sum())
        for place, (name, kind) in enumerate(zip(plan.names, plan.kinds, strict=True)):
            true = want[name].slice(at, _READ_AT_ONCE)
            if kind is Kind.STRING:
                mine = np.array(rows.strings[f"{view.name}__{name}"], object)
                hidden = np.where(expired[part], None, np.array(true.to_pylist(), object))
                wrong[name] += int((mine != hidden).sum())
            else:
                wrong[name] += _differing(rows.vector[:, place], _numbers(true, expired[part]), exact=kind is Kind.INT)
    where = f"view {view.name} as of {as_of_us}, of {len(customers):,} rows"
    return [f"{where}: {name} of {n:,} is wrong" for name, n in wrong.items() if n]


def _numbers(column: pa.ChunkedArray, hidden: Any) -> Any:
    values = column.cast(pa.float64()).to_numpy().astype(np.float64)
    return np.where(hidden, np.nan, values)


def _differing(mine: Any, true: Any, *, exact: bool) -> int:
    missing = np.isnan(mine) | np.isnan(true)
    close = (mine == true) if exact else (np.abs(mine - true) <= _TOLERANCE * np.maximum(1.0, np.abs(true)))
    return int((np.where(missing, np.isnan(mine) != np.isnan(true), ~close)).sum())


def _events_of(truth: pa.Table, columns: Sequence[str], customers: Sequence[str]) -> dict[str, list[Any]]:
    mine = truth.filter(pa.compute.is_in(truth["customer_id"], pa.array(customers)))
    events: dict[str, list[Any]] = {}
    for row in mine.select(["event_id", "customer_id", "time", *columns]).to_pylist():
        events.setdefault(row.pop("customer_id"), []).append((row.pop("event_id"), row.pop("time"), row))
    return events


def _same(want: Any, got: Any) -> bool:
    if isinstance(want, float) and isinstance(got, float):
        return abs(want - got) <= _TOLERANCE * max(1.0, abs(want))
    return bool(want == got)
