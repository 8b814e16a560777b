"""The decision log as a stream of chunks, by time, each decision once; memory is that of a chunk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rapport.archive import DECISIONS, Archive, arrow_schema
from rapport.archive.sql import connect, relation
from rapport.decisions.record import DecisionRecord, decode_record

__all__ = ["Range", "read_chunks"]


@dataclass(frozen=True, slots=True)
class Range:
    """Which decisions: since_us <= as_of < until_us (microseconds UTC; None: no limit), and at most `sample` of them,
    each as likely, always the same ones."""

    since_us: int | None = None
    until_us: int | None = None
    sample: int | None = None


def read_chunks(archive: Archive, wanted: Range, rows: int) -> Iterator[tuple[list[DecisionRecord], int]]:
    """Lists of at most `rows` decisions, oldest first, each with the number of decisions in the whole range.

    A decision that was published twice is read once.
    """
    spill = str(Path(tempfile.gettempdir()) / "rapport-duckdb")
    with archive.snapshot(DECISIONS) as snapshot, connect(temp_directory=spill) as connection:
        source = relation(snapshot, arrow_schema(DECISIONS))
        limits = [
            f"epoch_us(event_time) {sign} {limit}"
            for sign, limit in ((">=", wanted.since_us), ("<", wanted.until_us))
            if limit is not None
        ]
        inside = f"FROM {source} WHERE {' AND '.join(limits) or 'true'}"
        found = connection.sql(f"SELECT count(DISTINCT decision_id) {inside}").fetchall()[0]
        total = min(found[0], wanted.sample or found[0])
        columns = "decision_id, any_value(event_time) AS time, any_value(record) AS record"
        chosen = f"SELECT {columns} {inside} GROUP BY decision_id"
        if wanted.sample is not None:
            # The order of a hash is as good as a random one, and needs no more memory than the sample.
            chosen += f" ORDER BY hash(decision_id) LIMIT {wanted.sample}"
        ordered = connection.sql(f"SELECT record FROM ({chosen}) ORDER BY time, decision_id")  # noqa: S608
        for batch in ordered.to_arrow_reader(rows):
            yield [decode_record(text) for text in batch.column("record").to_pylist()], total
