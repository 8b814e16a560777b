"""A writer in a process of its own: appends numbered batches of 50 rows to an archive until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path

from rapport.archive import Archive
from rapport.bus.protocol import Position
from tests.archive.rows import rows

TOPIC = "customer_clicks"
BATCH = 50


def main(folder: str, writer: str, last: int) -> None:
    archive = Archive(Path(folder))
    start = archive.position(TOPIC, writer).hi + 1
    for number in range(start, last + 1):
        events = [{"event_id": f"{writer}-{number}-{i}", "quantity": number} for i in range(BATCH)]
        archive.append(TOPIC, rows(TOPIC, events), writer=writer, position=Position(number, 0))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
