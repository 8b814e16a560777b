"""The actions of Rapport's action server, written with rasa-sdk over `POST /personalize`."""

from __future__ import annotations

import json
import os
import urllib.request

from rasa_sdk import Action
from rasa_sdk.events import SlotSet
from rasa_sdk.interfaces import ActionExecutionRejection

SCORES = ("purchase_propensity", "escalation_risk")
TAGS = ("segment", "activity", "tone", "template_id", "rule")


def decide(tracker):
    latest = tracker.latest_message
    session = {"message": latest.get("text"), "channel": tracker.get_latest_input_channel() or "rasa"}
    body = {"customer_id": tracker.sender_id, "session_data": {k: v for k, v in session.items() if v}}
    request = urllib.request.Request(
        os.environ["PERSONALIZE_URL"], json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def slots_of(decision, tracker):
    tags = {name: decision[name] for name in TAGS}
    tags |= {
        "decision_id": decision["decision_id"],
        "sentiment": decision["sentiment"]["label"],
        **dict.fromkeys(SCORES),
        **decision["scores"],
    }
    # A score that is not there empties its slot: the last turn's would be taken for this one's.
    return [SlotSet(name, tags[name]) for name in tracker.slots if name in tags]


class Personalize(Action):
    def name(self):
        return "action_personalize"

    def run(self, dispatcher, tracker, domain):
        decision = decide(tracker)
        dispatcher.utter_message(text=decision["template"]["text"])
        return slots_of(decision, tracker)


class Context(Action):
    def name(self):
        return "action_customer_context"

    def run(self, dispatcher, tracker, domain):
        return slots_of(decide(tracker), tracker)


class Feedback(Action):
    def name(self):
        return "action_feedback"

    def run(self, dispatcher, tracker, domain):
        given = [name for name in ("csat", "nps", "resolved") if tracker.get_slot(name) is not None]
        if not given:
            raise ActionExecutionRejection(
                "action_feedback",
                "action_feedback found nothing in the slots csat (1 to 5), nps (0 to 10) and resolved.",
            )
        return [SlotSet(name, None) for name in given]
