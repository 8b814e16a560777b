"""Rollback: the version that served before serves again."""

from __future__ import annotations

from dataclasses import dataclass

from rapport.clock import Clock, SystemClock
from rapport.errors import ModelError, NoChampion
from rapport.models import load_model, load_segments, read_manifest, read_pointer, sha256_of
from rapport.models.manifest import MANIFEST
from rapport.settings import Settings, disable_telemetry
from training.audit import AuditEntry, append_audit, changing_models
from training.declared import present_fingerprints
from training.publish import point_to
from training.registry import Registry

__all__ = ["RollbackResult", "rollback"]


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """Which version serves now, and which did before."""

    name: str
    version: str
    replaced: str


def rollback(settings: Settings, name: str, *, reason: str = "", clock: Clock | None = None) -> RollbackResult:
    """Make the previous champion champion again. The two change places, so a second rollback undoes the first.

    Raises:
        NoChampion: nothing serves under this name.
        ModelRefused: the previous version does not match its manifest or the declared features any more.
        ModelError: there is no previous version, or MLflow is away: what serves is unchanged.
    """
    disable_telemetry()
    models = settings.data_dir / "models"
    registry = Registry(settings)
    with changing_models(models):
        pointer = read_pointer(models / name)
        if pointer is None:
            raise NoChampion(f"{name} has no champion: run `rapport promote {name}`")
        if pointer.previous is None:
            raise ModelError(f"{name} {pointer.version} is the first champion: there is nothing to roll back to")
        folder = models / name / pointer.previous
        load = load_segments if read_manifest(folder).kind == "segments" else load_model
        load(folder, present_fingerprints(settings))
        registry.set_champion(name, pointer.previous, pointer.version)
        point_to(models, name, pointer.previous, sha256_of(folder / MANIFEST), pointer.version)
        entry = AuditEntry(
            time_us=(clock or SystemClock()).now_us(),
            action="rolled_back",
            name=name,
            version=pointer.previous,
            champion=pointer.version,
            reason=reason or "asked for",
        )
        append_audit(models, entry)
    return RollbackResult(name, pointer.previous, pointer.version)
