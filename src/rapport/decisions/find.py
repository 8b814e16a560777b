"""A logged decision by its id: on the bus while it is on its way, in the archive from then on. Blocks on both."""

from __future__ import annotations

from rapport.archive import DECISIONS, Archive
from rapport.archive.store import between
from rapport.bus.protocol import Bus, Reader
from rapport.decisions.ids import time_range_us
from rapport.decisions.log import DECISIONS_TOPIC
from rapport.decisions.record import DecisionRecord, decode_record

__all__ = ["find_record"]

_GROUP = "archive"
_POLL = 5_000
_MOST_WAITING = 500_000
"""Records of a partition that are looked through: those that the archive has not taken."""


def find_record(decision_id: str, archive: Archive, bus: Bus | None) -> DecisionRecord | None:
    """The record of a decision; None when there is none.

    Args:
        bus: None: only the archive is looked at.

    Raises:
        BusError, ArchiveError
    """
    # the bus first: what leaves it meanwhile is in the archive then
    found = _on_bus(decision_id, bus) if bus is not None else None
    return found or _in_archive(decision_id, archive)


def _on_bus(decision_id: str, bus: Bus) -> DecisionRecord | None:
    for partition in range(bus.partitions(DECISIONS_TOPIC)):
        after = bus.position(_GROUP, DECISIONS_TOPIC, partition)
        found = _waiting(decision_id, bus.reader(DECISIONS_TOPIC, partition, after))
        if found is not None:
            return found
    return None


def _waiting(decision_id: str, reader: Reader) -> DecisionRecord | None:
    needle = decision_id.encode()
    for _ in range(_MOST_WAITING // _POLL):
        batch = reader.poll(_POLL)
        if batch is None:
            return None
        for value in batch.values:
            if needle in value and (record := decode_record(value)).decision_id == decision_id:
                return record
    return None


def _in_archive(decision_id: str, archive: Archive) -> DecisionRecord | None:
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    from rapport.archive.layout import overlaps
    from rapport.archive.schema import stored_schema

    since_us, until_us = time_range_us(decision_id) or (None, None)
    wanted = pc.field("decision_id") == decision_id
    inside = between(since_us, until_us)
    with archive.snapshot(DECISIONS) as snapshot:
        paths = [str(path) for path in snapshot.files if overlaps(path, since_us, until_us)]
        if not paths:
            return None
        files = ds.dataset(paths, schema=stored_schema(DECISIONS), format="parquet")
        rows = files.head(1, columns=["record"], filter=wanted if inside is None else wanted & inside)
    return decode_record(rows.column("record")[0].as_py()) if rows.num_rows else None
