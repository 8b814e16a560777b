"""The demo's views on Flink: the same rows as the Bytewax flow's, through failures."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
import redis

from flows.declared import declared_to_json
from rapport.embedded import EmbeddedRedis
from tests.engines.conftest import BY_BYTEWAX
from tests.engines.given import (
    Sample,
    check_values,
    end_of,
    kill,
    poison,
    python_of,
    redelivered,
    rows_of,
    start,
    wait_for_progress,
    write_lines,
)

pytestmark = [pytest.mark.engines, pytest.mark.slow, pytest.mark.timeout(1800)]

PROJECT = "by_flink"
SOURCE = """CREATE TABLE checked (topic STRING, `partition` INT, `offset` BIGINT, `value` BYTES)
WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json')"""
SETTINGS = {
    "parallelism.default": "1",
    "python.fn-execution.arrow.batch.size": "300",
    "python.fn-execution.bundle.size": "300",
    "execution.checkpointing.interval": "100ms",
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "1000",
    "restart-strategy.fixed-delay.delay": "100ms",
}


def test_flink_makes_the_same_rows_through_failures(
    sample: Sample, client: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    python, log = python_of("flink"), tmp_path / "log"
    (tmp_path / "views.json").write_bytes(declared_to_json(sample.declared(PROJECT)))
    records = [record for part in redelivered(sample.records, 8) for record in part]
    write_lines(tmp_path / "records.json", records)
    (tmp_path / "source.sql").write_text(SOURCE.format(path=tmp_path / "records.json"))

    def run() -> subprocess.Popen[bytes]:
        arguments = ["--views", str(tmp_path / "views.json"), "--redis", redis_server.url]
        arguments += ["--source", str(tmp_path / "source.sql")]
        for name, value in SETTINGS.items():
            arguments += ["--set", f"{name}={value}"]
        return start(python, "-m", "flows.flink", *arguments, log=log)

    # A batch that cannot be written makes Flink restart the job again and again; killed meanwhile, it begins anew.
    key = poison(client, PROJECT)
    process = run()
    wait_for_progress(client, PROJECT, process, log)
    kill(process)
    # The same without a kill: Flink itself recovers once the store can be written.
    process = run()
    time.sleep(20)
    assert process.poll() is None, log.read_text(errors="replace")[-3_000:]
    client.delete(key)
    code, text = end_of(process, log)
    assert code == 0, text
    assert rows_of(client, PROJECT) == rows_of(client, BY_BYTEWAX)
    assert check_values(client, sample, PROJECT) > 1_000
    # Everything is read again: not a byte changes, marks included.
    before = rows_of(client, PROJECT, marks=True)
    code, text = end_of(run(), log)
    assert code == 0, text
    assert rows_of(client, PROJECT, marks=True) == before
