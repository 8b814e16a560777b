"""A worker that is killed between applying events and committing them: they are checked again, and count once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from flows.features import load_declared
from rapport.bus import Message
from rapport.bus.kafka import KafkaBus
from rapport.clock import SystemClock
from rapport.online import OnlineReader
from rapport.online import connect as connect_store
from rapport.online.views import WindowedView
from rapport.settings import load_settings
from rapport.supervisor.declarations import apply_declarations
from rapport.supervisor.state import Paths
from rapport.testing.project import Project
from rapport.testing.served import wait_for
from tests.kafka.ahead import rows_ahead
from tests.kafka.processes import start_worker
from tests.source_tree import ROOT

WHO = "c1"
CHECKED = "customer_clicks.checked"
AT_ONCE = 5
_TIMES = 12


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, ROOT)
    Paths(made.settings).run.mkdir()
    apply_declarations(made.settings)
    yield made
    made.redis.stop()


@pytest.mark.timeout(300)
def test_what_was_applied_and_not_committed_counts_once(project: Project, kafka_url: str, kafka_prefix: str) -> None:
    environment = {
        "RAPPORT_ROOT": str(project.settings.root),
        "RAPPORT_REDIS_URL": project.redis.url,
        "RAPPORT_BUS_URL": kafka_url,
        "RAPPORT_KAFKA_PREFIX": kafka_prefix,
    }
    settings, log = load_settings(environment), project.settings.root / "worker.log"
    bus = KafkaBus.of(settings)
    (plan,) = (one for one in load_declared(settings).plans["customer_clicks"] if one.view.name == "click_activity")
    client = connect_store(settings, timeout_s=5)
    reader = OnlineReader("rapport", [WindowedView(plan, plan.names)], client=client)

    def clicks() -> int:
        return int(reader.read([WHO], SystemClock().now_us()).row(0)["click_activity__clicks_1d"] or 0)

    sent = 0
    for _ in range(_TIMES):
        worker = start_worker(environment, log)
        for _ in range(AT_ONCE):
            sent += 1
            event = {"event_id": f"e{sent}", "customer_id": WHO, "event_time": datetime.now(UTC), "action": "view"}
            bus.publish([Message("customer_clicks", WHO, msgspec.json.encode(event))])
            # One after the other, so that the last one does not come at the beginning of a step.
            wait_for(lambda so_far=sent: clicks() == so_far, timeout_s=60)
        worker.kill()
        worker.join()
        if rows_ahead(project, bus.link, 1, [WHO]):
            break
    else:
        pytest.fail(f"in {_TIMES} attempts everything was committed when it could be read")
    worker = start_worker(environment, log)
    wait_for(lambda: sum(bus.counts("accepted:").values()) == sent, timeout_s=60)
    wait_for(lambda: bus.reader(CHECKED, 0, bus.position("features", CHECKED, 0)).lag() == 0)
    assert clicks() == sent
    worker.terminate()
    worker.join(20)
    bus.close()
