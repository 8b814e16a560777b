"""Changes an archive in a process of its own, over and over or once, to be killed at any moment."""

from __future__ import annotations

import sys
from pathlib import Path

from rapport.archive import Archive
from rapport.archive.repeats import dedupe, migrate
from rapport.archive.retention import DAY_US, retain

TOPIC = "customer_clicks"


def once(archive: Archive, what: str, topic: str = TOPIC, day: int = 40) -> None:
    """Do one thing to a topic; `day` (since 1970) is the first that retention keeps."""
    if what == "compact":
        archive.compact(topic, keep_days=1)
    elif what == "retain":
        retain(archive, {topic: 1}, (day + 1) * DAY_US)
    elif what == "erase":
        archive.delete_customer("gone")
    elif what == "dedupe":
        dedupe(archive, topic)
    else:
        migrate(archive, topic)


def main(folder: str, what: str, times: str, topic: str = TOPIC, day: str = "40") -> None:
    archive = Archive(Path(folder))
    print("ready", flush=True)
    for _ in range(int(times)):
        once(archive, what, topic, int(day))


if __name__ == "__main__":
    main(*sys.argv[1:])
