"""What goes wrong in a run, and when: drawn from the seed alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Fault", "Kind", "plan"]

Kind: TypeAlias = Literal["kill", "twins", "restart redis", "kill redis", "freeze redis", "freeze flow"]

_REDIS_KINDS: tuple[Kind, ...] = ("restart redis", "kill redis", "freeze redis")
_TWINS_SHARE = 0.1
_FLOW_FREEZES_SHARE = 0.05
_FRESH_SHARE = 0.05
_LONGEST_FREEZE_S = 7.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: what. "twins": a second flow is started on the same partitions, and one of the two is killed later.
        at: when: once this share of the records (0 to 1) has been ingested,
        after_s: and this much later, so that it hits any step.
        lasts_s: how long the twins, the freeze, or the absence last.
        fresh: the flow that follows a kill is `python -m bytewax.run`, not a forked one.
        first: of twins, whether the older one is killed.
    """

    kind: Kind
    at: float
    after_s: float
    lasts_s: float
    fresh: bool
    first: bool


def plan(seed: int, kills: int, redis_faults: int) -> list[Fault]:
    """`kills` kills of the flow, some of them of twins, and `redis_faults` of each kind of a server's fault, in the
    order in which they happen."""
    rng = random.Random(f"faults {seed}")
    twins = max(1, round(kills * _TWINS_SHARE))
    kinds: list[Kind] = ["kill"] * (kills - twins) + ["twins"] * twins
    kinds += ["freeze flow"] * max(1, round(kills * _FLOW_FREEZES_SHARE))
    kinds += [kind for kind in _REDIS_KINDS for _ in range(redis_faults)]
    return sorted((_fault(rng, kind) for kind in kinds), key=lambda fault: fault.at)


def _fault(rng: random.Random, kind: Kind) -> Fault:
    longest_s = {"freeze redis": _LONGEST_FREEZE_S, "freeze flow": 2.0, "twins": 2.0}.get(kind, 1.0)
    return Fault(
        kind,
        at=0.01 + 0.97 * rng.random(),
        after_s=rng.random() * rng.choice((0.0, 0.02, 0.3)),
        lasts_s=longest_s * rng.random(),
        fresh=rng.random() < _FRESH_SHARE,
        first=rng.random() < 0.5,
    )
