"""python -m tests.fuzz [--events N] [--seed N]: hostile events through every decoder; ends with 1 after a crash."""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
import time

from tests.fuzz.run import fuzz


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    arguments = parser.parse_args()
    faulthandler.enable()
    print(f"seed {arguments.seed}", flush=True)
    started = time.monotonic()
    result = fuzz(arguments.events, arguments.seed)
    for outcome, count in sorted(result.outcomes.items()):
        print(f"{outcome:32} {count:>10,}")
    print(f"{result.events:,} events in {time.monotonic() - started:.0f} s, {len(result.crashes)} crashes")
    for crash in result.crashes[:20]:
        print(crash)
    return 1 if result.crashes else 0


if __name__ == "__main__":
    sys.exit(main())
