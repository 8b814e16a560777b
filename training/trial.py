"""A candidate's trial: it is loaded as serving would, shown equal in both runtimes, and judged against the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from rapport.models import Manifest, Model, load_model, load_segments, read_manifest
from training.dataset import Dataset
from training.draft import read_evaluation
from training.equality import TOLERANCE, largest_difference
from training.gate import Verdict, judge

__all__ = ["Trial", "try_model", "try_segments"]


@dataclass(frozen=True, slots=True)
class Trial:
    """The gate's verdict, and the manifest as it would serve."""

    verdict: Verdict
    manifest: Manifest


def try_model(
    folder: Path, manifest: Manifest, models: Path, champion: str | None, fingerprints: Mapping[str, str]
) -> Trial:
    """Judge an XGBoost model on its evaluation rows, those later than both were trained on.

    Args:
        folder: the candidate's files.
        models: the folder of serving copies.
        champion: the version to beat; None: the base rate.

    Raises:
        ModelRefused: the candidate is damaged or does not match the declarations.
    """
    candidate = load_model(folder, fingerprints)
    rows = read_evaluation(folder, manifest.features)
    difference = largest_difference(folder, candidate, rows.matrix)
    equal = difference is not None and difference <= TOLERANCE
    verdict = _judge(candidate, rows, models, champion, fingerprints)
    numbers = verdict.numbers if difference is None else {**verdict.numbers, "onnx_max_difference": difference}
    served = msgspec.structs.replace(manifest, onnx_max_difference=difference if equal else None)
    return Trial(Verdict(verdict.admitted, verdict.reason, numbers), served)


def try_segments(
    folder: Path, manifest: Manifest, models: Path, champion: str | None, fingerprints: Mapping[str, str]
) -> Trial:
    """Judge segments. They predict nothing, so there is nothing to be better at: they must be whole, match the
    declarations, and know no less of history than the champion.

    Raises:
        ModelRefused: they are damaged or do not match.
    """
    load_segments(folder, fingerprints)
    numbers = dict(manifest.metrics)
    if champion is None:
        return Trial(Verdict(True, "whole, and the first", numbers), manifest)
    until = read_manifest(models / manifest.name / champion).trained_until_us
    newer = manifest.trained_until_us >= until
    reason = f"whole, and fitted on {'later' if newer else 'earlier'} data than champion {champion}"
    return Trial(Verdict(newer, reason, numbers), manifest)


def _judge(
    candidate: Model, rows: Dataset, models: Path, champion: str | None, fingerprints: Mapping[str, str]
) -> Verdict:
    if champion is None:
        later = _later(rows, candidate.manifest.trained_until_us)
        rate = np.full(len(later), candidate.manifest.metrics["base_rate"])
        return judge(later.label, candidate.predict(later.matrix), rate, later.group, rival_name="the base rate")
    rival = load_model(models / candidate.name / champion, fingerprints)
    missing = [name for name in rival.manifest.feature_names if name not in rows.names]
    if missing:
        lacks = f"champion {champion} cannot score the evaluation rows, which lack {', '.join(missing)}"
        return Verdict(False, f"{lacks}: promote it with a reason (force)", {})
    later = _later(rows, max(candidate.manifest.trained_until_us, rival.manifest.trained_until_us))
    columns = [rows.names.index(name) for name in rival.manifest.feature_names]
    scores = rival.predict(later.matrix[:, columns])
    return judge(later.label, candidate.predict(later.matrix), scores, later.group, rival_name=f"champion {champion}")


def _later(rows: Dataset, time_us: int) -> Dataset:
    return rows.take(rows.as_of_us > time_us)
