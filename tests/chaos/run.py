"""One run: a world's events are sent, the flow works, and things go wrong as planned until all has been ingested."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from rapport.bus import Bus, Message
from rapport.bus.redis_streams import RedisStreamsBus
from rapport.bus.retry import Patience
from rapport.clock import WORLD_CLOCK_KEY, WorldClock
from rapport.errors import BusUnavailable
from rapport.supervisor.declarations import apply_declarations
from rapport.supervisor.state import Paths
from rapport.testing.faults import frozen, kill_redis, restart_redis
from rapport.testing.project import Project
from tests.chaos.plan import Fault
from tests.chaos.producer import Attempt, Producer, Sent
from tests.chaos.worker import FlowProcess, forking
from tests.chaos.world import NOW_US, TOPICS, World

__all__ = ["PARTITIONS", "Run", "Settled"]

PARTITIONS = 2
_SOURCE = Path(__file__).parents[2]
_STUCK_S = 180.0
"""The run is given up when nothing has been ingested for this long."""
_END_S = 60.0
_GROUPS = ("features", "archive")


class Settled:
    """How many records have been ingested, asked of the bus now and then; while it does not answer, as before."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._looked_s = 0.0
        self.counts: dict[str, int] = {}
        self.records = 0

    def __call__(self) -> int:
        now_s = time.monotonic()
        if now_s - self._looked_s > 0.05 + len(self.counts) / 50_000:
            self._looked_s = now_s
            try:
                self.counts = self._bus.counts()
            except BusUnavailable:
                return self.records
            self.records = sum(n for name, n in self.counts.items() if not name.startswith("origin:"))
        return self.records


