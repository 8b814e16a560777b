"""The edge: how soon it is up, how much memory it takes, what goes over the wire, and what it takes in.

Beside a server that does nothing, and beside gzipped lines of JSON. The limits are a second and 80 MB.
"""

from __future__ import annotations

import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import httpx
import msgspec
import psutil

from benchmarks.frame import Measurement, compared, rate, spread
from rapport.events.decode import decode
from rapport.events.schema import Event
from rapport.intake.columns import pack_columns
from rapport.simulate import World
from rapport.testing.edge import Edge
from rapport.testing.served import free_port, wait_for

__all__ = ["measure"]

CLICKS = "customer_clicks"
DAY_US = 86_400_000_000
START_US = 20_000 * DAY_US
BARE = """
import sys, uvicorn
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})
uvicorn.run(app, port=int(sys.argv[1]), http="h11", ws="none", loop="asyncio", lifespan="off", access_log=False)
"""


def measure(quick: bool) -> list[Measurement]:
    """Start, memory, bytes an event on the wire, events/s."""
    events = [event for topic, event in World(7, 8_000).history(START_US, START_US + DAY_US) if topic == CLICKS]
    starts = 3 if quick else 7
    return [*_process(events, starts), *_wire(events), _intake(events, 3 if quick else 5)]


def _process(events: list[Event], starts: int) -> list[Measurement]:
    ours, bare = [_edge_once(events) for _ in range(starts)], [_bare_once() for _ in range(starts)]
    peer = "a server that does nothing"
    up = spread("from the command to the first answer", "s", [one[0] for one in ours], note="limit: 1 s")
    memory = spread(
        "resident memory after 50,000 events, the uplink down", "MB", [one[1] for one in ours], note="limit: 80 MB"
    )
    return [
        compared(up, spread(peer, "s", [one[0] for one in bare])),
        compared(memory, spread(peer, "MB", [one[1] for one in bare])),
    ]


def _edge_once(events: list[Event]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder:
        started = time.perf_counter()
        with Edge(Path(folder) / "edge", f"http://127.0.0.1:{free_port()}") as edge:
            took = time.perf_counter() - started
            body = _body(events, 1_000)
            for _ in range(50):
                assert edge.http.post("/events", content=body, headers=_HEADERS).status_code == 202
            return took, psutil.Process(edge.process.pid).memory_info().rss / 2**20


def _bare_once() -> tuple[float, float]:
    port = free_port()
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", BARE, str(port)], stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            wait_for(lambda: _answers(http), "the bare server does not come up")
            return time.perf_counter() - started, psutil.Process(process.pid).memory_info().rss / 2**20
    finally:
        process.terminate()
        process.wait(10)


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/").status_code == 200
    except httpx.HTTPError:
        return False


def _wire(events: list[Event]) -> list[Measurement]:
    named = [msgspec.structs.replace(event, event_id=uuid.uuid4().hex) for event in events]
    found = []
    for kind, of in (("ids in a row", events), ("random ids of 128 bits", named)):
        for size in (100, 1_000):
            parts = [
                [msgspec.json.encode(one) for one in of[at : at + size]] for at in range(0, len(of) - size + 1, size)
            ]
            columns, lines = (
                statistics.mean(len(gzip.compress(pack(part), 6)) / len(part) for part in parts)
                for pack in (_columns, _lines)
            )
            plain = statistics.mean(len(_lines(part)) / len(part) for part in parts)
            name = f"clicks in batches of {size:,}, {kind}"
            note = f"{plain:,.0f} bytes as lines, not packed"
            ours = Measurement(name=name, unit="bytes/event", value=columns, better="lower", note=note)
            found.append(
                compared(ours, Measurement(name="lines, gzip", unit="bytes/event", value=lines, better="lower"))
            )
    return found


def _intake(events: list[Event], repeat: int) -> Measurement:
    body, batches = _body(events, 1_000), 20
    raw = [bytes(event) for event in msgspec.json.decode(body, type=_Body).events]

    def floor() -> int:
        for _ in range(batches):
            for event in raw:
                decode(CLICKS, event)
        return batches * len(raw)

    with (
        tempfile.TemporaryDirectory(prefix="rapport-") as folder,
        Edge(Path(folder) / "edge", f"http://127.0.0.1:{free_port()}") as edge,
    ):

        def work() -> int:
            for _ in range(batches):
                assert edge.http.post("/events", content=body, headers=_HEADERS).status_code == 202
            return batches * len(raw)

        ours = rate("events taken onto the disk, in batches of 1,000", "events/s", work, repeat=repeat)
    return compared(ours, rate("decoded and checked in one process", "events/s", floor, repeat=repeat))


class _Body(msgspec.Struct):
    topic: str
    events: list[msgspec.Raw]


_HEADERS = {"Content-Type": "application/json"}


def _body(events: list[Event], count: int) -> bytes:
    return msgspec.json.encode({"topic": CLICKS, "events": events[:count]})


def _columns(events: list[bytes]) -> bytes:
    return pack_columns([(CLICKS, event) for event in events])


def _lines(events: list[bytes]) -> bytes:
    return b"\n".join(json.dumps({"topic": CLICKS}).encode()[:-1] + b',"event":' + event + b"}" for event in events)
