"""MLServer, from an environment of its own, serving a folder of models."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import TracebackType

import httpx

from rapport.errors import ServiceError
from rapport.testing.served import free_port, wait_for

__all__ = ["MlServer"]

_START_S = 120


class MlServer:
    """MLServer over a folder, in a process of its own; ends with the `with` block.

    Args:
        python: of the environment that has it (`rapport.testing.peers.peer_python(root, "mlserver")`).
        folder: as `export_for_mlserver` writes it; its log is put there.

    Attributes:
        url: of its HTTP port.
        http: a client of it.
    """

    def __init__(self, python: Path, folder: Path) -> None:
        self._log = folder / "mlserver.log"
        port = free_port()
        ports = {"HTTP": port, "GRPC": free_port(), "METRICS": free_port()}
        variables = {f"MLSERVER_{name}_PORT": str(number) for name, number in ports.items()}
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=10, trust_env=False)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(python.with_name("mlserver")), "start", "."],
                cwd=folder,
                env={**os.environ, **variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> MlServer:
        try:
            wait_for(self._ready, "MLServer did not become ready", _START_S, every_s=0.2)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _ready(self) -> bool:
        if self._process.poll() is not None:
            raise ServiceError(f"MLServer ended: {self._log.read_text()[-2000:]}")
        try:
            return self.http.get("/v2/health/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def _end(self) -> None:
        self.http.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
