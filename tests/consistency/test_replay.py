"""Decisions that a real service made and logged, replayed from the archive: each planted trouble, and nothing else."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from feast import StreamFeatureView
from planted import PlantedWorld

from rapport.cli.main import run
from rapport.consistency import Range
from rapport.consistency.reasons import (
    DEFINITION_CHANGED,
    ERASED,
    FEATURES_STALE,
    IN_FLIGHT,
    LATE_EVENT,
    REBUILDING,
    UNEXPLAINED,
    UNKNOWN_DEFINITION,
)
from rapport.consistency.replay import Question, replay_decisions
from rapport.decisions import read_log
from rapport.errors import DeclarationError
from rapport.online import Keeping
from rapport.testing.browser import chromium_path, open_page
from rapport.testing.served import wait_for


@pytest.mark.parametrize("name", ["ann", "good", "eve later", "nobody", "first form"])
def test_what_was_served_is_history(world: PlantedWorld, name: str) -> None:
    report = world.report(name)
    assert (report.decisions, report.compared, report.reasons) == (1, 1, {})
    assert sum(feature.matches for feature in report.features) == len(report.features) > 40


def test_a_late_event_is_found(world: PlantedWorld) -> None:
    report = world.report("late")
    assert report.reasons.keys() == {LATE_EVENT}
    assert {feature.name for feature in report.features if feature.reasons} == {
        f"tickets__{name}" for name in ("tickets_opened_30d", "tickets_opened_90d", "open_tickets", "since_ticket_s")
    } | {f"tickets__{name}" for name in ("tickets_reopened_90d", "tickets_urgent_90d")}


def test_an_event_in_flight_is_found(world: PlantedWorld) -> None:
    report = world.report("in flight", in_flight_ms=60_000)
    assert report.reasons.keys() == {IN_FLIGHT}
    assert report.waited_ms is not None and 0 < report.waited_ms[0] < 60_000
    assert {f.name.partition("__")[0] for f in report.features if f.reasons} == {"click_activity", "carts"}
    # On a machine so busy that the event waited for 10 s before the question, the decision itself said so.
    stale = "features_stale" in world.decided["in flight"].degraded
    short = world.report("in flight", in_flight_ms=0.001)
    assert short.reasons.keys() == {FEATURES_STALE if stale else UNEXPLAINED}


def test_an_erased_customer_is_found(world: PlantedWorld) -> None:
    report = world.report("erased")
    assert report.reasons.keys() == {ERASED}
    assert sum(feature.missing for feature in report.features) == report.reasons[ERASED]


def test_a_corrupted_value_is_unexplained(world: PlantedWorld) -> None:
    report = world.report("corrupted")
    assert report.reasons == {UNEXPLAINED: 1} and report.unexplained == 1
    found = {feature.name: feature for feature in report.features}["rfm__frequency"]
    assert (found.mismatches, found.largest_difference, found.examples) == (1, 1.0, ("corrupted",))
    assert [(one.feature, one.logged, one.recomputed) for one in report.differences] == [("rfm__frequency", 3.0, 4.0)]


def test_a_view_that_is_rebuilt_is_found(world: PlantedWorld) -> None:
    report = world.report("rebuilding")
    assert report.reasons == {REBUILDING: 1} and report.unexplained == 0


def test_the_service_notes_how_views_are_kept(world: PlantedWorld) -> None:
    """What it notes while a view is incomplete; a decision that it made before had none such."""
    assert world.decided["good"].rebuilding == () and set(world.decided["good"].views) > {"rfm", "carts"}
    with world.project.client() as client:
        keeping = Keeping(client, "rapport")
        kept = msgspec.structs.replace(keeping.all()["rfm"], complete=False)
        client.hset("rapport:kept:rapport", "rfm", msgspec.json.encode(kept))
        wait_for(lambda: world.decide("while rebuilt", "ann").rebuilding == ("rfm",), "rebuilding is not noted")
        assert keeping.finish("rfm", kept.layout)
    world.run("archive")
    assert world.report("while rebuilt").reasons == {}


def test_records_without_definitions_cannot_be_explained_by_them(world: PlantedWorld) -> None:
    assert world.report("old").reasons == {UNKNOWN_DEFINITION: 1}


def test_decisions_without_values_are_counted_apart(world: PlantedWorld) -> None:
    report = world.report()
    assert report.apart == {"no_consent": 1}
    assert report.decisions >= len(world.decided) and report.decisions == report.compared + 1
    assert report.not_replayed == ("profile",)


def test_small_chunks_give_the_same_report(world: PlantedWorld) -> None:
    whole = world.report()
    assert replay_decisions(world.project.settings, Question(), chunk=2) == whole


def test_a_sample_and_filters(world: PlantedWorld) -> None:
    settings = world.project.settings
    sampled = replay_decisions(settings, Question(Range(sample=4)))
    assert sampled.decisions == 4 and sampled == replay_decisions(settings, Question(Range(sample=4)))
    some = world.report(views=("rfm",), features=("carts__cart_adds_1h",))
    assert {feature.name.partition("__")[0] for feature in some.features} == {"rfm", "carts"}
    assert len(some.features) == 7
    assert world.report(model="purchase_propensity").compared == 0
    with pytest.raises(DeclarationError, match="no windowed view 'rfn' in the registry; it has carts"):
        world.report(views=("rfn",))


def test_the_log_reads_back_as_before(world: PlantedWorld) -> None:
    frame = read_log(world.runtime.archive)
    assert {record.decision_id for record in world.decided.values()} <= set(frame["decision_id"])


def test_the_command(world: PlantedWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in os.environ if name.startswith("RAPPORT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(world.project.root)
    assert run(["consistency", "--last", "1h", "--json", "--in-flight-ms", "60000"]) == 6
    said = json.loads(capsys.readouterr().out)
    assert said["unexplained"] == 1 and said["reasons"][UNEXPLAINED] == 1
    assert run(["consistency", "--view", "click_activity", "--in-flight-ms", "60000"]) == 0
    shown = capsys.readouterr()
    assert "click_activity__clicks_1h" in shown.out and "in flight" in shown.out
    pages = list((world.project.settings.data_dir / "reports" / "consistency").glob("*.html"))
    assert pages and "ann" not in {word for page in pages for word in page.read_text().split('"')}
    assert run(["consistency", "--last", "soon"]) == 2
    assert run(["consistency", "--last", "1h", "--since", "2026-01-01"]) == 2


@pytest.mark.skipif(chromium_path() is None, reason="no Chromium: apt-get install chromium")
def test_the_page_shows_bars_and_differences(world: PlantedWorld, tmp_path: Path) -> None:
    from rapport.consistency.page import write_page

    path = write_page(world.report(in_flight_ms=60_000), tmp_path / "page.html")
    with open_page(path.as_uri()) as opened:
        opened.wait_for("Values by feature", "since_click_s", "unexplained")
        assert opened.page.locator("circle").count() > 5
        assert opened.page.locator(".bar .late").count() == 6
        assert not opened.errors
        opened.screenshot(tmp_path / "page.png")


def test_zz_a_changed_definition_is_found(world: PlantedWorld) -> None:
    """Last, as it changes the world: other windows, a feature less, a view less."""
    store = world.project.store()
    view: StreamFeatureView = store.get_stream_feature_view("purchases")
    for aggregation in view.aggregations:
        if aggregation.time_window == timedelta(days=30):
            aggregation.time_window = timedelta(days=2)
            aggregation.slide_interval = timedelta(days=1)
    store.apply([view])
    report = world.report("good")
    assert report.reasons.keys() == {DEFINITION_CHANGED}
    changed = {feature.name for feature in report.features if feature.reasons}
    assert changed == {"purchases__orders_30d", "purchases__spend_micros_30d"}
    assert UNKNOWN_DEFINITION in world.report("first form").reasons
    store.delete_feature_view("tickets")
    assert world.report("good", views=("rfm",)).reasons == {}
