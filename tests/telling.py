"""What long runs say meanwhile."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

__all__ = ["teller"]


def teller() -> Callable[[str], None]:
    """Prints a line with the seconds since this call before it, at once."""
    started_s = time.monotonic()

    def say(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started_s:7.0f} s  {line}\n")
        sys.stdout.flush()

    return say
