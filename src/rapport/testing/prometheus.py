"""A Prometheus server for tests, and its `promtool`."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from rapport.errors import ServiceError
from rapport.settings import find_root
from rapport.testing.served import free_port

__all__ = ["PrometheusServer", "prometheus_program"]

_START_TIMEOUT_S = 30.0


def prometheus_program(name: str = "prometheus") -> Path:
    """`prometheus` or `promtool`: of the PATH, or of Debian's package, unpacked under `.cache` of the project.

    Raises:
        ServiceError: it is not here and cannot be fetched; says what to install.
    """
    installed = shutil.which(name)
    if installed:
        return Path(installed)
    folder = find_root(Path(__file__).parent) / ".cache" / "prometheus"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        program = folder / "unpacked" / "usr" / "bin" / name
        if not program.is_file():
            _fetch(folder)
        if not program.is_file():
            raise ServiceError(f"Debian's package prometheus holds no {name}: install Prometheus")
        return program


def _fetch(folder: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise ServiceError("there is no `prometheus` here, nor apt-get to fetch it: install Prometheus")
    _run(["apt-get", "-q", "download", "prometheus"], folder)
    packages = sorted(folder.glob("prometheus_*.deb"))
    if not packages:
        raise ServiceError("apt-get has downloaded no package prometheus: install Prometheus")
    _run(["dpkg", "-x", str(packages[-1]), str(folder / "unpacked")], folder)


def _run(argv: list[str], folder: Path) -> None:
    ended = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=300)
    if ended.returncode != 0:
        raise ServiceError(f"there is no `prometheus` here, and {argv[0]} could not get it: {ended.stderr[-300:]}")


class PrometheusServer:
    """Prometheus on a loopback port, for as long as the context lasts.

    Args:
        folder: an empty folder for its data and its log.
        config: path of its configuration.
    """

    def __init__(self, folder: Path, config: Path) -> None:
        self._folder = folder
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{free_port()}"
        self._http = httpx.Client(base_url=self.url, timeout=10, trust_env=False)

    def __enter__(self) -> PrometheusServer:
        argv = [str(prometheus_program()), f"--config.file={self._config}"]
        argv += [f"--storage.tsdb.path={self._folder / 'data'}", f"--web.listen-address={self.url[7:]}"]
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._is_ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.__exit__(None, None, None)
                tail = (self._folder / "prometheus.log").read_text(errors="replace").splitlines()[-5:]
                raise ServiceError("Prometheus did not come up; its log ends: " + " | ".join(tail))
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)
        self._http.close()

    def ask(self, expression: str, **more: str) -> list[dict[str, Any]]:
        """The answer to an instant query: each series' labels and value.

        Raises:
            ServiceError: Prometheus refuses the expression.
        """
        return list(self.get("/api/v1/query", {"query": expression, **more})["result"])

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """The `data` of an answer of the HTTP API.

        Raises:
            ServiceError: Prometheus refuses.
        """
        answer = self._http.get(path, params=dict(parameters or {})).json()
        if answer["status"] != "success":
            raise ServiceError(f"Prometheus refuses {dict(parameters or {})}: {answer.get('error')}")
        return answer["data"]

    def _is_ready(self) -> bool:
        try:
            return self._http.get("/-/ready").status_code == 200
        except httpx.HTTPError:
            return False
