"""Files that are replaced whole."""

from __future__ import annotations

import os
import threading
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes, *, lasting: bool = False) -> None:
    """Write or replace a file, and make its folder: a reader sees the old one or the new one, never a part.

    Args:
        lasting: wait until the disk has it, so that this holds for whoever reads after a crash, too.

    Raises:
        OSError: the folder does not take it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with draft.open("wb") as file:
        file.write(data)
        if lasting:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
