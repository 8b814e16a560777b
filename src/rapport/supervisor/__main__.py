"""The supervisor as a process of its own: `python -m rapport.supervisor`; `up` has written down what it is to run."""

from __future__ import annotations

import logging
import sys

from rapport.errors import RapportError
from rapport.settings import disable_telemetry, load_settings
from rapport.supervisor.control import run_here
from rapport.supervisor.state import Paths, read_wanted


def main() -> int:
    """Run until a signal says stop; the exit code is the error's."""
    disable_telemetry()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = load_settings()
        run_here(settings, read_wanted(Paths(settings).wanted))
    except RapportError as error:
        logging.getLogger(__name__).error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
