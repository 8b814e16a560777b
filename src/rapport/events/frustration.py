"""How frustrated a message sounds, by the model that comes with the project, and the cues that a person can read."""

from __future__ import annotations

from rapport.events.cues import GROUPS
from rapport.events.text_features import FIGURES, look_at
from rapport.events.text_model import shipped, shipped_file

__all__ = ["cues_of", "frustration", "in_conversation", "model_version"]


def frustration(text: str, sentiment: float) -> float:
    """How frustrated a message sounds, 0 to 1.

    Args:
        text: what the customer wrote.
        sentiment: its sentiment, -1 to 1.
    """
    return shipped().own(look_at(text, sentiment))


def in_conversation(own: float, earlier_mean: float | None) -> float:
    """How frustrated a message is within its conversation, 0 to 1.

    Args:
        own: the frustration of the message by itself.
        earlier_mean: the mean of the same of the customer's earlier messages (feature
            conversation__frustration_mean_1h); None: there are none.
    """
    return shipped().within(own, earlier_mean)


def model_version() -> str:
    """The version of the model whose scores these are."""
    return shipped_file().manifest.version


def cues_of(text: str) -> dict[str, float]:
    """The strength of each class of cues that a message has, above 0 to 1; classes without any are left out."""
    figures = dict(zip(FIGURES, look_at(text, 0.0).figures, strict=True))
    return {group: figures[group] for group in GROUPS if figures[group]}
