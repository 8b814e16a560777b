"""Checked records into the online store's rows: what the features branch does, whichever engine runs it.

No engine is imported here, and nothing of Feast's: this much has to run inside a worker of Spark or Flink.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import pyarrow as pa
import redis

from flows.declared import Declared, declared_from_json
from rapport.bus.protocol import Position, RecordBatch
from rapport.errors import DeclarationError, RowCorrupt
from rapport.events.block import CHECKED_SUFFIX, Places, events_of, joined, places_of_rows, read_blocks
from rapport.online.connect import WRITE_TIMEOUT_S
from rapport.online.keeping import Keeping
from rapport.online.layouts import Layouts
from rapport.online.warmup import warm_up
from rapport.online.writer import ApplyReport, OnlineWriter

__all__ = ["Updater", "batches_by_partition", "begin", "updater_of"]

_log = logging.getLogger(__name__)


class Updater:
    """Applies batches of checked records to the online store.

    Args:
        client: Redis, for the rows.
        declared: the views.
        applied: told of each batch that is in the rows: its topic, its rows, and what was done.
    """

    def __init__(
        self,
        client: redis.Redis,
        declared: Declared,
        applied: Callable[[str, pa.RecordBatch, ApplyReport], None] = lambda topic, rows, report: None,
    ) -> None:
        self._applied = applied
        self._columns = {
            topic: sorted({name for plan in plans for name in plan.columns}) for topic, plans in declared.plans.items()
        }
        layouts = Layouts(client, declared.project, declared.all_plans())
        keeping = Keeping(client, declared.project)
        self._writers = {
            topic: OnlineWriter(client, declared.project, plans, layouts=layouts, keeping=keeping)
            for topic, plans in declared.plans.items()
        }

    def apply(self, batch: RecordBatch) -> ApplyReport:
        """Add a batch of a checked topic to the rows of all views over it. Safe to repeat.

        Raises:
            StoreUnavailable
            Fenced: other workers keep writing the same rows.
        """
        topic = batch.topic.removesuffix(CHECKED_SUFFIX)
        writer = self._writers.get(topic)
        if writer is None:
            return ApplyReport()
        rows, places = _rows(topic, batch)
        customers = rows.column("customer_id").to_pylist()
        report = writer.apply(customers, places, batch.partition, events_of(topic, rows, self._columns[topic]))
        self._applied(topic, rows, report)
        if report.damaged:
            _log_damaged(report)
        return report


def begin(document: bytes, redis_url: str) -> None:
    """Note in the online store, once before a job starts, that the document's views are kept from now on.

    The job has to read its topics from their beginning when a view is new: rows of it that are begun count as whole.

    Raises:
        DeclarationError: the document is not one, or has no views.
        StoreUnavailable
    """
    declared = _read(document)
    with _connect(redis_url) as client:
        Layouts(client, declared.project, declared.all_plans()).register()
        keeping = Keeping(client, declared.project)
        for plans in declared.plans.values():
            keeping.begin(plans, {}, time.time_ns() // 1_000)


@cache
def updater_of(document: bytes, redis_url: str) -> Updater:
    """The updater of this process for a document of declared views (`rapport views`); its code is compiled.

    Made once, so that its connection and the rows in its memory serve the next batches too.

    Raises:
        DeclarationError: the document is not one, or has no views.
    """
    declared = _read(document)
    warm_up(declared.all_plans())
    return Updater(_connect(redis_url), declared)


def _read(document: bytes) -> Declared:
    declared = declared_from_json(document)
    if not declared.plans:
        raise DeclarationError("the document declares no windowed views: write it again with `rapport views`")
    return declared


def _connect(redis_url: str) -> redis.Redis:
    client: redis.Redis = redis.Redis.from_url(
        redis_url, socket_timeout=WRITE_TIMEOUT_S, socket_connect_timeout=WRITE_TIMEOUT_S, retry=None
    )
    return client


def batches_by_partition(records: Iterable[tuple[str, int, int, bytes]]) -> Iterator[RecordBatch]:
    """(topic, partition, Kafka offset, value) of some records as batches of one partition each, by offset.

    A record that is there twice is there once.
    """
    by_partition: dict[tuple[str, int], dict[int, bytes]] = {}
    for topic, partition, offset, value in records:
        by_partition.setdefault((topic, partition), {})[offset] = value
    for (topic, partition), values in by_partition.items():
        offsets = sorted(values)
        nothing = [""] * len(offsets)
        yield RecordBatch(
            topic,
            partition,
            positions=Position.of_offsets(offsets),
            keys=nothing,
            values=[values[offset] for offset in offsets],
            origins=nothing,
            arrivals_us=[0] * len(offsets),
        )


def _log_damaged(report: ApplyReport) -> None:
    for view, rows in Counter(view for _, view in report.damaged).items():
        # Customer ids are personal data, and logs are no place for them; `rapport features` shows a damaged row.
        _log.error("%d stored rows of view %s are damaged and were left as they are", rows, view)


def _rows(topic: str, batch: RecordBatch) -> tuple[pa.RecordBatch, Places]:
    """The rows of all blocks of a batch, and their places."""
    values, positions = batch.values, batch.positions
    try:
        blocks = read_blocks(topic, values)
    except RowCorrupt as error:
        # The archive branch reports such records to the dead letters.
        _log.error("%s are left out of the features", error)
        good = [at for at in range(len(batch)) if at not in error.rows]
        values, positions = [values[at] for at in good], [positions[at] for at in good]
        blocks = read_blocks(topic, values)
    return joined(topic, blocks), places_of_rows(positions, values)
