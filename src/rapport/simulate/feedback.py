"""What customers say of a conversation afterwards."""

from __future__ import annotations

from random import Random
from typing import Any

__all__ = ["give_feedback"]


def give_feedback(random: Random, frustration: float, *, solved: bool) -> dict[str, Any] | None:
    """Fields of a feedback event: CSAT mostly, NPS and resolved at times; None when the customer says nothing.

    The very content and the very angry answer more often.
    """
    extreme = frustration > 0.6 or (solved and frustration < 0.15)
    if random.random() >= (0.5 if extreme else 0.25):
        return None
    felt = 3.8 + (0.8 if solved else -0.5) - 3.2 * frustration + random.gauss(0, 0.7)
    fields: dict[str, Any] = {"csat": max(1, min(5, round(felt)))}
    if random.random() < 0.6:
        fields["resolved"] = solved if random.random() < 0.95 else not solved
    if random.random() < 0.3:
        fields["nps"] = max(0, min(10, round(2.2 * felt - 1 + random.gauss(0, 1.2))))
    return fields
