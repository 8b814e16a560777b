"""The client and the middleware for Node beside the faulty server: the cases that Python's are tested with."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from test_faults import TAGS

from rapport.client import BreakerOptions, CircuitBreaker
from rapport.errors import ServiceError
from rapport.testing.faulty_service import FaultyService
from rapport.testing.node import NodeClient
from rapport.testing.served import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def node() -> NodeClient:
    try:
        return NodeClient(ROOT)
    except ServiceError as error:
        pytest.skip(str(error))


def test_the_same_cases_the_same_outcomes(node: NodeClient, faulty: FaultyService, tmp_path: Path) -> None:
    (tmp_path / "tags.json").write_text(json.dumps(TAGS))
    (tmp_path / "steps.json").write_text(json.dumps([steps_of(random.Random(seed)) for seed in range(200)]))
    env = {
        "FAULTY_URL": f"http://127.0.0.1:{faulty.port}",
        "CLOSED_URL": f"http://127.0.0.1:{free_port()}",
        "CASES": str(Path(__file__).with_name("cases.json")),
        "TAGS": str(tmp_path / "tags.json"),
        "STEPS": str(tmp_path / "steps.json"),
    }
    # One after the other: they count what the server has seen.
    for name in ("breaker", "faults", "express"):
        done = node.test(name, env=env)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def steps_of(draw: random.Random) -> dict[str, Any]:
    """Steps of a breaker, each with what it gives and the state after it; times in milliseconds."""
    now = [0.0]
    failures = draw.randint(1, 4)
    window, open_ms = failures + draw.randint(0, 3), draw.randint(1, 5) * 1_000
    breaker = CircuitBreaker(BreakerOptions(failures, window, open_ms / 1_000), lambda: now[0])
    steps: list[list[object]] = []
    permits: list[int] = []
    for _ in range(60):
        name = draw.choice(("ask", "ask", "tell", "tell", "wait", "rest" if draw.random() < 0.1 else "wait"))
        step: list[object] = [name]
        if name == "ask":
            permit = breaker.ask()
            permits += [] if permit is None else [permit]
            step.append(permit)
        elif name == "tell" and permits:
            permit, ok = permits.pop(draw.randrange(len(permits))), draw.random() < 0.4
            breaker.tell(permit, ok=ok)
            step += [permit, ok]
        elif name in ("wait", "rest"):
            seconds = draw.randint(0, 5)
            if name == "wait":
                now[0] += seconds
            else:
                breaker.rest(seconds)
            step.append(seconds * 1_000)
        if len(step) > 1:
            steps.append([*step, breaker.state])
    return {"options": {"failures": failures, "window": window, "openMs": open_ms}, "steps": steps}
