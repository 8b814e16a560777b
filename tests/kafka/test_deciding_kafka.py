"""Triggers that decide, with a real broker as the bus: the decision is logged and goes out with the firing, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from flows.runtime import make_runtime
from rapport.bus.kafka import KafkaBus
from rapport.clock import to_us
from rapport.decisions import DECISIONS_TOPIC, Decision, decode_record
from rapport.decisions.ids import derived_id
from rapport.settings import load_settings
from rapport.testing.project import Project
from tests.flows.given import values
from tests.flows.proactive_given import TRIGGERS, watch_of
from tests.flows.running import run_ingest
from tests.flows.watching import click, firings, run_triggers, stand_at
from tests.serving.serving_world import declared
from tests.source_tree import ROOT

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """ann has agreed to personalization, cleo has refused; there are no models."""
    project = Project(tmp_path, ROOT)
    project.apply(declared())
    project.push_profile("ann")
    project.push_profile("cleo", personalization_consent=False)
    yield project
    project.redis.stop()


def test_a_decision_goes_out_with_its_firing_once(project: Project, environment: dict[str, str]) -> None:
    settings = load_settings({**environment, "RAPPORT_REDIS_URL": project.redis.url})
    watch = watch_of(settings, TRIGGERS)
    # As it is left, when it is due, and by one that comes after.
    for minutes in (0, 31, 32):
        stand_at(project.redis.url, NOW + timedelta(minutes=minutes))
        runtime = make_runtime(settings)
        with closing(cast(KafkaBus, runtime.bus)):
            if not minutes:
                runtime.bus.publish([click(f"cart-{who}", who, at=NOW) for who in ("ann", "cleo")])
                run_ingest(runtime)
            run_triggers(runtime, watch)
            fired = firings(runtime.bus)
            records = [decode_record(value) for value in values(runtime.bus, DECISIONS_TOPIC)]
        assert len(fired) == (1 if minutes else 0)
    (firing,) = fired
    decision = firing.decision
    assert firing.customer_id == "ann" and decision is not None
    assert decision.decision_id == derived_id(firing.id, to_us(firing.moment))
    assert sorted(record.customer_id for record in records) == ["", "ann"]
    (record,) = [record for record in records if record.customer_id]
    assert all(getattr(record, name) == getattr(decision, name) for name in Decision.__struct_fields__)
    assert record.trigger is not None and record.trigger.firing_id == firing.id
