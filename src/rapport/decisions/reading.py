"""The decision log read back: one row per decision, one column per feature, score and version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rapport.decisions.record import DecisionRecord, FeatureValue, decode_record

if TYPE_CHECKING:
    import pandas as pd

    from rapport.archive import Archive

__all__ = ["LOG_COLUMNS", "read_log"]

LOG_COLUMNS = (
    "decision_id",
    "customer_id",
    "as_of",
    "segment",
    "activity",
    "sentiment_label",
    "sentiment_score",
    "tone",
    "template_id",
    "rule",
    "feature_age_s",
    "latency_ms",
    "degraded",
)
"""The columns that `read_log` always has; features, `score__<model>` and `version__<model>` come after them."""


def read_log(archive: Archive, since_us: int | None = None, until_us: int | None = None) -> pd.DataFrame:
    """Decisions of the archive's topic `decisions`, oldest first, each once.

    Args:
        since_us, until_us: limits of the decision's time, microseconds UTC; None: none.

    Returns:
        LOG_COLUMNS (as_of: datetime64[us, UTC]; degraded: lists of codes), then one column per feature under its full
        name (float64, NaN where a decision lacked it; text features are objects), `score__<model>` (float64) and
        `version__<model>` (objects), each sorted by name.
    """
    import pandas as pd

    records = {record.decision_id: record for record in _records(archive, since_us, until_us)}
    rows = sorted(records.values(), key=lambda record: (record.as_of, record.decision_id))
    columns: dict[str, Any] = {name: [_base(record, name) for record in rows] for name in LOG_COLUMNS}
    columns["as_of"] = pd.Series([record.as_of for record in rows], dtype="datetime64[us, UTC]")
    for prefix, parts in (
        ("", [record.features for record in rows]),
        ("score__", [record.scores for record in rows]),
        ("version__", [record.model_versions for record in rows]),
    ):
        for name in sorted({name for part in parts for name in part}):
            columns[prefix + name] = _column([part.get(name) for part in parts])
    return pd.DataFrame(columns)


def _records(archive: Archive, since_us: int | None, until_us: int | None) -> Iterator[DecisionRecord]:
    table = archive.scan("decisions", columns=["record"], since_us=since_us, until_us=until_us)
    batches = table.to_batches() if hasattr(table, "to_batches") else table
    for batch in batches:
        for text in batch.column("record").to_pylist():
            yield decode_record(text)


def _base(record: DecisionRecord, name: str) -> object:
    if name == "sentiment_label":
        return record.sentiment.label
    if name == "sentiment_score":
        return record.sentiment.score
    return getattr(record, name)


def _column(values: list[FeatureValue]) -> Any:
    import pandas as pd

    textual = any(isinstance(value, str) for value in values)
    return pd.Series(values, dtype="object" if textual else "float64")
