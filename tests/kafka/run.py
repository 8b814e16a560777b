"""A run over a real broker: producers send a world's events while workers are killed, added and removed, and the broker
is killed and comes back. Afterwards everything is held against what was sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec
import pyarrow as pa

from rapport.bus import Bus, open_bus
from rapport.bus.groups import consumers
from rapport.bus.kafka_link import KafkaLink
from rapport.clock import WORLD_CLOCK_KEY, WorldClock
from rapport.dead_letters import DEAD_LETTERS
from rapport.errors import BusUnavailable
from rapport.settings import load_settings
from rapport.supervisor.declarations import apply_declarations
from rapport.supervisor.state import Paths
from rapport.testing.kafka import KafkaServer
from rapport.testing.project import Project
from tests.chaos.producer import Sent
from tests.chaos.verdict import check_archive, check_rows, check_sample, truth_of
from tests.chaos.world import NOW_US, TOPICS, World
from tests.kafka.ahead import rows_ahead
from tests.kafka.processes import forking, start_archive, start_producer, start_worker

__all__ = ["KafkaRun", "Outcome"]

PRODUCERS = 5
_SOURCE = Path(__file__).parents[2]
_STUCK_S = 120.0


@dataclass(slots=True)
class Outcome:
    """What became of a run. `findings` is empty when nothing was lost or counted twice, and every row is right."""

    events: int
    records: int = 0
    accepted: int = 0
    dead: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    rows: int = 0
    rows_of_oracle: int = 0
    faults: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    ahead: int = 0
    """Rows that had seen uncommitted events when a worker was killed."""


class KafkaRun:
    """
    Args:
        folder: empty.
        world: what is sent.
        server: a broker, running, that may be killed.
        partitions: of every topic.
        say: told of the progress, a line at a time.
    """

    def __init__(
        self, folder: Path, world: World, server: KafkaServer, partitions: int, say: Callable[[str], None]
    ) -> None:
        self.world = world
        self.sent = Sent()
        self.project = Project(folder, _SOURCE)
        self._folder = folder
        self._server = server
        self._say = say
        self.environment = {
            "RAPPORT_ROOT": str(folder),
            "RAPPORT_REDIS_URL": self.project.redis.url,
            "RAPPORT_BUS_URL": f"kafka://{server.bootstrap}",
            "RAPPORT_PARTITIONS": str(partitions),
            "RAPPORT_ARCHIVE_EVERY_S": "0.5",
        }
        self._running: list[BaseProcess] = []
        self.outcome = Outcome(world.events)

    def bus(self, timeout_s: float = 30.0) -> Bus:
        return open_bus(load_settings(self.environment), timeout_s=timeout_s)

    def go(self, faults: list[tuple[float, str]]) -> Outcome:
        """Send everything; `faults` are what happens when such a share of it has been ingested."""
        Paths(self.project.settings).run.mkdir()
        apply_declarations(self.project.settings)
        with self.project.client() as client:
            client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, NOW_US, 0.0)))
        bus = self.bus(timeout_s=5.0)
        started_s = time.monotonic()
        with ExitStack() as stack:
            stack.callback(self._end)
            self._running = [self._worker(), start_archive(self.environment, self._folder / "archive.log")]
            known = forking().Queue()
            producers = [
                start_producer(self.environment, self.world, (index, PRODUCERS), known) for index in range(PRODUCERS)
            ]
            stack.callback(lambda: [producer.kill() for producer in producers])
            for share, kind in faults:
                self._until(lambda at=share * self.world.events: self._accepted(bus) >= at)
                self._happen(kind)
            told = [known.get(timeout=600) for _ in producers]
            self._say("all is sent")
            self._until(lambda: self._all_read(bus))
        self.outcome.seconds = round(time.monotonic() - started_s, 1)
        self._judge(self.bus(), told)
        return self.outcome

    def _worker(self, index: int = 0, count: int = 1) -> BaseProcess:
        return start_worker(self.environment, self._folder / f"worker-{index}.log", index, count)

    def _happen(self, kind: str) -> None:
        self._say(kind)
        self.outcome.faults.append(kind)
        if kind == "kill worker":
            self._running[0].kill()
            self._running[0].join()
            self.outcome.ahead += self._rows_ahead()
            self._running[0] = self._worker()
        elif kind == "kill archive":
            self._running[1].kill()
            self._running[1].join()
            self._running[1] = start_archive(self.environment, self._folder / "archive.log")
        elif kind == "kill broker":
            self._server.kill()
            time.sleep(1)
            self._server.start()
        elif kind == "add worker":
            self._running.append(self._worker(1, 2))
        elif kind == "kill added worker":
            process = self._running.pop()
            process.kill()
            process.join()
        else:
            raise ValueError(f"nothing is known of {kind!r}")

    def _rows_ahead(self) -> int:
        link = KafkaLink(self._server.bootstrap)
        customers = [self.world.customer(number) for number in range(min(200, self.world.customers))]
        return rows_ahead(self.project, link, int(self.environment["RAPPORT_PARTITIONS"]), customers)

    def _end(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.join(20)
            if process.exitcode != 0:
                self.outcome.findings.append(f"asked to end, a flow ended with {process.exitcode}")
                process.kill()

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _STUCK_S
        last = -1
        while not condition():
            for process in self._running:
                if process.exitcode is not None:
                    raise RuntimeError(
                        f"a flow ended by itself with {process.exitcode}; the logs are in {self._folder}"
                    )
            if self.outcome.accepted != last:
                last, deadline = self.outcome.accepted, time.monotonic() + _STUCK_S
            if time.monotonic() > deadline:
                raise RuntimeError(f"no progress for {_STUCK_S:g} s at {last:,}; the logs are in {self._folder}")
            time.sleep(0.1)

    def _accepted(self, bus: Bus) -> int:
        try:
            self.outcome.accepted = sum(bus.counts("accepted:").values())
        except BusUnavailable as error:
            self._say(str(error))
        return self.outcome.accepted

    def _all_read(self, bus: Bus) -> bool:
        try:
            return self._accepted(bus) >= 0 and all(
                bus.reader(topic, part, bus.position(group, topic, part)).lag() == 0
                for group, topic in consumers()
                for part in range(bus.partitions(topic))
            )
        except BusUnavailable:
            return False

    def _judge(self, bus: Bus, told: list[tuple[int, int]]) -> None:
        outcome, wrong = self.outcome, self.outcome.findings
        for number in range(self.world.chunks):
            for topic, table in self.world.chunk(number).truth.items():
                self.sent.truth[topic].append(table)
        counts = bus.counts()
        outcome.accepted = sum(n for name, n in counts.items() if name.startswith("accepted:"))
        outcome.dead = {name[5:]: n for name, n in counts.items() if name.startswith("dead:")}
        outcome.records = sum(
            bus.reader(topic, part).lag() for topic in TOPICS for part in range(bus.partitions(topic))
        )
        confirmed, doubtful = (sum(part) for part in zip(*told, strict=True))
        if outcome.accepted + sum(outcome.dead.values()) != outcome.records:
            wrong.append(
                f"{outcome.records:,} records were produced; {outcome.accepted:,} accepted, {outcome.dead} dead"
            )
        if not confirmed <= outcome.records <= confirmed + doubtful:
            wrong.append(f"{confirmed:,} records were confirmed, {doubtful:,} perhaps; Kafka has {outcome.records:,}")
        if outcome.accepted != self.world.events:
            wrong.append(f"{outcome.accepted:,} events were accepted of {self.world.events:,} good ones")
        letters = sum(len(batch) for part in range(bus.partitions(DEAD_LETTERS)) for batch in _all(bus, part))
        if letters != sum(outcome.dead.values()):
            wrong.append(f"{letters:,} dead letters are kept; {sum(outcome.dead.values()):,} were counted")
        truth: dict[str, pa.Table] = truth_of(self.sent)
        self._say("checking the archive and every row")
        wrong += check_archive(self, truth)  # type: ignore[arg-type]
        outcome.rows, found = check_rows(self, truth)  # type: ignore[arg-type]
        wrong += found[:20]
        outcome.rows_of_oracle, found = check_sample(self, truth, 60)  # type: ignore[arg-type]
        wrong += found[:20]


def _all(bus: Bus, partition: int):  # type: ignore[no-untyped-def]
    reader = bus.reader(DEAD_LETTERS, partition)
    while batch := reader.poll(5_000):
        yield batch
