"""Which processes an installation has, whoever started them. No tests."""

from __future__ import annotations

import psutil

from rapport.settings import Settings

__all__ = ["belonging_to"]


def belonging_to(settings: Settings) -> list[str]:
    """Command lines of processes that were started for this data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("RAPPORT_DATA_DIR") == str(settings.data_dir):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found
