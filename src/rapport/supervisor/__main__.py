"""The supervisor as a process of its own: `python -m rapport.supervisor [--ui] [--no-watch]`."""

from __future__ import annotations

import logging
import sys

from rapport.errors import RapportError
from rapport.settings import disable_telemetry, load_settings
from rapport.supervisor.control import run_here


def main(arguments: list[str]) -> int:
    """Run until a signal says stop; the exit code is the error's."""
    disable_telemetry()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        run_here(load_settings(), ui="--ui" in arguments, watch="--no-watch" not in arguments)
    except RapportError as error:
        logging.getLogger(__name__).error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
