"""The time that a request has: what does not fit is left out, named, and left out again by a replay."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import httpx
import pytest

from bentos.breaker import Breaker
from bentos.budget import Budget, Costs
from bentos.features import FeatureGateway
from bentos.metrics import Metrics
from bentos.queueing import LEAST_DECIDING, Queue
from rapport.bus import START, open_bus
from rapport.decisions import DECISIONS_TOPIC, DecisionRecord, Session, decode_record
from rapport.decisions.ids import new_id
from rapport.decisions.known import Known, known_from
from rapport.decisions.making import Turn, make_decision
from rapport.decisions.replay import Replayer
from rapport.decisions.scoring import MODELS, Scorer
from rapport.decisions.words import explain_in_words
from rapport.models import Champions
from rapport.online import OnlineReader, reader_for
from rapport.policy import DEFAULT_FOLDER, KeptPolicies, load_bundle
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served, wait_for

AFTER = {"no_time:scores", "no_time:intent", "no_time:reasons"}
BEFORE = {"no_time:message", "no_time:features"}
BODY = {"customer_id": "ann", "session_data": {"message": "Where is my parcel?", "channel": "web"}}


def ask(served: Served, deadline: object, path: str = "/personalize", body: Any = BODY) -> httpx.Response:
    return served.http.post(path, json=body, headers={"X-Deadline-Ms": str(deadline)})


@pytest.mark.parametrize("value", ["0", "-1", "60001", "1.5", "1e3", "", "soon", "１２", "000001"])
@pytest.mark.parametrize("path", ["/personalize", "/chatbots/dialogflow/cx", "/chatbots/rasa/webhook", "/events"])
def test_what_is_no_deadline_is_refused(served: Served, path: str, value: str) -> None:
    event = {"topic": "feedback", "events": {}}
    call = {"next_action": "action_personalize", "tracker": {"sender_id": "ann", "slots": {}}}
    body = {"/personalize": BODY, "/events": event, "/chatbots/rasa/webhook": call}.get(path, {"text": "hi"})
    headers = {"X-Deadline-Ms": value.encode()}
    response = served.http.post(path, json=body, headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["field"], error["reason"]) == (400, "X-Deadline-Ms", "bad_value")
    assert "1 to 60000" in error["detail"]


def test_with_time_nothing_is_left_out(served: Served, models: NoiseModels) -> None:
    assert ask(served, 60_000).json()["degraded"] == []
    cx = ask(served, 60_000, "/chatbots/dialogflow/cx", {"text": "hi", "payload": {"userId": "ann"}})
    assert cx.json()["sessionInfo"]["parameters"]["rapport_degraded"] in ("", None)


def test_a_store_that_is_frozen_has_what_is_left(served: Served, project: Project, models: NoiseModels) -> None:
    opened = served.metric("rapport_feature_store_circuit_opened_total")
    pid = project.redis.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        hasty = ask(served, 20).json()
        wait_for(
            lambda: served.metric("rapport_feature_store_circuit_opened_total") > opened, "its read tells nobody", 10
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    served.wait_health(lambda health: health["status"] == "ok", "the store is not used again")
    assert "no_time:features" in hasty["degraded"] and hasty["template_id"]
    assert hasty["scores"] == {} and "features_unavailable" not in hasty["degraded"]


def test_what_was_left_out_is_left_out_again(served: Served, project: Project, models: NoiseModels) -> None:
    """Deadlines around what a decision takes here: whatever was left out, and whoever makes it again."""
    began = served.decide("ann")
    logged(project, [began["decision_id"]])
    usual_ms = logged(project, [began["decision_id"]])[0].latency_ms
    ids, seen = [], set()
    for number in range(300):
        answer = ask(served, max(1, round(usual_ms * (0.2 + number % 30 / 10)))).json()
        ids.append(answer["decision_id"])
        seen |= set(answer["degraded"])
    replayer = Replayer(project.settings)
    made = logged(project, ids)
    assert all(record.deadline_ms for record in made)
    known = [record for record in made if record.customer_id]
    wrong = [(replay.gone, replay.differences) for replay in map(replayer.replay, known) if not replay.same]
    assert wrong == []
    assert seen <= AFTER | BEFORE | {"features_unavailable"}


@pytest.mark.parametrize(
    "left_out", [(), ("no_time:reasons",), ("no_time:scores",), ("no_time:intent", "no_time:reasons")]
)
def test_each_part_that_is_left_out_is_gone_and_named(
    served: Served, project: Project, models: NoiseModels, left_out: tuple[str, ...]
) -> None:
    record = made_without(project, left_out)
    assert set(record.degraded) == set(left_out)
    assert bool(record.scores) is ("no_time:scores" not in left_out)
    assert bool(record.contributions) is bool(record.reasons) is not bool(set(left_out) & AFTER - {"no_time:intent"})
    assert Replayer(project.settings).replay(record).same
    words = " ".join(explain_in_words(record, load_bundle(DEFAULT_FOLDER)))
    assert words.count("Missing: no_time") == len(left_out)


def made_without(project: Project, left_out: tuple[str, ...]) -> DecisionRecord:
    """A record of a decision on ann by the models that serve, with parts left out."""
    now_us = time.time_ns() // 1_000
    reader = reader_for(project.settings, "personalization")
    assert isinstance(reader, OnlineReader)
    champions = Champions(project.settings.data_dir / "models", reader.fingerprints)
    champions.refresh(*MODELS, "segments")
    known = known_from(reader.read(["ann"], now_us), now_us)
    reader.close()
    assert isinstance(known, Known) and known.personal
    scored = Scorer(champions).score(known, left_out)
    bundle = load_bundle(DEFAULT_FOLDER)
    KeptPolicies(project.settings).keep(bundle)
    decision = make_decision(Turn(new_id(now_us), now_us, known, None, Session(), False, left_out), scored, bundle)
    return DecisionRecord(
        **{name: getattr(decision, name) for name in decision.__struct_fields__},
        customer_id="ann",
        features=known.features,
        absent=known.absent,
        contributions=scored.contributions,
        models=scored.models,
        intents_version=bundle.versions["intents"],
        latency_ms=1.0,
    )


def test_what_goes_first() -> None:
    """The more is left, the more is done: reasons go first, then the intent, then the scores."""
    costs = Costs()
    before = [costs.before_read(ms / 1e3, message=True) for ms in (0, 0.5, 5)]
    assert before == [("no_time:message", "no_time:features"), ("no_time:message",), ()]
    assert costs.before_read(0.5 / 1e3, message=False) == ()
    sizes = [len(costs.after_read(us / 1e6, features=True, message=True)) for us in range(0, 2_000, 10)]
    assert sizes == sorted(sizes, reverse=True) and set(sizes) <= {0, 1, 2} and sizes[0] == 2
    assert costs.after_read(0.52 / 1e3, features=True, message=True) == ("no_time:intent", "no_time:reasons")
    assert costs.after_read(-1.0, features=False, message=False) == ()


def test_what_parts_take_is_learned_and_a_pause_says_little() -> None:
    costs = Costs()
    stages = {"message": 2.0, "signals": 1.0, "scores": 3.0, "policy": 1.0}
    for _ in range(4_000):
        costs.learn(stages, message=True, scores=True, reasons=True)
    assert costs.decision_s == pytest.approx(7.2e-3, rel=0.01)
    for _ in range(8):
        costs.learn({**stages, "policy": 10_000.0}, message=False, scores=False, reasons=False)
    assert costs.decision_s < 8e-3
    assert costs.after_read(2e-3, features=True, message=True) == ("no_time:intent", "no_time:reasons")


def test_a_budget_counts_from_the_arrival() -> None:
    now_s = time.perf_counter()
    assert Budget(now_s - 1.0, 900).left_s < -0.09 < 0.9 < Budget(now_s, 1_000).left_s
    assert Budget(now_s - 1.0).left_s == float("inf")


def test_a_queue_is_too_long_when_there_is_one() -> None:
    queue = Queue(0.05)
    assert not queue.is_too_long(10.0, 10.0)
    queue.deciding = LEAST_DECIDING
    assert queue.is_too_long(0.051, 0.0) and queue.is_too_long(0.0, 0.01) and not queue.is_too_long(0.01, 0.004)
    assert not Queue(0.0).is_too_long(10.0, 10.0)


class _Hangs:
    """A store that does not answer."""

    async def read_one(self, customer_id: str, as_of_us: int) -> Any:
        await asyncio.sleep(60)


def test_a_hasty_read_leaves_the_verdict_to_the_deadline_of_all() -> None:
    async def read() -> tuple[bool, bool]:
        gateway = FeatureGateway(0.2, Metrics(), Breaker())
        gateway.reader = _Hangs()
        gateway.breaker.succeeded()
        with pytest.raises(TimeoutError):
            await gateway.read("ann", 0, 0.01)
        at_once = gateway.breaker.is_open
        await asyncio.sleep(0.4)
        return at_once, gateway.breaker.is_open

    assert asyncio.run(read()) == (False, True)


def logged(project: Project, ids: list[str]) -> list[DecisionRecord]:
    reader = open_bus(project.settings).reader(DECISIONS_TOPIC, 0, START)
    found: dict[str, DecisionRecord] = {}

    def all_there() -> bool:
        while batch := reader.poll(10_000):
            found.update((record.decision_id, record) for record in map(decode_record, batch.values))
        return set(ids) <= set(found)

    wait_for(all_there, "decisions were not logged", 20)
    return [found[decision_id] for decision_id in ids]
