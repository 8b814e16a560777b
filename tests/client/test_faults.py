"""Both clients beside a server that fails in each way: an answer or the defaults, in time, and told rightly."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rapport.client import AsyncRapportClient, BreakerOptions, CallReport, ClientOptions, RapportClient, Tags
from rapport.errors import CircuitOpen, DeadlinePassed, RequestRefused, ServiceError, ServiceUnavailable
from rapport.testing.faulty_service import FaultyService
from rapport.testing.served import free_port, wait_for

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("cases.json").read_text())
DEFAULTS = {"tone": "friendly", "segment": "Unknown", "vip": False}
SLACK_S = 2.0
"""On a machine that does much else: a hanging server hangs for longer than this and the deadline."""
TAGS = {
    "decision_id": "d1",
    "segment": "Champions",
    "sentiment": "negative",
    "sentiment_score": -0.6,
    "score_escalation_risk": 0.73,
    "tone": "apologetic",
    "template_id": "ticket_apology",
    "template_text": "Entschuldigen Sie die Umstände.",
    "template_locale": "de",
    "rule": "open ticket and unhappy",
    "feature_age_s": 118.4,
    "policy_version": "3-ab12",
    "offer": "free_shipping",
    "next_action": "hand_over",
    "ask": "order_id",
    "degraded": "features_stale,model_unavailable:purchase_propensity",
    "vip": False,
}
ERRORS: dict[str, type[ServiceError]] = {
    "deadline": DeadlinePassed,
    "unavailable": ServiceUnavailable,
    "strange": ServiceError,
    "refused": RequestRefused,
    "rate_limited": RequestRefused,
    "circuit_open": CircuitOpen,
}


def options(url: str, **more: Any) -> ClientOptions:
    return ClientOptions(url=url, **{"deadline_ms": 500, "defaults": DEFAULTS, **more})


def url_of(faulty: FaultyService, how: str) -> str:
    return f"http://127.0.0.1:{free_port()}" if how == "closed_port" else faulty.url(how)


def asked(kind: str, given: ClientOptions, reports: list[CallReport]) -> Tags:
    if kind == "sync":
        with RapportClient(given, on_call=reports.append) as client:
            return client.get_personalization_tags("ann", {"message": "secret words", "page": None})

    async def ask() -> Tags:
        async with AsyncRapportClient(given, on_call=reports.append) as client:
            return await client.get_personalization_tags("ann", {"message": "secret words", "page": None})

    return asyncio.run(ask())


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["how"])
def test_tags_or_defaults_in_time(
    faulty: FaultyService, kind: str, case: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "rapport.client")
    reports: list[CallReport] = []
    began = time.monotonic()
    tags = asked(kind, options(url_of(faulty, case["how"])), reports)
    assert time.monotonic() - began < 0.5 + SLACK_S
    assert tags == (TAGS if case["outcome"] == "ok" else DEFAULTS)
    assert [(report.outcome, report.attempts) for report in reports] == [(case["outcome"], case["attempts"])]
    assert not {"ann", "secret", "private"} & set(caplog.text.replace("'", " ").split())


@pytest.mark.parametrize("case", [case for case in CASES if case["outcome"] != "ok"], ids=lambda case: case["how"])
def test_decide_says_what_is_wrong(faulty: FaultyService, case: dict[str, Any]) -> None:
    with RapportClient(options(url_of(faulty, case["how"]), deadline_ms=300)) as client:
        with pytest.raises(ServiceError) as caught:
            client.decide("ann")
        assert type(caught.value) is ERRORS[case["outcome"]]


def test_a_batch_without_results_is_no_answer(faulty: FaultyService) -> None:
    with RapportClient(options(faulty.url("ok"))) as client, pytest.raises(ServiceError, match="for each turn"):
        client.decide_batch([("ann", None)])


def test_the_circuit_opens_and_nothing_is_sent_until_the_service_is_back(faulty: FaultyService) -> None:
    now, reports = [0.0], list[CallReport]()
    given = options(faulty.url("switch"), breaker=BreakerOptions(failures=3, window=4, open_s=5.0))
    with RapportClient(given, on_call=reports.append, clock=lambda: now[0]) as client:
        faulty.mode = "error_500"
        for _ in range(3):
            assert client.get_personalization_tags("ann") == DEFAULTS
        assert client.circuit == "open"
        sent = faulty.seen["switch"]
        assert client.get_personalization_tags("ann") == DEFAULTS
        with pytest.raises(CircuitOpen, match=r"left alone for 5\.0 s"):
            client.decide("ann")
        assert faulty.seen["switch"] == sent
        now[0] = 5.0
        assert client.circuit == "half_open"
        client.get_personalization_tags("ann")
        assert (client.circuit, faulty.seen["switch"]) == ("open", sent + 1)
        faulty.mode = "ok"
        now[0] = 10.0
        assert client.get_personalization_tags("ann") == TAGS
        assert client.circuit == "closed"
    assert [report.outcome for report in reports].count("circuit_open") == 2


def test_retry_after_is_waited_for(faulty: FaultyService) -> None:
    now = [0.0]
    with RapportClient(options(faulty.url("rate_limited")), clock=lambda: now[0]) as client:
        client.get_personalization_tags("ann")
        sent = faulty.seen["rate_limited"]
        client.get_personalization_tags("ann")
        assert (client.circuit, faulty.seen["rate_limited"]) == ("open", sent)
        now[0] = 1.0
        client.get_personalization_tags("ann")
        assert faulty.seen["rate_limited"] == sent + 1


def test_only_what_is_safe_is_sent_twice(faulty: FaultyService) -> None:
    def sent(how: str, work: Any) -> int:
        before = faulty.seen[how]
        with RapportClient(options(faulty.url(how))) as client, pytest.raises(ServiceUnavailable):
            work(client)
        return faulty.seen[how] - before

    with_id, without = {"event_id": "e1"}, {"customer_id": "ann"}
    assert sent("reset", lambda client: client.send_events("customer_clicks", [with_id])) == 2
    assert sent("reset", lambda client: client.send_events("customer_clicks", [with_id, without])) == 1
    assert sent("reset", lambda client: client.feedback("ann", csat=5, idempotency_key="k")) == 2
    assert sent("unavailable", lambda client: client.feedback("ann", csat=5)) == 1
    before = faulty.seen["reset"]
    with RapportClient(options(faulty.url("reset"), retry=False)) as client:
        client.get_personalization_tags("ann")
    assert faulty.seen["reset"] == before + 1


def test_many_threads_wait_no_longer_than_one(faulty: FaultyService) -> None:
    given = options(faulty.url("hang"), max_connections=2, breaker=BreakerOptions(100, 100))
    with RapportClient(given) as client, ThreadPoolExecutor(24) as pool:
        began = time.monotonic()
        assert list(pool.map(client.get_personalization_tags, ["ann"] * 24)) == [DEFAULTS] * 24
        assert time.monotonic() - began < 0.5 + SLACK_S


def test_the_deadline_and_the_key_go_along(faulty: FaultyService) -> None:
    with RapportClient(options(faulty.url("ok"), key="k-123")) as client:
        client.decide("ann", deadline_ms=400)
        assert "k-123" not in repr(client.options)
    head = faulty.heads[-1].lower()
    assert "authorization: bearer k-123" in head
    assert 1 <= int(head.split("x-deadline-ms: ")[1].split("\r\n")[0]) <= 400


@pytest.mark.parametrize(
    "session", [{"slots": object()}, {"slots": float("nan")}, {1: 2}, "text", {"message": "\ud800"}]
)
def test_what_is_not_json_gives_defaults(faulty: FaultyService, session: Any) -> None:
    with RapportClient(options(faulty.url("refused"))) as client:
        assert client.get_personalization_tags("ann", session) == DEFAULTS
        assert client.get_personalization_tags("") == DEFAULTS


def test_a_hook_that_fails_fails_alone_and_a_closed_client_gives_defaults(faulty: FaultyService) -> None:
    def broken(report: CallReport) -> None:
        raise RuntimeError(report.outcome)

    with RapportClient(options(faulty.url("ok")), on_call=broken) as client:
        assert client.get_personalization_tags("ann") == TAGS
    assert client.get_personalization_tags("ann") == DEFAULTS
    with pytest.raises(ServiceError, match="closed"):
        client.decide("ann")


def test_closing_ends_what_waits(faulty: FaultyService) -> None:
    client = RapportClient(options(faulty.url("hang"), deadline_ms=8_000))
    with ThreadPoolExecutor(2) as pool:
        before = faulty.seen["hang"]
        tags = pool.submit(client.get_personalization_tags, "ann")
        decision = pool.submit(client.decide, "ann")
        wait_for(lambda: faulty.seen["hang"] == before + 2)
        client.close()
        assert tags.result() == DEFAULTS
        with pytest.raises(ServiceError, match="closed while it waited"):
            decision.result()


def test_a_cancelled_probe_leaves_room_for_another(faulty: FaultyService) -> None:
    async def run() -> Tags:
        now = [0.0]
        given = options(faulty.url("switch"), deadline_ms=5_000, breaker=BreakerOptions(1, 1, 1.0))
        async with AsyncRapportClient(given, clock=lambda: now[0]) as client:
            faulty.mode = "error_500"
            await client.get_personalization_tags("ann")
            now[0], faulty.mode = 1.0, "hang"
            probe = asyncio.create_task(client.get_personalization_tags("ann"))
            sent = faulty.seen["switch"]
            await asyncio.to_thread(wait_for, lambda: faulty.seen["switch"] > sent)
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)
            faulty.mode = "ok"
            return await client.get_personalization_tags("ann")

    assert asyncio.run(run()) == TAGS


FORKED = """
import os, sys
from rapport.client import ClientOptions, RapportClient
heavy = {"numpy", "feast", "bentoml", "msgspec", "starlette", "pyarrow"} & set(sys.modules)
assert not heavy, heavy
client = RapportClient(ClientOptions(url=sys.argv[1], deadline_ms=5_000))
assert client.get_personalization_tags("ann")["tone"] == "apologetic"
child = os.fork()
answered = client.get_personalization_tags("ann").get("tone") == "apologetic"
if child == 0:
    os._exit(0 if answered else 1)
assert answered and os.waitpid(child, 0)[1] == 0
client.close()
"""


def test_it_works_after_a_fork_and_loads_little(faulty: FaultyService) -> None:
    done = subprocess.run([sys.executable, "-c", FORKED, faulty.url("ok")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
