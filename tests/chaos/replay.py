"""Shuffled full replays: everything that was archived, in another order and other batches, into an empty store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import redis

from flows.features import load_declared
from rapport.archive import Archive
from rapport.bus.protocol import Position
from rapport.embedded import EmbeddedRedis
from rapport.events.arrow import to_column
from rapport.online import OnlineWriter
from rapport.online.marks import MARK_BYTES
from rapport.windows import Events, Plan
from tests.chaos.run import Run
from tests.chaos.verdict import row_bytes

__all__ = ["replay"]

_BATCHES = (200, 4_000)


def replay(run: Run, folder: Path, seed: int) -> dict[bytes, dict[bytes, bytes]]:
    """The rows of a replay whose order and batches follow from `seed`, on a Redis of its own in `folder`."""
    rng = np.random.default_rng([run.world.seed, seed])
    archive = Archive(run.project.settings.data_dir / "archive")
    server = EmbeddedRedis(folder, durable=False)
    server.start()
    try:
        with redis.Redis.from_url(server.url, socket_timeout=60) as client:
            for topic, plans in load_declared(run.project.settings).plans.items():
                _apply(OnlineWriter(client, "rapport", plans), plans, archive.scan(topic), rng)
        return row_bytes(server.url, MARK_BYTES)
    finally:
        server.stop()


def _apply(writer: OnlineWriter, plans: list[Plan], rows: pa.Table, rng: np.random.Generator) -> None:
    kinds = {name: plan.view.kinds[name] for plan in plans for name in plan.columns}
    shuffled = rows.take(pa.array(rng.permutation(rows.num_rows)))
    at = 0
    while at < rows.num_rows:
        part = shuffled.slice(at, int(rng.integers(*_BATCHES)))
        times = part["event_time"].combine_chunks().cast(pa.int64()).to_numpy()
        columns = {name: to_column(kind, part[name].combine_chunks()) for name, kind in kinds.items()}
        positions = [Position(1, number) for number in range(at + 1, at + part.num_rows + 1)]
        writer.apply(part["customer_id"].to_pylist(), positions, 0, Events(times, columns))
        at += part.num_rows
