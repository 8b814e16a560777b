"""A real Schema Registry for tests and benchmarks: Apicurio, which speaks Confluent's API, one process on loopback.

It comes through Maven, once, into a folder that outlives the runs. It needs `java` (17 or later) and, the first time,
`mvn`; where either is missing it says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import httpx

from rapport.errors import ServiceError
from rapport.testing.java import BRIEFLY, program
from rapport.testing.served import free_port
from rapport.testing.started import Started

__all__ = ["APICURIO_VERSION", "ApicurioServer", "install_apicurio"]

APICURIO_VERSION = "3.0.9"
_ARTIFACT = f"io.apicurio:apicurio-registry-app:{APICURIO_VERSION}:tar.gz:all"
_JAR = f"apicurio-registry-app-{APICURIO_VERSION}-runner.jar"
_START_TIMEOUT_S = 180.0


class ApicurioServer(Started):
    """One registry, with its schemas in memory. As a context manager it is started, and stopped at the end.

    Args:
        folder: for its log.
        installed: the folder that `install_apicurio` filled.
    """

    def __init__(self, folder: Path, installed: Path) -> None:
        self._log = folder / "apicurio.log"
        self._installed = installed
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where Confluent's API is."""
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def start(self) -> None:
        """Start it, empty, and wait until it answers.

        Raises:
            ServiceError: there is no Java, or it does not come up; the message ends with its log's last lines.
        """
        self._log.parent.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, "QUARKUS_HTTP_PORT": str(self._port), "QUARKUS_HTTP_HOST": "127.0.0.1"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [program("java"), "-Xmx512m", *BRIEFLY, "-jar", _JAR],
                cwd=self._installed,
                env=env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.1)
        self.kill()
        tail = self._log.read_text(errors="replace").splitlines()[-5:]
        raise ServiceError("Apicurio did not come up; its log ends: " + " | ".join(tail))

    def stop(self) -> None:
        """End it, by force when it takes longer than 20 seconds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it at once; its schemas are lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/subjects", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


def install_apicurio(folder: Path) -> Path:
    """Put Apicurio into `folder`, through Maven, unless it is there.

    Returns:
        The folder.

    Raises:
        ServiceError: there is no Maven, or it fails.
    """
    folder = folder.resolve()
    if (folder / ".complete").is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copy = [program("mvn"), "-q", "-B", "dependency:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={folder}"]
    ended = subprocess.run(copy, capture_output=True, text=True, timeout=600, cwd=folder)
    if ended.returncode != 0:
        raise ServiceError(f"Maven could not fetch {_ARTIFACT}: {(ended.stdout + ended.stderr)[-500:]}")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()
    (folder / ".complete").touch()
    return folder
