"""Rasa: the calls that its server makes of an action server, and what it is answered.

The protocol is that of rasa-sdk's server: `POST /webhook` with `next_action`, `tracker` and `domain`; the answer has
`events` and `responses`; an action that is rejected is 400, one that is not known 404, anything else that fails 500.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rapport.chatbots.declared import Rasa
from rapport.chatbots.paths import block, first_text
from rapport.chatbots.reply import Reply
from rapport.chatbots.turn import Asked, Turn, make_said, make_turn

__all__ = [
    "ACTIONS",
    "FEEDBACK",
    "NOTHING_SAID",
    "PLATFORM",
    "asked",
    "feedback_answer",
    "rejection",
    "reply_answer",
    "unknown_action",
    "what_is_broken",
]

PLATFORM = "rasa"
PERSONALIZE = "action_personalize"
CONTEXT = "action_customer_context"
FEEDBACK = "action_feedback"
ACTIONS = (PERSONALIZE, CONTEXT, FEEDBACK)
"""The actions: say the answer and set its slots; set them alone; take the feedback that the bot's slots hold."""
_MAX_NAME = 255
_FEEDBACK_SLOTS = ("csat", "nps", "resolved")
NOTHING_SAID = f"{FEEDBACK} found nothing in the slots csat (1 to 5), nps (0 to 10) and resolved."


def what_is_broken(call: object) -> str | None:
    """Why a body is no call that could be answered; None when it is one. Rasa never sends such a body."""
    if not isinstance(call, dict):
        return "the body is not an object"
    action = call.get("next_action")
    if not action:
        return None
    if not isinstance(action, str) or len(action) > _MAX_NAME:
        return f"next_action is not a text of at most {_MAX_NAME} characters"
    if action in ACTIONS and not isinstance(call.get("tracker"), dict):
        return "'tracker'"
    return None


def asked(call: Mapping[str, Any], rules: Rasa) -> Asked | None:
    """What a call asks for; None when there is no such action.

    Args:
        call: with its `next_action` and `tracker`.
    """
    action = call.get("next_action")
    if action not in ACTIONS:
        return None
    turn = _turn(call, rules)
    if action == FEEDBACK:
        return Asked(kind="feedback", turn=turn, said=make_said(block(call, "tracker.slots"), rules.prefix))
    return Asked(kind="decide", turn=turn)


def reply_answer(call: Mapping[str, Any], reply: Reply, rules: Rasa) -> dict[str, Any]:
    """The events and responses of a decision. Of the tags, those become slots that the bot's domain declares: its
    tracker lists them."""
    declared = block(call, "tracker.slots")
    named = {f"{rules.prefix}{name}": value for name, value in reply.tags.items()}
    events = [_slot(name, value) for name, value in named.items() if name in declared]
    say = rules.say and call.get("next_action") == PERSONALIZE
    return {"events": events, "responses": [_utterance(reply.text)] if say else []}


def feedback_answer(call: Mapping[str, Any]) -> dict[str, Any]:
    """Feedback was taken: its slots are emptied, so that it is not given twice."""
    declared = block(call, "tracker.slots")
    given = [name for name in _FEEDBACK_SLOTS if declared.get(name) is not None]
    return {"events": [_slot(name, None) for name in given], "responses": []}


def rejection(action: str, why: str) -> dict[str, str]:
    """The body of 400: Rasa lets another action be predicted."""
    return {"error": why, "action_name": action}


def unknown_action(action: str) -> dict[str, str]:
    """The body of 404."""
    return {"error": f"No registered action found for name '{action}'.", "action_name": action}


def _turn(call: Mapping[str, Any], rules: Rasa) -> Turn:
    tracker = block(call, "tracker")
    latest = block(tracker, "latest_message")
    metadata = block(latest, "metadata")
    return make_turn(
        PLATFORM,
        customer_id=first_text(call, rules.customer),
        message=latest.get("text"),
        channel=tracker.get("latest_input_channel"),
        locale=metadata.get("locale") or metadata.get("language"),
        conversation_id=tracker.get("sender_id"),
        message_id=latest.get("message_id"),
        known=block(tracker, "slots"),
    )


def _slot(name: str, value: object) -> dict[str, Any]:
    return {"event": "slot", "timestamp": None, "name": name, "value": value}


def _utterance(text: str) -> dict[str, Any]:
    return {
        "text": text,
        "buttons": [],
        "elements": [],
        "custom": {},
        "template": None,
        "response": None,
        "image": None,
        "attachment": None,
    }
