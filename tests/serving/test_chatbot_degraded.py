"""Chatbots while Redis is frozen: answers keep their platform's shape, say what is missing, and do not wait."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served

TRACKER: dict[str, Any] = {"sender_id": "ann", "slots": {"degraded": None, "tone": None, "csat": 4}}


@pytest.fixture
def frozen(served: Served, project: Project, models: NoiseModels) -> Iterator[None]:
    pid = project.redis.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    yield
    os.kill(pid, signal.SIGCONT)
    served.wait_health(lambda health: bool(health["redis"]) and bool(health["bus"]), "the store is not used again")


def ask(served: Served, path: str, body: object) -> Any:
    response = served.http.post(f"/chatbots/{path}", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_answers_go_on(served: Served, frozen: None) -> None:
    rasa = ask(served, "rasa/webhook", {"next_action": "action_personalize", "tracker": TRACKER})
    slots = {event["name"]: event["value"] for event in rasa["events"]}
    assert slots["tone"] and "features_unavailable" in slots["degraded"] and rasa["responses"][0]["text"]
    es = ask(served, "dialogflow/es", {"queryResult": {"queryText": "hi"}, "session": "a/sessions/ann"})
    assert es["fulfillmentText"] and "features_unavailable" in es["payload"]["rapport"]["degraded"]
    cx = ask(served, "dialogflow/cx", {"text": "hi", "payload": {"userId": "ann"}})
    assert cx["fulfillmentResponse"]["messages"][0]["text"]["text"][0]
    told = ask(served, "context", {"customer_id": "ann"})
    assert told["text"].endswith("cannot be read now.") and "features_unavailable" in told["degraded"]


def test_feedback_is_rejected_as_rasa_knows_it(served: Served, frozen: None) -> None:
    body = {"next_action": "action_feedback", "tracker": TRACKER}
    response = served.http.post("/chatbots/rasa/webhook", json=body)
    assert response.status_code == 400
    assert response.json()["action_name"] == "action_feedback" and response.json()["error"]
