"""Why a logged value differs from history. Each reason is established by computing what the store knew, not guessed."""

from __future__ import annotations

from types import MappingProxyType

__all__ = [
    "DEFINITION_CHANGED",
    "ERASED",
    "FEATURES_STALE",
    "IN_FLIGHT",
    "LATE_EVENT",
    "REASONS",
    "REBUILDING",
    "UNEXPLAINED",
    "UNKNOWN_DEFINITION",
]

LATE_EVENT = "late event"
IN_FLIGHT = "in flight"
FEATURES_STALE = "features stale"
REBUILDING = "rebuilding"
DEFINITION_CHANGED = "definition changed"
ERASED = "erased"
UNKNOWN_DEFINITION = "unknown definition"
UNEXPLAINED = "unexplained"

REASONS = MappingProxyType(
    {
        LATE_EVENT: "The value is that of the events that had arrived by the decision's time; others came later.",
        IN_FLIGHT: "The view's values are those of the events up to one that arrived within the limit of the decision.",
        FEATURES_STALE: "As in flight, but longer ago, and the decision said itself that its features were stale.",
        REBUILDING: "Null, in a view of which the decision said that its rows did not hold the past yet.",
        DEFINITION_CHANGED: "The values are those of the definition that the decision was made with, which is another.",
        ERASED: "The archive has no event of this customer up to the decision, in any topic: they were deleted.",
        UNKNOWN_DEFINITION: "The definition that the decision was made with is not known, so nothing can be shown.",
        UNEXPLAINED: "None of the above: look into it.",
    }
)
"""Reason to its meaning."""
