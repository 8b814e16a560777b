"""Triggers that decide: each firing has one decision, logged once and sent once, to whom it may be sent."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from proactive_given import CAPPED, TRIGGERS, decide_and_deliver, die_at, watch_of
from receiver import SECRET, receiving
from watching import click, firings, run_triggers, stand_at

from flows.runtime import Runtime, make_runtime
from flows.triggers import Watch
from rapport.archive import Archive
from rapport.clock import to_us
from rapport.decisions import DECISIONS_TOPIC, Decision, DecisionRecord, decode_record, read_log
from rapport.decisions.find import find_record
from rapport.decisions.ids import derived_id
from rapport.decisions.replay import Replayer
from rapport.decisions.words import explain_in_words
from rapport.online import connect
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import wait_for
from rapport.triggers.firing import Firing
from rapport.triggers.store import TriggerStore
from tests.flows.given import values
from tests.flows.running import run_archive, run_ingest
from tests.serving.serving_world import declared
from tests.source_tree import ROOT

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(minutes=31)
_customers: dict[bytes, bytes] = {}
"""What Redis holds of the customers, by key: filled once, for it takes seconds."""
MODELS = ("purchase_propensity", "escalation_risk", "segments")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """An installation with a Redis of its own. ann and dee have agreed to personalization, cleo has refused."""
    project = Project(tmp_path_factory.mktemp("proactive"), ROOT)
    project.apply(declared())
    models = NoiseModels(project)
    for name in MODELS[:2]:
        models.build(name, "1")
    models.build_segments("1")
    for name in MODELS:
        models.promote(name, "1")
    yield project
    project.redis.stop()


@pytest.fixture
def runtime(project: Project) -> Runtime:
    return anew(project)


def anew(project: Project) -> Runtime:
    """The installation with nothing in its Redis but its customers, at noon."""
    with project.client() as client:
        client.flushall()
        if not _customers:
            _fill(project)
            _customers.update((key, client.dump(key)) for key in client.scan_iter())  # type: ignore[misc]
        else:
            for key, value in _customers.items():
                client.restore(key, 0, value)
    stand_at(project.redis.url, NOW)
    return make_runtime(project.settings)


def _fill(project: Project) -> None:
    at = to_us(NOW - timedelta(minutes=90))
    seen = {"view": True, "product_id": "p1"}
    project.put_events("customer_clicks", [(who, at, seen) for who in ("ann", "ben", "cleo", "dee")])
    project.push_profile("ann")
    project.push_profile("dee", locale="es")
    project.push_profile("cleo", personalization_consent=False)


@pytest.fixture(scope="module")
def watch(project: Project) -> Watch:
    return watch_of(project.settings, TRIGGERS)


def records(runtime: Runtime) -> list[DecisionRecord]:
    return [decode_record(value) for value in values(runtime.bus, DECISIONS_TOPIC)]


def carts_are_left(project: Project, runtime: Runtime, watch: Watch, *customers: str) -> Runtime:
    """Each puts something into the cart, and half an hour passes."""
    runtime.bus.publish([click(f"cart-{who}", who, at=NOW) for who in customers])
    run_ingest(runtime)
    run_triggers(runtime, watch)
    stand_at(project.redis.url, LATER)
    return make_runtime(project.settings)


def test_a_firing_has_its_decision_which_is_logged_and_can_be_made_again(
    project: Project, runtime: Runtime, watch: Watch
) -> None:
    runtime = carts_are_left(project, runtime, watch, "ann")
    run_triggers(runtime, watch)
    (firing,) = firings(runtime.bus)
    (record,) = records(runtime)
    decision = firing.decision
    assert decision is not None and decision.template_id == "cart_reminder" and decision.template.locale == "de"
    assert (decision.rule, decision.degraded) == ("trigger, left a cart and is content", ["no_inputs:escalation_risk"])
    assert decision.decision_id == derived_id(firing.id, to_us(firing.moment))
    assert all(getattr(record, name) == getattr(decision, name) for name in Decision.__struct_fields__)
    assert record.trigger is not None
    assert (record.trigger.name, record.trigger.firing_id) == ("abandoned_cart", firing.id)
    assert record.customer_id == "ann" and record.features["click_activity__clicks_30d"] == 1.0
    kept = Archive(project.settings.data_dir / "archive")
    assert find_record(decision.decision_id, kept, runtime.bus) == record
    run_archive(runtime)
    assert find_record(decision.decision_id, kept, None) == record
    assert [*read_log(kept)["trigger"]] == ["abandoned_cart"]
    replayer = Replayer(project.settings)
    assert replayer.replay(record).same
    other = msgspec.structs.replace(record, trigger=None)
    assert {"rule", "template_id"} <= set(replayer.replay(other).differences)
    first = explain_in_words(record, replayer.bundle(record))[0]
    assert first == f"Made because trigger abandoned_cart fired (firing {firing.id}): {firing.reason}."


def test_who_has_not_agreed_is_sent_nothing(project: Project, runtime: Runtime, watch: Watch) -> None:
    runtime = carts_are_left(project, runtime, watch, "ann", "ben", "cleo", "nobody")
    run_triggers(runtime, watch)
    assert {firing.customer_id for firing in firings(runtime.bus)} == {"ann"}
    logged = records(runtime)
    assert Counter(record.customer_id for record in logged) == Counter(["ann", "ben", "nobody", ""])
    (refused,) = [record for record in logged if not record.customer_id]
    assert refused.degraded[0] == "no_consent" and refused.features == {}
    assert refused.trigger is not None and (refused.trigger.name, refused.trigger.firing_id) == ("abandoned_cart", "")
    assert "cleo" not in msgspec.json.encode(refused).decode()
    assert counts(project)["abandoned_cart"] == {"fired": 4, "withheld": 3}


def test_the_policy_may_keep_silent_and_other_triggers_are_as_they_were(
    project: Project, runtime: Runtime, watch: Watch
) -> None:
    runtime.bus.publish([click("v1", "ann", "view", NOW), click("v2", "ann", "cart_remove", NOW)])
    run_ingest(runtime)
    run_triggers(runtime, watch)
    (firing,) = firings(runtime.bus)
    assert (firing.trigger, firing.decision) == ("looked", None)
    (record,) = records(runtime)
    assert (record.rule, record.next_action.id) == ("trigger, nothing to say", "stay_silent")


def test_a_customer_is_sent_at_most_so_many(project: Project, runtime: Runtime) -> None:
    watch = watch_of(project.settings, CAPPED)
    for hour in range(5):
        at = NOW + timedelta(hours=hour)
        stand_at(project.redis.url, at)
        runtime = make_runtime(project.settings)
        some = [("ann", "add"), ("ann", "view"), *([("dee", "view")] if hour == 3 else [])]
        actions = {"add": "cart_add", "view": "view"}
        runtime.bus.publish([click(f"{who}-{what}-{hour}", who, actions[what], at) for who, what in some])
        run_ingest(runtime)
        run_triggers(runtime, watch)
    sent = Counter((firing.customer_id, firing.fired_at) for firing in firings(runtime.bus))
    hours = {moment: hour for hour in range(5) for moment in [NOW + timedelta(hours=hour)]}
    # two in three hours: what was sent at noon makes room at three o'clock
    assert sorted((who, hours[moment], count) for (who, moment), count in sent.items()) == [
        ("ann", 0, 2),
        ("ann", 3, 2),
        ("dee", 3, 1),
    ]
    assert len(records(runtime)) == 5
    assert counts(project)["repeated_query"]["capped"] + counts(project)["abandoned_cart"]["capped"] == 6
    # what is kept of a customer for it goes with time
    stand_at(project.redis.url, NOW + timedelta(hours=60))
    run_triggers(make_runtime(project.settings), watch)
    with project.client() as client:
        assert not client.hkeys("{rapport:triggers}:states")


def test_without_models_it_goes_out_and_says_so(project: Project, runtime: Runtime) -> None:
    models = NoiseModels(project)
    for name in MODELS:
        models.retire(name)
    try:
        watch = watch_of(project.settings, TRIGGERS)
        run_triggers(carts_are_left(project, runtime, watch, "ann"), watch)
    finally:
        for name in MODELS:
            models.promote(name, "1")
    (firing,) = firings(runtime.bus)
    assert firing.decision is not None
    assert firing.decision.degraded == [f"model_unavailable:{name}" for name in MODELS]
    assert firing.decision.template.text and firing.decision.template_id == "cart_reminder"


def test_erasing_a_customer_takes_what_is_kept_of_them(project: Project, runtime: Runtime) -> None:
    watch = watch_of(project.settings, CAPPED)
    runtime.bus.publish([click("v1", "ann", "view", NOW)])
    run_ingest(runtime)
    run_triggers(runtime, watch)
    with connect(project.settings) as client:
        assert TriggerStore(client).erase("ann") == 2
        assert not client.hkeys("{rapport:triggers}:states")


@pytest.mark.timeout(300)
def test_killed_at_every_step_each_is_decided_logged_and_sent_once(project: Project, watch: Watch) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["flows.triggers", "bytewax.testing", "rapport.feast.catalog", "xgboost"])
    lives = 1
    while True:
        runtime = carts_are_left(project, anew(project), watch, "ann", "cleo", "dee")
        child = processes.Process(target=die_at, args=(lives, project.root), daemon=True)
        child.start()
        child.join()
        run_triggers(runtime, watch)
        found = firings(runtime.bus)
        assert Counter(firing.customer_id for firing in found) == Counter(["ann", "dee"]), f"killed at {lives}"
        sent = {firing.decision.decision_id for firing in found if firing.decision}
        logged = Counter(record.decision_id for record in records(runtime))
        assert len(sent) == 2 and sent <= set(logged) and set(logged.values()) == {1} and len(logged) == 3
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        lives += 1
    assert lives > 4


@pytest.mark.timeout(200)
def test_the_webhook_gets_each_decision_through_kills(project: Project, tmp_path: Path) -> None:
    customers = [f"c{number}" for number in range(24)]
    runtime = anew(project)
    for who in customers:
        project.push_profile(who)
    watch = watch_of(project.settings, TRIGGERS)
    runtime = carts_are_left(project, runtime, watch, *customers)
    (tmp_path / "secret").write_bytes(SECRET)
    processes = multiprocessing.get_context("forkserver")
    with receiving() as (receiver, url):
        environment = {
            "RAPPORT_ROOT": str(project.root),
            "RAPPORT_DELIVERY_URL": url,
            "RAPPORT_DELIVERY_SECRET_FILE": str(tmp_path / "secret"),
        }
        for enough in (3, 10, len(customers)):
            child = processes.Process(target=decide_and_deliver, args=(environment,), daemon=True)
            child.start()
            wait_for(lambda enough=enough: len(set(receiver.taken)) >= enough, "nothing is delivered", 60)  # type: ignore[misc]
            if enough == len(customers):
                time.sleep(0.5)
            child.kill()
            child.join()
    assert receiver.unsigned == 0 and all(len(set(bodies)) == 1 for bodies in receiver.bodies.values())
    got = [msgspec.json.decode(bodies[0], type=Firing) for bodies in receiver.bodies.values()]
    assert sorted(firing.customer_id for firing in got) == sorted(customers)
    logged = Counter(record.decision_id for record in records(runtime))
    assert logged == Counter(firing.decision.decision_id for firing in got if firing.decision)


def counts(project: Project) -> dict[str, dict[str, int]]:
    with connect(project.settings) as client:
        return TriggerStore(client).counts()
