"""The service put together: its parts, how they start, and what runs beside the requests."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import redis
import redis.asyncio

from bentos.background import Background
from bentos.batch import Batches
from bentos.chatbots import Chatbots
from bentos.decide import Decider
from bentos.features import FeatureGateway
from bentos.health import health_of
from bentos.inference import Inference
from bentos.intake import Intake
from bentos.lookup import Lookup
from bentos.metrics import Metrics
from bentos.pressure import Pressure
from bentos.queueing import Queue
from bentos.schemas import PersonalizeRequest, SessionData
from bentos.webhooks import Webhooks
from bentos.worldtime import FollowedClock
from rapport.access import Gate
from rapport.bus import open_bus
from rapport.bus.protocol import Bus
from rapport.clock import WORLD_CLOCK_KEY
from rapport.dead_letters import expire_letters
from rapport.decisions import DecisionLog
from rapport.decisions.answers import Health
from rapport.decisions.freshness import Freshness
from rapport.decisions.kept import FEATURE_SERVICE, KeptViews
from rapport.decisions.scoring import MODELS, SEGMENTS, Scorer
from rapport.errors import AccessError, BusError, MappingError, ServiceError, StoreUnavailable
from rapport.inference import KeptVersions
from rapport.models import Champions
from rapport.online import OnlineReader, connect_async, reader_for
from rapport.policy import FollowedPolicy
from rapport.settings import Settings
from rapport.webhooks import Sources
from rapport.webhooks.sources import webhooks_folder

__all__ = ["Runtime"]

BUS_TIMEOUT_S = 1.0
WARM_UP_DECISIONS = 50
DAY_US = 86_400_000_000


class Runtime:
    """One worker's parts. Made without asking anything of anybody; `start` sets it going."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.in_production = settings.in_production
        self.has_admin_port = bool(settings.own_admin_port)
        self.gate = Gate(settings)
        self.drift_figures = settings.data_dir / "reports" / "metrics.prom"
        self._background = Background()
        self._bus: Bus | None = None
        self._bus_lock = threading.Lock()
        self._bus_well = False
        self._reader: OnlineReader | None = None
        self._side: redis.asyncio.Redis | None = None
        self._warm_with: OnlineReader | None = None
        self._champions: Champions | None = None
        self._kept: KeptViews | None = None
        self._freshness = Freshness()
        self._policy = FollowedPolicy(settings)
        self._ready = False
        self.clock = FollowedClock()
        self.metrics = Metrics(
            gauges=self._gauges,
            circuit_opened=lambda: self.features.breaker.opened,
            lost_records=self._lost_records,
            versions=self._versions,
            policy=lambda: self._policy.bundle.versions,
        )
        self.log = DecisionLog(self.bus)
        self.features = FeatureGateway(settings.deadline_ms / 1e3, self.metrics)
        self.scorer = Scorer()
        self._queue = Queue(settings.queue_ms / 1e3)
        self.inference = Inference(self.metrics)
        self.lookup = Lookup(settings, self.bus, self.log)
        self._pressure = Pressure(self.bus, settings.intake_max_lag)
        self.intake = Intake(self.bus, self.clock, self.metrics, self._pressure)
        self._sources = Sources(webhooks_folder(settings), unsigned=not settings.in_production)
        self.webhooks = Webhooks(self._sources, self.intake, self.clock, self.metrics)
        self.decider = Decider(
            self.features,
            self.scorer,
            self._policy,
            self.clock,
            self.log,
            self.metrics,
            self._queue,
            stale=lambda: self._freshness.stale,
        )
        self.batches = Batches(self.decider, self.features, self.clock, self.metrics)
        self.chatbots = Chatbots(
            settings.root / (settings.chatbots_file or "chatbots.yaml"),
            self.decider,
            self.features,
            self.intake,
            self.clock,
            self.metrics,
        )

    async def start(self) -> None:
        """Set the background going. Decisions are answered from now on, degraded until the parts are there; `health`
        says ready once the first look at every part has been taken."""
        background = self._background
        background.every(0.1, "online store", self._keep_store)
        background.every(0.5, "kept views", self._keep_kept)
        background.every(0.5, "models", self._keep_models)
        background.every(1.0, "model versions", self.inference.refresh)
        background.every(0.5, "policy", self._keep_policy)
        background.every(0.5, "world clock", self._keep_clock)
        background.every(2.0, "bus", self._keep_bus)
        background.every(0.5, "keys", self._keep_keys)
        background.every(1.0, "webhooks", self._keep_webhooks)
        background.every(1.0, "chatbots", self._keep_chatbots)
        background.every(900.0, "dead letters", self._expire_letters)
        background.every(0.25, "warm-up", self._warm_up)

    async def stop(self) -> None:
        """Stop the background, publish the decisions that wait, and close every connection."""
        await self._background.stop()
        await self.chatbots.stop()
        await asyncio.to_thread(self.log.close)
        await asyncio.to_thread(self.intake.close)
        if self._reader is not None:
            await self._reader.close_async()
            self._reader.close()
        if self._side is not None:
            await self._side.aclose()
        # What is frozen would be left over when the process ends, and libraries complain of that.
        gc.unfreeze()

    def bus(self) -> Bus:
        """The bus, opened when it is first needed.

        Raises:
            ServiceError: the embedded Redis has never been started.
        """
        with self._bus_lock:
            if self._bus is None:
                self._bus = open_bus(self._settings, timeout_s=BUS_TIMEOUT_S)
            return self._bus

    def health(self) -> Health:
        versions = {name: self._versions().get(name) for name in (*MODELS, SEGMENTS)}
        problems = {**(self._champions.problems if self._champions else {}), **self._background.problems}
        return health_of(
            ready=self._ready,
            redis=not self.features.breaker.is_open,
            bus=self._bus_well,
            stale=self._freshness.stale,
            policy=self._policy,
            versions=versions,
            problems=problems,
        )

    async def _keep_store(self) -> None:
        """Make the reader once it can be made; while the store fails, probe it."""
        if self._reader is None:
            reader = await asyncio.to_thread(reader_for, self._settings, FEATURE_SERVICE)
            folder = self._settings.data_dir / "models"
            champions = Champions(folder, reader.fingerprints, poll_s=float("inf"))
            await asyncio.to_thread(champions.refresh, *MODELS, SEGMENTS)
            kept = await asyncio.to_thread(KeptViews, self._settings, reader)
            await asyncio.to_thread(reader.warm_imagining)
            # All at once: whoever finds a reader may take it that decisions use it.
            self._reader = self.features.reader = reader
            self._champions = self.scorer.champions = champions
            self.inference.kept = KeptVersions(folder, reader.fingerprints, champions, (*MODELS, SEGMENTS))
            self._kept = kept
            self.features.definitions = kept.definitions
        if self.features.breaker.is_open and not await self.features.probe(self.clock.now_us()):
            raise StoreUnavailable("does not answer; decisions go on without features")

    async def _keep_kept(self) -> None:
        if self._kept is not None:
            self.features.rebuilding = await asyncio.to_thread(self._kept.rebuilding)

    async def _keep_models(self) -> None:
        if self._champions is not None:
            await asyncio.to_thread(self._champions.refresh, *MODELS, SEGMENTS)

    async def _keep_policy(self) -> None:
        await asyncio.to_thread(self._policy.refresh)

    async def _keep_clock(self) -> None:
        try:
            if self._side is None:
                self._side = connect_async(self._settings)
            published = await self._side.get(WORLD_CLOCK_KEY)
        except (redis.ConnectionError, redis.TimeoutError, ServiceError):
            # the step "online store" tells of it; the last clock goes on
            return
        except redis.RedisError as error:
            raise ServiceError(f"the Redis key {WORLD_CLOCK_KEY} cannot be read ({error}): delete it") from None
        try:
            self.clock.follow(published)
        except ValueError as error:
            raise ServiceError(f"{error}; meanwhile the last clock goes on") from None

    async def _keep_bus(self) -> None:
        self._bus_well = False
        await asyncio.to_thread(self._check_bus)
        self._bus_well = True

    def _check_bus(self) -> None:
        try:
            self._freshness.check(self.bus(), time.monotonic())
        except ServiceError as error:
            raise BusError(str(error)) from error

    async def _keep_keys(self) -> None:
        # two looks at the disk; a thread would let requests see the files half read
        self.gate.refresh()
        if self.gate.problem:
            raise AccessError(self.gate.problem)

    async def _keep_webhooks(self) -> None:
        await asyncio.to_thread(self._sources.refresh)
        if self._sources.problems:
            raise MappingError("; ".join(self._sources.problems.values()))

    async def _keep_chatbots(self) -> None:
        await asyncio.to_thread(self.chatbots.refresh)

    async def _expire_letters(self) -> None:
        days = self._settings.deadletters_days
        if not days:
            return
        try:
            await asyncio.to_thread(lambda: expire_letters(self.bus(), time.time_ns() // 1_000 - days * DAY_US))
        except (BusError, ServiceError):
            # the step "bus" tells of it; next time is early enough
            return

    async def _warm_up(self) -> None:
        """Once the store has been tried, and again when it is found later: run the whole path, then put what the
        imports left out of the collector's sight.

        They leave millions of objects; a full collection that walks them takes 15 to 250 ms."""
        tried = self._reader is not None or "online store" in self._background.problems
        if not tried or (self._ready and self._warm_with is self._reader):
            return
        self._warm_with = self._reader
        request = PersonalizeRequest("warm-up", SessionData(message="I am still waiting for my order!"))
        for _ in range(WARM_UP_DECISIONS):
            await self.decider.decide(request, logged=False)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        self._ready = True

    def _gauges(self) -> dict[str, float]:
        return {
            "rapport_decision_log_depth": self.log.depth,
            "rapport_decisions_deciding": float(self._queue.deciding),
            "rapport_feature_store_circuit_open": float(self.features.breaker.is_open),
            "rapport_intake_lag": float(self._pressure.lag),
            "rapport_features_stale": float(self._freshness.stale),
            "rapport_policy_refused": float(self._policy.problem is not None),
            "rapport_policy_loads": float(self._policy.loads),
        }

    def _lost_records(self) -> tuple[int, int]:
        return self.log.published, self.log.dropped

    def _versions(self) -> dict[str, str]:
        if self._champions is None:
            return {}
        loaded = {name: self._champions.get(name) for name in MODELS}
        found = {name: model.version for name, model in loaded.items() if model is not None}
        segments = self._champions.segments(SEGMENTS)
        return {**found, SEGMENTS: segments.version} if segments else found
