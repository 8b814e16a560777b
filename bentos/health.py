"""What the service knows of its own state, as `GET /readyz` tells it."""

from __future__ import annotations

from typing import Literal

from rapport.decisions.answers import Health, ModelHealth
from rapport.policy import FollowedPolicy

__all__ = ["health_of"]


def health_of(
    *,
    ready: bool,
    redis: bool,
    bus: bool,
    stale: bool,
    policy: FollowedPolicy,
    versions: dict[str, str | None],
    problems: dict[str, str],
) -> Health:
    """The state of the parts as one answer.

    Args:
        versions: model to the version that serves; None: none.
        problems: model (or part) to what is wrong with it.
    """
    models = {name: ModelHealth(version is not None, version, problems.get(name)) for name, version in versions.items()}
    said = [f"{name}: {text}" for name, text in problems.items()]
    if policy.problem is not None:
        said.append(f"policy: {policy.problem} (meanwhile {policy.bundle.versions['policy']} decides)")
    well = redis and bus and not stale and not said and all(model.loaded for model in models.values())
    status: Literal["ok", "degraded", "starting"] = "starting" if not ready else "ok" if well else "degraded"
    right = policy.problem is None
    return Health(ready, status, redis, bus, right, not stale, models, said, dict(policy.bundle.versions))
