"""The message of this turn joined to what was streamed: by ingest's own functions, in the same call."""

from __future__ import annotations

from collections.abc import Mapping

from rapport.decisions.record import FeatureValue, Signals
from rapport.decisions.situation import repeats_10m
from rapport.events.frustration import in_conversation
from rapport.events.text import TextSignals

__all__ = ["SAME_MESSAGE_S", "asked_before", "join_signals", "may_repeat"]

CONVERSATION = "conversation"
QUERIES = "conversation__queries_10m"
_FRUSTRATION_BEFORE = "conversation__frustration_mean_1h"
SAME_MESSAGE_S = 3.0
"""A question that was streamed less than this ago is taken for the message itself, not for a repetition of it."""


def asked_before(signals: TextSignals) -> tuple[str, dict[str, str | None]]:
    """The view and the event with which to ask whether the message repeats a question: the column `query`, as ingest
    derives it."""
    return CONVERSATION, {"query": signals.query or None}


def may_repeat(streamed: Mapping[str, FeatureValue]) -> bool:
    """Whether there was any question that a message could repeat."""
    return bool(streamed.get(QUERIES))


def join_signals(
    signals: TextSignals,
    intent: str | None,
    streamed: Mapping[str, FeatureValue],
    imagined: Mapping[str, FeatureValue] | None,
    since_message_s: float | None,
) -> Signals:
    """The signals of a turn.

    Args:
        signals: the message's own.
        streamed: the features as they were read.
        imagined: the conversation's features as if the message had been streamed now; None when they are not known, or
            it cannot repeat anything.
        since_message_s: how long ago the message was sent, when the chatbot gives it as an event, too; None: not said.
    """
    before = repeats_10m(streamed)
    after = before if imagined is None else repeats_10m(imagined)
    repeat = after > before
    if _is_streamed(streamed, since_message_s, repeat):
        repeat, after = before > 0, before
    frustration = _frustration(signals.frustration, streamed.get(_FRUSTRATION_BEFORE))
    return Signals(round(signals.sentiment, 4), signals.label, frustration, intent, repeat, after)


def _frustration(own: float, before: FeatureValue) -> float:
    """The greater of the message's by itself, and of the message's within the last hour's conversation."""
    return max(own, in_conversation(own, before if isinstance(before, float) else None))


def _is_streamed(streamed: Mapping[str, FeatureValue], since_message_s: float | None, repeat: bool) -> bool:
    """Whether the stream has this message already."""
    newest = streamed.get("conversation__since_message_s")
    if not isinstance(newest, float):
        return False
    return newest <= since_message_s if since_message_s is not None else repeat and newest < SAME_MESSAGE_S
