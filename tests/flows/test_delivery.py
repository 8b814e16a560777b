"""The webhook: signed, retried, at least once, never another body, through failing receivers and killed senders."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main
from delivering import deliver_until_killed
from receiver import SECRET, Receiver, receiving
from watching import NOW, firings

from flows.delivery import GROUP, deliver
from flows.runtime import Runtime, make_runtime
from rapport.delivery.address import webhook_of
from rapport.delivery.deliveries import Deliveries
from rapport.delivery.sender import backoff_s
from rapport.delivery.signing import headers_of, is_signed
from rapport.errors import SettingsError
from rapport.online import connect
from rapport.settings import Settings, load_settings
from rapport.triggers.file import TRIGGERS_TOPIC
from rapport.triggers.firing import Firing, to_message
from tests.flows.running import MakeRuntime


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    with receiving() as made:
        yield made


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    return str(tmp_path / "secret")


def some_firings(count: int, first: int = 0) -> list[Firing]:
    return [
        Firing(
            id=f"{i:032x}",
            trigger="cart",
            customer_id=f"anna-{i}",
            moment=NOW,
            fired_at=NOW,
            reason="ünicode",
            values={"n": i},
        )
        for i in range(first, first + count)
    ]


def deliveries(runtime: Runtime) -> Deliveries:
    return Deliveries(connect(runtime.settings, timeout_s=5))


def run_webhook(runtime: Runtime, until: Callable[[], bool], timeout_s: float = 30) -> None:
    """The real flow, until a condition holds."""
    runtime.stop.clear()

    def watch() -> None:
        deadline = time.monotonic() + timeout_s
        while not until() and time.monotonic() < deadline:
            time.sleep(0.02)
        runtime.stop.set()

    thread = threading.Thread(target=watch)
    thread.start()
    flow = Dataflow("webhook")
    assert deliver(flow, runtime)
    run_main(flow)
    thread.join()
    assert until()


def test_each_firing_is_delivered_whatever_the_receiver_does(
    make_runtime_: MakeRuntime, receiver: tuple[Receiver, str], secret_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    got, url = receiver
    caplog.set_level(logging.DEBUG)
    runtime = make_runtime_(delivery_url=url, delivery_secret_file=secret_file, delivery_timeout_s=1.5)
    got.hang_s = 4.0
    got.answers = [500, "hang", 302, 404, 503, 500]
    runtime.bus.publish([to_message(firing) for firing in some_firings(20)])
    run_webhook(runtime, lambda: deliveries(runtime).counts()["delivered"] == 20)
    assert sorted(got.bodies) == [firing.id for firing in some_firings(20)]
    assert all(len(set(bodies)) == 1 for bodies in got.bodies.values()), "a body changed between two tries"
    sent = {bodies[0] for bodies in got.bodies.values()}
    assert sent == {to_message(firing).value for firing in some_firings(20)}
    assert (got.unsigned, got.tries, len(firings(runtime.bus))) == (0, 26, 20)
    assert deliveries(runtime).counts() == {"waiting": 0, "dead": 0, "delivered": 20, "failed": 0, "tries": 26}
    statuses = [one.status for one in deliveries(runtime).log(100)]
    assert sorted(set(statuses)) == [
        "HTTP 200",
        "HTTP 302",
        "HTTP 404",
        "HTTP 500",
        "HTTP 503",
        "no answer within 1.5 s",
    ]
    assert "anna" not in caplog.text and SECRET.decode() not in caplog.text
    position = runtime.bus.position(GROUP, TRIGGERS_TOPIC, 0)
    assert runtime.bus.reader(TRIGGERS_TOPIC, 0, position).lag() == 0


def test_a_dead_delivery_is_seen_and_can_be_sent_again(
    make_runtime_: MakeRuntime, receiver: tuple[Receiver, str], secret_file: str
) -> None:
    got, url = receiver
    got.down = True
    runtime = make_runtime_(delivery_url=url, delivery_secret_file=secret_file, delivery_tries=2)
    runtime.bus.publish([to_message(firing) for firing in some_firings(3)])
    run_webhook(runtime, lambda: deliveries(runtime).counts()["dead"] == 3)
    kept = deliveries(runtime)
    assert [(one.tries, one.status, one.trigger) for one in kept.all_failed()] == [(2, "HTTP 503", "cart")] * 3
    assert kept.counts()["tries"] == 6 and got.taken == []
    got.down = False
    assert kept.retry_failed(time.time_ns() // 1_000_000) == 3
    run_webhook(runtime, lambda: kept.counts()["delivered"] == 3)
    assert sorted(got.taken) == [firing.id for firing in some_firings(3)]
    assert all(len(set(bodies)) == 1 for bodies in got.bodies.values())
    assert kept.counts()["dead"] == 0


def test_a_receiver_that_is_not_there_is_waited_for(make_runtime_: MakeRuntime, secret_file: str) -> None:
    runtime = make_runtime_(delivery_url="http://127.0.0.1:9/hook", delivery_secret_file=secret_file)
    runtime.bus.publish([to_message(firing) for firing in some_firings(2)])
    run_webhook(runtime, lambda: deliveries(runtime).counts()["tries"] >= 2)
    assert deliveries(runtime).counts()["waiting"] == 2
    assert "ConnectError" in deliveries(runtime).log(1)[0].status


def test_killed_again_and_again_every_firing_arrives(
    environment: dict[str, str], receiver: tuple[Receiver, str], secret_file: str
) -> None:
    got, url = receiver
    got.hang_s = 0.7
    got.answers = [500, 200, "hang", 200, 503] * 8
    environment |= {
        "RAPPORT_DELIVERY_URL": url,
        "RAPPORT_DELIVERY_SECRET_FILE": secret_file,
        "RAPPORT_DELIVERY_TIMEOUT_S": "0.5",
    }
    runtime = make_runtime(load_settings(environment))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["flows.triggers", "bytewax.testing"])
    for life in range(4):
        runtime.bus.publish([to_message(firing) for firing in some_firings(60, life * 60)])
        process = processes.Process(target=deliver_until_killed, args=(environment,), daemon=True)
        process.start()
        before = got.tries
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (
            got.tries < before + 15 if life < 3 else deliveries(runtime).counts()["delivered"] < 240
        ):
            time.sleep(0.005)
        process.kill()
        process.join()
    assert set(got.taken) == {firing.id for firing in some_firings(240)}
    assert all(len(set(bodies)) == 1 for bodies in got.bodies.values())
    assert got.unsigned == 0
    assert deliveries(runtime).counts()["delivered"] == 240
    runtime.bus.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"delivery_url": "ftp://x/"}, "https://host/path"),
        ({"delivery_url": "http://shop.example/hook"}, "https only"),
        ({"delivery_url": "https://me:pw@shop.example/"}, "leave it out"),
        ({"delivery_url": "https://shop.example/"}, "RAPPORT_DELIVERY_SECRET_FILE"),
        ({"delivery_url": "https://shop.example/", "delivery_secret_file": "none"}, "cannot be read"),
        ({"delivery_url": "https://shop.example/", "delivery_secret_file": "short"}, "at least 16"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(given: dict[str, Any], words: str, tmp_path: Path) -> None:
    (tmp_path / "short").write_text("abc\n")
    name = given.pop("delivery_secret_file", "")
    settings = Settings(tmp_path, tmp_path, **given, delivery_secret_file=str(tmp_path / name) if name else "")
    with pytest.raises(SettingsError, match=words):
        webhook_of(settings)


def test_a_signature_holds_for_its_body_its_time_and_its_secret() -> None:
    headers = headers_of(SECRET, "id", b"body", 1_000)
    assert is_signed(SECRET, headers, b"body", 1_200)
    assert not is_signed(SECRET, headers, b"Body", 1_200)
    assert not is_signed(SECRET, headers, b"body", 1_301)
    assert not is_signed(b"another secret of the test", headers, b"body", 1_000)
    assert not is_signed(SECRET, {**headers, "Rapport-Timestamp": "1001"}, b"body", 1_000)
    assert not is_signed(SECRET, {}, b"body", 1_000)
    # As a receiver in another language computes it.
    import hashlib
    import hmac

    mac = hmac.new(SECRET, b"1000.body", hashlib.sha256).hexdigest()
    assert headers["Rapport-Signature"] == f"v1={mac}"


def test_back_off_doubles_with_jitter_and_ends() -> None:
    assert [backoff_s(tries, lambda: 1.0) for tries in (1, 2, 3, 9, 10, 50)] == [1, 2, 4, 256, 300, 300]
    assert backoff_s(3, lambda: 0.0) == 2
    assert len({backoff_s(3) for _ in range(50)}) > 10
