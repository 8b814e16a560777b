"""The service against its own description: schemathesis draws requests from it, and checks every answer by it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bentos.api import Api

__all__ = ["CONFIG", "Outcome", "Port", "check_port"]

CONFIG = Path(__file__).with_name("schemathesis.toml")
_CASES = re.compile(r"^  (?P<cases>[\d,]+) generated", re.MULTILINE)
_TIMEOUT_S = 3_000


@dataclass(frozen=True, slots=True)
class Port:
    """One port of a service that runs.

    Attributes:
        url: of it.
        key: a key with every scope.
        admin: whether it is the one of admin operations; else it is that of the others.
        authority: the certificate that its own is checked with.
    """

    url: str
    key: str
    admin: bool
    authority: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        cases: requests that were drawn and sent.
        passed: whether no check found anything.
        text: what schemathesis says, each fault with how to get it again.
    """

    cases: int
    passed: bool
    text: str


def check_port(
    port: Port, document: bytes, folder: Path, *, examples: int, seed: int = 1, phases: str = "", max_s: int = 0
) -> Outcome:
    """Draw requests for every operation of a port, and check the answers.

    Args:
        document: the description, JSON.
        folder: for the description and what schemathesis keeps.
        examples: requests of an operation drawn at random; those at the description's limits come first.
        seed: the same gives the same requests.
        phases: of schemathesis, separated by commas; "": all.
        max_s: most seconds; 0: as long as it takes.
    """
    path = folder / "openapi.json"
    path.write_bytes(document)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", str(path)]
    command += ["--url", port.url, "--tls-verify", str(port.authority), "--seed", str(seed), "-n", str(examples)]
    for path in sorted(path for (_, path), needs in Api().needs.items() if needs.admin):
        command += ["--include-path" if port.admin else "--exclude-path", path]
    command += ["--phases", phases] if phases else []
    command += ["--max-time", str(max_s)] if max_s else []
    environment = {**os.environ, "RAPPORT_TESTED_KEY": port.key, "NO_COLOR": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    found = _CASES.search(done.stdout)
    cases = int(found["cases"].replace(",", "")) if found else 0
    return Outcome(cases, done.returncode == 0, done.stdout + done.stderr)
