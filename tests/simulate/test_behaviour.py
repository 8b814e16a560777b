"""The world is believable: what people do depends on what they want, on what goes wrong, and on what they are told."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest

from rapport.events.text import analyse
from rapport.simulate import World
from rapport.simulate.phrases import TOPICS, Topic
from rapport.simulate.writing import write_message

from .conftest import START_US, Lived
from .learn import DAY_US, Features, auc, followed, rows_of, times_of


def counts(lived: Lived) -> Counter[str]:
    return Counter(topic for topic, _ in lived)


def mean_frustration(lived: Lived) -> float:
    texts = [e.text for t, e in lived if t == "chat_messages" and e.role == "customer"]
    return float(np.mean([analyse(text).frustration for text in texts]))


def csat(lived: Lived) -> list[int]:
    return [e.csat for t, e in lived if t == "feedback" and e.csat is not None]


def test_a_shift_changes_the_world(ordinary: Lived, crisis: Lived) -> None:
    before, after = counts(ordinary), counts(crisis)
    assert after["chat_messages"] > 2 * before["chat_messages"]
    assert after["support_tickets"] > 3 * before["support_tickets"]
    assert after["purchase_events"] < 0.8 * before["purchase_events"]
    assert mean_frustration(crisis) > mean_frustration(ordinary) + 0.1
    assert np.mean(csat(crisis)) < np.mean(csat(ordinary)) - 0.5


def test_a_shift_takes_hold_at_once() -> None:
    world = World(7, 500)
    list(world.history(START_US, START_US + 30 * DAY_US))
    parts = []
    for day, shift in ((30, 0.0), (33, 0.9)):
        world.shift = shift
        parts.append(counts(list(world.history(START_US + day * DAY_US, START_US + (day + 3) * DAY_US))))
    assert parts[1]["chat_messages"] > 2 * parts[0]["chat_messages"]


def test_messages_are_varied_and_some_repeat_themselves(crisis: Lived) -> None:
    talks: dict[str, list[str]] = {}
    for topic, event in crisis:
        if topic == "chat_messages" and event.role == "customer":
            talks.setdefault(event.conversation_id, []).append(event.text)
    texts = [text for talk in talks.values() for text in talk]
    assert len(set(texts)) > 0.5 * len(texts)
    assert any(len(talk) > len(set(talk)) for talk in talks.values())


@pytest.mark.parametrize("topic", TOPICS)
def test_frustration_shows_in_the_text(topic: Topic) -> None:
    random = Random(5)
    slots = {"product": "red mug", "order": "o-1", "days": "4", "amount": "£5"}
    shown = [
        np.mean([analyse(write_message(random, topic, f, slots, "", 0.02)).frustration for _ in range(150)])
        for f in (0.1, 0.5, 0.9)
    ]
    assert shown[0] < shown[1] < shown[2]


def answers(apt: bool) -> Any:
    """A decision function that answers what fits, or the same cheerful advertisement to everybody."""

    def decide(customer_id: str, session: Any) -> dict[str, str]:
        upset = analyse(session["message"]).frustration >= 0.3
        tone, template = ("apologetic", "calm_help") if upset else ("friendly", "general_help")
        if not apt:
            tone, template = "enthusiastic", "win_back"
        return {"tone": tone, "template_id": template, "decision_id": "d-1"}

    return decide


class Leap:
    """A clock that is always far ahead: nothing has to be waited for."""

    def now_us(self) -> int:
        return 2**62


def test_customers_react_to_what_they_are_answered() -> None:
    results = {}
    for apt in (True, False):
        world = World(7, 500, shift=0.3)
        list(world.history(START_US, START_US + 20 * DAY_US))
        results[apt] = list(world.live(answers(apt), Leap(), until_us=START_US + 60 * DAY_US))
    good, bad = results[True], results[False]
    assert np.mean(csat(good)) > np.mean(csat(bad)) + 0.15
    assert counts(bad)["support_tickets"] > 1.3 * counts(good)["support_tickets"]
    assert any(e.decision_id == "d-1" for t, e in good if t == "feedback")


def test_what_people_do_can_be_foretold_but_not_surely() -> None:
    from feature_repo import services

    end_us = START_US + 70 * DAY_US
    lived = list(World(11, 600).history(START_US, end_us))
    features = Features(rows_of(lived))
    random = np.random.default_rng(1)

    clicks = times_of(lived, "customer_clicks", lambda _: True)
    chosen = np.flatnonzero((clicks[1] > START_US + 20 * DAY_US) & (clicks[1] < end_us - 7 * DAY_US))
    chosen = random.choice(chosen, 2_500, replace=False)
    idle = random.integers(1, 601, 2_500), random.integers(START_US + 20 * DAY_US, end_us - 7 * DAY_US, 2_500)
    spine = np.concatenate([clicks[0][chosen], idle[0]]), np.concatenate([clicks[1][chosen], idle[1]])
    orders = times_of(lived, "purchase_events", lambda event: event.action == "order")
    label = followed(spine, orders, 7 * DAY_US)
    assert 0.1 < label.mean() < 0.5
    assert 0.72 < auc(features.matrix(services.purchase_propensity, spine)[1], label, spine[1]) < 0.93

    messages = times_of(lived, "chat_messages", lambda event: event.role == "customer")
    kept = (messages[1] > START_US + 10 * DAY_US) & (messages[1] < end_us - DAY_US)
    spine = messages[0][kept], messages[1][kept]
    parts = [
        times_of(lived, "support_tickets", lambda event: event.action in ("opened", "reopened")),
        times_of(lived, "feedback", lambda event: event.csat is not None and event.csat <= 2),
        times_of(lived, "chat_messages", _frustrated),
    ]
    complaints = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    label = followed(spine, complaints, DAY_US)
    assert 0.05 < label.mean() < 0.3
    assert 0.72 < auc(features.matrix(services.escalation_risk, spine)[1], label, spine[1]) < 0.93


def _frustrated(event: Any) -> bool:
    return event.role == "customer" and analyse(event.text).frustration >= 0.6


def test_an_error_of_the_decision_function_comes_out() -> None:
    def broken(customer_id: str, session: Any) -> None:
        raise ConnectionError("the service is away")

    with pytest.raises(ConnectionError, match="away"):
        world = World(7, 50)
        list(world.history(START_US, START_US + DAY_US))
        list(world.live(broken, Leap(), until_us=START_US + 60 * DAY_US))
