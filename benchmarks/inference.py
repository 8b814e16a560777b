"""Models by the Open Inference Protocol: ours beside MLServer's XGBoost runtime; decisions while large requests run.

The same model of 200 trees, the same JSON over HTTP, one request at a time, in turns so that both see the same machine.
Ours runs it in ONNX Runtime inside the decision service, MLServer in XGBoost in a process of its own. Then one client
asks for decisions while another sends large requests without a pause.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np

from benchmarks.decision_world import serving_project
from benchmarks.frame import Measurement, compared, latencies_ms, spread
from rapport.inference import MAX_ROWS
from rapport.inference.mlserver import export_for_mlserver
from rapport.models import read_manifest
from rapport.testing.mlserver import MlServer
from rapport.testing.peers import peer_python
from rapport.testing.served import Served

__all__ = ["measure"]

ROOT = Path(__file__).parents[1]
NAME = "purchase_propensity"
ROWS = (1, 64, 512)
ROUNDS = 5
DECISION = {"customer_id": "ann", "session_data": {"message": "Where is my parcel?", "channel": "web"}}


def measure(quick: bool) -> list[Measurement]:
    """Latencies of inferences of 1 to 512 rows, and of decisions beside the largest."""
    times = 40 if quick else 200
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder, serving_project(Path(folder)) as project:
        models = project.settings.data_dir / "models"
        exported = Path(folder) / "exported"
        export_for_mlserver(models, exported, [NAME])
        width = len(read_manifest(models / NAME / "1").features)
        served = Served(project)
        try:
            served.wait_ready()
            served.wait_health(lambda health: health["status"] == "ok", "the service is not well", 60)
            with MlServer(peer_python(ROOT, "mlserver"), exported) as mlserver:
                found = [_beside(served.http, mlserver.http, rows, width, times) for rows in ROWS]
            return [*found, *_decisions(served, width, times * 2)]
        finally:
            served.stop()


def _beside(ours: httpx.Client, theirs: httpx.Client, rows: int, width: int, times: int) -> Measurement:
    body = _request(rows, width)
    mine: list[float] = []
    other: list[float] = []
    for _ in range(ROUNDS):
        mine += latencies_ms(_asker(ours, body), times=times // ROUNDS, warm=10)
        other += latencies_ms(_asker(theirs, body), times=times // ROUNDS, warm=10)
    name = f"{rows} {'row' if rows == 1 else 'rows'} of {width} columns"
    note = f"{len(body):,} bytes of JSON"
    return compared(spread(name, "ms", mine, note=note), spread("MLServer", "ms", other))


def _decisions(served: Served, width: int, times: int) -> list[Measurement]:
    """Decisions alone, and while large requests run."""

    def decide() -> None:
        served.http.post("/personalize", json=DECISION).raise_for_status()

    rows = min(MAX_ROWS, 480_000 // (20 * width))
    asked = {f"rows of `{output}`": _request(rows, width, output) for output in ("predict", "contributions")}
    alone = spread("decisions alone", "ms", latencies_ms(decide, times=times))
    found = []
    for what, body in asked.items():
        with httpx.Client(base_url=served.url, timeout=30, trust_env=False) as client:
            during = _while(_asker(client, body), lambda: latencies_ms(decide, times=times))
        note = f"requests of {len(body):,} bytes, one after the other"
        found.append(compared(spread(f"decisions beside {rows:,} {what}", "ms", during, note=note), alone))
    return found


def _while(work: Callable[[], object], measured: Callable[[], list[float]]) -> list[float]:
    """What is measured while `work` is done again and again in a thread."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.is_set():
            work()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        return measured()
    finally:
        ended.set()
        thread.join()


def _asker(client: httpx.Client, body: bytes) -> Callable[[], object]:
    headers = {"Content-Type": "application/json"}
    return lambda: client.post(f"/v2/models/{NAME}/infer", content=body, headers=headers).raise_for_status()


def _request(rows: int, width: int, output: str = "predict") -> bytes:
    matrix = np.random.default_rng(rows).normal(size=(rows, width)).round(3)
    tensor = {"name": "rows", "shape": [rows, width], "datatype": "FP32", "data": matrix.ravel().tolist()}
    return json.dumps({"inputs": [tensor], "outputs": [{"name": output}]}).encode()
