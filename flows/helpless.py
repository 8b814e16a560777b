"""A flow that cannot go on, and that starting again would not help: it says why, and its process ends with a code that
says so too. Whoever supervises it leaves it at that."""

from __future__ import annotations

import atexit
import logging
import os

from rapport.errors import BusError
from rapport.processes import HELPLESS

__all__ = ["end_with_code", "give_up"]

_log = logging.getLogger(__name__)
_reasons: list[BusError] = []


def give_up(error: BusError) -> None:
    """Say why; the flow is then to be ended in good order."""
    _reasons.append(error)
    _log.critical("%s", error)


def end_with_code() -> None:
    """Let this process end with HELPLESS if a flow gives up. For a process that is nothing but flows."""

    def leave() -> None:
        if _reasons:
            # The last line of the log is what people look at.
            _log.critical("%s", _reasons[-1])
            logging.shutdown()
            os._exit(HELPLESS)

    atexit.register(leave)
