"""Counterparts of chatbot platforms, each installed into an environment of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rapport.errors import ServiceError

__all__ = ["peer_python"]

_TIMEOUT_S = 240.0


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
