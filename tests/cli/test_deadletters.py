"""`rapport deadletters`: looked at, mended and sent again, dropped; and what ingest then makes of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.ingest import ingest
from flows.runtime import Runtime, make_runtime
from rapport.bus import Bus, Message
from rapport.cli.main import run
from rapport.dead_letters import DEAD_LETTERS, DeadLetter, LetterFilter, count_letters, list_letters
from rapport.events.block import read_blocks
from rapport.settings import load_settings

Rapport = Callable[..., Any]


@pytest.fixture
def runtime(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """An installation that the command line finds."""
    (tmp_path / "feature_store.yaml").touch()
    monkeypatch.setenv("RAPPORT_ROOT", str(tmp_path))
    monkeypatch.setenv("RAPPORT_REDIS_URL", redis_url)
    return make_runtime(load_settings())


@pytest.fixture
def rapport(runtime: Runtime, capfd: pytest.CaptureFixture[str]) -> Rapport:
    """Run `rapport deadletters …` and give what it prints, as JSON where it is."""

    def call(*arguments: str, fails: int = 0) -> Any:
        capfd.readouterr()
        code = run(["deadletters", *arguments])
        out, err = capfd.readouterr()
        assert code == fails, err
        return json.loads(out) if "--json" in arguments and not fails else out + err

    return call


def event(number: int, **changes: Any) -> dict[str, Any]:
    given = {
        "event_id": f"e{number}",
        "customer_id": f"c{number % 5}",
        "event_time": "2025-03-01T12:00:00Z",
        "action": "order",
        "order_id": f"o{number}",
        "amount": "12.50",
        "currency": "EUR",
    }
    return {name: value for name, value in {**given, **changes}.items() if value is not None}


def give(bus: Bus, *events: dict[str, Any] | bytes) -> None:
    raws = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]
    bus.publish([Message("purchase_events", "", raw, "till") for raw in raws])


def run_ingest(runtime: Runtime) -> None:
    flow = Dataflow("ingest")
    ingest(flow, runtime, drain=True)
    run_main(flow)


def accepted(bus: Bus) -> list[str]:
    """The ids of the events that were accepted."""
    found: list[str] = []
    for partition in range(bus.partitions("purchase_events.checked")):
        reader = bus.reader("purchase_events.checked", partition)
        while reader.lag():
            if batch := reader.poll(1_000):
                for block in read_blocks("purchase_events", batch.values):
                    found += block["event_id"].to_pylist()
    return found


def test_listed_by_reason_a_page_at_a_time(runtime: Runtime, rapport: Rapport) -> None:
    assert rapport("list", "--json") == {"counts": {}, "letters": [], "next": None}
    give(runtime.bus, *(event(i, currency="euro") for i in range(7)), *(event(i, amount=None) for i in range(3)), b"{")
    run_ingest(runtime)
    whole = rapport("list", "--json")
    assert whole["counts"] == {"bad_json": 1, "bad_value": 7, "missing_field": 3}
    first = rapport("list", "--json", "--limit", "4")
    rest = rapport("list", "--json", "--after", first["next"])
    assert first["letters"] + rest["letters"] == whole["letters"] and rest["next"] is None
    letter = whole["letters"][0]
    assert (letter["field"], letter["schema"], letter["origin"]) == ("currency", "PurchaseEvent/1", "till")
    assert letter["topic"] == "purchase_events" and json.loads(letter["event"]) == event(0, currency="euro")
    assert rapport("list", "--json", "--field", "amount")["counts"] == {"missing_field": 3}
    assert rapport("list", "--json", "--until", "2020-01-01T00:00:00Z")["counts"] == {}
    assert len(rapport("list", "--json", "--customer", "c1")["letters"]) == 3
    assert "missing_field" in rapport() and "--after" in rapport("list", "--limit", "1")


def test_shown_readable(runtime: Runtime, rapport: Rapport) -> None:
    give(runtime.bus, event(1, currency="euro"), b"\x00\x00\x00\x00\x11avro" + bytes(range(40)))
    run_ingest(runtime)
    text, binary = rapport("list", "--json")["letters"]
    shown = rapport("show", text["id"])
    assert '  "currency": "euro"' in shown and "three capital letters" in shown and "bad_value" in shown
    shown = rapport("show", binary["id"])
    assert "registry:17" in shown and "00000000  00 00 00 00 11 61 76 72 6f" in shown and ".....avro" in shown
    assert rapport("show", text["id"], "--raw") == json.dumps(event(1, currency="euro"))
    assert rapport("show", text["id"], "--json")["position"].endswith("-0")
    assert "no dead letter" in rapport("show", "0:1-1", fails=3)


def test_a_mended_event_ends_where_it_belongs(runtime: Runtime, rapport: Rapport, tmp_path: Path) -> None:
    give(
        runtime.bus, event(1, currency=None), event(2, currency=None), event(3, colour="red"), event(4, customer_id="")
    )
    run_ingest(runtime)
    assert rapport("retry", "--reason", "missing_field", "--set", "currency=GBP", "--json") == {"retried": 2}
    assert rapport("retry", "--reason", "unknown_field", "--unset", "colour", "--json") == {"retried": 1}
    (last,) = rapport("list", "--json")["letters"]
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event(4, customer_id="")))
    assert "stays" in rapport("retry", last["id"], "--edit", str(file), fails=2)
    file.write_text(json.dumps(event(4)))
    assert rapport("retry", last["id"], "--edit", str(file), "--json") == {"retried": 1}
    run_ingest(runtime)
    assert sorted(accepted(runtime.bus)) == ["e1", "e2", "e3", "e4"]
    assert rapport("list", "--json")["counts"] == {}
    assert runtime.bus.counts("origin:retry") == {"origin:retry:accepted": 4}


def test_what_is_refused_again_is_a_new_letter(runtime: Runtime, rapport: Rapport) -> None:
    give(runtime.bus, event(1, currency="euro"))
    run_ingest(runtime)
    (first,) = rapport("list", "--json")["letters"]
    assert rapport("retry", first["id"], "--json") == {"retried": 1}
    assert rapport("retry", first["id"], "--json") == {"retried": 0}
    run_ingest(runtime)
    (second,) = rapport("list", "--json")["letters"]
    assert second["id"] != first["id"] and second["event"] == first["event"] and second["origin"] == "retry"
    assert [one["id"] for one in rapport("list", "--json", "--state", "retried")["letters"]] == [first["id"]]


def test_duplicates_are_not_sent_unless_asked_for(runtime: Runtime, rapport: Rapport) -> None:
    give(runtime.bus, event(1), event(1), event(2, currency="euro"))
    run_ingest(runtime)
    assert rapport("retry", "--all", "--json") == {"retried": 1}
    assert count_letters(runtime.bus) == {"duplicate": 1}
    assert rapport("retry", "--reason", "duplicate", "--json") == {"retried": 1}


def test_what_is_wanted_has_to_be_said(rapport: Rapport) -> None:
    assert "say which letters" in rapport("retry", fails=2)
    assert "say which letters" in rapport("drop", fails=2)
    assert "say which letters" in rapport("drop", "0:1-0", "--all", fails=2)
    assert "name one ID" in rapport("retry", "--all", "--edit", __file__, fails=2)
    assert "FIELD=VALUE" in rapport("retry", "--all", "--set", "currency", fails=2)
    assert "give it alone" in rapport("drop", "--customer", "c1", "--all", fails=2)


def test_a_customer_is_erased(runtime: Runtime, rapport: Rapport) -> None:
    give(runtime.bus, *(event(i, currency="euro") for i in range(20)), b'{"customer_id": "c1", cut off')
    run_ingest(runtime)
    assert rapport("drop", "--customer", "c1", "--json") == {"dropped": 5}
    assert rapport("list", "--json")["counts"] == {"bad_value": 16}
    # Not only marked: the bytes are gone from the bus.
    left = [stored.letter.raw for stored in list_letters(runtime.bus, LetterFilter(state=None))]
    reader = runtime.bus.reader(DEAD_LETTERS, 0)
    assert reader.lag() == 16 and not [raw for raw in left if b'"c1"' in raw]
    assert rapport("retry", "--all", "--set", "currency=EUR", "--json") == {"retried": 16}
    run_ingest(runtime)
    assert sorted(accepted(runtime.bus)) == sorted(f"e{i}" for i in range(20) if i % 5 != 1)


def test_a_retry_that_is_killed_sends_each_once(runtime: Runtime, rapport: Rapport) -> None:
    count = 6_000
    give(runtime.bus, *(event(i, currency="euro") for i in range(count)))
    run_ingest(runtime)
    command = [sys.executable, "-m", "rapport.cli", "deadletters", "retry", "--all", "--set", "currency=EUR"]
    process = subprocess.Popen(command, env={**os.environ}, stderr=subprocess.DEVNULL)
    sent = runtime.bus.reader("purchase_events", 0, runtime.bus.position("ingest", "purchase_events", 0))
    while not sent.lag() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    before = sent.lag()
    assert 0 < before < count
    assert rapport("retry", "--all", "--set", "currency=EUR", "--json") == {"retried": count - before}
    run_ingest(runtime)
    assert sorted(accepted(runtime.bus)) == sorted(f"e{i}" for i in range(count))
    assert count_letters(runtime.bus) == {}


def test_the_page_names_every_field_and_its_code_runs(
    runtime: Runtime, rapport: Rapport, capfd: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "dead-letters.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in DeadLetter.__struct_fields__)
    give(runtime.bus, event(1, event_time="2199-01-01T00:00:00Z"), event(2, currency="euro"))
    run_ingest(runtime)
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(code, {})
    assert capfd.readouterr().out == "1\n"
    assert count_letters(runtime.bus) == {"bad_value": 1}
