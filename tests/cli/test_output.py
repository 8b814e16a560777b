"""What is shown, to people and to machines."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rapport.cli.output import duration, emit, progress, table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (18_600, "5 h 10 min"), (1_047_600, "12 d 3 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_json_is_strict_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"a": float("nan"), "b": np.float64(1.5), "c": [np.int64(3), None], "d": ("é", True)})
    text = capsys.readouterr().out
    assert json.loads(text) == {"a": None, "b": 1.5, "c": [3, None], "d": ["é", True]}
    assert "NaN" not in text


def test_tables_keep_their_text_whole(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "n"), [("a [b] c", 1_234_567), ("x" * 60, None)])
    said = capsys.readouterr().out
    assert "a [b] c" in said
    assert "1,234,567" in said
    assert "x" * 60 in said


def test_progress_without_a_terminal_is_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("reading") as show:
        for done in range(0, 1_001, 10):
            show(done, 1_000, "rows")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["reading: 0 of 1,000 (rows)", "reading: 1,000 of 1,000 (rows)"]
