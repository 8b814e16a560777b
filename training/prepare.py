"""From the archive to a draft: the whole making of one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from rapport.archive import Archive
from rapport.errors import ModelError
from rapport.models import Manifest
from rapport.models.segments import SEGMENTS
from training.config import Progress, TrainConfig
from training.dataset import Dataset, assemble, sample
from training.draft import Draft, write_evaluation, write_model, write_reference
from training.evaluate import evaluate_fitted, picture
from training.features import ServiceInputs, historical_matrix, inputs_of
from training.fit import Fitted, fit
from training.guards import check_balance
from training.segments import RFM_FEATURES, SERVICE, fit_segments
from training.specs import ModelSpec
from training.spine import sample_spine
from training.split import holdout

__all__ = ["SEGMENTS_NAME", "Workshop"]

SEGMENTS_NAME = "segments"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the making of every model of one run needs.

    Attributes:
        store: a feast.FeatureStore.
        as_of_us: nothing after this time is seen (UTC microseconds).
        now_us: when this is, for the manifests.
        horizons_us: model name to how far its label looks ahead, where that is not its own.
    """

    archive: Archive
    store: Any
    config: TrainConfig
    as_of_us: int
    now_us: int
    horizons_us: Mapping[str, int]

    def model(self, spec: ModelSpec, folder: Path, progress: Progress) -> Draft:
        """Sample, fit, evaluate and write one model.

        Raises:
            ModelError: the data does not allow it; says why.
        """
        horizon_us = self.horizons_us.get(spec.name, spec.horizon_us)
        progress(0.0, f"{spec.name}: features as they were")
        inputs = inputs_of(self.store, spec.service)
        data = self._dataset(spec, inputs, horizon_us)
        split = holdout(data.as_of_us, self.config.holdout, horizon_us)
        train, test = data.take(split.train), data.take(split.valid)
        check_balance(test.label.astype(np.bool_))
        progress(0.3, f"{spec.name}: cross-validation")
        fitted = fit(
            train,
            horizon_us=horizon_us,
            folds=self.config.folds,
            seed=self.config.seed,
            threads=self.config.threads,
            step=lambda share: progress(0.3 + 0.5 * share, f"{spec.name}: cross-validation"),
        )
        progress(0.8, f"{spec.name}: evaluation")
        draft = self._draft(folder, self._manifest(spec, inputs, train, horizon_us), _params(fitted, horizon_us))
        draft = _with_metrics(draft, evaluate_fitted(fitted, train, test))
        write_model(draft.folder, fitted)
        write_evaluation(draft.folder, test)
        self._write_reference(spec, inputs, fitted, draft, split.start_us)
        picture(draft.plots, fitted, train, test)
        progress(1.0, f"{spec.name}: done")
        return draft

    def segments(self, folder: Path, progress: Progress) -> Draft:
        """Fit the segments of all customers as of now, and write them."""
        progress(0.0, f"{SEGMENTS_NAME}: features of every customer")
        inputs = inputs_of(self.store, SERVICE)
        missing = [name for name in RFM_FEATURES if name not in inputs.names]
        if missing:
            raise ModelError(f"the feature service {SERVICE!r} lacks {', '.join(missing)}: add them to it")
        customers = self._customers()
        matrix = historical_matrix(self.store, inputs, customers)
        progress(0.5, f"{SEGMENTS_NAME}: clusters")
        model, silhouette = fit_segments(inputs.names, matrix, self.config.seed)
        manifest = Manifest(
            name=SEGMENTS_NAME,
            version="",
            kind="segments",
            created_us=self.now_us,
            service=SERVICE,
            features=inputs.features,
            views=inputs.views,
            files={},
            metrics={"customers": float(len(customers)), "silhouette": silhouette},
            trained_until_us=self.as_of_us,
            label="RFM segment and cluster of recent activity",
        )
        draft = self._draft(folder, manifest, {"clusters": ", ".join(model.activity.names)})
        (draft.folder / SEGMENTS).write_bytes(msgspec.json.format(msgspec.json.encode(model), indent=2))
        progress(1.0, f"{SEGMENTS_NAME}: done")
        return draft

    def _dataset(self, spec: ModelSpec, inputs: ServiceInputs, horizon_us: int) -> Dataset:
        spine, label = sample(
            self.archive,
            spec,
            as_of_us=self.as_of_us,
            horizon_us=horizon_us,
            rows=self.config.rows,
            seed=self.config.seed,
        )
        return assemble(inputs.features, spine, label, lambda rows: historical_matrix(self.store, inputs, rows))

    def _write_reference(
        self, spec: ModelSpec, inputs: ServiceInputs, fitted: Fitted, draft: Draft, since_us: int
    ) -> None:
        # drift compares decisions with decisions: moments of chats, of the time since training, labels not needed
        spine = sample_spine(
            spec.decisions(self.archive, self.as_of_us),
            since_us=since_us,
            until_us=self.as_of_us,
            rows=self.config.reference_rows,
            random_share=0.0,
            seed=self.config.seed,
        )
        matrix = historical_matrix(self.store, inputs, spine)
        zeros = np.zeros(len(spine))
        rows = Dataset(inputs.features, matrix, zeros, zeros.astype(np.int64), zeros.astype(np.int64))
        write_reference(draft.folder, inputs.names, matrix, fitted.predict(rows))

    def _manifest(self, spec: ModelSpec, inputs: ServiceInputs, train: Dataset, horizon_us: int) -> Manifest:
        return Manifest(
            name=spec.name,
            version="",
            kind="xgboost",
            created_us=self.now_us,
            service=spec.service,
            features=inputs.features,
            views=inputs.views,
            files={},
            trained_until_us=int(train.as_of_us[-1]) + horizon_us,
            label=spec.label.format(horizon=_words(horizon_us)),
            horizon_us=horizon_us,
        )

    def _draft(self, folder: Path, manifest: Manifest, params: dict[str, object]) -> Draft:
        run = {"rows": self.config.rows, "seed": self.config.seed, "as_of_us": self.as_of_us}
        draft = Draft(manifest, folder / manifest.name / "model", folder / manifest.name / "plots", params | run)
        draft.folder.mkdir(parents=True)
        draft.plots.mkdir()
        return draft

    def _customers(self) -> pd.DataFrame:
        known: set[str] = set()
        for topic in self.archive.topics():
            if topic != "decisions":
                found = self.archive.scan(topic, ["customer_id"], until_us=self.as_of_us + 1)
                known.update(found.column("customer_id").unique().to_pylist())
        return pd.DataFrame({"customer_id": sorted(known), "as_of_us": self.as_of_us})


def _with_metrics(draft: Draft, metrics: dict[str, float]) -> Draft:
    manifest = msgspec.structs.replace(draft.manifest, metrics=metrics)
    return Draft(manifest, draft.folder, draft.plots, draft.params)


def _params(fitted: Fitted, horizon_us: int) -> dict[str, object]:
    return {**fitted.params, "rounds": fitted.rounds, "horizon_us": horizon_us}


def _words(horizon_us: int) -> str:
    hours = horizon_us / 3_600e6
    return f"{hours / 24:g} days" if hours > 24 else f"{hours:g} hours"
