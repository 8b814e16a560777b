"""What there is: registered versions, and which of them serves."""

from __future__ import annotations

from dataclasses import dataclass

from rapport.models import read_pointer
from rapport.settings import Settings, disable_telemetry
from training.registry import Registered, Registry

__all__ = ["ModelListing", "list_models"]


@dataclass(frozen=True, slots=True)
class ModelListing:
    """One model.

    Attributes:
        champion: the version that serves; None: none does.
        previous: where `rollback` goes.
        versions: all registered ones, oldest first, with their metrics and MLflow aliases.
    """

    name: str
    champion: str | None
    previous: str | None
    versions: tuple[Registered, ...]


def list_models(settings: Settings) -> list[ModelListing]:
    """All registered models, by name.

    Raises:
        ModelError: MLflow is away.
    """
    disable_telemetry()
    registry = Registry(settings)
    listings = []
    for name in registry.names():
        pointer = read_pointer(settings.data_dir / "models" / name)
        champion, previous = (pointer.version, pointer.previous) if pointer else (None, None)
        listings.append(ModelListing(name, champion, previous, tuple(registry.versions(name))))
    return listings
