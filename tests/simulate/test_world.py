"""The world is deterministic, in order of time, and made of events that ingest accepts."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from rapport.clock import to_us
from rapport.errors import SettingsError
from rapport.events.decode import decode
from rapport.events.schema import TOPICS
from rapport.simulate import World, to_message

from .conftest import START_US, Lived, live
from .learn import DAY_US


def test_the_same_seed_is_the_same_world() -> None:
    assert live(3, 40, 20) == live(3, 40, 20)
    assert live(3, 40, 20) != live(4, 40, 20)


def test_history_in_parts_is_history_at_once() -> None:
    world = World(3, 40)
    parts = [
        event for day in range(20) for event in world.history(START_US + day * DAY_US, START_US + (day + 1) * DAY_US)
    ]
    assert parts == live(3, 40, 20)
    assert world.now_us == START_US + 20 * DAY_US


def test_a_customer_is_the_same_person_in_a_larger_world() -> None:
    few, many = World(5, 10).profiles(START_US), World(5, 50).profiles(START_US)
    assert many[:10] == few


def test_events_come_in_order_of_time_with_ids_of_their_own(ordinary: Lived) -> None:
    times = [to_us(event.event_time) for _, event in ordinary]
    assert all(a <= b for a, b in pairwise(times))
    assert times[0] >= START_US
    assert times[-1] < START_US + 60 * DAY_US
    assert len({event.event_id for _, event in ordinary}) == len(ordinary)


def test_another_time_or_seed_has_other_ids() -> None:
    later = World(3, 40).history(START_US + 30 * DAY_US, START_US + 50 * DAY_US)
    ids = [{e.event_id for _, e in lived} for lived in (live(3, 40, 20), live(4, 40, 20), later)]
    assert not ids[0] & ids[1]
    assert not ids[0] & ids[2]


def test_ingest_accepts_every_event_and_sees_what_was_meant(ordinary: Lived, crisis: Lived) -> None:
    for topic, event in [*ordinary, *crisis]:
        assert decode(topic, to_message(topic, event).value) == event


def test_every_topic_and_action_occurs(ordinary: Lived) -> None:
    seen = {(topic, getattr(event, "action", getattr(event, "role", ""))) for topic, event in ordinary}
    assert {topic for topic, _ in seen} == set(TOPICS)
    assert {action for _, action in seen} >= {
        "view", "cart_add", "cart_remove", "checkout", "order", "cancellation",
        "opened", "updated", "resolved", "reopened", "customer", "assistant",
    }  # fmt: skip


def test_tickets_and_orders_have_a_history_that_makes_sense() -> None:
    lived = live(8, 300, 60)
    state: dict[str, str] = {}
    before = {
        "opened": {None},
        "updated": {"opened", "reopened"},
        "resolved": {"opened", "reopened"},
        "reopened": {"resolved"},
    }
    for topic, event in lived:
        if topic != "support_tickets":
            continue
        if event.action != "updated":
            assert state.get(event.ticket_id) in before[event.action]
            state[event.ticket_id] = event.action
    ordered = {e.order_id for t, e in lived if t == "purchase_events" and e.action == "order"}
    cancelled = {e.order_id for t, e in lived if t == "purchase_events" and e.action == "cancellation"}
    assert cancelled <= ordered


def test_people_sleep_at_night(ordinary: Lived) -> None:
    hours = Counter(event.event_time.hour for topic, event in ordinary if topic == "customer_clicks")
    assert sum(hours[h] for h in range(1, 6)) < 0.25 * sum(hours[h] for h in range(17, 22))


def test_profiles() -> None:
    profiles = World(7, 300).profiles(START_US)
    assert len({p.customer_id for p in profiles}) == 300
    assert {p.tier for p in profiles} == {"basic", "silver", "gold"}
    assert all(p.signup_day <= START_US // DAY_US for p in profiles)
    assert 0.8 < sum(p.personalization_consent for p in profiles) / 300 < 1


@pytest.mark.parametrize("arguments", [{"customers": 0}, {"seed": -1}, {"shift": 1.5}, {"shift": -0.1}])
def test_arguments_out_of_range(arguments: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=r"allowed|needed"):
        World(**arguments)  # type: ignore[arg-type]


def test_time_does_not_go_back() -> None:
    world = World(3, 5)
    list(world.history(START_US, START_US + DAY_US))
    with pytest.raises(SettingsError, match="cannot go back"):
        list(world.history(START_US, START_US + 2 * DAY_US))
    with pytest.raises(SettingsError, match="cannot end"):
        list(world.history(START_US + 2 * DAY_US, START_US + DAY_US))
