"""`python -m rapport.cli`."""

import sys

from rapport.cli.main import run

sys.exit(run())
