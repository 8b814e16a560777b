"""Checked records of the demo's topics as another engine gets them, and the rows that they must become."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import redis
from feast import StreamFeatureView

from feature_repo import views
from flows.declared import Declared
from rapport.bus.protocol import Message
from rapport.events.block import CHECKED_SUFFIX
from rapport.events.columns import BASE, COLUMNS
from rapport.feast.declare import topic_of, view_of
from rapport.online.keys import JOIN_KEY, TILES, KeyMaker, field_of, parse_key
from rapport.online.marks import MARK_BYTES
from rapport.online.stored import read_stored
from rapport.testing.blocks import block_message
from rapport.testing.feeding import CustomerEvent
from rapport.testing.histories import generate, moments
from rapport.testing.oracle import oracle
from rapport.windows import STATUS_NAMES, Plan, compile_view
from tests.source_tree import ROOT

UNTIL_US = 1_740_830_400_000_000
PARTITIONS = 2
AGAIN = 40
LATE = "customer who comes late ü"


class Record(NamedTuple):
    """One record of a topic of checked events, as Kafka would have it."""

    topic: str
    partition: int
    offset: int
    value: bytes


class Sample(NamedTuple):
    """The demo's views, events of their topics, and the records that carry these."""

    plans: dict[str, list[Plan]]
    events: dict[str, list[CustomerEvent]]
    records: list[Record]

    def declared(self, project: str) -> Declared:
        return Declared(project, self.plans)


def make_sample(events_per_topic: int, customers: int = 40) -> Sample:
    """Events in no order of time, their topics mixed; customers keep to a partition."""
    rng = random.Random(11)
    plans: dict[str, list[Plan]] = {}
    for view in vars(views).values():
        if isinstance(view, StreamFeatureView):
            plans.setdefault(topic_of(view), []).append(compile_view(view_of(view)))
    events = {
        topic: generate(
            some[0].view, COLUMNS[topic], rng, customers=customers, events=events_per_topic, until_us=UNTIL_US
        )
        for topic, some in plans.items()
    }
    mixed = [(topic, event) for topic, some in events.items() for event in some]
    rng.shuffle(mixed)
    # One customer comes late, when the others have rows.
    for at in range(len(mixed) // 2, len(mixed), 20):
        topic, (_, event) = mixed[at]
        mixed[at] = topic, (LATE, event)
    return Sample(plans, {topic: [event for of, event in mixed if of == topic] for topic in plans}, _records(mixed))


def _records(mixed: Iterable[tuple[str, CustomerEvent]]) -> list[Record]:
    offsets: dict[tuple[str, int], int] = {}
    records = []
    for topic, (customer, event) in mixed:
        place = (topic + CHECKED_SUFFIX, sum(customer.encode()) % PARTITIONS)
        offset = offsets.get(place, 0)
        offsets[place] = offset + 1
        records.append(Record(*place, offset, block_message(topic, [_row(customer, event)]).value))
    return records


def _row(customer: str, event: tuple[str, int, Mapping[str, Any]]) -> dict[str, Any]:
    event_id, time_us, values = event
    base = dict(zip(BASE, (event_id, customer, time_us, time_us, time_us, 1), strict=True))
    return base | dict(values)


def by_bytewax_messages(sample: Sample) -> list[Message]:
    """The same events for the bus."""
    return [
        block_message(topic, [_row(customer, event)])
        for topic, events in sample.events.items()
        for customer, event in events
    ]


def redelivered(records: Sequence[Record], parts: int) -> list[list[Record]]:
    """The records in order, in `parts` parts; each but the first begins with the last AGAIN of the part before, and
    every tenth record is there twice."""
    size = -(-len(records) // parts)
    cut = [records[max(0, at - AGAIN) : at + size] for at in range(0, len(records), size)]
    return [[each for n, record in enumerate(part) for each in [record] * (1 + (n % 10 == 0))] for part in cut]


def write_lines(path: Path, records: Iterable[Record]) -> None:
    """Records as JSON lines, as both engines read them: bytes in base64."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"".join(
            msgspec.json.encode({**each._asdict(), "value": base64.b64encode(each.value).decode()}) + b"\n"
            for each in records
        )
    )


def python_of(engine: str) -> Path:
    """The engine's own Python; skips the test where there is none."""
    python = ROOT / ".cache" / "engines" / engine / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"{engine} is not installed here: `make engines` installs it into .cache/engines/{engine}")
    return python


def start(python: Path, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
    """A process of an engine in a group of its own, its output in `log`."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "PYTHONWARNINGS": "ignore"}
    environment["PATH"] = f"{python.parent}:{environment['PATH']}"
    with log.open("ab") as output:
        return subprocess.Popen(
            [python, *arguments],
            cwd=ROOT,
            env=environment | {"PYSPARK_PYTHON": str(python), "SPARK_LOCAL_IP": "127.0.0.1"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the process and its group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)


def end_of(process: subprocess.Popen[bytes], log: Path, timeout_s: float = 400) -> tuple[int, str]:
    """The exit code, and the end of the log to show."""
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        kill(process)
        code = -1
    return code, log.read_text(errors="replace")[-3_000:]


def rows_of(client: redis.Redis, project: str, *, marks: bool = False) -> dict[bytes, dict[bytes, bytes]]:
    """Every row of a project by customer and field, without its mark unless asked for."""
    found = {}
    tiles = {field_of(view.name, TILES) for view in vars(views).values() if isinstance(view, StreamFeatureView)}
    for key in client.scan_iter(count=1_000):
        parsed = parse_key(key, [JOIN_KEY])
        if parsed is not None and parsed.project == project and client.type(key) == b"hash":
            fields: dict[bytes, bytes] = client.hgetall(key)  # type: ignore[assignment]
            found[parsed.values[0]] = {
                field: value[MARK_BYTES:] if field in tiles and not marks else value for field, value in fields.items()
            }
    return found


def wait_for_progress(client: redis.Redis, project: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the process has written rows."""
    before, deadline = rows_of(client, project), time.monotonic() + 300
    while rows_of(client, project) == before:
        assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-3_000:]
        time.sleep(0.02)


def poison(client: redis.Redis, project: str) -> bytes:
    """Make the key of LATE something else than a hash, so that her row cannot be read; returns the key."""
    key = KeyMaker(project).key(LATE)
    client.set(key, "not a row")
    return key


def check_values(client: redis.Redis, sample: Sample, project: str) -> int:
    """Compare each view's values with the oracle's, for every customer at several times; how many were compared."""
    compared = 0
    for topic, plans in sample.plans.items():
        by_customer: dict[str, list[Any]] = {}
        for customer, event in sample.events[topic]:
            by_customer.setdefault(customer, []).append(event)
        customers = sorted(by_customer)
        keys = KeyMaker(project).keys(customers)
        for plan in plans:
            stored = [client.hget(key, field_of(plan.view.name, TILES)) for key in keys]  # type: ignore[arg-type]
            for as_of_us in moments(plan.view, UNTIL_US):
                values, damaged = read_stored(plan, stored, as_of_us)  # type: ignore[arg-type]
                assert not damaged
                for i, customer in enumerate(customers):
                    status, wanted = oracle(plan.view, by_customer[customer], as_of_us)
                    assert STATUS_NAMES[values.status[i]] == status
                    for name, got in values.row(i).items():
                        assert _equal(got, wanted[name]), (plan.view.name, name, got, wanted[name])
                    compared += 1
    return compared


def _equal(got: Any, wanted: Any) -> bool:
    if isinstance(got, float) and isinstance(wanted, float):
        return got == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    return type(got) is type(wanted) and got == wanted
