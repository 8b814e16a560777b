"""Spark reads the archive: the Parquet files that `rapport archive files` lists."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from rapport.archive import Archive
from rapport.bus.protocol import Position
from tests.archive.rows import rows
from tests.engines.given import python_of

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

TOPIC = "customer_clicks"
_SCRIPT = """
import json, sys
from pyspark.sql import SparkSession
spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
         .config("spark.sql.session.timeZone", "UTC").getOrCreate())
frame = spark.read.option("mergeSchema", "true").parquet(*sys.stdin.read().splitlines())
found = frame.groupBy("customer_id").agg({"price_micros": "sum", "event_time": "max"}).orderBy("customer_id").collect()
print(json.dumps([[row[0], row["sum(price_micros)"], str(row["max(event_time)"])] for row in found]))
"""


def test_spark_reads_what_duckdb_reads(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    for number, who in enumerate(("anna", "bob", "bob", "cem"), 1):
        event = {"event_id": f"e{number}", "customer_id": who, "event_time": number * 86_400_000_000 * 20}
        archive.append(TOPIC, rows(TOPIC, [event | {"price_micros": number}]), writer="w", position=Position(number, 0))
    archive.compact(TOPIC)
    archive.delete_customer("anna")
    with archive.snapshot(TOPIC) as snapshot:
        listed = "\n".join(map(str, snapshot.files))
        done = subprocess.run(
            [str(python_of("spark")), "-c", _SCRIPT], input=listed, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [
        ["bob", 5, "1970-03-02 00:00:00"],
        ["cem", 4, "1970-03-22 00:00:00"],
    ]
