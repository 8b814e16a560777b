"""A small disk of a test's own, which can be filled to the last byte; a module of helpers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["filled", "mounted", "unmount"]


def mounted(folder: Path, megabytes: int) -> bool:
    """Whether a disk could be mounted there; it takes the right to."""
    folder.mkdir(parents=True)
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    argv = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(folder)]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def unmount(folder: Path) -> None:
    """Let go of it, also while somebody has files open there."""
    subprocess.run(["umount", "-l", str(folder)], check=False)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """No byte more can be written to this disk inside the block."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 10, 1):
            try:
                while True:
                    file.write(b"0" * size)
            except OSError:
                continue
    try:
        yield
    finally:
        path.unlink()
