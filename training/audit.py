"""The audit trail of models: one line of JSON for each promotion, refusal and rollback, and the lock around them."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from rapport.archive.locks import exclusive

__all__ = ["AuditEntry", "append_audit", "changing_models", "read_audit"]

_FILE = "audit.jsonl"


class AuditEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who changed what serves, when and why. Times are UTC microseconds."""

    time_us: int
    action: str
    """promoted, refused or rolled_back."""
    name: str
    version: str
    champion: str | None
    """The version that served before."""
    forced: bool = False
    reason: str
    numbers: dict[str, float] = {}
    user: str = ""


@contextmanager
def changing_models(models: Path) -> Iterator[None]:
    """Hold the lock of everything that changes champions; waits for others."""
    with exclusive(models / ".lock"):
        yield


def append_audit(models: Path, entry: AuditEntry) -> None:
    """Append one line; call it under `changing_models`."""
    signed = msgspec.structs.replace(entry, user=_user())
    with (models / _FILE).open("ab") as file:
        file.write(msgspec.json.encode(signed) + b"\n")


def read_audit(models: Path) -> list[AuditEntry]:
    """All entries, oldest first."""
    path = models / _FILE
    lines = path.read_bytes().splitlines() if path.is_file() else []
    return [msgspec.json.decode(line, type=AuditEntry) for line in lines]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
