"""Spark Structured Streaming: count, sum, min and max of each customer's prices in windows of 5 minutes, every 10 s.

python spark_window.py FEW.jsonl COUNT MANY.jsonl COUNT
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as f
from timing import measured

SETTINGS = {
    "spark.master": "local[1]",
    "spark.driver.memory": "3g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.streaming.metricsEnabled": "false",
}


def main() -> None:
    builder = SparkSession.builder.appName("peer")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")

    def job(path: Path, _events: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(path, folder)
            with tempfile.TemporaryDirectory() as checkpoint:
                run(session, folder, checkpoint)

    measured(job)
    session.stop()


def run(session: SparkSession, folder: str, checkpoint: str) -> None:
    """One query over a folder's file, to its end."""
    events = session.readStream.schema("customer string, time_us bigint, price bigint").json(folder)
    windows = (
        events.withColumn("ts", f.timestamp_micros("time_us"))
        .withWatermark("ts", "0 seconds")
        .groupBy("customer", f.window("ts", "5 minutes", "10 seconds"))
        .agg(f.count("*"), f.sum("price"), f.min("price"), f.max("price"))
    )
    writer = windows.writeStream.outputMode("update").format("noop").option("checkpointLocation", checkpoint)
    writer.trigger(availableNow=True).start().awaitTermination()


main()
