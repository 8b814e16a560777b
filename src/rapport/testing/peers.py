"""Counterparts of chatbot platforms, each installed into an environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from rapport.errors import ServiceError

__all__ = ["ask_peer", "peer_python"]

_TIMEOUT_S = 240.0
_ASKED_TIMEOUT_S = 120.0


def peer_python(root: Path, name: str) -> Path:
    """The Python that has a peer (`rasa`, `dialogflow`), installed when it is not there yet.

    Args:
        root: the repository.

    Raises:
        ServiceError: it cannot be had here; says why.
    """
    command = [str(root / "deploy" / "install-peer.sh"), name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ServiceError(f"{name} was not installed within {_TIMEOUT_S:g} s; run `{' '.join(command)}`") from None
    if done.returncode:
        raise ServiceError(f"{name} cannot be installed here: {done.stderr.strip()[-300:]}")
    return root / ".cache" / "peers" / name / "bin" / "python"


def ask_peer(python: Path, script: Path, asked: Any) -> Any:
    """What a script that runs in a peer's environment prints as the last line, JSON, when it is given `asked` as JSON.

    Raises:
        AssertionError: it failed; has its stderr.
    """
    done = subprocess.run(
        [str(python), "-I", str(script)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=_ASKED_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])
