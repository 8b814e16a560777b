"""What the supervisor knows of one process: how it is started, how it is asked whether it works, how it is stopped."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["Check", "Launch", "Service", "command", "http_answers", "port_is_free", "runs"]

Launch = Callable[[BinaryIO, Mapping[str, str]], "subprocess.Popen[bytes]"]
"""Starts the process: its output goes to the given log, the given variables are added to its environment."""

Check = Callable[[], str]
"""Says what is wrong, in a few words; "" when the process works. Called while the process runs."""


def runs() -> str:
    """The check of a process that has no better one: it runs, so it works."""
    return ""


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the installation.

    Attributes:
        stage: services of a lower stage are up before those of a higher one start, and are stopped after them.
        port: the TCP port that it binds; 0: none.
        steady_s: seconds that it must have run before it counts as working.
        ready_s: seconds within which it must work for `up` to succeed.
        grace_s: seconds that it has to end by itself when asked to.
        patient: whether it may be killed after that; a store of data is not.
    """

    name: str
    launch: Launch
    check: Check = runs
    stage: int = 0
    address: str = ""
    port: int = 0
    steady_s: float = 0.0
    ready_s: float = 300.0
    grace_s: float = 15.0
    patient: bool = False


def command(argv: Sequence[str], *, folder: Path, env: Mapping[str, str] | None = None) -> Launch:
    """A launch of a program in a folder, with variables added to this process's environment."""

    def launch(log: BinaryIO, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            list(argv),
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {}), **more},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    return launch


def http_answers(host: str, port: int, path: str, timeout_s: float = 5.0, *, tls: bool = False) -> Check:
    """A check that a GET of `path` answers 200."""

    def check() -> str:
        if tls:
            # a process of this machine is asked for its health and told nothing: its name does not matter
            context = ssl._create_unverified_context()  # noqa: S323
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=timeout_s, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            said = answer.read(200).decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            return f"GET {path}: {error or type(error).__name__}"
        finally:
            connection.close()
        return "" if answer.status == 200 else f"GET {path}: {answer.status} {said}"

    return check


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could bind the port now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
