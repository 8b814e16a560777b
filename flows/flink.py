"""The features branch on Flink: checked records into the online store's rows.

python -m flows.flink --views views.json --redis URL --source source.sql

Flink gives batches to a vectorized function and remembers how far it has read; it ends a batch before each checkpoint,
so a checkpoint never holds what the rows do not. The rows' own marks make records that are given again, after a failure
or from the beginning, count once. docs/engines.md says how to run it.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flows.updater import batches_by_partition, begin, updater_of

if TYPE_CHECKING:
    import pandas as pd
    from pyflink.table import Table, TableEnvironment, TableResult

__all__ = ["SOURCE", "configure", "main", "write_features"]

SOURCE = "checked"
"""The table of records that `--source` creates: topic STRING, `partition` INT, `offset` BIGINT, `value` BYTES."""
_SETTINGS = {
    "python.fn-execution.arrow.batch.size": "4000",
    "python.fn-execution.bundle.size": "4000",
    "python.fn-execution.bundle.time": "50",
    "execution.checkpointing.interval": "10s",
}
"""A batch is full at 4,000 records and waits at most 50 ms for them."""


def configure(environment: TableEnvironment) -> None:
    """Set what the job needs; whatever is set after this wins."""
    for name, value in _SETTINGS.items():
        environment.get_config().set(name, value)


def write_features(environment: TableEnvironment, records: Table, views: bytes, redis_url: str) -> TableResult:
    """Start the job that adds a stream of checked records to the rows of all views over them.

    Args:
        environment: in streaming mode, after `configure`.
        records: a table with SOURCE's columns. A partition's records come in order of their offsets, as Kafka's do:
            whatever comes behind a higher offset counts as seen.
        views: the document that `rapport views` writes.
        redis_url: the online store, as the task managers reach it.
    """
    from pyflink.table import DataTypes
    from pyflink.table.expressions import col
    from pyflink.table.udf import udf

    begin(views, redis_url)
    function = udf(
        partial(_apply, views, redis_url),
        result_type=DataTypes.BIGINT(),
        func_type="pandas",
        deterministic=False,
        name="rapport_apply",
    )
    environment.execute_sql("CREATE TEMPORARY TABLE applied (events BIGINT) WITH ('connector' = 'blackhole')")
    applied = records.select(function(col("topic"), col("partition"), col("offset"), col("value")))
    return applied.execute_insert("applied")


def _apply(
    views: bytes, redis_url: str, topics: pd.Series, partitions: pd.Series, offsets: pd.Series, values: pd.Series
) -> pd.Series:
    """Runs in a task manager's Python worker: n records in, how many pairs of event and view were added out."""
    import pandas as pd

    updater = updater_of(views, redis_url)
    records = zip(topics.tolist(), partitions.tolist(), offsets.tolist(), values.tolist(), strict=True)
    applied = sum(updater.apply(batch).applied for batch in batches_by_partition(records))
    # A row out for each row in: the first one has the count.
    return pd.Series([applied] + [0] * (len(offsets) - 1), dtype="int64")


def main() -> None:
    """The command line: one job until it ends or is stopped."""
    from pyflink.table import EnvironmentSettings, TableEnvironment

    parser = argparse.ArgumentParser(prog="python -m flows.flink", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--views", type=Path, required=True, help="what `rapport views` wrote")
    parser.add_argument("--redis", required=True, help="URL of the online store")
    parser.add_argument("--source", type=Path, required=True, help=f"a CREATE TABLE {SOURCE} … of the records")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of Flink's")
    given = parser.parse_args()
    environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    configure(environment)
    for setting in given.set:
        environment.get_config().set(*setting.split("=", 1))
    environment.execute_sql(given.source.read_text())
    records = environment.from_path(SOURCE)
    write_features(environment, records, given.views.read_bytes(), given.redis).wait()


if __name__ == "__main__":
    main()
