"""The edge as a process: what it answered is forwarded once, whatever becomes of the way, the disk and itself."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from edge_receiver import Receiver, click

from rapport.testing.edge import Edge
from rapport.testing.served import free_port, wait_for

CLICKS = "customer_clicks"
HEAVY = ["numpy", "pandas", "pyarrow", "numba", "feast", "bentoml", "duckdb", "redis", "httpx", "starlette", "typer"]
MAX_MB = 80


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def test_it_is_small_and_needs_nothing_heavy(tmp_path: Path, receiver: Receiver) -> None:
    code = f"""
import sys
import rapport.edge.app, rapport.edge.command, uvicorn, yaml
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    with Edge(tmp_path / "edge", receiver.url) as edge:
        for turn in range(4):
            batch = [click(f"{turn}-{i}", page="/" + "x" * 200) for i in range(5_000)]
            packed = gzip.compress(json.dumps({"topic": CLICKS, "events": batch}).encode())
            headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
            assert edge.http.post("/events", content=packed, headers=headers).status_code == 202
        # Many of the largest bodies at once.
        headers = {"Content-Type": "application/json"}
        large = json.dumps({"topic": CLICKS, "events": [click("l", page="x" * 250)] * 5_000}).encode().ljust(4 * 2**20)
        with ThreadPoolExecutor(8) as pool:
            sent = [pool.submit(edge.http.post, "/events", content=large, headers=headers) for _ in range(8)]
            assert {future.result().status_code for future in sent} == {202}
        edge.wait_empty()
        peak_kb = next(
            int(line.split()[1])
            for line in Path(f"/proc/{edge.process.pid}/status").read_text().splitlines()
            if line.startswith("VmHWM")
        )
        assert peak_kb * 1024 < MAX_MB * 2**20
    assert len(receiver.ids()) == 60_000


def test_events_are_checked_and_the_refused_ones_forwarded_as_they_are(tmp_path: Path, receiver: Receiver) -> None:
    with Edge(tmp_path / "edge", receiver.url) as edge:
        answer = edge.give(CLICKS, [click("good"), click("bad", action="look"), 7])
        assert answer.status_code == 202
        assert [result["status"] for result in answer.json()["results"]] == ["accepted", "refused", "refused"]
        assert answer.json()["results"][1]["field"] == "action"
        assert edge.give(CLICKS, [click("bad", action="look")]).status_code == 400
        line = json.dumps({"topic": "feedback", "event": {**click("x"), "csat": 9}})
        ndjson = {"Content-Type": "application/x-ndjson"}
        assert edge.http.post("/events", content=line, headers=ndjson).status_code == 400
        edge.wait_empty()
        assert edge.metric('rapport_edge_events_total{result="accepted",topic="customer_clicks"}') == 1
        assert edge.metric('rapport_edge_events_total{result="bad_value",topic="customer_clicks"}') == 3
        taken = receiver.taken()
        assert sorted(taken[CLICKS], key=str) == sorted(
            [click("good"), click("bad", action="look"), 7, click("bad", action="look")], key=str
        )
        assert [event["csat"] for event in taken["feedback"]] == [9]
        for path, method, status in (("/x", "GET", 404), ("/events", "GET", 405), ("/livez", "POST", 405)):
            assert edge.http.request(method, path).status_code == status
        for headers, body, status in (
            ({"Content-Type": "text/plain"}, b"{}", 415),
            ({"Content-Type": "application/json"}, b"{", 400),
            ({"Content-Type": "application/json"}, b" " * (4 * 2**20 + 1), 413),
            ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"{}", 400),
        ):
            assert edge.http.post("/events", content=body, headers=headers).status_code == status
        assert edge.http.get("/readyz").json()["problem"] == ""


