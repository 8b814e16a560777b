"""How a training run is sized, and how it tells of its progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["Progress", "TrainConfig", "part", "silent"]

Progress = Callable[[float, str], None]
"""Told the share that is done (0 to 1, never falling) and what is being done."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Sizes of one training run.

    Attributes:
        models: names of the models to train; empty: all.
        rows: decision times per model, at most.
        reference_rows: decision times of the reference that drift compares with, at most.
        holdout: share of the newest rows that is kept for metrics and the gate, above 0 and below 1.
        folds: cross-validation folds within the rest.
        horizons_us: model name to the horizon of its label, microseconds; default: its champion's, else its own.
        seed: of everything random.
        threads: of XGBoost. Trees of this size gain little from a second one, and lose a lot where the
            processors are shared: 20,000 rows took 7 s with one thread and 120 s with two on two busy processors.
    """

    models: tuple[str, ...] = ()
    rows: int = 20_000
    reference_rows: int = 3_000
    holdout: float = 0.2
    folds: int = 3
    horizons_us: Mapping[str, int] = field(default_factory=dict)
    seed: int = 7
    threads: int = 1


def silent(share: float, what: str) -> None:
    """The progress of those who do not want to know."""


def part(progress: Progress, low: float, high: float) -> Progress:
    """The progress of a part of the work that takes it from `low` to `high`."""
    return lambda share, what: progress(low + (high - low) * share, what)
