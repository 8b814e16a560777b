"""The demo's own triggers, over its own views: thresholds on features, and a habit that is broken."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main
from feast import FeatureStore
from watching import NOW, click, fired, firings, minutes, run_triggers, stand_at

from feature_repo import sources, views
from feature_repo.entities import customer
from flows.features import features, load_declared
from flows.runtime import Runtime
from flows.triggers import Watch, load_watch
from rapport.bus import Message
from rapport.errors import DeclarationError
from rapport.triggers.file import FILE
from tests.flows.given import STORE_YAML
from tests.flows.running import MakeRuntime, run_ingest
from tests.source_tree import ROOT


@pytest.fixture
def project(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the demo's triggers and the views that they look at, applied."""
    monkeypatch.setenv("RAPPORT_REDIS_TIMEOUT_MS", "10000")
    (tmp_path / "feature_store.yaml").write_text(STORE_YAML % redis_url)
    (tmp_path / "feature_repo").mkdir()
    (tmp_path / FILE).write_text((ROOT / FILE).read_text())
    FeatureStore(repo_path=str(tmp_path)).apply(
        [customer, sources.customer_clicks, sources.chat_messages, views.click_activity, views.conversation]
    )
    return tmp_path


def chat(number: int, who: str, text: str, at: datetime = NOW) -> Message:
    event = {"event_id": f"m{number}", "customer_id": who, "event_time": at, "role": "customer", "text": text}
    return Message("chat_messages", who, msgspec.json.encode({**event, "conversation_id": "v1"}))


def run_features(runtime: Runtime) -> None:
    flow = Dataflow("features")
    features(flow, runtime, load_declared(runtime.settings), drain=True)
    run_main(flow)


@pytest.fixture
def watch(project: Path, make_runtime_: MakeRuntime) -> Watch:
    (project / "feature_store.yaml").touch()
    return load_watch(make_runtime_().settings)


def test_a_query_that_is_repeated_and_a_surge_of_frustration(
    watch: Watch, make_runtime_: MakeRuntime, redis_url: str
) -> None:
    stand_at(redis_url, NOW)
    runtime = make_runtime_()
    angry = "This is RIDICULOUS!!! I am still waiting, your useless service is the worst. I want a refund NOW!!!"
    runtime.bus.publish(
        [chat(i, "anna", text, NOW - minutes(9 - i)) for i, text in enumerate(["Where is my order?"] * 3)]
        + [chat(10 + i, "bo", f"Thanks, question {i}", NOW - timedelta(days=i + 2)) for i in range(8)]
        + [chat(20 + i, "bo", angry + str(i), NOW - minutes(3 - i)) for i in range(2)]
        + [chat(30, "cy", angry, NOW - minutes(1)), chat(31, "cy", "Hello", NOW - timedelta(days=20))]
        + [chat(40 + i, "dee", f"Where is order {i}?", NOW - minutes(1)) for i in range(5)]
    )
    run_ingest(runtime)
    run_triggers(runtime, watch)
    assert fired(runtime.bus) == Counter(), "features that do not have the events yet say nothing of them"
    run_features(runtime)
    run_triggers(runtime, watch)
    assert fired(runtime.bus) == Counter({("repeated_query", "anna"): 1, ("frustration_surge", "bo"): 1})
    by_name = {firing.trigger: firing for firing in firings(runtime.bus)}
    assert by_name["repeated_query"].reason == "asked the same again 2 times within 10 minutes"
    assert by_name["repeated_query"].values["repeats"] == 2 and by_name["repeated_query"].cause == "m2"
    values = by_name["frustration_surge"].values
    assert values["frustration_mean_1h"] >= 0.5 and values["above_usual"] >= 0.2 and values["messages_10m"] == 2
    # The same again within the hour is quiet; an hour later it fires anew.
    runtime.bus.publish([chat(50, "anna", "Where is my order?")])
    for branch in (run_ingest, run_features):
        branch(runtime)
    run_triggers(runtime, watch)
    assert fired(runtime.bus)["repeated_query", "anna"] == 1
    stand_at(redis_url, NOW + minutes(90))
    runtime = make_runtime_()
    runtime.bus.publish([chat(60 + i, "anna", "Where is my order?", NOW + minutes(89)) for i in range(3)])
    for branch in (run_ingest, run_features):
        branch(runtime)
    run_triggers(runtime, watch)
    assert fired(runtime.bus)["repeated_query", "anna"] == 2


def test_a_habit_that_is_broken_fires_once(watch: Watch, make_runtime_: MakeRuntime, redis_url: str) -> None:
    stand_at(redis_url, NOW)
    runtime = make_runtime_()
    history: list[Any] = []
    for day in range(30):
        # anna and bo come daily for about a hundred clicks; cy was here a little, and is not worth watching.
        for who, count in (("anna", 100), ("bo", 100), ("cy", 1)):
            moment = NOW - timedelta(days=day, minutes=5)
            history += [click(f"{who}-{day}-{i}", who, "view", moment) for i in range(count)]
    runtime.bus.publish(history)
    run_ingest(runtime)
    run_features(runtime)
    run_triggers(runtime, watch)
    found = Counter[tuple[str, str]]()
    for hours in range(6, 73, 6):
        moment = NOW + timedelta(hours=hours)
        stand_at(redis_url, moment)
        runtime = make_runtime_()
        if hours % 24 == 0:
            runtime.bus.publish([click(f"bo+{hours}-{i}", "bo", "view", moment) for i in range(90)])
        run_ingest(runtime)
        run_features(runtime)
        run_triggers(runtime, watch)
        found = fired(runtime.bus)
        assert found["activity_drop", "anna"] == (1 if hours >= 24 else 0), hours
    assert found == Counter({("activity_drop", "anna"): 1})
    (one,) = firings(runtime.bus)
    assert one.values["recent"] == 0 and 95 < one.values["expected"] < 115
    assert "0 clicks in the last day, where " in one.reason


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("conversation:queries_10m", "conversations:queries_10m", "no windowed view 'conversations'"),
        ("conversation:queries_10m", "conversation:queries_1m", "no feature 'queries_1m'; it has messages_10m"),
        ("click_activity:clicks_30d", "click_activity:since_click_s", "counts of one column"),
        ("click_activity:clicks_1d", "click_activity:clicks_30d", "at least twice"),
    ],
)
def test_features_that_are_not_there_are_refused(
    watch: Watch, project: Path, make_runtime_: MakeRuntime, before: str, after: str, words: str
) -> None:
    (project / FILE).write_text((ROOT / FILE).read_text().replace(before, after))
    with pytest.raises(DeclarationError, match=words):
        load_watch(make_runtime_().settings)


def test_without_triggers_there_is_nothing_to_run(project: Path, make_runtime_: MakeRuntime) -> None:
    (project / FILE).unlink()
    with pytest.raises(DeclarationError, match="no triggers are declared"):
        load_watch(make_runtime_().settings)
