"""What is missing degrades an answer and is named in it: never a failure, never a wait."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import httpx
from loading import Load

from bentos.api import Api
from bentos.runtime import Runtime
from rapport.models import Pointer, sha256_of, write_pointer
from rapport.settings import Settings, load_settings
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served

FIRST_WAITS_S = 0.8
"""A request that met the freeze waits for the deadline, here 250 ms; the rest is for a machine that does much else."""


def test_a_frozen_store_costs_one_deadline(served: Served, project: Project, models: NoiseModels) -> None:
    pid = project.redis.pid
    assert pid
    opened = served.metric('rapport_decisions_degraded_total{cause="features_unavailable"}')
    with Load(served) as load:
        load.wait_answers(30)
        os.kill(pid, signal.SIGSTOP)
        try:
            frozen_at = load.now_s
            time.sleep(1.5)
            during = load.now_s
            taken = served.http.post(
                "/events", json={"topic": "customer_clicks", "events": {"event_id": "e"}}, timeout=10
            )
        finally:
            os.kill(pid, signal.SIGCONT)
        served.wait_health(lambda health: bool(health["redis"]), "the store is not used again")
        load.wait_answers(30)
    assert load.failed() == []
    frozen = [answer for answer in load.answers if frozen_at + 0.1 < answer[0] < during]
    assert len(frozen) > 20
    assert all("features_unavailable" in decision["degraded"] for _, _, _, decision in frozen)
    slow = [seconds for _, _, seconds, _ in load.answers if seconds > FIRST_WAITS_S]
    assert not slow
    # once the breaker is open nobody waits: what is left is the machine's own
    assert sorted(seconds for _, _, seconds, _ in frozen)[len(frozen) // 2] < 0.1
    assert load.answers[-1][3]["degraded"] == []
    assert served.metric('rapport_decisions_degraded_total{cause="features_unavailable"}') > opened
    assert taken.status_code == 503 and taken.headers["retry-after"] == "2"
    assert taken.json()["error"]["reason"] == "bus_unavailable"


def test_a_store_that_went_away_is_used_again_when_it_is_back(
    served: Served, project: Project, models: NoiseModels
) -> None:
    with Load(served) as load:
        load.wait_answers(30)
        project.redis.stop()
        try:
            served.wait_health(lambda health: not health["redis"], "nobody noticed")
            without = served.decide("ann")
            assert without["degraded"] == ["features_unavailable"]
            assert (without["scores"], without["segment"]) == ({}, "Unknown")
            feedback = served.http.post("/feedback", json={"customer_id": "ann", "csat": 1})
            assert feedback.status_code == 503
        finally:
            project.redis.start()
        served.wait_health(lambda health: health["status"] == "ok", "the store is not used again")
        load.wait_answers(30)
    assert load.failed() == []
    assert served.decide("ann")["degraded"] == []


def test_decisions_made_without_the_bus_are_logged_when_it_is_back(
    served: Served, project: Project, models: NoiseModels
) -> None:
    project.redis.stop()
    served.wait_health(lambda _: "features_unavailable" in served.decide("ann")["degraded"], "nobody noticed")
    made = served.metric("rapport_decisions_total")
    project.redis.start()
    served.wait_health(
        lambda _: served.metric("rapport_decision_log_published_total") >= made, "decisions are missing from the log"
    )
    assert served.metric("rapport_decision_log_dropped_total") == 0
    served.wait_health(lambda health: health["status"] == "ok", "the store is not used again")


def test_without_models(served: Served, models: NoiseModels) -> None:
    models.retire("purchase_propensity")
    models.retire("segments")
    served.wait_health(
        lambda health: [name for name, model in health["models"].items() if model["loaded"]] == ["escalation_risk"],
        "the models still serve",
    )
    decision = served.decide("ann")
    assert decision["degraded"] == ["model_unavailable:purchase_propensity", "model_unavailable:segments"]
    assert set(decision["scores"]) == {"escalation_risk"}
    assert decision["segment"] == "Unknown"


def test_a_corrupt_champion_leaves_the_present_one(served: Served, models: NoiseModels) -> None:
    folder = models.folder / "escalation_risk" / "9"
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text('{"name": "escalation_risk"}')
    write_pointer(folder.parent, Pointer("9", sha256_of(folder / "manifest.json")))
    served.wait_health(lambda health: bool(health["models"]["escalation_risk"]["problem"]), "nobody noticed")
    decision = served.decide("ann")
    assert decision["degraded"] == []
    assert decision["model_versions"]["escalation_risk"] == "1"


def test_a_load_through_a_change_of_champion(served: Served, models: NoiseModels) -> None:
    with Load(served) as load:
        load.wait_answers(30)
        promoted_at = load.now_s
        for name in ("purchase_propensity", "escalation_risk"):
            models.promote(name, "2")
        served.wait_health(
            lambda health: all(
                health["models"][name]["version"] == "2" for name in ("purchase_propensity", "escalation_risk")
            ),
            "the new champions do not serve",
        )
        assert load.now_s - promoted_at < 5
        load.wait_answers(30)
    assert load.failed() == []
    assert all(decision["degraded"] == [] for *_, decision in load.answers)
    served_by = [decision["model_versions"]["purchase_propensity"] for *_, decision in load.answers]
    assert set(served_by) == {"1", "2"}


def test_a_service_that_never_saw_a_store_answers(project: Project, tmp_path: Path) -> None:
    settings = load_settings({"RAPPORT_DATA_DIR": str(tmp_path)}, root=project.root)
    asyncio.run(_without_a_store(settings))


async def _without_a_store(settings: Settings) -> None:
    api, runtime = Api(), Runtime(settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://rapport") as http:
        early = await http.post("/personalize", json={"customer_id": "ann"})
        assert early.status_code == 503 and early.json()["error"]["reason"] == "starting"
        await runtime.start()
        api.runtime = runtime
        at_once = await http.post("/personalize", json={"customer_id": "ann", "session_data": {"message": "Hello"}})
        while not runtime.health().ready:
            await asyncio.sleep(0.05)
        later = await http.post("/personalize", json={"customer_id": "ann"})
        feedback = await http.post("/feedback", json={"customer_id": "ann", "csat": 1})
    health = runtime.health()
    await runtime.stop()
    for decision in (at_once.json(), later.json()):
        assert "features_unavailable" in decision["degraded"] and decision["template"]["text"]
    assert feedback.status_code == 503
    assert health.status == "degraded" and not health.redis
    assert any("rapport up" in problem for problem in health.problems)
