"""`make surge`: a minute at ten times the sustainable rate, its progress, and a report in .cache/surge.json.

python -m tests.surge --seconds 60 --seed 1
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import msgspec

from rapport.settings import disable_telemetry
from rapport.testing.kafka import KafkaServer, kafka_jars
from tests.chaos.world import CHUNK, World
from tests.surge.run import Limits, SurgeRun
from tests.telling import teller


def main() -> int:
    disable_telemetry()
    asked = _arguments()
    say = teller()
    folder = Path(tempfile.mkdtemp(prefix="rapport-surge-"))
    (folder / "run").mkdir()
    say(f"seed {asked.seed}, a surge of {asked.seconds:g} s, in {folder}")
    world = World(asked.seed, CHUNK, asked.customers)
    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaServer(folder / "kafka", kafka_jars())) if asked.kafka else None
        limits = Limits(asked.share, max_lag=asked.max_lag, max_length=2 * asked.max_lag)
        run = SurgeRun(folder / "run", world, limits, say, kafka=kafka, over_http=not asked.straight)
        stack.callback(run.project.redis.stop)
        outcome = run.go(calibrate=20, before_s=10, surge_s=asked.seconds, after_s=10)
    report = msgspec.json.format(msgspec.json.encode(outcome.as_dict())).decode()
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_text(report)
    say(f"{report}\nthe report is {asked.report}")
    return 1 if outcome.findings else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.surge", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the surge lasts")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--share", type=float, default=0.1, help="of a processor's time for the worker")
    parser.add_argument("--max-lag", type=int, default=30_000, help="events that may wait before producers are refused")
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--kafka", action="store_true", help="through a Kafka broker instead of Redis")
    parser.add_argument("--straight", action="store_true", help="onto the bus itself, not over HTTP")
    parser.add_argument("--report", type=Path, default=Path(".cache") / "surge.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
