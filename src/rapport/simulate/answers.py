"""Answers to customers' messages, and how well they fit the situation that the customer is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from rapport.simulate.writing import temper_of

__all__ = ["PROBLEMS", "Answer", "Session", "Situation", "answer_from", "fit", "habitual_answer"]

PROBLEMS = frozenset({"late_delivery", "defect", "billing"})


class Answer(NamedTuple):
    """What the shop says: a tone, a template, its text, and the decision that it came from."""

    tone: str
    template_id: str
    text: str
    decision_id: str | None = None


class Session(NamedTuple):
    """What a chatbot knows of a turn besides the customer: the fields of a decision's `session_data`."""

    message: str
    channel: str
    locale: str
    message_time: str

    def as_dict(self) -> dict[str, str]:
        return self._asdict()


@dataclass(frozen=True, slots=True)
class Situation:
    """How things stand when an answer comes.

    Attributes:
        topic: what the conversation is about.
        frustration: the customer's, 0 to 1.
        turn: number of the customer's message in the conversation, from 1.
        open_ticket: a ticket of the customer is open.
    """

    topic: str
    frustration: float
    turn: int
    open_ticket: bool


_TONES: dict[str, dict[str, float]] = {
    "calm": {"friendly": 0.4, "enthusiastic": 0.3, "concise": 0.2, "neutral": 0.1, "empathetic": 0.1, "formal": 0.0},
    "annoyed": {
        "empathetic": 0.5,
        "apologetic": 0.4,
        "concise": 0.1,
        "formal": -0.1,
        "neutral": -0.2,
        "friendly": -0.2,
    },
    "angry": {"apologetic": 0.5, "empathetic": 0.4, "concise": -0.2, "formal": -0.3, "neutral": -0.4, "friendly": -0.5},
}
_OTHER_TONE = {"calm": -0.1, "annoyed": -0.4, "angry": -0.7}
_SELLING = frozenset(
    {"cart_reminder", "buying_help", "loyal_welcome", "win_back", "welcome_back", "new_customer_tips", "first_hello"}
)
_REPAIRING = frozenset({"calm_help", "rephrase_answer", "loyal_apology", "ticket_apology", "handover_to_agent"})


def fit(situation: Situation, tone: str, template_id: str) -> float:
    """How well an answer fits, -1 to 1: the tone to the temper, the template to the need."""
    temper = temper_of(situation.frustration)
    value = _TONES[temper].get(tone, _OTHER_TONE[temper])
    trouble = situation.topic in PROBLEMS or temper != "calm"
    if template_id in _SELLING:
        value += -0.5 if trouble else 0.3
    elif template_id in _REPAIRING:
        value += 0.4 if trouble else -0.2
    if template_id in ("ticket_apology", "ticket_status"):
        value += 0.15 if situation.open_ticket else -0.3
    if template_id == "rephrase_answer":
        value += 0.15 if situation.turn > 1 else -0.2
    if template_id == "handover_to_agent":
        value += 0.2 if temper == "angry" else -0.1
    return max(-1.0, min(1.0, value))


def answer_from(decision: Mapping[str, Any] | object) -> Answer:
    """An answer from what a decision function gave: a mapping or an object with tone, template_id, decision_id and,
    as `template.text` or `text`, what is said; all but tone and template_id may be absent. Without a text, what is
    asked for first (`ask`) is said."""
    template = _get(decision, "template")
    text = _get(template, "text") if template is not None else _get(decision, "text")
    asks = _get(decision, "ask")
    if not text and isinstance(asks, list) and asks:
        text = " ".join(str(_get(ask, "question")) for ask in asks)
    template_id = str(_get(decision, "template_id") or "neutral_help")
    decision_id = _get(decision, "decision_id")
    return Answer(
        tone=str(_get(decision, "tone") or "neutral"),
        template_id=template_id,
        text=str(text or f"[{template_id}]")[:4_000],
        decision_id=str(decision_id) if decision_id else None,
    )


_HABITUAL = (
    ("friendly", "general_help", "Happy to help. What can I do for you?"),
    ("neutral", "neutral_help", "How can I help you?"),
    ("concise", "ticket_status", "Let me look at your requests."),
    ("empathetic", "calm_help", "I understand, that is annoying. Let us go through it step by step."),
    ("apologetic", "ticket_apology", "I am sorry for the trouble. I will look at it right away."),
    ("friendly", "win_back", "Good to see you again! There is a lot that is new."),
)


def habitual_answer(random: Random) -> Answer:
    """What the shop answered before it had anything that decides: anything, whatever the customer's temper."""
    tone, template_id, text = random.choice(_HABITUAL)
    return Answer(tone, template_id, text)


def _get(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
