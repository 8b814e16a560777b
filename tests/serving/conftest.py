"""One project, one Redis and one service for all tests of the service; each test says which models it needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from guarded_world import Guarded
from serving_world import DAY_US, HOUR_US, MINUTE_US, ROOT, declared, now_us

from rapport.bus import open_bus
from rapport.events.schema import TOPICS
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served

PATIENT = {"RAPPORT_DEADLINE_MS": "250", "RAPPORT_REDIS_TIMEOUT_MS": "200"}
"""A machine that runs many tests at once may take more than the usual 60 ms for a read of 1 ms."""


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("serving"), ROOT)
    project.apply(declared())
    yield project
    project.redis.stop()


@pytest.fixture(scope="session")
def served(project: Project) -> Iterator[Served]:
    """The service over features of a few customers; it starts while those are written."""
    served = Served(project, PATIENT)
    _fill(project)
    served.wait_ready()
    yield served
    assert served.stop() == 0


@pytest.fixture(scope="session")
def guarded(project: Project, served: Served) -> Iterator[Guarded]:
    """The same in production: keys, tokens, TLS, an admin port."""
    guarded = Guarded(project, PATIENT)
    guarded.served.wait_ready()
    yield guarded
    assert guarded.stop() == 0


@pytest.fixture(scope="session")
def built_models(project: Project, served: Served) -> NoiseModels:
    models = NoiseModels(project)
    for name in ("purchase_propensity", "escalation_risk"):
        models.build(name, "1", seed=1)
        models.build(name, "2", seed=2)
    models.build_segments("1")
    return models


@pytest.fixture
def models(built_models: NoiseModels, served: Served) -> NoiseModels:
    """The models, version 1 of each serving."""
    for name in ("purchase_propensity", "escalation_risk", "segments"):
        built_models.promote(name, "1")
    served.wait_health(
        lambda health: health["status"] == "ok" and {model["version"] for model in health["models"].values()} == {"1"},
        "version 1 of all models does not serve",
    )
    return built_models


@pytest.fixture(autouse=True)
def consumed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Events that a test gives are taken off the bus after it, as the flows would: or features would count as stale."""
    yield
    if {"served", "pressed", "guarded"} & set(request.fixturenames):
        project: Project = request.getfixturevalue("project")
        with closing(open_bus(project.settings)) as bus:
            hops = [("ingest", topic) for topic in TOPICS] + [("features", f"{topic}.checked") for topic in TOPICS]
            for group, topic in hops:
                position = bus.position(group, topic, 0)
                batch = bus.reader(topic, 0, position).poll(100_000)
                if batch:
                    bus.commit(group, topic, 0, expected=position, position=batch.positions[-1])


def _fill(project: Project) -> None:
    """ann: a good customer in a bad mood with a cart left behind; ben: only clicks; cleo: has refused; dora: has a
    broken row."""
    now = now_us()
    clicks = [("ann", now - 2 * HOUR_US, {"cart_add": True, "cart_product_id": "85123A", "cart_micros": 2_550_000})]
    clicks += [
        (who, now - n * MINUTE_US, {"view": True, "product_id": f"p{n}"}) for who in ("ann", "ben") for n in (3, 9)
    ]
    clicks += [("cleo", now - MINUTE_US, {"view": True, "product_id": "p1"})]
    project.put_events("customer_clicks", clicks)
    orders = [
        (
            who,
            now - int(days * DAY_US),
            {"order_id": f"o{days}", "amount_micros": 90_000_000, "order_day": int(days), "quantity": 2},
        )
        for who in ("ann", "cleo")
        for days in (0.25, 8, 20, 45)
    ]
    project.put_events("purchase_events", orders)
    said = {"message": True, "sentiment": -0.6, "negative": True, "frustration": 0.3, "query": "where is it"}
    project.put_events("chat_messages", [("ann", now - n * MINUTE_US, said) for n in (2, 4)])
    project.put_events("support_tickets", [("ann", now - 3 * DAY_US, {"opened": True, "open_change": 1})])
    project.push_profile("ann")
    project.push_profile("cleo", personalization_consent=False)
