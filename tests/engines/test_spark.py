"""The demo's views on Spark Structured Streaming: the same rows as the Bytewax flow's, through failures."""

from __future__ import annotations

import os
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

PROJECT = "by_spark"


def test_spark_makes_the_same_rows_through_failures(
    sample: Sample, client: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    python, log = python_of("spark"), tmp_path / "log"
    (tmp_path / "views.json").write_bytes(declared_to_json(sample.declared(PROJECT)))
    for number, part in enumerate(redelivered(sample.records, 8)):
        path = tmp_path / "records" / f"{number}.json"
        write_lines(path, part)
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))

    def run(checkpoint: str) -> object:
        arguments = ["--views", str(tmp_path / "views.json"), "--redis", redis_server.url, "--format", "json"]
        arguments += ["--option", f"path={tmp_path / 'records'}", "--option", "maxFilesPerTrigger=1", "--drain"]
        arguments += ["--set", "spark.master=local[2]", "--set", "spark.ui.enabled=false"]
        return start(python, "-m", "flows.spark", *arguments, "--checkpoint", str(tmp_path / checkpoint), log=log)

    # A batch that cannot be written ends the query, with rows of other customers written before and within it.
    key = poison(client, PROJECT)
    code, _ = end_of(run("first"), log)
    assert code != 0 and rows_of(client, PROJECT)
    client.delete(key)
    # Spark goes on from its checkpoint, and is killed on the way; then goes on to the end.
    process = run("first")
    wait_for_progress(client, PROJECT, process, log)
    kill(process)
    code, text = end_of(run("first"), log)
    assert code == 0, text
    assert rows_of(client, PROJECT) == rows_of(client, BY_BYTEWAX)
    assert check_values(client, sample, PROJECT) > 1_000
    # Without the checkpoint everything is read again: not a byte changes, marks included.
    before = rows_of(client, PROJECT, marks=True)
    code, text = end_of(run("second"), log)
    assert code == 0, text
    assert rows_of(client, PROJECT, marks=True) == before
