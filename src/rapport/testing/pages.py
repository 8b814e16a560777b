"""A web server of another project on a loopback port, for tests that look at its pages."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

__all__ = ["free_port", "serving"]


def free_port() -> int:
    """A TCP port of the loopback address that nobody has now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def serving(
    argv: Sequence[str], port: int, log: Path, *, env: Mapping[str, str] | None = None, timeout_s: float = 120.0
) -> Iterator[str]:
    """Run a server until the block ends; gives its address once it answers.

    Args:
        argv: the program and its arguments, the port among them.
        log: where its output goes.
        env: variables added to this process's.

    Raises:
        RuntimeError: it ends, or does not answer within timeout_s; the message ends with its log's last lines.
    """
    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(argv), stdout=output, stderr=output, env={**os.environ, **(env or {})}, start_new_session=True
        )
    try:
        _wait(process, address, log, time.monotonic() + timeout_s)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], address: str, log: Path, deadline: float) -> None:
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            said = " | ".join(log.read_text(errors="replace").splitlines()[-5:])
            raise RuntimeError(f"{address} does not answer (code {process.returncode}): {said}")
        try:
            httpx.get(address, timeout=5.0)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
