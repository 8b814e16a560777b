"""Train all models with the history up to a time, and register them as candidates."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rapport.archive import Archive
from rapport.clock import Clock, SystemClock
from rapport.errors import ModelError, ModelRefused
from rapport.models import read_manifest, read_pointer
from rapport.settings import Settings, disable_telemetry
from training.config import Progress, TrainConfig, part, silent
from training.draft import Draft
from training.prepare import SEGMENTS_NAME, Workshop
from training.registry import Registry
from training.specs import MODELS

__all__ = ["Candidate", "TrainReport", "train"]

Maker = Callable[[Path, Progress], Draft]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A registered version that serves only once it has passed the gate."""

    name: str
    version: str
    run_id: str
    label: str
    trained_until_us: int
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a run made, and why it did not make the rest. Iterates over the candidates."""

    candidates: tuple[Candidate, ...]
    skipped: dict[str, str]
    """Model name to why the data did not allow it."""

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    def __len__(self) -> int:
        return len(self.candidates)


def train(
    settings: Settings,
    as_of_us: int | None = None,
    *,
    config: TrainConfig | None = None,
    progress: Progress = silent,
    clock: Clock | None = None,
) -> TrainReport:
    """Train and register candidates; nothing that serves changes.

    Args:
        as_of_us: nothing after this time is seen (UTC microseconds); default: the clock's now.
        progress: told the share that is done, 0 to 1, never falling, and what is being done.
        clock: default: the system's.

    Raises:
        ModelError: an unknown model name, MLflow away, or not one model could be made (each with its reason).
    """
    disable_telemetry()
    from rapport.feast.catalog import open_store

    config = config or TrainConfig()
    now_us = (clock or SystemClock()).now_us()
    progress(0.0, "opening the registry")
    registry = Registry(settings)
    workshop = Workshop(
        archive=Archive(settings.data_dir / "archive"),
        store=open_store(settings),
        config=config,
        as_of_us=now_us if as_of_us is None else as_of_us,
        now_us=now_us,
        horizons_us={**_serving_horizons(settings.data_dir / "models"), **config.horizons_us},
    )
    makers = _makers(workshop)
    made: list[Candidate] = []
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="rapport-train-") as folder:
        for number, (name, make) in enumerate(makers.items()):
            share = part(progress, number / len(makers), (number + 1) / len(makers))
            try:
                draft = make(Path(folder), part(share, 0.0, 0.9))
            except ModelError as error:
                skipped[name] = str(error)
                share(1.0, f"{name}: skipped")
                continue
            made.append(_register(registry, draft, now_us))
            share(1.0, f"{name}: registered as version {made[-1].version}")
    if not made:
        raise ModelError("no model could be trained: " + "; ".join(f"{name}: {why}" for name, why in skipped.items()))
    return TrainReport(tuple(made), skipped)


def _makers(workshop: Workshop) -> dict[str, Maker]:
    """The chosen models' names, each with what makes its draft.

    Raises:
        ModelError: a name that is none of them.
    """
    makers: dict[str, Maker] = {}
    for spec in MODELS:
        makers[spec.name] = lambda folder, progress, spec=spec: workshop.model(spec, folder, progress)  # type: ignore[misc]
    makers[SEGMENTS_NAME] = workshop.segments
    chosen = workshop.config.models or tuple(makers)
    unknown = [name for name in (*chosen, *workshop.config.horizons_us) if name not in makers]
    if unknown:
        raise ModelError(f"unknown model {', '.join(unknown)}; the models are {', '.join(makers)}")
    return {name: makers[name] for name in chosen}


def _serving_horizons(models: Path) -> dict[str, int]:
    """The horizons of the champions: a model that is trained again goes on predicting the same."""
    horizons = {}
    for spec in MODELS:
        pointer = read_pointer(models / spec.name)
        if pointer is not None:
            try:
                horizons[spec.name] = read_manifest(models / spec.name / pointer.version).horizon_us
            except ModelRefused:
                # it does not serve either
                continue
    return horizons


def _register(registry: Registry, draft: Draft, now_us: int) -> Candidate:
    registered = registry.register(draft, now_us=now_us)
    manifest = draft.manifest
    return Candidate(
        name=manifest.name,
        version=registered.version,
        run_id=registered.run_id,
        label=manifest.label,
        trained_until_us=manifest.trained_until_us,
        metrics=manifest.metrics,
    )
