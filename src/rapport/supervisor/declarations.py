"""`feast apply` when the declarations have changed since it was last done."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from rapport.errors import DeclarationError
from rapport.settings import Settings
from rapport.supervisor.logs import open_log, tail
from rapport.supervisor.state import Paths
from rapport.triggers.file import FILE

__all__ = ["REFUSED", "REPOSITORY", "apply_declarations", "fingerprint"]

REFUSED = "refused: "
"""How the line begins on which `feast_apply` tells why."""
REPOSITORY = "feature_repo"
"""The folder of the declarations."""


def fingerprint(root: Path) -> str:
    """SHA-256 of what `feast apply` reads, and the triggers beside it: the repository's files, the event columns, and
    Feast's own version."""
    digest = hashlib.sha256(version("feast").encode())
    for path in _inputs(root):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def apply_declarations(settings: Settings) -> bool:
    """Bring Feast's registry up to date with feature_repo/; returns whether there was anything to do.

    Raises:
        DeclarationError: a declaration is refused; the message is what Feast or Rapport says of it.
    """
    paths = Paths(settings)
    mark = paths.run / "declarations.sha256"
    wanted = fingerprint(settings.root)
    if mark.is_file() and mark.read_text() == wanted and _registry_is_there(settings.root):
        return False
    with open_log(paths.log("declarations")) as log:
        code = subprocess.run(
            [sys.executable, "-m", "rapport.supervisor.feast_apply", str(settings.root)],
            cwd=settings.root,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            check=False,
        ).returncode
    if code != 0:
        raise DeclarationError(_reason(paths.log("declarations")))
    mark.write_text(wanted)
    return True


def _inputs(root: Path) -> Iterator[Path]:
    yield root / "feature_store.yaml"
    yield from sorted((root / REPOSITORY).rglob("*.py"))
    if (root / FILE).is_file():
        yield root / FILE
    yield Path(__file__).parents[1] / "events" / "columns.py"
    yield Path(__file__).parents[1] / "feast" / "declare.py"


def _registry_is_there(root: Path) -> bool:
    """Whether a registry that is a file exists; one that is a server's is taken to."""
    import yaml

    declared = yaml.safe_load((root / "feature_store.yaml").read_text()).get("registry", "")
    path = str(declared.get("path", "")) if isinstance(declared, dict) else str(declared)
    return "://" in path or (root / path).is_file()


def _reason(log: Path) -> str:
    lines = [line for line in tail(log, 40) if line.strip()]
    refused = next((line for line in reversed(lines) if line.startswith(REFUSED)), "")
    if refused:
        return f"{REPOSITORY}: {refused.removeprefix(REFUSED)}"
    return f"feast apply failed: {lines[-1] if lines else 'it said nothing'} (all of it is in {log})"
