"""Adapters on anything: no JSON that a platform may send makes one fail, and its answer has the platform's shape."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.schemas import PersonalizeRequest
from rapport.chatbots import Reply, bot_framework, chatwoot, dialogflow_cx, dialogflow_es, rasa
from rapport.chatbots.declared import BotFramework, Chatwoot, DialogflowCx, DialogflowEs, Rasa
from rapport.chatbots.paths import at
from rapport.chatbots.reply import TAGS
from rapport.chatbots.slots import MOST_SLOTS, slots_of
from rapport.chatbots.turn import Turn, make_said, make_turn
from rapport.decisions import Money

REPLY = Reply("Hello", dict.fromkeys(TAGS), True)
NAMES = (
    *(
        "tracker",
        "slots",
        "latest_message",
        "text",
        "sender_id",
        "next_action",
        "queryResult",
        "query_result",
        "session",
    ),
    *("originalDetectIntentRequest", "payload", "userId", "sessionInfo", "parameters", "outputContexts", "name"),
    *("conversation", "meta", "sender", "identifier", "id", "from", "event", "type", "value", "content", "account"),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(), st.text(max_size=12))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)),
    max_leaves=25,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8)
WOOT = Chatwoot(url="https://chat.example", token_file="t", secret_file="s")
BOT = BotFramework(app_id="a")


def within_limits(turn: Turn) -> None:
    assert 1 <= len(turn.customer_id) <= 128
    assert turn.message is None or 1 <= len(turn.message) <= 4_000
    assert turn.channel and len(turn.channel) <= 64
    assert turn.locale is None or len(turn.locale) <= 35


@given(OBJECTS)
def test_no_request_makes_an_adapter_fail(value: dict[str, Any]) -> None:
    for action in rasa.ACTIONS:
        call = {**value, "next_action": action}
        asked = rasa.asked(call, Rasa())
        assert asked is not None
        within_limits(asked.turn)
        assert set(rasa.reply_answer(call, REPLY, Rasa())) == {"events", "responses"}
        rasa.feedback_answer(call)
    rasa.what_is_broken(value)
    within_limits(dialogflow_es.asked(value, DialogflowEs()).turn)
    within_limits(dialogflow_cx.asked(value, DialogflowCx()).turn)
    within_limits(chatwoot.asked(value, WOOT).turn)
    within_limits(bot_framework.asked(value, BOT).turn)
    made = [
        dialogflow_es.reply_answer(value, REPLY, DialogflowEs()),
        dialogflow_cx.reply_answer(value, REPLY, DialogflowCx()),
        [call.body for call in chatwoot.reply_calls(value, REPLY, WOOT, "t")],
        bot_framework.reply_activities(value, REPLY, BOT),
    ]
    assert msgspec.json.encode(made)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("payload.userId", "u1"),
        ("payload.user_id", "u1"),
        ("queryResult.languageCode", "de"),
        ("query_result.language_code", "de"),
        ("list.1.x", 2),
        ("list.9.x", None),
        ("list.x", None),
        ("payload.userId.deeper", None),
        ("", None),
    ],
)
def test_paths_find_either_casing(path: str, found: object) -> None:
    value = {"payload": {"userId": "u1"}, "query_result": {"language_code": "de"}, "list": [{}, {"x": 2}]}
    assert at(value, path) == found


@pytest.mark.parametrize(
    ("given_id", "used"),
    [
        ("17850", "17850"),
        (17850, "17850"),
        (17850.0, "17850"),
        *((unusable, "anonymous:rasa") for unusable in ("", "x" * 129, "a\x00b", None, True, {}, 1.5)),
    ],
)
def test_an_id_that_cannot_be_used_is_nobody(given_id: object, used: str) -> None:
    assert make_turn("rasa", customer_id=given_id).customer_id == used


def test_feedback_outside_its_limits_is_left_out() -> None:
    said = make_said({"csat": 5.0, "nps": "11", "resolved": "yes", "rapport_decision_id": "d"}, "rapport_")
    assert (said.csat, said.nps, said.resolved, said.decision_id) == (5, None, None, "d")
    assert make_said({"csat": 0, "nps": 10.5}).empty


def test_the_customers_place_is_the_files_to_say() -> None:
    cx = {"sessionInfo": {"session": "p/sessions/s", "parameters": {"account": 17.0}}, "payload": {"userId": "u"}}
    assert dialogflow_cx.asked(cx, DialogflowCx()).turn.customer_id == "u"
    assert dialogflow_cx.asked(cx, DialogflowCx(customer=("$session",))).turn.customer_id == "s"
    assert dialogflow_cx.asked(cx, DialogflowCx(customer=("sessionInfo.parameters.account",))).turn.customer_id == "17"
    call = {"next_action": "action_personalize", "tracker": {"sender_id": "s", "slots": {"account": "a"}}}
    chosen = rasa.asked(call, Rasa(customer=("tracker.slots.missing", "tracker.slots.account")))
    assert chosen is not None and chosen.turn.customer_id == "a"
    es = {"originalDetectIntentRequest": {"payload": {"users": [{"id": "x"}]}}, "session": "p/sessions/s"}
    path = "originalDetectIntentRequest.payload.users.0.id"
    assert dialogflow_es.asked(es, DialogflowEs(customer=(path,))).turn.customer_id == "x"
    assert dialogflow_es.asked(es, DialogflowEs()).turn.customer_id == "s"


def test_an_answer_without_its_text() -> None:
    assert "fulfillmentText" not in dialogflow_es.reply_answer({}, REPLY, DialogflowEs(say=False))
    messages = dialogflow_cx.reply_answer({}, REPLY, DialogflowCx(say=False))["fulfillmentResponse"]["messages"]
    assert [list(message) for message in messages] == [["liveAgentHandoff"]]
    call = {"next_action": "action_personalize", "tracker": {}}
    assert rasa.reply_answer(call, REPLY, Rasa(say=False))["responses"] == []


SLOTS = {
    "order_number": 12345.0,
    "amount": {"amount": 12.5, "currency": "EUR"},
    "share": 0.25,
    "vip": True,
    "phone": "not asked for",
    "long": "x" * 257,
    "list": [1],
    "blank": " ",
    "odd": {"amount": "much", "currency": "EUR"},
}
WANTED = frozenset({"order_number", "amount", "share", "vip", "long", "list", "blank", "odd", "absent"})


def known_to_each(values: dict[str, Any]) -> list[Turn]:
    """The turns of all platforms, each of which knows these values in its own way."""
    call = {"next_action": "action_personalize", "tracker": {"sender_id": "s", "slots": values}}
    from_rasa = rasa.asked(call, Rasa())
    assert from_rasa is not None
    own = {"name": "p/sessions/s/contexts/rapport", "parameters": {"order_number": "of an earlier answer"}}
    half, rest = dict(list(values.items())[:2]), dict(list(values.items())[2:])
    earlier = {"name": "p/sessions/s/contexts/order", "parameters": half | {"share": 9}}
    es = {"queryResult": {"parameters": rest, "outputContexts": [own, earlier]}}
    woot = {
        "conversation": {"custom_attributes": half, "meta": {"sender": {"custom_attributes": rest}}},
        "sender": {"custom_attributes": {"order_number": "old"}},
    }
    return [
        from_rasa.turn,
        dialogflow_es.asked(es, DialogflowEs()).turn,
        dialogflow_cx.asked({"session_info": {"parameters": values}}, DialogflowCx()).turn,
        chatwoot.asked(woot, WOOT).turn,
        bot_framework.asked({"type": "message", "value": values}, BOT).turn,
    ]


def test_what_a_platform_knows_becomes_slots_if_a_template_asks_for_it() -> None:
    expected = {"amount": Money(Decimal("12.5"), "EUR"), "order_number": 12345, "share": 0.25, "vip": True}
    for turn in known_to_each(SLOTS):
        assert slots_of(turn.known, WANTED) == expected
        assert slots_of(turn.known, ()) == {}
    many = {f"n{number}": number for number in range(100)}
    assert len(slots_of(many, many)) == MOST_SLOTS


@given(st.dictionaries(st.sampled_from(["a", "b"]), JSON, max_size=2))
def test_slots_of_anything_are_within_the_limits_of_a_request(values: dict[str, Any]) -> None:
    for turn in known_to_each(values):
        slots = slots_of(turn.known, {"a", "b"})
        body = msgspec.json.encode({"customer_id": "c", "session_data": {"slots": slots}})
        assert msgspec.json.decode(body, type=PersonalizeRequest).session_data.slots.keys() == slots.keys()
