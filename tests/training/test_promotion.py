"""The whole loop on a real archive and the project's own declarations: train, judge, promote, refuse, roll back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from training_world import DAY_US, START_US

from rapport.errors import ModelError, ModelRefused, NoChampion
from rapport.models import Champions, read_manifest, read_pointer, sha256_of, write_manifest
from rapport.settings import Settings
from training import TrainConfig, TrainReport, list_models, promote, read_audit, rollback, train
from training.declared import present_fingerprints
from training.registry import Registry

NAME = "purchase_propensity"
AS_OF_US = START_US + 60 * DAY_US
CONFIG = TrainConfig(rows=4_000, folds=2, reference_rows=500)


@pytest.fixture(scope="module")
def trained(settings: Settings) -> TrainReport:
    """Version 1 of every model."""
    told: list[float] = []
    report = train(settings, AS_OF_US, config=CONFIG, progress=lambda share, what: told.append(share))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
    return report


def _pointers(settings: Settings) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (settings.data_dir / "models").glob("*/champion.json")}


def _artifact(settings: Settings, version: str, name: str) -> Path:
    run_id = Registry(settings).version(NAME, version).run_id
    return settings.data_dir / "mlflow" / "artifacts" / NAME / run_id / "artifacts" / "model" / name


@contextmanager
def _changed(path: Path) -> Iterator[None]:
    """Whatever the block writes to a file is undone after it."""
    kept = path.read_bytes()
    try:
        yield
    finally:
        path.write_bytes(kept)


def test_training_registers_models_that_beat_their_baselines(trained: TrainReport) -> None:
    assert trained.skipped == {}
    assert [(candidate.name, candidate.version) for candidate in trained] == [
        ("purchase_propensity", "1"),
        ("escalation_risk", "1"),
        ("segments", "1"),
    ]
    purchase, escalation, _ = trained
    for candidate in (purchase, escalation):
        assert candidate.metrics["log_loss"] < candidate.metrics["base_rate_log_loss"]
        assert candidate.metrics["auc"] > 0.7
        assert candidate.trained_until_us < AS_OF_US
    assert purchase.metrics["auc"] > purchase.metrics["rfm_auc"]


def test_nothing_serves_before_a_promotion(settings: Settings, trained: TrainReport) -> None:
    assert _pointers(settings) == {}
    assert [(listing.name, listing.champion) for listing in list_models(settings)] == [
        ("escalation_risk", None),
        ("purchase_propensity", None),
        ("segments", None),
    ]
    with pytest.raises(NoChampion, match="rapport promote"):
        rollback(settings, NAME)


def test_a_damaged_version_is_refused(settings: Settings, trained: TrainReport) -> None:
    path = _artifact(settings, "1", "model.ubj")
    with _changed(path):
        path.write_bytes(path.read_bytes()[:-10])
        with pytest.raises(ModelRefused, match=r"model\.ubj has SHA-256"):
            promote(settings, NAME)
    assert _pointers(settings) == {}


def test_a_version_of_other_declarations_is_refused(settings: Settings, trained: TrainReport) -> None:
    path = _artifact(settings, "1", "manifest.json")
    with _changed(path):
        manifest = read_manifest(path.parent)
        write_manifest(path.parent, msgspec.structs.replace(manifest, views={**manifest.views, "rfm": "00000000"}))
        with pytest.raises(ModelRefused, match="the view 'rfm' has changed since training"):
            promote(settings, NAME, force="in a hurry")
    assert _pointers(settings) == {}


@pytest.fixture(scope="module")
def first(settings: Settings, trained: TrainReport) -> Settings:
    """Every model has passed the gate once."""
    for name in ("purchase_propensity", "escalation_risk", "segments"):
        result = promote(settings, name)
        assert result.promoted, result
        assert (result.champion, result.version, result.forced) == (None, "1", False)
        if name != "segments":
            assert result.runtime == "onnx"
            assert 0 <= result.numbers["onnx_max_difference"] <= 1e-5
            assert "of the base rate" in result.reason
    return settings


def test_the_champion_serves_what_was_registered(first: Settings) -> None:
    champions = Champions(first.data_dir / "models", present_fingerprints(first))
    model = champions.get(NAME)
    assert model is not None
    assert (model.version, model.runtime) == ("1", "onnx")
    reference = pd.read_parquet(first.data_dir / "models" / NAME / "1" / "reference.parquet")
    assert list(reference.columns) == [*model.manifest.feature_names, "score"]
    assert 100 < len(reference) <= 500
    scores = model.predict(reference[list(model.manifest.feature_names)].to_numpy(dtype=np.float64))
    np.testing.assert_allclose(scores, reference["score"], atol=1e-5)
    segments = champions.segments()
    assert segments is not None
    assert segments.rfm(86_400.0, 9.0, 5e8).name != "Unknown"
    assert champions.problems == {}


def test_only_what_serving_needs_is_published(first: Settings) -> None:
    folder = first.data_dir / "models" / NAME / "1"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["manifest.json", "model.onnx", "model.ubj", "reference.parquet"]


def test_the_registry_knows_the_champion_its_metrics_and_pictures(first: Settings) -> None:
    version = Registry(first).version(NAME, "1")
    assert version.aliases == ("champion",)
    assert version.metrics["auc"] > 0.7
    plots = _artifact(first, "1", "manifest.json").parents[1] / "plots"
    assert sorted(path.name for path in plots.iterdir()) == [
        "calibration.png",
        "importance.png",
        "precision_recall.png",
        "roc.png",
    ]


def test_the_champion_is_not_promoted_twice(first: Settings) -> None:
    result = promote(first, NAME, "1")
    assert not result.promoted
    assert "champion already" in result.reason


def test_unknown_names_and_versions_are_errors(first: Settings) -> None:
    with pytest.raises(ModelError, match="no version of nonsense is registered"):
        promote(first, "nonsense")
    with pytest.raises(ModelError, match="has no version '9'; it has 1"):
        promote(first, NAME, "9")
    with pytest.raises(ModelError, match="unknown model nonsense; the models are"):
        train(first, AS_OF_US, config=TrainConfig(models=("nonsense",)))
    with pytest.raises(ModelError, match="needs a reason"):
        promote(first, NAME, force=" ")


def test_without_mlflow_the_error_is_clear_and_serving_untouched(first: Settings) -> None:
    away = dataclasses.replace(first, mlflow_uri="http://user:secret@127.0.0.1:9")
    before = _pointers(first)
    for call in (promote, rollback):
        with pytest.raises(ModelError, match="What serves is unchanged") as raised:
            call(away, NAME)
        assert "secret" not in str(raised.value)
    with pytest.raises(ModelError, match="start MLflow"):
        train(away, AS_OF_US)
    assert _pointers(first) == before


def test_refusal_force_rollback_and_the_audit_trail(first: Settings) -> None:
    """A weaker second version is kept out, forced in, and rolled back."""
    started = len(read_audit(first.data_dir / "models"))
    weak = dataclasses.replace(CONFIG, rows=1_200, models=(NAME,), seed=99)
    (candidate,) = train(first, AS_OF_US - 14 * DAY_US, config=weak)
    refused = promote(first, NAME)
    assert (refused.promoted, refused.version, refused.champion) == (False, candidate.version, "1")
    assert "champion 1" in refused.reason or "later than both" in refused.reason
    folder = first.data_dir / "models" / NAME
    pointer = read_pointer(folder)
    assert pointer is not None and pointer.version == "1"

    champions = Champions(first.data_dir / "models", present_fingerprints(first), poll_s=0)
    forced = promote(first, NAME, force="the shop has changed")
    assert (forced.promoted, forced.forced) == (True, True)
    model = champions.get(NAME)
    assert model is not None and model.version == candidate.version
    pointer = read_pointer(folder)
    assert pointer is not None
    assert (pointer.version, pointer.previous) == (candidate.version, "1")
    assert pointer.manifest_sha256 == sha256_of(folder / pointer.version / "manifest.json")
    assert Registry(first).version(NAME, "1").aliases == ("previous",)

    back = rollback(first, NAME, reason="complaints")
    assert (back.version, back.replaced) == ("1", candidate.version)
    model = champions.get(NAME)
    assert model is not None and model.version == "1"
    assert Registry(first).version(NAME, "1").aliases == ("champion",)

    entries = read_audit(first.data_dir / "models")[started:]
    assert [(entry.action, entry.version, entry.champion, entry.forced) for entry in entries] == [
        ("refused", candidate.version, "1", False),
        ("promoted", candidate.version, "1", True),
        ("rolled_back", "1", candidate.version, False),
    ]
    assert "the shop has changed" in entries[1].reason
    assert entries[2].reason == "complaints"


def test_a_better_version_replaces_the_champion(first: Settings) -> None:
    """The champion was trained for another horizon, so its probabilities are too high; a right one beats it."""
    name = "escalation_risk"
    other = dataclasses.replace(CONFIG, rows=1_500, models=(name,), horizons_us={name: 6 * DAY_US})
    (weak,) = train(first, AS_OF_US - 10 * DAY_US, config=other)
    assert promote(first, name, weak.version, force="for comparison").promoted
    (again,) = train(first, AS_OF_US - DAY_US, config=dataclasses.replace(CONFIG, rows=1_500, models=(name,)))
    assert "within 6 days" in again.label, "trained again, a model goes on predicting what the champion does"
    right = dataclasses.replace(CONFIG, models=(name,), horizons_us={name: DAY_US})
    (strong,) = train(first, AS_OF_US, config=right)
    result = promote(first, name)
    assert result.promoted and not result.forced, result
    assert (result.version, result.champion) == (strong.version, weak.version)
    assert result.numbers["candidate_log_loss"] < result.numbers["rival_log_loss"]


def test_training_says_why_the_data_does_not_allow_a_model(first: Settings) -> None:
    early = TrainConfig(models=(NAME,), rows=1_000)
    with pytest.raises(ModelError, match="at least twice that is needed; choose a shorter horizon"):
        train(first, START_US + 9 * DAY_US, config=early)
    with pytest.raises(ModelError, match="no activity in"):
        train(first, START_US - DAY_US, config=early)


def test_audit_lines_are_json(first: Settings) -> None:
    lines = (first.data_dir / "models" / "audit.jsonl").read_text().splitlines()
    assert all({"time_us", "action", "name", "version", "reason"} <= json.loads(line).keys() for line in lines)