@dataclass(slots=True)
class Run:
    """A run in a folder of its own. After `go`, its Redis holds what came of it, and no flow runs.

    Args:
        folder: empty.
        world: what is sent.
        faults: what goes wrong, in order.
        say: told of the progress, a line at a time.
        longest_s: after this time, what has been sent is all there is, and no more goes wrong.
    """

    folder: Path
    world: World
    faults: list[Fault]
    say: Callable[[str], None]
    longest_s: float = math.inf
    done: Counter[str] = field(default_factory=Counter)
    project: Project = field(init=False)
    sent: Sent = field(init=False)
    settled: Settled = field(init=False)
    seconds: float = 0.0
    left: int = 0
    _flows: list[FlowProcess] = field(default_factory=list)
    _said_s: float = 0.0

    def go(self) -> None:
        self.project = Project(self.folder, _SOURCE)
        Paths(self.project.settings).run.mkdir()
        apply_declarations(self.project.settings)
        with self.project.client() as client:
            client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, NOW_US, 0.0)))
        bus = self.bus(timeout_s=2.0)
        self.settled = Settled(bus)
        producer = Producer(self.bus(timeout_s=2.0), self.world, self.settled)
        self.sent = producer.sent
        started_s = time.monotonic()
        self._start()
        producer.start()
        try:
            for fault in self.faults:
                self._until(fault, producer, started_s + self.longest_s)
                if time.monotonic() > started_s + self.longest_s:
                    producer.enough.set()
                    break
                self._happen(fault)
            self._finish(producer, bus)
        finally:
            producer.stop.set()
            for process in self._flows:
                process.kill()
        self.seconds = time.monotonic() - started_s

    def bus(self, timeout_s: float = 30.0) -> RedisStreamsBus:
        return RedisStreamsBus(self.project.redis.url, partitions=PARTITIONS, timeout_s=timeout_s)

    @property
    def log(self) -> Path:
        return self.folder / "flow.log"

    def _start(self, *, fresh: bool = False) -> None:
        environment = {
            "RAPPORT_ROOT": str(self.folder),
            "RAPPORT_PARTITIONS": str(PARTITIONS),
            "RAPPORT_ARCHIVE_EVERY_S": "0.5",
        }
        self._flows.append(FlowProcess(environment, self.log, None if fresh else forking()))

    def _until(self, fault: Fault, producer: Producer, end_s: float) -> None:
        """Wait until it is time for the fault, or for the end."""
        share = self.world.events * fault.at
        since_s, last = time.monotonic(), -1
        while (
            self.settled() < share
            and time.monotonic() < end_s
            and (producer.is_alive() or self.settled() < self.sent.records)
        ):
            if self.settled.records != last:
                since_s, last = time.monotonic(), self.settled.records
            self._look(producer)
            if time.monotonic() - since_s > _STUCK_S:
                raise RuntimeError(f"nothing was ingested for {_STUCK_S:.0f} s; the flow's log is {self.log}")
            time.sleep(0.005)
        time.sleep(fault.after_s)

    def _look(self, producer: Producer) -> None:
        """A flow that ends by itself, or a producer that fails, ends the run; now and then the progress is told."""
        if producer.error:
            raise RuntimeError("the producer failed") from producer.error
        for process in self._flows:
            if (code := process.exit_code()) is not None:
                raise RuntimeError(f"a flow ended by itself with exit code {code}; its log is {self.log}")
        if time.monotonic() - self._said_s > 5:
            self._said_s = time.monotonic()
            behind = f"   {self.left:,} records on their way" if self.left else ""
            self.say(f"{self.settled():>10,} ingested of {self.sent.records:>10,} sent   {self._tally()}{behind}")

    def _tally(self) -> str:
        return ", ".join(f"{n} x {kind}" for kind, n in self.done.items())

    def _happen(self, fault: Fault) -> None:
        self.done[fault.kind] += 1
        redis = self.project.redis
        if fault.kind == "kill":
            self._flows.pop().kill()
            self._start(fresh=fault.fresh)
        elif fault.kind == "twins":
            self._start(fresh=fault.fresh)
            time.sleep(1 + fault.lasts_s)
            self._flows.pop(0 if fault.first else -1).kill()
        elif fault.kind == "freeze flow":
            with frozen(self._flows[-1].pid):
                time.sleep(fault.lasts_s)
        elif fault.kind == "restart redis":
            restart_redis(redis, down_s=fault.lasts_s)
        elif fault.kind == "kill redis":
            kill_redis(redis, down_s=fault.lasts_s)
        elif redis.pid is not None:
            with frozen(redis.pid):
                time.sleep(fault.lasts_s)

    def _finish(self, producer: Producer, bus: Bus) -> None:
        """Wait until all is in the rows and the archive, then end a flow, which has worked, in good order."""
        self._flows.pop().kill()
        self._start(fresh=True)
        self.sent.attempts["last 0"] = Attempt(1, {"bad_json": 1}, known=True)
        Patience().call(lambda: bus.publish([Message("feedback", "c1", b"{last", "last 0")]))
        self.sent.records += 1
        since_s, last = time.monotonic(), -1
        while producer.is_alive() or (left := self._left(bus)):
            self._look(producer)
            now = self.settled() if producer.is_alive() else -left
            if now != last:
                since_s, last = time.monotonic(), now
                self.left = max(0, -now)
            if time.monotonic() - since_s > _STUCK_S:
                raise RuntimeError(f"the end was not reached: the flow's log is {self.log}")
            time.sleep(0.05)
        code = self._flows.pop().end(_END_S)
        if code != 0:
            raise RuntimeError(f"asked to end, the flow ended with {code}; its log is {self.log}")

    def _left(self, bus: Bus) -> int:
        """Records that are not yet where they belong; 1 while the bus does not answer."""
        try:
            raw = sum(_lag(bus, "ingest", topic) for topic in TOPICS)
            return raw + sum(_lag(bus, group, f"{topic}.checked") for group in _GROUPS for topic in TOPICS)
        except BusUnavailable:
            return 1


def _lag(bus: Bus, group: str, topic: str) -> int:
    return sum(bus.reader(topic, part, bus.position(group, topic, part)).lag() for part in range(bus.partitions(topic)))
