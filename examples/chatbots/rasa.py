"""A Rasa bot's side of a conversation: a tracker that goes to the action server, and events that come back into it.

`rasa_bot/` has the files of the same bot for a real Rasa.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from examples.chatbots.stage import WORDS, Line, main, post, turn

SLOTS = ("segment", "sentiment", "tone", "template_id", "hand_over", "decision_id", "csat", "resolved")


def play(url: str, customer: str) -> Iterator[Line]:
    slots: dict[str, Any] = dict.fromkeys(SLOTS)

    def act(action: str, words: str | None) -> list[str]:
        latest = {"text": words, "intent": {"name": "ask"}, "entities": []}
        tracker = {"sender_id": customer, "slots": slots, "latest_message": latest, "events": []}
        answer = post(url, "/chatbots/rasa/webhook", {"next_action": action, "tracker": tracker, "domain": {}})
        slots.update({event["name"]: event["value"] for event in answer["events"] if event["event"] == "slot"})
        return [response["text"] for response in answer["responses"]]

    for words in WORDS:
        (said,) = act("action_personalize", words)
        yield from turn(words, said, slots)
    slots.update(csat=4, resolved=True)
    act("action_feedback", None)
    yield f"          [feedback given; slots csat: {slots['csat']}, resolved: {slots['resolved']}]"


if __name__ == "__main__":
    main(play)
