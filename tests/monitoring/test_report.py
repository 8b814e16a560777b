"""Real Evidently reports over a real archive, made in the process that is there for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from watched_world import FEATURES, MODEL, START_US, Watched, features, make_world

from bentos.metrics import Metrics, render
from monitoring.align import align
from monitoring.child import Request, drift, reports
from monitoring.metrics import METRICS_FILE
from monitoring.subject import SAMPLED, champions, read_subject
from rapport.clock import SystemClock
from rapport.errors import ModelRefused, NoChampion, ServiceError, TooFewDecisions

DAY_US = 86_400_000_000


def test_drift_is_found_and_answered(watched: Watched) -> None:
    assert watched.retrained == [MODEL]
    report, started, promoted = watched.told(MODEL)
    assert (report.what, started.what, promoted.what) == ("report", "retrain_started", "promoted")
    assert report.share == 0.8, "five counts and three amounts of ten features moved"
    assert (promoted.version_before, promoted.version_after) == ("1", "2")


def test_the_same_world_does_not_drift(watched: Watched) -> None:
    [report] = watched.told("steady")
    assert (report.what, report.share, report.rows) == ("report", 0.0, 600)


def test_each_model_fails_for_itself(watched: Watched) -> None:
    assert [one.what for one in watched.told("quiet")] == ["too_few"]
    [failed] = watched.told("broken")
    assert failed.what == "report_failed"
    assert "reference.parquet is missing" in failed.why


def test_files_hold_the_report(watched: Watched) -> None:
    page = Path(watched.told(MODEL)[0].report)
    assert page.parent == watched.folder / MODEL
    text = page.read_text()
    assert len(text) > 1_000_000, "the page brings its own scripts"
    assert all(name in text for name in FEATURES)
    document = json.loads(page.with_suffix(".json").read_text())
    assert document["summary"]["share"] == 0.8
    assert set(document["summary"]["drifted"]) == set(FEATURES[:8])
    amount = document["summary"]["columns"][5]
    assert amount["mean_current"] > amount["mean_reference"] > 0
    assert 0.2 < amount["missing_current"] < 0.4
    assert document["summary"]["score"]["drifted"] is True
    assert len(document["evidently"]["metrics"]) >= len(FEATURES)


def test_the_index_is_the_textbooks(watched: Watched) -> None:
    document = json.loads(Path(watched.told(MODEL)[0].report).with_suffix(".json").read_text())
    subject = read_subject(watched.world.settings, MODEL)
    aligned = align(subject.reference, subject.current, FEATURES)
    for column in [*document["summary"]["columns"], document["summary"]["score"]]:
        before, now = (
            frame[column["name"]].value_counts(normalize=True) for frame in (aligned.reference, aligned.current)
        )
        before, now = before.align(now, fill_value=0.0001)
        assert column["psi"] == pytest.approx(float(((before - now) * np.log(before / now)).sum()), abs=1e-9)


def test_figures_are_there_for_prometheus(watched: Watched) -> None:
    text = (watched.folder / METRICS_FILE).read_text()
    assert f'rapport_drift_share{{model="{MODEL}"}} 0.8' in text
    assert f'rapport_drift_retrainings_total{{model="{MODEL}",outcome="promoted"}} 1.0' in text
    assert 'rapport_drift_reports_total{model="broken",outcome="failed"} 1.0' in text
    assert 'rapport_drift_share{model="quiet"}' not in text


def test_the_workspace_keeps_a_project_per_model(watched: Watched) -> None:
    folder = watched.world.settings.data_dir / "evidently"
    projects = {
        json.loads((one / "metadata.json").read_text())["name"]: one for one in folder.iterdir() if one.is_dir()
    }
    assert set(projects) == {MODEL, "steady"}
    for project in projects.values():
        assert len(list((project / "snapshots").glob("*.json"))) == 1
        assert len(json.loads((project / "dashboard.json").read_text())["panels"]) >= 6


def test_no_champion_is_said_before_anything_starts(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    with pytest.raises(NoChampion, match="run `rapport train`"):
        drift(world.settings)
    world.champion("steady")
    with pytest.raises(NoChampion, match="'other' has no champion; these have one: steady"):
        read_subject(world.settings, "other")


def test_too_few_decisions_says_how_many_are_needed(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.champion()
    with pytest.raises(TooFewDecisions, match="made 0 decisions with all inputs, of 0 in the window"):
        read_subject(world.settings, MODEL)


def test_only_the_champions_own_decisions_with_inputs_count(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.champion(version="2")
    world.decide(220, version="2", degraded=("policy_unavailable", "no_inputs:other"))
    world.decide(50, version="1")
    for code in ("unknown_customer", "features_stale", f"no_inputs:{MODEL}"):
        world.decide(30, version="2", degraded=(code,))
    subject = read_subject(world.settings, MODEL)
    assert (subject.rows, subject.excluded) == (220, 140)


def test_the_window_ends_at_the_newest_decision(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.champion()
    world.decide(200, at_us=START_US)
    world.decide(250, at_us=START_US + 2 * DAY_US)
    assert read_subject(world.settings, MODEL).rows == 250
    assert read_subject(world.settings, MODEL, since_us=START_US).rows == 450
    old = read_subject(world.settings, MODEL, since_us=START_US, until_us=START_US + DAY_US)
    assert (old.rows, old.since_us, old.until_us) == (200, START_US, START_US + 199_000_000)


def test_a_long_log_is_sampled_the_same_way_each_time(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.champion()
    world.decide(SAMPLED + 500)
    first, again = (read_subject(world.settings, MODEL) for _ in range(2))
    assert (first.rows, len(first.current)) == (SAMPLED + 500, SAMPLED)
    pd.testing.assert_frame_equal(first.current, again.current)


def test_columns_come_from_the_manifest_whatever_the_frames_hold() -> None:
    reference, current = features(300, 1), features(300, 2).drop(columns=[FEATURES[0]]).assign(other=1.0)
    aligned = align(reference, current, FEATURES)
    assert aligned.columns == (*FEATURES, "score")
    assert aligned.missing(FEATURES[0]) == (0.0, 1.0)
    assert aligned.missing(FEATURES[9]) == (1.0, 1.0)
    with pytest.raises(ModelRefused, match="lacks view__f3"):
        align(reference.drop(columns=["view__f3"]), current, FEATURES)


def test_a_process_that_cannot_work_says_why(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    (tmp_path / "feature_store.yaml").unlink()
    request = Request((MODEL,), SystemClock().now_us())
    with pytest.raises(ServiceError, match="the drift report was stopped"):
        reports(world.settings, request, stopped=lambda: True)


def test_a_segmentation_has_no_score_to_watch(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.champion()
    world.champion("segments", kind="segments")
    assert champions(world.settings) == [MODEL]


def test_the_service_shows_the_figures_beside_its_own(watched: Watched) -> None:
    text = render(Metrics(), watched.folder / METRICS_FILE).decode()
    assert "rapport_drift_share" in text
    assert "rapport_decisions_total" in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)), "Prometheus refuses a family that is declared twice"
    assert b"rapport_drift" not in render(Metrics(), watched.folder / "absent.prom")
