"""A draft: a trained model's files before the registry has given it a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rapport.models import FeatureSpec, Manifest, sha256_of
from rapport.models.scorer import ONNX, UBJ
from training.dataset import Dataset
from training.fit import Fitted
from training.onnx_export import to_onnx

__all__ = ["EVALUATION", "REFERENCE", "Draft", "read_evaluation", "write_evaluation", "write_model", "write_reference"]

EVALUATION = "evaluation.parquet"
"""The rows after training that the gate compares with: features by full name, and label, as_of_us, group."""
REFERENCE = "reference.parquet"


@dataclass(frozen=True, slots=True)
class Draft:
    """What registration takes.

    Attributes:
        manifest: without its version and files.
        folder: the model's files.
        plots: pictures of the evaluation.
    """

    manifest: Manifest
    folder: Path
    plots: Path
    params: Mapping[str, object] = field(default_factory=dict)

    def served_files(self) -> dict[str, str]:
        """SHA-256 of each file that serving and drift need."""
        names = sorted(path.name for path in self.folder.iterdir() if path.name != EVALUATION)
        return {name: sha256_of(self.folder / name) for name in names}


def write_model(folder: Path, fitted: Fitted) -> None:
    """Write model.ubj and model.onnx."""
    fitted.booster.save_model(folder / UBJ)
    (folder / ONNX).write_bytes(to_onnx(fitted.booster))


def write_evaluation(folder: Path, data: Dataset) -> None:
    frame = pd.DataFrame(data.matrix, columns=list(data.names))
    frame["label"], frame["as_of_us"], frame["group"] = data.label, data.as_of_us, data.group
    frame.to_parquet(folder / EVALUATION, index=False)


def read_evaluation(folder: Path, features: tuple[FeatureSpec, ...]) -> Dataset:
    """The evaluation rows of a registered model."""
    frame = pd.read_parquet(folder / EVALUATION)
    names = [feature.name for feature in features]
    return Dataset(
        features=features,
        matrix=frame[names].to_numpy(dtype=np.float64),
        label=frame["label"].to_numpy(dtype=np.float64),
        as_of_us=frame["as_of_us"].to_numpy(dtype=np.int64),
        group=frame["group"].to_numpy(dtype=np.int64),
    )


def write_reference(
    folder: Path, names: tuple[str, ...], matrix: NDArray[np.float64], score: NDArray[np.float64]
) -> None:
    """Write reference.parquet: features by full name (NaN is missing) and `score`, what drift compares with."""
    frame = pd.DataFrame(matrix, columns=list(names))
    frame["score"] = score
    frame.to_parquet(folder / REFERENCE, index=False)
