"""One run: an installation whose workers are slowed down is given ten times what it can take, and works it off."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Event, Timer
from typing import Any

import msgspec
import numpy as np

from rapport.bus import Bus, Message, open_bus
from rapport.bus.protocol import Reader
from rapport.clock import WORLD_CLOCK_KEY, WorldClock
from rapport.dead_letters import DEAD_LETTERS
from rapport.decisions.log import DECISIONS_TOPIC
from rapport.errors import BusFull
from rapport.settings import load_settings
from rapport.supervisor.declarations import apply_declarations
from rapport.supervisor.lag import lags_by_partition
from rapport.supervisor.state import Paths
from rapport.testing.faults import slowed
from rapport.testing.kafka import KafkaServer
from rapport.testing.project import Project
from rapport.testing.served import Served
from tests.chaos.producer import Sent
from tests.chaos.verdict import check_archive, check_rows, truth_of
from tests.chaos.world import CHUNK, NOW_US, TOPICS, World
from tests.kafka.processes import forking, start_archive, start_triggers, start_worker
from tests.serving.loading import Load
from tests.surge.plan import Plan
from tests.surge.sender import Attempt, Senders, messages_of, start_senders
from tests.surge.watch import Sample, Watch

__all__ = ["Limits", "Outcome", "SurgeRun"]

_SOURCE = Path(__file__).parents[2]
_STUCK_S = 120.0
_MB = 1_000_000
_BYTES_AN_EVENT = 1_500
"""What an event takes of Redis at most while it waits: in its raw topic, or as a row of its checked one and as an id
that is remembered."""
_BYTES_AN_ID = 60
"""What is kept of an event for the ten to twenty minutes in which it could come again."""
_MORE_OF_A_PROCESS = 400 * _MB
"""What a process may take more than before the surge, whatever its length."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How the installation is set up.

    Attributes:
        share: of a processor's time that each flow has.
        relief: whether they have all of it once the surge is over, as when somebody brings more machines.
        max_lag: RAPPORT_INTAKE_MAX_LAG.
        max_length: RAPPORT_BUS_MAX_LENGTH.
    """

    share: float = 0.1
    relief: bool = False
    max_lag: int = 10_000
    max_length: int = 20_000


@dataclass(slots=True)
class Outcome:
    """What became of a run. `findings` is empty when nothing was lost, and memory kept to its bounds.

    Attributes:
        sustainable: events per second that went through before the surge, in one long queue.
        surge_rate: events per second that were given in the surge for the first time.
        offered, taken, given_up: records, in all; those of senders that come back are all taken.
        refusals: requests that were refused.
        longest_lag: events that waited for ingest, at most.
        worked_off_s: from the end of the surge until nothing waited any more.
        decisions, slowest: answered while all this went on; their 50th and 99th percentile and the longest, ms.
        degraded: answers by what they did without.
        redis_mb, rss_mb: before the surge, and at most.
    """

    sustainable: float = 0.0
    surge_rate: float = 0.0
    offered: int = 0
    taken: int = 0
    given_up: int = 0
    refusals: int = 0
    longest_lag: int = 0
    worked_off_s: float = 0.0
    decisions: int = 0
    decision_ms: tuple[float, float, float] = (0.0, 0.0, 0.0)
    degraded: dict[str, int] = field(default_factory=dict)
    redis_mb: tuple[float, float] = (0.0, 0.0)
    rss_mb: dict[str, tuple[float, float]] = field(default_factory=dict)
    rows: int = 0
    findings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class SurgeRun:
    """A run in a folder of its own.

    Args:
        folder: empty.
        world: what is sent; as many of its chunks as it takes.
        limits: how the installation is set up.
        say: told of the progress, a line at a time.
        kafka: a broker, to be the bus; None: Redis is.
        over_http: whether events come through the service, or straight onto the bus.
    """

    def __init__(
        self,
        folder: Path,
        world: World,
        limits: Limits,
        say: Callable[[str], None],
        *,
        kafka: KafkaServer | None = None,
        over_http: bool = True,
    ) -> None:
        self.world = world
        self.project = Project(folder, _SOURCE)
        self.sent = Sent()
        self.outcome = Outcome()
        self.attempts: list[Attempt] = []
        self.samples: Sequence[Sample] = []
        self.plan: Plan
        self.limits = limits
        self._say = say
        self._over_http = over_http
        self._on_kafka = kafka is not None
        self._taken: list[int] = []
        self._next = 0
        self._decided: list[tuple[float, float]] = []
        self.environment = {
            "RAPPORT_ROOT": str(folder),
            "RAPPORT_REDIS_URL": self.project.redis.url,
            "RAPPORT_BUS_URL": f"kafka://{kafka.bootstrap}" if kafka else "",
            "RAPPORT_ARCHIVE_EVERY_S": "0.5",
            "RAPPORT_INTAKE_MAX_LAG": str(limits.max_lag),
            "RAPPORT_BUS_MAX_LENGTH": str(limits.max_length),
            # A machine that does nothing but this would not need them.
            "RAPPORT_DEADLINE_MS": "1000",
            "RAPPORT_REDIS_TIMEOUT_MS": "1000",
        }

    def bus(self, timeout_s: float = 30.0) -> Bus:
        return open_bus(load_settings(self.environment), timeout_s=timeout_s)

    def go(self, *, calibrate: int, before_s: float, surge_s: float, after_s: float) -> Outcome:
        """
        Args:
            calibrate: chunks by whose way through the sustainable rate is measured.
            before_s, surge_s, after_s: how long each phase lasts; then it waits until all is worked off.
        """
        settings = self.project.settings
        Paths(settings).run.mkdir()
        # Everything is imported there while this process is busy.
        forking().Barrier(1)
        apply_declarations(settings)
        with self.project.client() as client:
            client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, NOW_US, 0.0)))
        bus = self.bus()
        with ExitStack() as stack:
            flows = [
                start_worker(self.environment, settings.root / "worker.log"),
                start_archive(self.environment, settings.root / "archive.log"),
                start_triggers(self.environment, settings.root / "triggers.log"),
            ]
            stack.callback(self._end, flows)
            served = Served(self.project, self.environment)
            stack.callback(served.stop)
            self._put(bus, 2)
            self._until_read(bus, flows)
            served.wait_ready()
            pids = [process.pid or 0 for process in flows]
            names = dict(zip(("worker", "archive", "triggers", "service"), (*pids, served.process.pid), strict=True))
            slow = stack.enter_context(slowed(pids, self.limits.share))
            self.outcome.sustainable = self._calibrate(bus, flows, calibrate)
            self.plan = Plan(self.outcome.sustainable, self._next, before_s, surge_s, after_s)
            self._surge(bus, flows, served, names, slow)
        self._judge(bus)
        return self.outcome

    def decision_course(self, bin_s: float) -> list[tuple[float, float, float]]:
        """(middle of a part of the run, seconds; median and longest time of its decisions, ms)."""
        parts: dict[int, list[float]] = {}
        for at_s, took_s in self._decided:
            parts.setdefault(int(at_s / bin_s), []).append(1_000 * took_s)
        return [((n + 0.5) * bin_s, float(np.median(ms)), max(ms)) for n, ms in sorted(parts.items())]

    def _put(self, bus: Bus, chunks: int) -> None:
        for _ in range(chunks):
            messages, _ = messages_of(self.world.chunk(self._next))
            while not _published(bus, messages):
                time.sleep(0.05)
            self._taken.append(self._next)
            self._next += 1

    def _calibrate(self, bus: Bus, flows: list[BaseProcess], chunks: int) -> float:
        started_s = time.monotonic()
        self._put(bus, chunks)
        self._until_read(bus, flows, "ingest", "features")
        rate = chunks * CHUNK / (time.monotonic() - started_s)
        self._say(f"sustainable: {rate:,.0f} events/s by a worker with {self.limits.share:.0%} of a processor")
        return rate

    def _surge(self, bus: Bus, flows: list[BaseProcess], served: Served, names: dict[str, int], slow: Event) -> None:
        context = forking()
        start, told = context.Barrier(3), context.Queue()
        url = served.url if self._over_http else ""
        senders = [
            start_senders(Senders(url, self.environment, self.world, due, come_back), start, told)
            for due, come_back in zip(self.plan.due(), (True, False), strict=True)
        ]
        start.wait(600)
        self._say("the senders begin")
        if self.limits.relief:
            Timer(self.plan.before_s + self.plan.surge_s, slow.set).start()
        customer = self.world.customer(0)
        with Watch(load_settings(self.environment), names) as watch, Load(served, customer, clients=1) as load:
            for _ in senders:
                _, attempts = told.get(timeout=3_600)
                self.attempts += attempts
            self._say("all that is not given up is taken")
            self._until_read(bus, flows)
            done_s = watch.now_s
            time.sleep(2 * watch.every_s)
        self.samples = watch.samples
        self.outcome.worked_off_s = round(done_s - self.plan.before_s - self.plan.surge_s, 1)
        self._note_decisions(load)
        for process in senders:
            process.join(30)

    def _until_read(self, bus: Bus, flows: list[BaseProcess], *only: str) -> None:
        deadline, last = time.monotonic() + _STUCK_S, -1
        while left := self._waiting(bus, only):
            if any(process.exitcode is not None for process in flows):
                raise RuntimeError(f"a flow ended by itself; the logs are in {self.project.root}")
            if left != last:
                last, deadline = left, time.monotonic() + _STUCK_S
            if time.monotonic() > deadline:
                raise RuntimeError(f"{left:,} events are not read for {_STUCK_S:g} s; see {self.project.root}")
            time.sleep(0.02)

    def _waiting(self, bus: Bus, only: Sequence[str]) -> int:
        """Events that groups have not done yet, of those named or of all. There are always decisions."""
        lags = lags_by_partition(load_settings(self.environment), bus)
        events = {place: lag for place, lag in lags.items() if place[1] != DECISIONS_TOPIC}
        return sum(lag for (group, _, _), lag in events.items() if not only or group in only)

    def _end(self, flows: list[BaseProcess]) -> None:
        for process in flows:
            process.terminate()
        for process in flows:
            process.join(30)
            if process.exitcode != 0:
                self.outcome.findings.append(f"asked to end, a flow ended with {process.exitcode}")
                process.kill()

    def _note_decisions(self, load: Load) -> None:
        outcome = self.outcome
        self._decided = [(at_s, took_s) for at_s, _, took_s, _ in load.answers]
        times_ms = [1_000 * took_s for _, took_s in self._decided]
        p50, p99 = np.percentile(times_ms, (50, 99))
        outcome.decisions = len(times_ms)
        outcome.decision_ms = (round(float(p50), 2), round(float(p99), 2), round(max(times_ms), 2))
        outcome.degraded = dict(
            Counter(code for _, _, _, answer in load.answers for code in answer.get("degraded", ()))
        )
        if failed := load.failed():
            outcome.findings.append(f"{len(failed):,} decisions were not answered: {failed[0]}")
        if missed := outcome.degraded.get("features_unavailable"):
            outcome.findings.append(f"{missed:,} decisions had no features")

    def _judge(self, bus: Bus) -> None:
        self._count()
        self._check_counts(bus)
        self._check_memory()
        for number in self._taken:
            chunk = self.world.chunk(number)
            for topic, table in chunk.truth.items():
                self.sent.truth[topic].append(table)
        self._say("checking the archive and every row")
        truth = truth_of(self.sent)
        self.outcome.findings += check_archive(self, truth)  # type: ignore[arg-type]
        self.outcome.rows, wrong = check_rows(self, truth)  # type: ignore[arg-type]
        self.outcome.findings += wrong[:20]

    def _count(self) -> None:
        outcome = self.outcome
        back, gone = ({number for _, number in due} for due in self.plan.due())
        taken = [one for one in self.attempts if one.taken]
        self._taken += [one.chunk for one in taken]
        outcome.taken = sum(one.records for one in taken)
        outcome.refusals = len(self.attempts) - len(taken)
        outcome.given_up = sum(one.records for one in self.attempts if not one.taken and one.chunk in gone)
        outcome.offered = outcome.taken + outcome.given_up
        outcome.surge_rate = round(self._first_given() / self.plan.surge_s)
        if lost := back - {one.chunk for one in taken}:
            outcome.findings.append(f"{len(lost)} chunks of senders that come back were never taken")
        if any(one.later_s <= 0 for one in self.attempts if not one.taken):
            outcome.findings.append("a refusal does not say when to come back")

    def _first_given(self) -> int:
        """Records that were due in the surge, and given in it or held back because a refusal said so."""
        start_s, end_s = self.plan.before_s, self.plan.before_s + self.plan.surge_s
        back, gone = ({number for at_s, number in due if start_s <= at_s < end_s} for due in self.plan.due())
        given = {one.chunk for one in self.attempts if one.chunk in gone and one.at_s < end_s + 1}
        return CHUNK * (len(given) + len(back))

    def _check_counts(self, bus: Bus) -> None:
        """accepted + dead letters = what was taken, and each dead letter is one that had to be."""
        good, refused = len(self._taken) * CHUNK, Counter[str]()
        for number in self._taken:
            refused.update(messages_of(self.world.chunk(number))[1])
        counts = bus.counts()
        accepted = sum(n for name, n in counts.items() if name.startswith("accepted:"))
        dead = {name[5:]: n for name, n in counts.items() if name.startswith("dead:")}
        kept = sum(_records(bus.reader(DEAD_LETTERS, part)) for part in range(bus.partitions(DEAD_LETTERS)))
        if (accepted, dead) != (good, dict(refused)):
            self.outcome.findings.append(f"taken: {good:,} good ones, {dict(refused)}; counted: {accepted:,}, {dead}")
        if kept != sum(refused.values()):
            self.outcome.findings.append(f"{kept:,} dead letters are kept, of {sum(refused.values()):,}")

    def _check_memory(self) -> None:
        outcome = self.outcome
        before = [one for one in self.samples if one.at_s < self.plan.before_s] or self.samples[:1]
        outcome.longest_lag = max(one.lag.get("ingest", 0) for one in self.samples)
        outcome.redis_mb = tuple(  # type: ignore[assignment]
            round(max(one.redis_bytes for one in some) / _MB, 1) for some in (before, self.samples)
        )
        bound = outcome.redis_mb[0] * _MB + self._room() * _BYTES_AN_EVENT + outcome.taken * _BYTES_AN_ID
        if outcome.redis_mb[1] * _MB > bound:
            outcome.findings.append(f"Redis took {outcome.redis_mb[1]} MB; its bound was {bound / _MB:.0f} MB")
        for name in self.samples[0].rss_bytes:
            low, high = (max(one.rss_bytes[name] for one in some) for some in (before, self.samples))
            outcome.rss_mb[name] = (round(low / _MB, 1), round(high / _MB, 1))
            if high > low + _MORE_OF_A_PROCESS:
                outcome.findings.append(f"{name} grew from {low / _MB:.0f} to {high / _MB:.0f} MB")

    def _room(self) -> int:
        return len(TOPICS) * (self.limits.max_lag if self._over_http else self.limits.max_length)


def _published(bus: Bus, messages: Sequence[Message]) -> bool:
    try:
        bus.publish(messages)
    except BusFull:
        return False
    return True


def _records(reader: Reader) -> int:
    """How many there are: on Kafka a lag counts the marks of transactions too."""
    count = 0
    while batch := reader.poll(5_000):
        count += len(batch)
    return count
