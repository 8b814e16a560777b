"""The servers that decisions are measured beside, each in a process of its own: floors and peers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

from benchmarks.decision_asking import ASK, Asked
from benchmarks.decision_stock import make_repository
from benchmarks.decision_world import MODELS, ROOT
from rapport.online import OnlineReader, reader_for
from rapport.online.keys import KeyMaker
from rapport.testing.project import Project
from rapport.testing.served import free_port, wait_for

__all__ = ["READ", "Running", "feast_server", "mount", "noop", "stock_repository", "stock_service"]

READ = Asked("/get-online-features", b'{"feature_service": "stock", "entities": {"customer_id": ["ann"]}}')
_NO_CALLS_HOME = {"FEAST_USAGE": "False", "BENTOML_DO_NOT_TRACK": "True"}


class Running(NamedTuple):
    """A server: where it answers, and its first process."""

    url: str
    pid: int

    def processor_s(self) -> float:
        """Seconds of processor time that its processes have taken."""
        first = psutil.Process(self.pid)
        times = [one.cpu_times() for one in (first, *first.children(recursive=True))]
        return sum(one.user + one.system for one in times)


@contextmanager
def noop(project: Project) -> Iterator[Running]:
    """uvicorn and Starlette, which answer nothing."""
    port = free_port()
    argv = ["-m", "uvicorn", "benchmarks.decision_floor:noop", "--port", str(port), "--log-level", "warning"]
    with _process([*argv, "--no-access-log"], project.root, port, {}) as running:
        yield running


@contextmanager
def mount(project: Project) -> Iterator[Running]:
    """A bare mount in BentoML that makes one HMGET and two ONNX predictions."""
    from rapport.models import read_manifest

    folders = [project.settings.data_dir / "models" / name / "1" for name in MODELS]
    env = {
        "FLOOR_REDIS_URL": project.redis.url,
        "FLOOR_KEY": KeyMaker("rapport").keys(["ann"])[0].hex(),
        "FLOOR_MODELS": ":".join(str(folder / "model.onnx") for folder in folders),
        "FLOOR_WIDTHS": ":".join(str(len(read_manifest(folder).features)) for folder in folders),
    }
    with _bentoml("benchmarks.decision_floor:Floor", project, env) as running:
        time.sleep(2)
        yield running


@contextmanager
def stock_service(project: Project, repository: Path) -> Iterator[Running]:
    """A BentoML API method with Feast's client and XGBoost."""
    files = [project.settings.data_dir / "models" / name / "1" / "model.ubj" for name in MODELS]
    env = {"STOCK_REPOSITORY": str(repository), "STOCK_MODELS": ":".join(map(str, files))}
    with _bentoml("benchmarks.decision_stock:Stock", project, env) as running:
        yield running


@contextmanager
def feast_server(project: Project, repository: Path) -> Iterator[Running]:
    """Feast's own feature server, which only reads."""
    port = free_port()
    argv = ["-m", "feast.cli.cli", "--chdir", str(repository), "serve", "--port", str(port), "--no-access-log"]
    with _process([*argv, "--max-requests", "0"], project.root, port, {}, READ) as running:
        yield running


def stock_repository(project: Project) -> Path:
    """A Feast repository of plain features, with the values that a decision reads now."""
    reader: OnlineReader = reader_for(project.settings, "personalization")
    row = reader.read(["ann"], time.time_ns() // 1_000).row(0)
    reader.close()
    values = {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
    names = {name for name, value in row.items() if not isinstance(value, str)}
    folder = project.root / "stock"
    make_repository(folder, project.redis.url, "ann", {name: values.get(name, 0.0) for name in sorted(names)})
    return folder


@contextmanager
def _bentoml(service: str, project: Project, env: Mapping[str, str]) -> Iterator[Running]:
    port = free_port()
    argv = ["-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", str(port)]
    home = {"BENTOML_HOME": str(project.root / "bentoml")}
    with _process([*argv, "--timeout-graceful-shutdown", "2"], project.root, port, {**env, **home}) as running:
        yield running


@contextmanager
def _process(
    argv: Sequence[str], root: Path, port: int, env: Mapping[str, str], asked: Asked = ASK
) -> Iterator[Running]:
    url = f"http://127.0.0.1:{port}"
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **_NO_CALLS_HOME, **env}
    with (root / f"peer-{port}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *argv], env=variables, stdout=log, stderr=log, cwd=ROOT)
    try:
        wait_for(lambda: _answers(url, asked), f"{argv[1:3]} did not come up", 120)
        yield Running(url, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str, asked: Asked) -> bool:
    kind: dict[str, Any] = {"Content-Type": "application/json"}
    try:
        return httpx.post(url + asked.path, content=asked.body, headers=kind, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False
