"""A decision as tags: one flat dict that a template, a prompt or a log line can use as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Scalar", "Tags", "tags_of"]

Scalar = str | int | float | bool
Tags = dict[str, Scalar]

_PLAIN = (
    "decision_id",
    "segment",
    "activity",
    "intent",
    "tone",
    "template_id",
    "rule",
    "policy_version",
    "feature_age_s",
)
_NESTED = (
    ("sentiment", "sentiment", "label"),
    ("sentiment_score", "sentiment", "score"),
    ("template_text", "template", "text"),
    ("template_locale", "template", "locale"),
    ("offer", "offer", "id"),
    ("next_action", "next_action", "id"),
)


def tags_of(decision: Mapping[str, Any]) -> Tags:
    """The tags of a decision, as `POST /personalize` answers it (docs/clients.md lists them).

    What the decision does not have, or not as text, number or boolean, is left out. `degraded` and `ask` are joined
    with commas, and are "" when there is nothing to tell.
    """
    found: dict[str, object] = {name: decision.get(name) for name in _PLAIN}
    found |= {tag: _dict(decision.get(outer)).get(inner) for tag, outer, inner in _NESTED}
    found |= {f"score_{model}": score for model, score in _dict(decision.get("scores")).items()}
    found["ask"] = ",".join(str(_dict(ask).get("name", "")) for ask in _list(decision.get("ask")))
    found["degraded"] = ",".join(map(str, _list(decision.get("degraded"))))
    return {name: value for name, value in found.items() if isinstance(value, str | int | float | bool)}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
