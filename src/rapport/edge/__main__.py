"""`python -m rapport.edge`: the same as `rapport-edge`."""

from __future__ import annotations

import sys

from rapport.edge.command import main

if __name__ == "__main__":
    sys.exit(main())
