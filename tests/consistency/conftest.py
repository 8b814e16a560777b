"""One planted world for all tests: the service takes seconds to start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from planted import PlantedWorld

from rapport.archive import Archive
from rapport.clock import from_us, to_us
from rapport.testing.project import Project
from rapport.testing.served import Served
from tests.source_tree import ROOT

MINUTE_US, HOUR_US, DAY_US = 60_000_000, 3_600_000_000, 86_400_000_000
PATIENT = {"RAPPORT_DEADLINE_MS": "2000", "RAPPORT_REDIS_TIMEOUT_MS": "2000"}
PEOPLE = ("ann", "ben", "cleo", "dora", "eve")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlantedWorld]:
    project = Project(tmp_path_factory.mktemp("consistency"), ROOT)
    project.apply(_declared())
    served = Served(project, PATIENT)
    try:
        planted = PlantedWorld(project, served)
        _history(planted)
        served.wait_ready()
        _plant(planted)
        yield planted
        assert served.stop() == 0
    finally:
        project.redis.stop()


def _declared() -> list[Any]:
    from feast import Entity, FeatureService, FeatureView, StreamFeatureView

    from feature_repo import entities, services, views

    kinds = (Entity, FeatureView, StreamFeatureView, FeatureService)
    found = [value for module in (entities, views, services) for value in vars(module).values()]
    return list({id(value): value for value in found if isinstance(value, kinds)}.values())


def _history(world: PlantedWorld) -> None:
    """Clicks, orders and messages of everybody over the last weeks."""
    now_us = time.time_ns() // 1_000
    for number, who in enumerate(PEOPLE):
        for n in range(12):
            ago_us = (n * n + number) * HOUR_US + 137_000 * n + MINUTE_US
            world.give("customer_clicks", who, now_us - ago_us, action="view", product_id=f"p{n % 5}")
        for n in range(4):
            order = {"order_id": f"{who}-{n}", "amount": f"{10 + n}.25", "currency": "EUR"}
            world.give("purchase_events", who, now_us - (9 * n + 1) * DAY_US, action="order", **order)
        for n in range(3):
            said = {"role": "customer", "text": f"where is parcel {n}? this is terrible", "conversation_id": who}
            world.give("chat_messages", who, now_us - (n + 1) * 5 * MINUTE_US, **said)
    world.run("ingest", "archive", "features")
    world.project.push_profile("ann")
    world.project.push_profile("fred", personalization_consent=False)


def _plant(world: PlantedWorld) -> None:
    """Each kind of trouble at a decision of its own."""
    for who in ("ann", "nobody", "fred"):
        world.decide(who, who)
    good = world.decide("good", "dora")

    world.decide("late", "ben")
    world.give("support_tickets", "ben", to_us(good.as_of) - MINUTE_US, action="opened", ticket_id="t1")
    world.run("ingest", "archive", "features")

    world.give("customer_clicks", "eve", time.time_ns() // 1_000, action="cart_add", product_id="p1")
    world.run("ingest", "archive")
    world.decide("in flight", "eve")
    world.run("features")
    world.decide("eve later", "eve")

    features = {**good.features, "rfm__frequency": 3.0}
    world.log("corrupted", _copy(good, "corrupted", 1, features=features))
    rebuilt = {name: None if name == "rfm__monetary_micros" else value for name, value in good.features.items()}
    world.log("rebuilding", _copy(good, "rebuilding", 4, features=rebuilt, rebuilding=("rfm",)))
    world.log("old", _copy(good, "old", 2, features=features, views={}))
    record = msgspec.json.decode(msgspec.json.encode(_copy(good, "first form", 3)))
    del record["views"], record["clock_rate"]
    world.log("first form", msgspec.json.decode(msgspec.json.encode(record), type=type(good)))

    world.decide("erased", "cleo")
    assert Archive(world.project.settings.data_dir / "archive").delete_customer("cleo") > 0
    world.run("archive")


def _copy(record: Any, name: str, later_us: int, **changes: Any) -> Any:
    """Another decision, microseconds later: ages are as much older."""
    features = changes.pop("features", record.features)
    aged = {
        feature: value + later_us / 1e6
        if value is not None and feature.partition("__")[2].startswith(("since_", "recency"))
        else value
        for feature, value in features.items()
    }
    as_of = from_us(to_us(record.as_of) + later_us)
    return msgspec.structs.replace(record, decision_id=name, as_of=as_of, features=aged, **changes)
