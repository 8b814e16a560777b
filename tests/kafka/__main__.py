"""`make kafka-million`: five producers, five topics, a million events, workers and a broker that die.

python -m tests.kafka --events 1000000 --seed 1
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import msgspec

from rapport.settings import disable_telemetry
from rapport.testing.kafka import KafkaServer, kafka_jars
from tests.chaos.world import CHUNK, World
from tests.kafka.run import KafkaRun
from tests.telling import teller

_FAULTS = [
    (0.05, "kill worker"),
    (0.15, "kill broker"),
    (0.25, "add worker"),
    (0.35, "kill worker"),
    (0.45, "kill archive"),
    (0.55, "kill added worker"),
    (0.65, "kill broker"),
    (0.75, "kill worker"),
    (0.85, "kill broker"),
]


def main() -> int:
    disable_telemetry()
    # Each try to reach a broker that was killed would be a line of the producers here.
    logging.getLogger("rapport.bus.kafka_link").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(prog="python -m tests.kafka", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="good events; repeats and bad ones come on top")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--report", type=Path, default=Path(".cache") / "kafka-million.json")
    asked = parser.parse_args()
    say = teller()
    folder = Path(tempfile.mkdtemp(prefix="rapport-kafka-"))
    (folder / "run").mkdir()
    say(f"seed {asked.seed}, {asked.events:,} events, in {folder}")
    world = World(asked.seed, max(1, round(asked.events / CHUNK)) * CHUNK, max(200, asked.events // 100))
    with KafkaServer(folder / "kafka", kafka_jars()) as server:
        run = KafkaRun(folder / "run", world, server, asked.partitions, say)
        try:
            outcome = run.go(_FAULTS)
        finally:
            run.project.redis.stop()
    report = msgspec.json.format(msgspec.json.encode(asdict(outcome))).decode()
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_text(report)
    say(f"{report}\nthe report is {asked.report}")
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
