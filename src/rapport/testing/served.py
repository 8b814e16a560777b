"""The decision service in a process of its own, with an HTTP client of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from rapport.testing.project import Project

__all__ = ["Served", "free_port", "wait_for"]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(
    what: Callable[[], object],
    why: str = "it did not come to that in time",
    timeout_s: float = 60.0,
    *,
    every_s: float = 0.05,
) -> None:
    """Return once `what` holds; it is looked at every `every_s` seconds.

    Raises:
        AssertionError: it does not within `timeout_s`; the message is `why`.
    """
    deadline = time.monotonic() + timeout_s
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError(why)
        time.sleep(every_s)


class Served:
    """The service in a process of its own, and an HTTP client of it."""

    def __init__(self, project: Project, env: Mapping[str, str] | None = None) -> None:
        self.project = project
        self.port = free_port()
        self.log = project.root / f"service-{self.port}.log"
        variables = {**os.environ, "RAPPORT_ROOT": str(project.root), **(env or {})}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bentos", "--port", str(self.port)],
                cwd=project.root,
                env=variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=10, trust_env=False)

    def wait_ready(self) -> None:
        wait_for(self._ready, f"the service did not come up: {self.log.read_text()[-2000:]}", 120)

    def health(self) -> dict[str, Any]:
        return dict(self.http.get("/readyz").json())

    def wait_health(self, holds: Callable[[dict[str, Any]], bool], why: str, timeout_s: float = 15.0) -> None:
        wait_for(lambda: holds(self.health()), f"{why}: {self.health()}", timeout_s)

    def decide(self, customer_id: str, **session: str) -> dict[str, Any]:
        response = self.http.post("/personalize", json={"customer_id": customer_id, "session_data": session})
        response.raise_for_status()
        return dict(response.json())

    def metric(self, name: str) -> float:
        """The value of a sample, by its whole name with labels; 0 when it is not there."""
        lines = self.http.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name), 0.0)

    def stop(self) -> int:
        self.http.close()
        self.process.terminate()
        return self.process.wait(30)

    def _ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the service ended: {self.log.read_text()[-2000:]}")
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False
