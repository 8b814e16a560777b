"""Promotion: a candidate becomes champion through the gate, and only so."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rapport.clock import Clock, SystemClock
from rapport.errors import ModelError, ModelRefused
from rapport.models import Manifest, load_model, load_segments, read_manifest, read_pointer
from rapport.settings import Settings, disable_telemetry
from training.audit import AuditEntry, append_audit, changing_models
from training.declared import present_fingerprints
from training.publish import point_to, publish
from training.registry import Registry
from training.trial import Trial, try_model, try_segments

__all__ = ["GateResult", "promote"]


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate said and what was done.

    Attributes:
        promoted: the version serves now.
        champion: the version that served before; None: none did.
        numbers: the comparison (rows, log losses, AUCs) and onnx_max_difference.
        runtime: what computes the probabilities in serving: "onnx", "xgboost", or "" for segments.
    """

    name: str
    version: str
    promoted: bool
    forced: bool
    champion: str | None
    reason: str
    numbers: dict[str, float]
    runtime: str


def promote(
    settings: Settings,
    name: str,
    version: str | None = None,
    *,
    force: str | None = None,
    clock: Clock | None = None,
) -> GateResult:
    """Compare a registered version with the champion on later data; if it is better, publish it and make it champion.

    Args:
        version: default: the newest.
        force: why the version is to serve whatever the gate says; goes to the audit trail. It still has to be whole
            and to match the declared features.

    Raises:
        ModelRefused: the version is damaged, or was trained with other declarations than the present ones.
        ModelError: no such version, an empty reason, or MLflow away: what serves is unchanged.
    """
    if force is not None and not force.strip():
        raise ModelError("a forced promotion needs a reason: it is written to the audit trail")
    disable_telemetry()
    models = settings.data_dir / "models"
    registry = Registry(settings)
    registered = registry.version(name, version)
    with changing_models(models), tempfile.TemporaryDirectory(prefix="rapport-promote-") as scratch:
        folder = registry.download(registered, Path(scratch))
        manifest = read_manifest(folder)
        fingerprints = present_fingerprints(settings)
        champion = _champion(models, name, fingerprints)
        if champion == registered.version:
            return GateResult(name, champion, False, False, champion, f"version {champion} is champion already", {}, "")
        try_it = try_segments if manifest.kind == "segments" else try_model
        trial = try_it(folder, manifest, models, champion, fingerprints)
        result = _result(manifest, trial, champion, force)
        if result.promoted:
            _make_champion(registry, models, trial.manifest, folder, champion)
        _audit(models, result, (clock or SystemClock()).now_us())
    return result


def _champion(models: Path, name: str, fingerprints: dict[str, str]) -> str | None:
    """The version that serves; None when none does, also when its folder cannot be loaded any more."""
    pointer = read_pointer(models / name)
    if pointer is None:
        return None
    folder = models / name / pointer.version
    try:
        kind = read_manifest(folder).kind
        (load_segments if kind == "segments" else load_model)(folder, fingerprints)
    except ModelRefused:
        return None
    return pointer.version


def _result(manifest: Manifest, trial: Trial, champion: str | None, force: str | None) -> GateResult:
    verdict = trial.verdict
    forced = force is not None and not verdict.admitted
    difference = trial.manifest.onnx_max_difference
    runtime = "" if manifest.kind == "segments" else "xgboost" if difference is None else "onnx"
    return GateResult(
        name=manifest.name,
        version=manifest.version,
        promoted=verdict.admitted or forced,
        forced=forced,
        champion=champion,
        reason=f"forced: {force}; the gate said: {verdict.reason}" if forced else verdict.reason,
        numbers=verdict.numbers,
        runtime=runtime,
    )


def _make_champion(registry: Registry, models: Path, manifest: Manifest, source: Path, champion: str | None) -> None:
    """Publish, then move the aliases, then the pointer: whatever fails before the last step, serving is unchanged."""
    digest = publish(models, manifest, source)
    registry.set_champion(manifest.name, manifest.version, champion)
    point_to(models, manifest.name, manifest.version, digest, champion)


def _audit(models: Path, result: GateResult, now_us: int) -> None:
    entry = AuditEntry(
        time_us=now_us,
        action="promoted" if result.promoted else "refused",
        name=result.name,
        version=result.version,
        champion=result.champion,
        forced=result.forced,
        reason=result.reason,
        numbers=result.numbers,
    )
    append_audit(models, entry)
