"""`rapport-edge` in a process of its own, with an HTTP client of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from rapport.testing.served import free_port, wait_for

__all__ = ["Edge"]


class Edge:
    """The process; as a context it is up, and ended on leaving.

    Args:
        folder: of its buffer.
        uplink: address of what it forwards to.
        options: further options of the command.
        preface: Python that runs before it, to limit what the process may do.
        stdin: as subprocess.Popen has it.
    """

    def __init__(self, folder: Path, uplink: str, *options: str, preface: str = "", stdin: Any = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder.parent / f"edge-{self.port}.log"
        given = ["--uplink", uplink, "--data", str(folder), "--port", str(self.port), "--linger-ms", "20", *options]
        code = f"import sys\n{preface}\nfrom rapport.edge.command import main\nsys.exit(main(sys.argv[1:]))"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, *given], stdin=stdin, stdout=log, stderr=log, start_new_session=True
            )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10, trust_env=False)

    def __enter__(self) -> Edge:
        wait_for(self._up, "the edge did not come up", 60)
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(40)

    def give(self, topic: str, events: Sequence[Any], **headers: str) -> httpx.Response:
        body = json.dumps({"topic": topic, "events": events}).encode()
        return self.http.post("/events", content=body, headers={"Content-Type": "application/json", **headers})

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def metric(self, name: str) -> float:
        lines = self.http.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name), 0.0)

    def wait_empty(self) -> None:
        wait_for(lambda: self.metric("rapport_edge_buffer_events") == 0, "the buffer does not empty", 60)

    def _up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the edge ended: {self.log.read_text()[-2000:]}")
        try:
            return self.http.get("/livez").status_code == 200
        except httpx.HTTPError:
            return False
