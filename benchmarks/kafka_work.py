"""One way of clicks through Kafka, in a process of its own.

python -m benchmarks.kafka_work bare|chain FORMAT FEW MANY

The installation is the environment's. Three rounds, of FEW, FEW and MANY events, each in the broker before the clock
starts: what the last round took longer than the second is what its further events took, without start and end. One JSON
object on stdout: processor seconds and seconds by the clock per event, and the processor's seconds by stage.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main
from confluent_kafka import Consumer, TopicPartition

import flows.check
import rapport.bus.kafka_member
from benchmarks.kafka_events import CLICKS, CUSTOMERS, bare_decoder, clicks, encoded, fill
from flows.declared import Declared
from flows.features import features, load_declared
from flows.ingest import ingest
from flows.runtime import Runtime, keep_out_of_the_collectors_way, make_runtime
from flows.updater import Updater
from rapport.bus.kafka import KafkaBus
from rapport.bus.seen import SeenEvents
from rapport.clock import SystemClock
from rapport.online import reader_for
from rapport.online.fence import Session
from rapport.settings import load_settings

__all__ = ["Cost"]

AT_ONCE = 4_000
BARE = "bench.bare"


class Cost(msgspec.Struct):
    """What an event costs, in seconds: of all processors, by the clock, and of processors by stage."""

    processor: float
    clock: float
    stages: dict[str, float] = {}


class Stages:
    """Adds up the processor time of calls by the flow's thread, each without those inside it that are watched too."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def watch(self, owner: Any, name: str, stage: str) -> None:
        """Let calls of `owner.name` count to a stage from now on."""
        call = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            started = time.thread_time()
            try:
                return call(*arguments, **named)
            finally:
                taken = time.thread_time() - started
                self.seconds[stage] += taken - self._inner.pop()
                self._inner[-1] += taken

        setattr(owner, name, timed)


def bare(kind: str, servers: str) -> Callable[[str, int], dict[str, Cost]]:
    """confluent-kafka's own batches, each value decoded and dropped."""
    decode = bare_decoder(kind)
    topic = f"{BARE}.{kind.split()[0].lower()}"

    def work(name: str, count: int) -> dict[str, Cost]:
        fill(servers, f"{topic}.{name}", encoded(kind, clicks(name, count, SystemClock().now_us())))
        consumer = Consumer({"bootstrap.servers": servers, "group.id": topic, "auto.offset.reset": "earliest"})
        consumer.assign([TopicPartition(f"{topic}.{name}", 0, 0)])
        with _clocked({}) as cost:
            done = 0
            while done < count:
                done += len([decode(record.value()) for record in consumer.consume(AT_ONCE, 1.0)])
        consumer.close()
        return {"all": cost}

    return work


def watched() -> Stages:
    """The stages of the chain, watched from now on."""
    stages = Stages()
    stages.watch(rapport.bus.kafka_member, "to_batch", "fetch, the flow's part")
    stages.watch(flows.check, "decode_many", "decode")
    stages.watch(flows.check, "derive", "derive columns")
    stages.watch(SeenEvents, "claim", "dedupe")
    stages.watch(Updater, "apply", "apply")
    for name in ("ask", "receive", "write", "refused"):
        stages.watch(Session, name, "store")
    return stages


def chain(kind: str, runtime: Runtime, declared: Declared, stages: Stages) -> Callable[[str, int], dict[str, Cost]]:
    """Ingest until all is checked, then features until all can be read."""
    bus = runtime.bus
    assert isinstance(bus, KafkaBus)
    servers, topic = bus.link.servers, bus.link.topic(CLICKS)
    reader = reader_for(runtime.settings, "personalization")
    sent = 0

    def drained(add: Callable[..., None], *arguments: Any) -> Cost:
        flow = Dataflow("bench")
        add(flow, runtime, *arguments, drain=True)
        with _clocked(stages.seconds) as cost:
            run_main(flow)
        return cost

    def work(name: str, count: int) -> dict[str, Cost]:
        nonlocal sent
        bus.reader(CLICKS, 0).lag()  # creates the topic as the installation wants it
        fill(servers, topic, encoded(kind, clicks(name, count, SystemClock().now_us())))
        found = {"ingest": drained(ingest), "features": drained(features, declared)}
        sent += count
        ids = [f"c{number}" for number in range(CUSTOMERS)]
        rows = reader.read(ids, SystemClock().now_us())
        readable = sum(int(rows.row(at)["click_activity__clicks_1d"] or 0) for at in range(len(ids)))
        if readable != sent:
            raise RuntimeError(f"{sent:,} events were sent, and {readable:,} can be read")
        return found

    return work


@contextmanager
def _clocked(stages: dict[str, float]) -> Iterator[Cost]:
    """What happens meanwhile, in this process."""
    cost = Cost(0.0, 0.0)
    before, read = dict(stages), _reading()
    processor, clock, own = time.process_time(), time.perf_counter(), time.thread_time()
    yield cost
    cost.processor, cost.clock = time.process_time() - processor, time.perf_counter() - clock
    own = time.thread_time() - own
    cost.stages = {name: spent - before.get(name, 0.0) for name, spent in stages.items()}
    cost.stages["the flow's rest"] = own - sum(cost.stages.values())
    cost.stages["fetch, the reading thread"] = reading = _reading() - read
    cost.stages["Kafka's client and the commits, their threads"] = cost.processor - own - reading


def _reading() -> float:
    """Processor seconds of the threads that read for groups."""
    numbers = [thread.native_id for thread in threading.enumerate() if thread.name.startswith("kafka-")]
    spent = [Path(f"/proc/self/task/{number}/schedstat").read_text().split()[0] for number in numbers]
    return sum(map(int, spent)) / 1e9


def _of_one(few: Cost, many: Cost, events: int) -> Cost:
    """The cost of one of the events that the larger round had more."""
    stages = {name: (spent - few.stages.get(name, 0.0)) / events for name, spent in many.stages.items()}
    return Cost((many.processor - few.processor) / events, (many.clock - few.clock) / events, stages)


def main(mode: str, kind: str, few: int, many: int) -> None:
    settings = load_settings(os.environ, root=Path(os.environ["RAPPORT_ROOT"]))
    if mode == "bare":
        work = bare(kind, settings.bus_url.removeprefix("kafka://"))
    else:
        stages = watched()
        runtime = make_runtime(settings)
        work = chain(kind, runtime, load_declared(settings), stages)
    keep_out_of_the_collectors_way()
    work("first", few)
    less, more = work("second", few), work("third", many)
    costs = {name: _of_one(less[name], more[name], many - few) for name in less}
    sys.stdout.write(msgspec.json.encode(costs).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
