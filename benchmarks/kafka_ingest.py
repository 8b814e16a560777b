"""From Kafka to the online store: events in three formats, beside bare consuming and decoding and beside Quix Streams.

Each way runs in a process of its own on one core, and its rate is of its processor time, all threads counted; broker
and Redis work beside it. The bare way takes confluent-kafka's batches and decodes each value; Rapport's checks, drops
what is repeated, commits in transactions, and keeps seven windowed features that are then read and counted. What its
rate leaves out is in the notes: events per second by the clock on that core, and where the time goes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.frame import Measurement, compared
from benchmarks.kafka_events import FORMATS, clicks, keep_schemas
from benchmarks.kafka_work import Cost
from benchmarks.live_world import LiveWorld, live_world
from benchmarks.peers import ROOT, Peer, on_one_core, run_peer
from rapport.clock import SystemClock
from rapport.errors import ServiceError
from rapport.registry import KeptSchemas, Registry
from rapport.supervisor.control import as_environment
from rapport.testing.kafka import KafkaServer, kafka_jars

__all__ = ["measure"]

FEW, MANY = 20_000, 220_000
PASS = Peer("Quix Streams, JSON from topic to topic", "quix", "quix_pass.py", (), MANY)
WINDOW = Peer("Quix Streams, sliding 5 min, one window", "quix", "quix_window.py", (), 60_000)


def measure(quick: bool) -> list[Measurement]:
    """Events per second of each format, of ingest alone and of the whole chain."""
    share = 4 if quick else 1
    found = []
    with tempfile.TemporaryDirectory(prefix="rapport-") as name:
        folder = Path(name)
        with KafkaServer(folder / "kafka", kafka_jars(), {"group.coordinator.append.linger.ms": "1"}) as broker:
            ours = {}
            for kind in FORMATS:
                with _installation(kind, broker) as world:
                    floor = _work("bare", kind, world, share)["all"]
                    ours[kind] = costs = _work("chain", kind, world, share)
                found += _of_format(kind, costs, floor)
            found += _beside_quix(ours["JSON"], broker.bootstrap, folder, share)
    return found + [one for kind, costs in ours.items() for one in _stages(kind, costs)]


def _of_format(kind: str, costs: dict[str, Cost], floor: Cost) -> list[Measurement]:
    bare = _rate(f"confluent-kafka, {kind} consumed and decoded", floor)
    return [
        compared(_rate(f"{kind} ingested", costs["ingest"]), bare),
        compared(_rate(f"{kind} to the online store", _whole(costs)), bare),
    ]


def _beside_quix(costs: dict[str, Cost], bootstrap: str, folder: Path, share: int) -> Iterator[Measurement]:
    for peer, ours in (
        (PASS, _rate("JSON ingested", costs["ingest"])),
        (WINDOW, _rate("JSON to the online store", _whole(costs))),
    ):
        try:
            few, many = FEW // share, peer.events // share
            given = None if peer is WINDOW else clicks("quix", many, SystemClock().now_us())
            rate = run_peer(peer, (bootstrap,), folder, few, many, given)
            yield compared(ours, Measurement(name=peer.name, unit="events/s", value=rate))
        except (ServiceError, subprocess.TimeoutExpired) as error:
            yield msgspec.structs.replace(ours, note=f"{peer.name} was not measured: {error}")


def _stages(kind: str, costs: dict[str, Cost]) -> Iterator[Measurement]:
    for part, cost in costs.items():
        for stage, seconds in sorted(cost.stages.items(), key=lambda each: -each[1]):
            if seconds > 1e-8:
                name = f"{kind}, {part}: {stage}"
                yield Measurement(name=name, unit="us of processor per event", value=seconds * 1e6, better="lower")


def _rate(name: str, cost: Cost) -> Measurement:
    note = f"{1 / cost.clock:,.0f} events/s by the clock, on one core" if cost.clock > 0 else ""
    return Measurement(name=name, unit="events/s", value=1 / cost.processor, note=note)


def _whole(costs: dict[str, Cost]) -> Cost:
    return Cost(sum(cost.processor for cost in costs.values()), sum(cost.clock for cost in costs.values()))


@contextmanager
def _installation(kind: str, broker: KafkaServer) -> Iterator[LiveWorld]:
    """One that knows the formats' schemas; its registry is down."""
    more = {
        "RAPPORT_REGISTRY_URL": "http://127.0.0.1:9",
        "RAPPORT_KAFKA_PREFIX": f"{kind.split()[0].lower()}.",
    }
    with live_world(bus_url=f"kafka://{broker.bootstrap}", **more) as world:
        keep_schemas(KeptSchemas(Registry(more["RAPPORT_REGISTRY_URL"]), world.settings.data_dir / "schemas"))
        yield world


def _work(mode: str, kind: str, world: LiveWorld, share: int) -> dict[str, Cost]:
    argv = [sys.executable, "-m", "benchmarks.kafka_work", mode, kind, str(FEW // share), str(MANY // share)]
    ended = on_one_core(argv, ROOT, as_environment(world.settings))
    if ended.returncode != 0:
        raise RuntimeError(f"{mode} {kind} ended with code {ended.returncode}: {ended.stderr.strip()[-800:]}")
    return msgspec.json.decode(ended.stdout.strip().splitlines()[-1], type=dict[str, Cost])
