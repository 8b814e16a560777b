"""Changes an archive in a process of its own, over and over or once, to be killed at any moment."""

from __future__ import annotations

import sys
from pathlib import Path

from rapport.archive import Archive
from rapport.archive.repeats import dedupe, migrate
from rapport.archive.retention import DAY_US, retain

TOPIC = "customer_clicks"


def once(archive: Archive, what: str) -> None:
    if what == "compact":
        archive.compact(TOPIC, keep_days=1)
    elif what == "retain":
        retain(archive, {TOPIC: 1}, 41 * DAY_US)
    elif what == "erase":
        archive.delete_customer("gone")
    elif what == "dedupe":
        dedupe(archive, TOPIC)
    else:
        migrate(archive, TOPIC)


def main(folder: str, what: str, times: int) -> None:
    archive = Archive(Path(folder))
    print("ready", flush=True)
    for _ in range(times):
        once(archive, what)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
