"""Decisions over HTTP: latency for 1 and 8 clients, beside a no-op and a bare mount that reads and predicts as much.

The whole service on the repository's own declarations: its Redis, a customer known to every view, two XGBoost models of
200 trees in ONNX Runtime, the policy, reasons and the decision log. wrk asks where Debian's package is installed, else
a small asyncio client, which takes a share of the same cores.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.frame import Measurement
from rapport.online.keys import KeyMaker
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served, free_port, wait_for

__all__ = ["Figures", "ask", "measure", "serving_project"]

ROOT = Path(__file__).parents[1]
BODY = b'{"customer_id": "ann", "session_data": {"message": "Where is my parcel?", "channel": "web"}}'
MODELS = ("purchase_propensity", "escalation_risk")
HOUR_US = 3_600_000_000
_LATENCY = re.compile(r"^\s*(50|99)%\s+([\d.]+)(us|ms|s)\s*$", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
_FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors")
_UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}

Figures = tuple[float, float, float]
"""p50 and p99 in milliseconds, requests/s."""


def measure(quick: bool) -> list[Measurement]:
    """p50 and p99 of a decision, and of its floors, for 1 and 8 clients."""
    seconds = 3 if quick else 10
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder, _project(Path(folder)) as project:
        models = _models(project)
        with _noop(project.root) as url:
            floor = [ask(url, clients, seconds) for clients in (1, 8)]
        with _mount(project, models) as url:
            mount = [ask(url, clients, seconds) for clients in (1, 8)]
        served = Served(project)
        try:
            served.wait_ready()
            served.wait_health(lambda health: health["status"] == "ok", "the service is not well", 60)
            ours = [ask(served.url, clients, seconds) for clients in (1, 8)]
            degraded = served.decide("ann")["degraded"]
        finally:
            served.stop()
    note = f"asked by {_asker()}; degraded: {degraded or 'nothing'}"
    return [
        measurement
        for at, clients in enumerate((1, 8))
        for measurement in _rows(clients, ours[at], {"a bare mount": mount[at], "a no-op": floor[at]}, note)
    ]


def ask(url: str, clients: int, seconds: float, key: str = "") -> Figures:
    """POST /personalize from `clients` connections, one request at a time each, after a second that does not count.
    `key`: what is sent with it; "" nothing."""
    if shutil.which("wrk"):
        _wrk(url, clients, 1, key)
        return _wrk(url, clients, seconds, key)
    asyncio.run(_ask_all(url, clients, 1, key))
    taken = asyncio.run(_ask_all(url, clients, seconds, key))
    taken.sort()
    return taken[len(taken) // 2] * 1e3, taken[int(len(taken) * 0.99)] * 1e3, len(taken) / seconds


def _rows(clients: int, ours: Figures, peers: Mapping[str, Figures], note: str) -> Iterator[Measurement]:
    who = "1 client" if clients == 1 else f"{clients} clients"
    for peer, (p50, p99, rate) in peers.items():
        yield Measurement(
            name=f"a decision, {who}",
            unit="ms",
            value=ours[0],
            p99=ours[1],
            better="lower",
            peer=peer,
            peer_value=p50,
            peer_p99=p99,
            note=f"{ours[2]:,.0f} decisions/s against {rate:,.0f}; {note}",
        )


def _wrk(url: str, clients: int, seconds: float, key: str) -> Figures:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n')
        script.write(f"wrk.body = '{BODY.decode()}'\n")
        if key:
            script.write(f"wrk.headers['Authorization'] = 'Bearer {key}'\n")
        script.flush()
        command = [
            "wrk",
            "-t1",
            f"-c{clients}",
            f"-d{seconds:g}s",
            "--latency",
            "-s",
            script.name,
            f"{url}/personalize",
        ]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = _RATE.search(said)
    if rate is None or _FAILED.search(said):
        raise RuntimeError(f"requests failed: {said}")
    found = {percent: float(value) * _UNITS_MS[unit] for percent, value, unit in _LATENCY.findall(said)}
    return found["50"], found["99"], float(rate[1])


async def _ask_all(url: str, clients: int, seconds: float, key: str) -> list[float]:
    port = int(url.rpartition(":")[2])
    until = time.perf_counter() + seconds
    parts = await asyncio.gather(*(_ask_one(port, until, key) for _ in range(clients)))
    return [taken for part in parts for taken in part]


async def _ask_one(port: int, until: float, key: str) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /personalize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Authorization: Bearer {key}\r\n" if key else ""
    request = f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    samples = []
    while (began := time.perf_counter()) < until:
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"a request failed: {answer!r}")
        length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        samples.append(time.perf_counter() - began)
    writer.close()
    return samples


def _asker() -> str:
    return "wrk" if shutil.which("wrk") else "a small asyncio client, for wrk is not installed"


@contextmanager
def serving_project(root: Path) -> Iterator[Project]:
    """A project with a customer known to every view and all models, ready to be served."""
    with _project(root) as project:
        _models(project)
        yield project


@contextmanager
def _project(root: Path) -> Iterator[Project]:
    project = Project(root, ROOT)
    try:
        project.apply(_declared())
        now = time.time_ns() // 1_000
        every = [now - n * HOUR_US for n in range(1, 30)]
        project.put_events("customer_clicks", [("ann", at, {"view": True, "product_id": f"p{at % 7}"}) for at in every])
        order = {"amount_micros": 9_000_000, "quantity": 1, "order_day": 1}
        project.put_events("purchase_events", [("ann", at, {"order_id": f"o{at}", **order}) for at in every])
        said = {"message": True, "sentiment": 0.1, "negative": False, "frustration": 0.1}
        project.put_events("chat_messages", [("ann", at, {**said, "query": f"q{at % 9}"}) for at in every])
        project.put_events("support_tickets", [("ann", every[0], {"opened": True, "open_change": 1})])
        project.put_events("feedback", [("ann", every[0], {"csat": 4, "low_csat": False})])
        project.push_profile("ann")
        yield project
    finally:
        project.redis.stop()


def _declared() -> Sequence[object]:
    from feast import Entity, FeatureService, FeatureView, StreamFeatureView

    from feature_repo import entities, services, views

    kinds = (Entity, FeatureView, StreamFeatureView, FeatureService)
    found = [value for module in (entities, views, services) for value in vars(module).values()]
    return list({id(value): value for value in found if isinstance(value, kinds)}.values())


def _models(project: Project) -> NoiseModels:
    from training.onnx_export import to_onnx

    models = NoiseModels(project, to_onnx)
    for name in MODELS:
        models.build(name, "1", trees=200)
        models.promote(name, "1")
    models.build_segments("1")
    models.promote("segments", "1")
    return models


@contextmanager
def _noop(root: Path) -> Iterator[str]:
    port = free_port()
    argv = ["-m", "uvicorn", "benchmarks.decision_floor:noop", "--port", str(port), "--log-level", "warning"]
    with _process([*argv, "--no-access-log"], root, port, {}) as url:
        yield url


@contextmanager
def _mount(project: Project, models: NoiseModels) -> Iterator[str]:
    from rapport.models import read_manifest

    port = free_port()
    folders = [models.folder / name / "1" for name in MODELS]
    env = {
        "FLOOR_REDIS_URL": project.redis.url,
        "FLOOR_KEY": KeyMaker("rapport").keys(["ann"])[0].hex(),
        "FLOOR_MODELS": ":".join(str(folder / "model.onnx") for folder in folders),
        "FLOOR_WIDTHS": ":".join(str(len(read_manifest(folder).features)) for folder in folders),
        "BENTOML_HOME": str(project.root / "floor"),
    }
    argv = ["-m", "bentoml", "serve", "benchmarks.decision_floor:Floor", "--host", "127.0.0.1", "--port", str(port)]
    with _process([*argv, "--timeout-graceful-shutdown", "2"], project.root, port, env) as url:
        time.sleep(2)
        yield url


@contextmanager
def _process(argv: Sequence[str], root: Path, port: int, env: Mapping[str, str]) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    with (root / f"floor-{port}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *argv], env=variables, stdout=log, stderr=log, cwd=ROOT)
    try:
        wait_for(lambda: _answers(url), f"{argv[2]} did not come up", 120)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.post(f"{url}/personalize", content=BODY, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
