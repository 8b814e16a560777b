"""Events sent twice, and an ingest that is killed after it has claimed their ids and before it has committed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import redis
from given import checked, letters, message

from flows.runtime import Runtime
from tests.flows.running import MakeRuntime, run_ingest

_CLAIM_AND_DIE = """
import os, signal, sys
from pathlib import Path
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main
from dataclasses import replace
from flows.ingest import ingest
from flows.runtime import make_runtime
from rapport.settings import load_settings

runtime = make_runtime(load_settings({"RAPPORT_REDIS_URL": sys.argv[1]}, root=Path(sys.argv[2])))

def claim_and_die(*claim):
    runtime.claim(*claim)
    os.kill(os.getpid(), signal.SIGKILL)

flow = Dataflow("ingest")
ingest(flow, replace(runtime, claim=claim_and_die), drain=True)
run_main(flow)
"""


def test_killed_between_claim_and_commit_each_event_counts_once(
    make_runtime_: MakeRuntime, runtime: Runtime, redis_url: str, tmp_path: Path
) -> None:
    events = [message(f"e{i}", f"c{i % 5}") for i in range(200)]
    runtime.bus.publish(events + events[:50])
    argv = [sys.executable, "-c", _CLAIM_AND_DIE, redis_url, str(tmp_path)]
    died = subprocess.run(argv, cwd=Path(__file__).parents[2], env={**os.environ}, check=False)
    assert died.returncode == -signal.SIGKILL
    with redis.Redis.from_url(redis_url) as client:
        claimed = [client.lrange(key, 0, -1) for key in client.keys("rapport:seen:*")]  # type: ignore[union-attr]
        assert sum(len(part) for parts in claimed for part in parts) == 200 * 24  # type: ignore[union-attr]
    assert runtime.bus.counts() == {} and checked(runtime.bus) == []
    # The producer, which has heard nothing, sends them again as well.
    runtime.bus.publish(events[100:])
    run_ingest(runtime)
    assert sorted(row["event_id"] for row in checked(runtime.bus)) == sorted(f"e{i}" for i in range(200))
    assert runtime.bus.counts() == {"accepted:feedback": 200, "dead:duplicate": 150}
    assert {letter.reason for letter in letters(runtime.bus)} == {"duplicate"}
