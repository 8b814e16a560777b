"""The features branch on Spark Structured Streaming: checked records into the online store's rows.

python -m flows.spark --views views.json --redis URL --checkpoint FOLDER --format kafka --option KEY=VALUE …

Spark gives micro-batches and remembers how far it has read; the rows' own marks make a micro-batch that is given again,
after a failure or from the beginning, count once. docs/engines.md says how to run it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.updater import batches_by_partition, begin, updater_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming import StreamingQuery

__all__ = ["SCHEMA", "main", "write_features"]

SCHEMA = "topic string, partition int, offset bigint, value binary"
"""The columns of a record, as Spark's Kafka source has them."""
_REPORT = "events bigint, applied bigint, replayed bigint, damaged bigint"


def write_features(
    records: DataFrame, views: bytes, redis_url: str, checkpoint: str, *, drain: bool = False
) -> StreamingQuery:
    """Start the query that adds a stream of checked records to the rows of all views over them.

    Args:
        records: a streaming frame with SCHEMA's columns. A partition's records come in order of their offsets, as
            Kafka's do: whatever comes behind a higher offset counts as seen.
        views: the document that `rapport views` writes.
        redis_url: the online store, as the executors reach it.
        checkpoint: the folder where Spark keeps how far it has read.
        drain: end when all that is there has been read, instead of waiting for more.
    """
    begin(views, redis_url)
    apply = partial(_apply_partition, views, redis_url)

    def apply_batch(batch: DataFrame, _batch_id: int) -> None:
        # A row has one writer: the records of a partition go to one task, whatever split them before.
        tasks = batch.sparkSession.sparkContext.defaultParallelism
        placed = batch.select("topic", "partition", "offset", "value").repartition(tasks, "topic", "partition")
        ordered = placed.sortWithinPartitions("topic", "partition", "offset")
        ordered.mapInArrow(apply, _REPORT).write.format("noop").mode("append").save()

    writer = records.writeStream.foreachBatch(apply_batch).option("checkpointLocation", checkpoint)
    return (writer.trigger(availableNow=True) if drain else writer).start()


def _apply_partition(views: bytes, redis_url: str, given: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Runs in an executor: Arrow batches of records in, a report of each out."""
    import pyarrow as pa

    updater = updater_of(views, redis_url)
    for records in given:
        columns = [records.column(name).to_pylist() for name in ("topic", "partition", "offset", "value")]
        reports = [updater.apply(batch) for batch in batches_by_partition(zip(*columns, strict=True))]
        rows = [(each.events, each.applied, each.replayed, len(each.damaged)) for each in reports]
        names = ("events", "applied", "replayed", "damaged")
        yield pa.RecordBatch.from_pylist(
            [dict(zip(names, row, strict=True)) for row in rows],
            schema=pa.schema([(name, pa.int64()) for name in names]),
        )


def _records(session: SparkSession, kind: str, options: dict[str, str]) -> DataFrame:
    reader: Any = session.readStream.format(kind).options(**options)
    return reader.load() if kind == "kafka" else reader.schema(SCHEMA).load()


def main() -> None:
    """The command line: one query until it ends or is stopped."""
    from pyspark.sql import SparkSession

    parser = argparse.ArgumentParser(prog="python -m flows.spark", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--views", type=Path, required=True, help="what `rapport views` wrote")
    parser.add_argument("--redis", required=True, help="URL of the online store")
    parser.add_argument("--checkpoint", required=True, help="the folder where Spark keeps how far it has read")
    parser.add_argument("--format", default="kafka", help="the source: kafka, or files with the records' columns")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="an option of the source")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of Spark's")
    parser.add_argument("--drain", action="store_true", help="end when all that is there has been read")
    given = parser.parse_args()
    builder = SparkSession.builder.appName("rapport-features")
    for setting in given.set:
        builder = builder.config(*setting.split("=", 1))
    options = dict(option.split("=", 1) for option in given.option)
    records = _records(builder.getOrCreate(), given.format, options)
    views = given.views.read_bytes()
    write_features(records, views, given.redis, given.checkpoint, drain=given.drain).awaitTermination()


if __name__ == "__main__":
    main()
