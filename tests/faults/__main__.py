"""`make faults`: the fault matrix with more requests a cell, as a table in docs/resilience.md and a picture beside it.

python -m tests.faults --rounds 20
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rapport.settings import disable_telemetry
from tests.faults.breaking import FAULTS
from tests.faults.matrix import run_fault
from tests.faults.showing import draw, table, write_section
from tests.faults.world import World
from tests.source_tree import ROOT
from tests.telling import teller

PAGE = ROOT / "docs" / "resilience.md"
PICTURE = ROOT / "docs" / "images" / "fault-matrix.svg"


def main() -> int:
    disable_telemetry()
    asked = _arguments()
    say = teller()
    rows = []
    with World(Path(tempfile.mkdtemp(prefix="rapport-faults-")) / "world") as world:
        say("starting the service")
        world.serve().wait_ready()
        world.wait_well()
        world.use_key()
        world.remember_decision()
        for fault in FAULTS:
            if fault.name == "disk full" and not world.has_disk:
                say("disk full: left out, a disk that can be filled has to be mounted, and this user may not")
                continue
            row = run_fault(world, fault, asked.rounds)
            rows.append(row)
            say(f"{fault.name}: {'; '.join(row.findings) or 'as it should be'}")
    text = table(rows, asked.rounds)
    say(text)
    if asked.page:
        write_section(PAGE, text)
        draw(PICTURE, rows)
        say(f"written to {PAGE} and {PICTURE}")
    return 1 if any(row.findings for row in rows) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="requests of each route during each fault")
    parser.add_argument("--page", action=argparse.BooleanOptionalAction, default=True, help="write the page, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
