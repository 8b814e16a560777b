"""Flink SQL: count, sum, min and max of each customer's prices of 5 minutes, `OVER` each event or in a `HOP` window.

python flink_sql.py over|hop FEW.jsonl COUNT MANY.jsonl COUNT
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment
from timing import measured

AGGREGATES = "COUNT(*), SUM(price), MIN(price), MAX(price)"
QUERIES = {
    "over": """SELECT customer, COUNT(*) OVER w, SUM(price) OVER w, MIN(price) OVER w, MAX(price) OVER w FROM {table}
        WINDOW w AS (PARTITION BY customer ORDER BY ts RANGE BETWEEN INTERVAL '5' MINUTE PRECEDING AND CURRENT ROW)""",
    "hop": f"""SELECT customer, {AGGREGATES} FROM TABLE(
        HOP(TABLE {{table}}, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '5' MINUTE))
        GROUP BY customer, window_start, window_end""",
}
SOURCE = """CREATE TABLE {table} (
    customer STRING, time_us BIGINT, price BIGINT,
    ts AS TO_TIMESTAMP_LTZ(time_us / 1000, 3), WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json')"""
SETTINGS = {
    "parallelism.default": "1",
    "table.exec.mini-batch.enabled": "false",
    "taskmanager.memory.managed.size": "1g",
    "taskmanager.memory.task.heap.size": "2g",
}


def main() -> None:
    environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for name, value in SETTINGS.items():
        environment.get_config().set(name, value)
    query = QUERIES[sys.argv.pop(1)]
    sink = "customer STRING, n BIGINT, total BIGINT, least BIGINT, greatest BIGINT"
    environment.execute_sql(f"CREATE TABLE sink ({sink}) WITH ('connector' = 'blackhole')")
    tables: dict[Path, str] = {}

    def job(path: Path, _events: int) -> None:
        if path not in tables:
            tables[path] = f"events{len(tables)}"
            environment.execute_sql(SOURCE.format(table=tables[path], path=path))
        environment.execute_sql(f"INSERT INTO sink {query.format(table=tables[path])}").wait()

    measured(job)


main()
