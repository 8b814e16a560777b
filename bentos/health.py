"""What the service knows of its own state, as `GET /readyz` tells it."""

from __future__ import annotations

from typing import Literal

from bentos.answering import Answering
from rapport.decisions.answers import Health, ModelHealth

__all__ = ["health_of"]


def health_of(
    *,
    ready: bool,
    redis: bool,
    bus: bool,
    stale: bool,
    answering: Answering | None,
    versions: dict[str, str | None],
    problems: dict[str, str],
) -> Health:
    """The state of the parts as one answer.

    Args:
        versions: model to the version that serves; None: none.
        problems: model (or part) to what is wrong with it.
    """
    models = {name: ModelHealth(version is not None, version, problems.get(name)) for name, version in versions.items()}
    policy = answering is not None and answering.problem is None
    said = [f"{name}: {text}" for name, text in problems.items()]
    if answering is not None and answering.problem:
        said.append(f"policy: {answering.problem}")
    well = redis and bus and policy and not stale and not said and all(model.loaded for model in models.values())
    status: Literal["ok", "degraded", "starting"] = "starting" if not ready else "ok" if well else "degraded"
    return Health(ready, status, redis, bus, policy, not stale, models, said)
