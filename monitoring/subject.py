"""What a drift report is about: a champion, its training reference, and the decisions that it made in a window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rapport.archive import Archive
from rapport.decisions import read_log
from rapport.errors import ModelRefused, NoChampion, TooFewDecisions
from rapport.models import Manifest, read_manifest, read_pointer
from rapport.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

__all__ = ["MIN_DECISIONS", "SAMPLED", "Subject", "champions", "read_subject"]

MIN_DECISIONS = 200
"""Fewer say nothing: with 100 rows in a dozen bins, chance alone makes an index of 0.1."""
READ_AT_MOST = 20_000
SAMPLED = 5_000
"""Rows of either side that are compared. More would change no verdict; under 10,000, Evidently fills empty bins with a
share of 0.0001, over it with one so small that a handful of new values counts as drift."""
REFERENCE = "reference.parquet"
_WITHOUT_INPUTS = frozenset(
    {
        "unknown_customer",
        "features_unavailable",
        "features_corrupt",
        "features_stale",
        "no_consent",
        "no_inputs",
        "model_unavailable",
        "internal_error",
        "overloaded",
        "no_time:features",
        "no_time:scores",
    }
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A champion and what is compared.

    Attributes:
        reference, current: frames with the model's features by full name, and `score` where the model has one; at most
            SAMPLED rows each.
        since_us, until_us: times of the oldest and newest decision in `current`.
        rows: decisions of this champion in the window, up to READ_AT_MOST (or drift_min_rows, if that is more).
        excluded: decisions in the window that lacked the model's inputs, or were made by another version.
    """

    manifest: Manifest
    reference: pd.DataFrame
    current: pd.DataFrame
    since_us: int
    until_us: int
    rows: int
    excluded: int


def champions(settings: Settings) -> list[str]:
    """Names of the models that have a champion with a score, sorted. Segments have none."""
    return sorted(
        path.parent.name for path in (settings.data_dir / "models").glob("*/champion.json") if _scores(path.parent)
    )


def read_subject(settings: Settings, model: str, since_us: int | None = None, until_us: int | None = None) -> Subject:
    """Read a champion's reference and its decisions from `since_us` on, before `until_us`.

    Without `since_us` the window is the last settings.drift_window_s before the newest decision.

    Raises:
        NoChampion: the model has none.
        ModelRefused: its folder has no reference.
        TooFewDecisions: it made fewer than MIN_DECISIONS decisions in the window.
    """
    manifest, reference = _champion(settings, model)
    archive = Archive(settings.data_dir / "archive")
    if since_us is None:
        since_us = _newest_us(archive, until_us) - settings.drift_window_s * 1_000_000
    log = read_log(archive, since_us, until_us, at_most=max(READ_AT_MOST, settings.drift_min_rows))
    made = _made_by(log, manifest)
    needed = min(MIN_DECISIONS, settings.drift_min_rows)
    if len(made) < needed:
        raise TooFewDecisions(
            f"{model} {manifest.version} made {len(made)} decisions with all inputs, of {len(log)} in the window; "
            f"a drift report needs {needed}. Wait for traffic, or look further back with --since"
        )
    times = made["as_of"].astype("int64")
    return Subject(
        manifest,
        _sampled(reference),
        _sampled(made),
        since_us=int(times.min()),
        until_us=int(times.max()),
        rows=len(made),
        excluded=len(log) - len(made),
    )


def _champion(settings: Settings, model: str) -> tuple[Manifest, pd.DataFrame]:
    import pandas as pd

    folder = settings.data_dir / "models" / model
    pointer = read_pointer(folder)
    if pointer is None:
        raise NoChampion(
            f"model {model!r} has no champion; these have one: {', '.join(champions(settings)) or 'none'}. "
            "Run `rapport train`, then `rapport promote`"
        )
    path = folder / pointer.version / REFERENCE
    if not path.is_file():
        raise ModelRefused(f"{path} is missing: drift has nothing to compare with; train and promote {model} again")
    return read_manifest(folder / pointer.version), pd.read_parquet(path)


def _scores(folder: Path) -> bool:
    """Whether a model scores; true also when that cannot be read, so that its report tells what is wrong."""
    try:
        pointer = read_pointer(folder)
        return pointer is not None and read_manifest(folder / pointer.version).kind != "segments"
    except ModelRefused:
        return True


def _newest_us(archive: Archive, until_us: int | None) -> int:
    times = archive.scan("decisions", columns=["event_time"], until_us=until_us).column("event_time")
    newest = times.cast("int64").to_numpy()
    return int(newest.max()) if len(newest) else 0


def _made_by(log: pd.DataFrame, manifest: Manifest) -> pd.DataFrame:
    """The decisions that this version made with its inputs at hand, its score under the name `score`."""
    version, score = f"version__{manifest.name}", f"score__{manifest.name}"
    if version not in log.columns:
        return log.iloc[:0]
    fit = np.array([_had_inputs(codes, manifest.name) for codes in log["degraded"]], dtype=bool)
    made = log[fit & (log[version] == manifest.version)]
    return made[made[score].notna()].rename(columns={score: "score"}) if score in log.columns else made


def _had_inputs(codes: Iterable[str], model: str) -> bool:
    """Whether nothing was missing that this model reads. A code is `cause` or `cause:model`."""
    return not any(code in _WITHOUT_INPUTS or _cause_of(code, model) in _WITHOUT_INPUTS for code in codes)


def _cause_of(code: str, model: str) -> str:
    """The code without the name of this model; "" when it is another's."""
    cause, _, name = code.partition(":")
    return cause if name in ("", model) else ""


def _sampled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(SAMPLED, random_state=0) if len(frame) > SAMPLED else frame