def test_a_way_that_fails_in_every_way_gives_each_event_once(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers = ["lost", "cut", 503, "lost", 500, "slow", 404, "lost"]
    with Edge(tmp_path / "edge", receiver.url) as edge:
        for turn in range(20):
            assert edge.give(CLICKS, [click(f"{turn}-{i}") for i in range(10)]).status_code == 202
            time.sleep(0.02)
        edge.wait_empty()
        assert edge.metric("rapport_edge_failed_sends_total") >= 7
    assert sorted(receiver.ids()) == sorted(f"{turn}-{i}" for turn in range(20) for i in range(10))
    assert not receiver.answers


def test_it_comes_back_when_it_is_told_to(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers = [429, 429]
    with Edge(tmp_path / "edge", receiver.url) as edge:
        edge.give(CLICKS, [click("a")])
        edge.wait_empty()
        assert receiver.ids() == ["a"] and receiver.requests == 3
    first, second, third = receiver.times_s
    assert second - first >= 1 and third - second >= 1


def test_what_a_service_will_never_take_is_set_aside_and_said(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers = [413]
    with Edge(tmp_path / "edge", receiver.url) as edge:
        edge.give(CLICKS, [click("never")])
        wait_for(lambda: edge.metric("rapport_edge_set_aside_events_total") == 1, "nothing is set aside", 10)
        edge.give(CLICKS, [click("next")])
        edge.wait_empty()
        assert receiver.ids() == ["next"]
        assert edge.metric("rapport_edge_buffer_bytes") > 0
    (why,) = (tmp_path / "edge" / "aside").glob("*.why")
    assert "413" in why.read_text() and why.with_suffix(".segment").stat().st_size


def test_a_full_buffer_refuses_and_drops_nothing(tmp_path: Path) -> None:
    port = free_port()
    kept = []
    with Edge(tmp_path / "edge", f"http://127.0.0.1:{port}", "--max-mb", "4") as edge:
        for turn in range(100):
            batch = [click(f"{turn}-{i}", page="x" * 250) for i in range(1_000)]
            answer = edge.give(CLICKS, batch)
            if answer.status_code == 429:
                break
            kept.extend(event["event_id"] for event in batch)
        assert answer.status_code == 429 and answer.headers["retry-after"] == "5"
        assert answer.json()["error"]["reason"] == "buffer_full"
        assert 3.5 * 2**20 < edge.metric("rapport_edge_buffer_bytes") <= 4 * 2**20
        assert edge.metric("rapport_edge_uplink_up") == 0
        receiver = Receiver(port)
        edge.wait_empty()
        assert edge.give(CLICKS, [click("after")]).status_code == 202
        edge.wait_empty()
    receiver.stop()
    assert sorted(receiver.ids()) == sorted([*kept, "after"])


def test_killed_at_any_moment_nothing_that_was_answered_is_lost_and_nothing_comes_twice(tmp_path: Path) -> None:
    """Producers send again what was not answered, under the same ids; those may be there twice within moments, which
    ingest takes for one event. Batches are never there twice."""
    receiver, draw = Receiver(), random.Random(7)
    answered: list[str] = []
    for life in range(4):
        receiver.answers = [draw.choice(["lost", "cut", 503, 202]) for _ in range(4)]
        with Edge(tmp_path / "edge", receiver.url) as edge:
            timer = threading.Timer(draw.uniform(0.05, 0.6), edge.kill)
            timer.start()
            for turn in range(1_000):
                ids = [f"{life}-{turn}-{i}" for i in range(20)]
                try:
                    status = edge.give(CLICKS, [click(one) for one in ids]).status_code
                except httpx.HTTPError:
                    break
                assert status == 202
                answered.extend(ids)
            timer.join()
    receiver.answers = []
    with Edge(tmp_path / "edge", receiver.url) as edge:
        edge.wait_empty()
    receiver.stop()
    ids = receiver.ids()
    assert len(answered) > 100 and set(answered) <= set(ids)
    assert len(ids) == len(set(ids)), "a batch is there twice"
    assert len(set(ids) - set(answered)) <= 4 * 20  # the request that each kill met


@pytest.mark.parametrize("limit", [60_000, 300_000])
def test_a_disk_that_takes_no_more_refuses_and_keeps_what_it_has(tmp_path: Path, limit: int) -> None:
    """No file may be larger than a limit, so that writes fail half way, as on a full disk."""
    port, kept = free_port(), []
    preface = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    with Edge(tmp_path / "edge", f"http://127.0.0.1:{port}", preface=preface) as edge:
        refusals = 0
        for turn in range(12):
            batch = [click(f"{turn}-{i}", page="x" * 200) for i in range(100 + 60 * turn)]
            answer = edge.give(CLICKS, batch)
            if answer.status_code == 202:
                kept.extend(event["event_id"] for event in batch)
            else:
                refusals += 1
                assert answer.status_code == 503 and answer.json()["error"]["reason"] == "buffer_unwritable"
                assert answer.headers["retry-after"] == "5"
        assert refusals and kept
        edge.kill()
    receiver = Receiver(port)
    with Edge(tmp_path / "edge", receiver.url) as edge:
        edge.wait_empty()
    receiver.stop()
    assert set(kept) <= set(receiver.ids())


def test_rules_drop_by_name_and_count(tmp_path: Path, receiver: Receiver) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("""
drop:
  - {name: crawlers, topic: customer_clicks, user_agent: [bot, crawler]}
  - {name: unknown_actions, topic: customer_clicks, refused: action}
  - name: repeated_views
    topic: customer_clicks
    where: {action: [view]}
    repeated: {fields: [session_id, product_id], within_s: 5}
""")
    with Edge(tmp_path / "edge", receiver.url, "--rules", str(rules)) as edge:
        assert edge.give(CLICKS, [click("b")], **{"User-Agent": "GoodBot/2.1"}).json()["dropped"] == 1
        answer = edge.give(CLICKS, [click("a"), click("b"), click("c", action="look"), click("a")]).json()
        assert [result["status"] for result in answer["results"]] == ["accepted", "dropped", "dropped", "accepted"]
        assert [result.get("reason") for result in answer["results"][1:3]] == ["repeated_views", "unknown_actions"]
        edge.wait_empty()
        for rule in ("crawlers", "unknown_actions", "repeated_views"):
            assert edge.metric(f'rapport_edge_dropped_total{{rule="{rule}",topic="customer_clicks"}}') == 1
    assert receiver.ids() == ["a", "a"]


def test_lines_from_stdin(tmp_path: Path, receiver: Receiver) -> None:
    lines = [json.dumps(click(f"l{i}")).encode() for i in range(3_000)]
    lines[10:10] = [b"{no json", b"\xff\xfe", b""]
    edge = Edge(tmp_path / "edge", receiver.url, "--stdin", CLICKS, stdin=subprocess.PIPE)
    assert edge.process.stdin is not None
    edge.process.stdin.write(b"\n".join(lines))
    edge.process.stdin.close()
    assert edge.process.wait(60) == 0
    taken = receiver.taken()[CLICKS]
    assert [one for one in taken if isinstance(one, str)] == ["{no json", "\\xff\\xfe"]
    assert [one["event_id"] for one in taken if isinstance(one, dict)] == [f"l{i}" for i in range(3_000)]


def test_a_restored_folder_does_not_send_under_numbers_that_are_used(tmp_path: Path, receiver: Receiver) -> None:
    folder = tmp_path / "edge"
    with Edge(folder, receiver.url) as edge:
        edge.give(CLICKS, [click("first")])
        edge.wait_empty()
        name = (folder / "name").read_text()
        for other in ("second", "third"):
            edge.give(CLICKS, [click(other)])
            edge.wait_empty()
    (folder / "name").write_text(name.split()[0] + " 1\n")
    with Edge(folder, receiver.url) as edge:
        edge.give(CLICKS, [click("again")])
        wait_for(lambda: "--new-name" in edge.http.get("/readyz").json()["problem"], "it does not say so", 10)
    assert sorted(receiver.ids()) == ["first", "second", "third"]
    with Edge(folder, receiver.url, "--new-name") as edge:
        edge.wait_empty()
    assert sorted(receiver.ids()) == ["again", "first", "second", "third"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--uplink", "ftp://x"], "--uplink 'ftp://x' is no address"),
        (["--max-mb", "1"], "--max-mb 1 is too little"),
        (["--linger-ms", "0"], "--linger-ms 0 is out of range"),
        (["--rules", "none.yaml"], "the rules cannot be read"),
    ],
)
def test_what_is_wrong_with_the_options_is_said(
    tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from rapport.edge.command import main

    assert main(["--uplink", "http://127.0.0.1:1", "--data", str(tmp_path / "edge"), *options]) == 2
    assert said in capsys.readouterr().err


def test_it_ends_when_it_is_told_to_and_needs_a_free_port(tmp_path: Path, receiver: Receiver) -> None:
    with Edge(tmp_path / "edge", receiver.url) as edge:
        other = Edge(tmp_path / "other", receiver.url, "--port", str(edge.port))
        assert other.process.wait(30) == 2 and "choose another --host or --port" in other.log.read_text()
        other.http.close()
        edge.process.terminate()
        assert edge.process.wait(30) == 0


def test_one_folder_has_one_edge(tmp_path: Path, receiver: Receiver) -> None:
    with Edge(tmp_path / "edge", receiver.url):
        other = Edge(tmp_path / "edge", receiver.url)
        assert other.process.wait(30) == 3 and "another process uses" in other.log.read_text()
        other.http.close()
