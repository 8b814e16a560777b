"""The parts of a decision that compute: facts of features, reasons in words, metrics, the log, the client's errors."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.metrics import LATENCY_BUCKETS_S, Metrics, render
from rapport.bus.protocol import Bus, Message, Position
from rapport.client import Client
from rapport.decisions import DecisionLog, DecisionRecord, Sentiment, decode_record, make_situation
from rapport.decisions.freshness import STALLED_AFTER_S, Freshness
from rapport.decisions.ids import is_id, new_id, time_range_us
from rapport.decisions.reasons import phrase_of, reason_of, value_text
from rapport.decisions.situation import cart_abandoned
from rapport.errors import BusUnavailable, RequestRefused, ServiceError
from rapport.testing.bus import MemoryBus
from rapport.testing.decided import decided
from rapport.testing.models import NoiseModels
from rapport.testing.served import Served, free_port, wait_for


@given(
    added=st.none() | st.floats(0, 200_000),
    checkout=st.none() | st.floats(0, 200_000),
    order=st.none() | st.floats(0, 200_000),
)
def test_a_cart_is_abandoned_as_defined(added: float | None, checkout: float | None, order: float | None) -> None:
    features = {"carts__since_cart_add_s": added, "carts__since_checkout_s": checkout, "rfm__recency_s": order}
    at, since = None if added is None else -added, [-x for x in (checkout, order) if x is not None]
    expected = at is not None and -86_400 <= at < -1_800 and not any(moment >= at for moment in since)
    assert cart_abandoned(features) is expected


def test_ids_differ_in_all_threads_and_in_processes_that_are_forked() -> None:
    """Though their random bytes are drawn for many at once."""
    with ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(new_id, [10**15] * 1_000))
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, "".join(new_id(10**15) for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    text = os.read(read, 3_200).decode()
    os.close(read)
    os.close(write)
    ids += [new_id(10**15) for _ in range(100)] + [text[at : at + 32] for at in range(0, len(text), 32)]
    assert len(text) == 3_200 and len(set(ids)) == len(ids) == 1_200


@given(as_of_us=st.integers(-(10**15), 2**48 * 1_000 + 10**9))
def test_ids_are_of_version_7_and_say_the_decisions_time(as_of_us: int) -> None:
    first, second = new_id(as_of_us), new_id(as_of_us)
    assert first != second and is_id(first)
    found = uuid.UUID(first)
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    since_us, until_us = time_range_us(first) or (0, 0)
    assert since_us <= min(max(as_of_us, 0), (2**48 - 1) * 1_000) < until_us
    assert time_range_us(uuid.uuid4().hex) is None


def test_facts_of_nobody() -> None:
    situation = make_situation({}, sentiment=Sentiment(), scores={}, segment="Unknown", activity=None)
    assert not situation.known and not situation.message and situation.repeats == 0 and situation.open_tickets == 0


@pytest.mark.parametrize(
    ("name", "value", "phrase", "shown"),
    [
        ("carts__cart_adds_1d", 3.0, "cart adds in the last day", "3"),
        ("click_activity__clicks_5m", 12.0, "clicks in the last 5 minutes", "12"),
        ("carts__since_cart_add_s", 7_300.0, "time since the last cart add", "2 hours"),
        ("purchases__spend_micros_90d", 12_345_600_000.0, "spend in the last 90 days", "12,345.60"),
        ("purchases__line_micros_std_90d", None, "spread of line in the last 90 days", "not known"),
        ("conversation__negative_share_1h", 0.5, "negative share in the last hour", "50%"),
        ("conversation__frustration_max_1h", 0.25, "highest frustration in the last hour", "0.25"),
        ("satisfaction__csat_last", 4.0, "last csat", "4"),
        ("satisfaction__resolution_time_s_mean_90d", 90.0, "mean resolution time in the last 90 days", "2 minutes"),
        ("rfm__recency_s", 86_400.0, "time since the last order", "1 day"),
        ("mine__anything", 1.5, "anything", "1.50"),
    ],
)
def test_features_in_words(name: str, value: float | None, phrase: str, shown: str) -> None:
    assert (phrase_of(name), value_text(name, value)) == (phrase, shown)


def test_a_reason_says_what_moved_a_score_which_way() -> None:
    lowers = reason_of("a_model", "v__b", -0.5, None)
    assert lowers.text == "b: not known (lowers a model)" and lowers.value is None
    assert reason_of("a_model", "v__a", 0.1, 1.0).text == "a: 1 (raises a model)"


def test_metrics_are_in_prometheus_format() -> None:
    metrics = Metrics()
    for seconds in (0.0004, 0.0005, 0.3, 9.0):
        metrics.latency.observe(seconds)
    text = render(metrics).decode()
    assert 'rapport_decision_seconds_bucket{le="0.0005"} 2.0' in text
    assert 'rapport_decision_seconds_bucket{le="+Inf"} 4.0' in text
    assert text.count("rapport_decision_seconds_bucket") == len(LATENCY_BUCKETS_S) + 1


class _Moody:
    """A bus that fails on demand; everything else is a MemoryBus."""

    def __init__(self) -> None:
        self.inner = MemoryBus()
        self.down = False

    def publish(self, messages: Sequence[Message]) -> None:
        if self.down:
            raise BusUnavailable("the bus is down")
        self.inner.publish(messages)

    def records(self) -> list[DecisionRecord]:
        batch = self.inner.reader("decisions", 0).poll(10_000)
        return [decode_record(value) for value in batch.values] if batch else []


def test_the_log_waits_for_the_bus_and_counts_what_it_drops() -> None:
    bus = _Moody()
    bus.down = True
    log = DecisionLog(lambda: bus, capacity=5, batch=2, every_s=0.01, retry_s=0.01)  # type: ignore[arg-type,return-value]
    assert [log.offer(decided(number)) for number in range(7)] == [True] * 5 + [False] * 2
    assert (log.depth, log.dropped) == (5, 2)
    bus.down = False
    wait_for(lambda: log.depth == 0, "nothing was published", 5)
    assert bus.records() == [decided(number) for number in range(5)]
    log.close()
    assert (log.published, log.dropped) == (5, 2)


def test_the_log_publishes_what_waits_when_it_is_closed() -> None:
    bus = _Moody()
    log = DecisionLog(lambda: bus, every_s=60)  # type: ignore[arg-type,return-value]
    time.sleep(0.05)
    for number in range(1_200):
        log.offer(decided(number))
    log.close()
    assert len(bus.records()) == 1_200 and log.dropped == 0 and not log.offer(decided(0))


def test_features_are_stale_when_events_wait_and_nobody_moves() -> None:
    bus: Bus = MemoryBus()
    freshness = Freshness()
    bus.publish([Message("customer_clicks", "ann", b"{}")])
    freshness.check(bus, 0.0)
    freshness.check(bus, STALLED_AFTER_S)
    assert not freshness.stale
    freshness.check(bus, STALLED_AFTER_S + 0.1)
    assert freshness.stale
    bus.commit("ingest", "customer_clicks", 0, expected=Position(0, 0), position=Position(1, 0))
    freshness.check(bus, STALLED_AFTER_S + 0.2)
    assert not freshness.stale
    freshness.check(bus, 1_000.0)
    assert not freshness.stale


def test_the_client_speaks_to_the_service(served: Served, models: NoiseModels) -> None:
    with Client(served.url, timeout_s=10) as client:
        decision = client.personalize("ann", message="Hello", locale="de")
        assert decision.model_versions["segments"] == "1"
        known, wrong = client.personalize_batch(["ann", ""])
        assert known.decision and known.decision.segment == "Champions" and known.error is None
        assert wrong.error and wrong.error.field == "customer_id" and wrong.decision is None
        assert client.feedback("ann", decision_id=decision.decision_id, csat=5, idempotency_key="k").startswith("fb-")
        answer = client.events("customer_clicks", [{"event_id": "1"}])
        assert (answer.accepted, answer.refused, answer.results[0].reason) == (0, 1, "no_customer")
        assert client.health().ready
        with pytest.raises(RequestRefused) as refused:
            client.personalize("")
        assert (refused.value.status, refused.value.field, refused.value.reason) == (400, "customer_id", "bad_value")
        with pytest.raises(RequestRefused, match="is not a topic"):
            client.events("clicks", [])


def test_the_client_says_where_nobody_answers() -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(ServiceError, match="rapport status"):
        client.personalize("ann")
