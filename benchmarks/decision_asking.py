"""Asking a decision service over HTTP: so many connections, one request at a time each; latencies and the rate."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import tempfile
import time
from typing import NamedTuple

__all__ = ["ASK", "Asked", "Figures", "ask", "asker"]

_LATENCY = re.compile(r"^\s*(50|99)%\s+([\d.]+)(us|ms|s)\s*$", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
_FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors")
_UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}

Figures = tuple[float, float, float]
"""p50 and p99 in milliseconds, requests/s."""


class Asked(NamedTuple):
    """A request: where to, and its body."""

    path: str
    body: bytes


ASK = Asked(
    "/personalize",
    b'{"customer_id": "ann", "session_data": {"message": "Where is my parcel?", "channel": "web"}}',
)


def ask(url: str, clients: int, seconds: float, key: str = "", *, asked: Asked = ASK, warm_s: float = 1.0) -> Figures:
    """POST from `clients` connections, one request at a time each, after `warm_s` that do not count.

    Args:
        key: what is sent with it; "" nothing.
    """
    if shutil.which("wrk"):
        if warm_s:
            _wrk(url, clients, warm_s, key, asked)
        return _wrk(url, clients, seconds, key, asked)
    asyncio.run(_ask_all(url, clients, warm_s, key, asked))
    taken = asyncio.run(_ask_all(url, clients, seconds, key, asked))
    taken.sort()
    return taken[len(taken) // 2] * 1e3, taken[int(len(taken) * 0.99)] * 1e3, len(taken) / seconds


def asker() -> str:
    """What asks, for people."""
    return "wrk" if shutil.which("wrk") else "a small asyncio client, for wrk is not installed"


def _wrk(url: str, clients: int, seconds: float, key: str, asked: Asked) -> Figures:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n')
        script.write(f"wrk.body = '{asked.body.decode()}'\n")
        if key:
            script.write(f"wrk.headers['Authorization'] = 'Bearer {key}'\n")
        script.flush()
        command = [
            "wrk",
            "-t1",
            f"-c{clients}",
            f"-d{max(1, round(seconds))}s",
            "--latency",
            "--timeout",
            "30s",
            "-s",
            script.name,
            f"{url}{asked.path}",
        ]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = _RATE.search(said)
    if rate is None or _FAILED.search(said):
        raise RuntimeError(f"requests failed: {said}")
    found = {percent: float(value) * _UNITS_MS[unit] for percent, value, unit in _LATENCY.findall(said)}
    return found["50"], found["99"], float(rate[1])


async def _ask_all(url: str, clients: int, seconds: float, key: str, asked: Asked) -> list[float]:
    port = int(url.rpartition(":")[2])
    until = time.perf_counter() + seconds
    parts = await asyncio.gather(*(_ask_one(port, until, key, asked) for _ in range(clients)))
    return [taken for part in parts for taken in part]


async def _ask_one(port: int, until: float, key: str, asked: Asked) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {asked.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Authorization: Bearer {key}\r\n" if key else ""
    request = f"{head}Content-Length: {len(asked.body)}\r\n\r\n".encode() + asked.body
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
