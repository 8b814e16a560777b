"""POST /personalize: what a decision says, of whom, and what it does without."""

from __future__ import annotations

import msgspec
from serving_world import now_us

from rapport.clock import WORLD_CLOCK_KEY, WorldClock
from rapport.decisions import DecisionRecord, decode_record
from rapport.online.keys import TILES, KeyMaker, field_of
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served, wait_for

FIELDS = {
    "decision_id",
    "as_of",
    "segment",
    "activity",
    "sentiment",
    "scores",
    "tone",
    "template_id",
    "template",
    "rule",
    "reasons",
    "model_versions",
    "feature_age_s",
    "degraded",
    "intent",
    "ask",
    "offer",
    "next_action",
    "policy_version",
    "templates_version",
}


def test_a_known_customer(served: Served, models: NoiseModels) -> None:
    decision = served.decide("ann", channel="web")
    assert set(decision) == FIELDS
    assert decision["degraded"] == []
    assert set(decision["scores"]) == {"purchase_propensity", "escalation_risk"}
    assert all(0 <= score <= 1 for score in decision["scores"].values())
    assert decision["model_versions"] == {"purchase_propensity": "1", "escalation_risk": "1", "segments": "1"}
    assert decision["segment"] == "Champions"
    assert decision["activity"] in ("quiet", "busy")
    assert decision["sentiment"] == {"label": "negative", "score": -0.6}
    assert 100 < decision["feature_age_s"] < 600


def test_the_policy_sees_ticket_mood_and_profile(served: Served, models: NoiseModels) -> None:
    decision = served.decide("ann")
    assert decision["rule"] in ("open ticket and unhappy", "hand over, likely to complain")
    assert decision["template"]["locale"] == "de"
    asked = served.decide("ann", locale="es")
    assert asked["template"]["locale"] == "es"


def test_the_message_counts_more_than_the_conversation(served: Served, models: NoiseModels) -> None:
    calm = served.decide("ann", message="Thank you so much, this is wonderful!")
    assert calm["sentiment"]["label"] == "positive"
    angry = served.decide("ben", message="This is terrible, I am furious, nothing works and nobody answers!!!")
    assert angry["sentiment"]["label"] == "negative"
    assert angry["tone"] in ("empathetic", "apologetic")


def test_reasons_are_features_in_words(served: Served, models: NoiseModels) -> None:
    reasons = served.decide("ann")["reasons"]
    assert 1 <= len(reasons) <= 6
    for reason in reasons:
        assert "__" in reason["feature"] and "__" not in reason["text"]
        verb = "raises" if reason["contribution"] > 0 else "lowers"
        assert reason["text"].endswith(f"({verb} {reason['model'].replace('_', ' ')})")


def test_an_unknown_customer_gets_a_first_hello(served: Served, models: NoiseModels) -> None:
    decision = served.decide("nobody-yet")
    assert decision["degraded"] == ["unknown_customer"]
    assert decision["template_id"] == "first_hello"
    assert (decision["scores"], decision["segment"], decision["feature_age_s"]) == ({}, "Unknown", None)


def test_a_model_none_of_whose_views_knows_the_customer_does_not_score(served: Served, models: NoiseModels) -> None:
    decision = served.decide("ben")
    assert decision["degraded"] == ["no_inputs:escalation_risk"]
    assert set(decision["scores"]) == {"purchase_propensity"}


def test_a_refusal_of_personalization_is_kept(served: Served, project: Project, models: NoiseModels) -> None:
    decision = served.decide("cleo", message="I hate waiting")
    assert decision["degraded"] == ["no_consent"]
    assert (decision["scores"], decision["segment"], decision["reasons"]) == ({}, "Unknown", [])
    record = _logged(project, decision["decision_id"])
    assert (record.customer_id, record.features, record.sentiment.label) == ("", {}, "neutral")


def test_a_decision_is_logged_with_its_features(served: Served, project: Project, models: NoiseModels) -> None:
    decision = served.decide("ann")
    record = _logged(project, decision["decision_id"])
    assert record.customer_id == "ann"
    assert record.features["rfm__frequency"] == 4.0
    assert record.features["profile__tier"] == "gold"
    assert record.features["satisfaction__csat_last"] is None
    assert record.scores == decision["scores"]
    assert 0 < record.latency_ms < 1_000


def test_a_damaged_row_is_named_and_the_rest_used(served: Served, project: Project, models: NoiseModels) -> None:
    project.put_events("support_tickets", [("dora", now_us(), {"opened": True, "open_change": 1})])
    project.put_events("chat_messages", [("dora", now_us(), {"message": True, "query": "hello"})])
    key, field = KeyMaker("rapport").keys(["dora"])[0], field_of("conversation", TILES)
    with project.client() as client:
        client.hset(key, field, client.hget(key, field)[:-1])
    decision = served.decide("dora")
    assert "features_corrupt:conversation" in decision["degraded"]


def test_decisions_are_made_in_the_worlds_time(served: Served, project: Project, models: NoiseModels) -> None:
    world = WorldClock(anchor_world_us=1_300_000_000_000_000, rate=0.0)
    with project.client() as client:
        client.set(WORLD_CLOCK_KEY, msgspec.json.encode(world))
    try:
        served.wait_health(
            lambda _: served.decide("ann")["as_of"].startswith("2011-03-13"), "the world clock is not kept"
        )
    finally:
        with project.client() as client:
            client.delete(WORLD_CLOCK_KEY)
    served.wait_health(lambda _: not served.decide("ann")["as_of"].startswith("2011"), "the world clock does not end")


def _logged(project: Project, decision_id: str) -> DecisionRecord:
    found: list[bytes] = []

    def look() -> bool:
        with project.client() as client:
            streams = list(client.scan_iter("rapport:bus:decisions:*"))
            entries = [entry for stream in streams for _, entry in client.xrevrange(stream, count=200)]
        found[:] = [value for entry in entries for value in entry.values() if decision_id.encode() in value]
        return bool(found)

    wait_for(look, "the decision was not logged", 10)
    return decode_record(found[0])
