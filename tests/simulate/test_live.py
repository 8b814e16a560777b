"""Live mode: events when they are due, messages before the question what to answer."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from rapport.clock import WorldClock, to_us
from rapport.simulate import World
from rapport.simulate.answers import Situation, answer_from, fit

from .conftest import START_US
from .learn import DAY_US


@dataclass
class Watch:
    """A clock that only sleeping moves on."""

    now: int = START_US

    def now_us(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 0.25
        self.now += max(1, round(seconds * 1e6 * 50_000))


def test_no_event_comes_before_its_time_and_all_come() -> None:
    watch, world = Watch(), World(7, 60)
    late = []
    for _, event in world.live(lambda *_: {}, watch, until_us=START_US + 10 * DAY_US, sleep=watch.sleep):
        late.append(watch.now_us() - to_us(event.event_time))
    assert min(late) >= 0
    assert max(late) <= 0.25 * 1e6 * 50_000 + 1
    assert len(late) > 200


def test_a_message_is_out_before_its_answer_is_asked_for() -> None:
    seen: list[str] = []
    asked: list[tuple[str, dict[str, str]]] = []

    def decide(customer_id: str, session: Any) -> dict[str, Any]:
        assert seen[-1] == session["message"]
        asked.append((customer_id, session))
        return {"tone": "friendly", "template_id": "general_help", "template": {"text": "Hello"}, "decision_id": "d1"}

    watch, world = Watch(now=START_US + 30 * DAY_US), World(7, 300)
    list(world.history(START_US, START_US + DAY_US))
    spoken: list[str] = []
    for topic, event in world.live(decide, watch, until_us=START_US + 30 * DAY_US):
        if topic == "chat_messages":
            (seen if event.role == "customer" else spoken).append(event.text)
        if len(asked) > 30:
            break
    assert "Hello" in spoken
    assert {"message", "channel", "locale", "message_time"} == set(asked[0][1])


def test_waiting_goes_by_the_clocks_rate() -> None:
    slept: list[float] = []
    system = [1_000]

    class Machine(WorldClock, frozen=True):
        def now_us(self) -> int:
            return self.at(system[0])

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        system[0] += max(1, round(seconds * 1e6))

    clock = Machine(anchor_system_us=1_000, anchor_world_us=START_US, rate=100_000.0)
    events = list(World(7, 60).live(lambda *_: {}, clock, until_us=START_US + DAY_US, sleep=sleep))
    assert events
    assert sum(slept) < 1.1 * 86_400 / 100_000


def test_answers_are_taken_from_mappings_and_objects() -> None:
    decision = SimpleNamespace(tone="formal", template_id="x", decision_id="d", template=SimpleNamespace(text="Yes."))
    assert answer_from(decision) == ("formal", "x", "Yes.", "d")
    assert answer_from({"tone": "formal", "template_id": "x"}) == ("formal", "x", "[x]", None)
    assert answer_from({}) == ("neutral", "neutral_help", "[neutral_help]", None)


def test_what_fits() -> None:
    angry = Situation("late_delivery", 0.9, 3, open_ticket=True)
    calm = Situation("product_question", 0.0, 1, open_ticket=False)
    assert fit(angry, "apologetic", "handover_to_agent") > 0.8 > 0 > fit(angry, "enthusiastic", "win_back")
    assert fit(calm, "friendly", "buying_help") > 0.5 > 0 > fit(calm, "apologetic", "ticket_apology")
