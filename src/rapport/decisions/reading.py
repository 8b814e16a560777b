"""The decision log read back: one row per decision, one column per feature, score and version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

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
    "trigger",
    "feature_age_s",
    "latency_ms",
    "degraded",
)
"""The columns that `read_log` always has; features, `score__<model>`, `version__<model>` and
`arm__<experiment>` come after them."""


def read_log(
    archive: Archive, since_us: int | None = None, until_us: int | None = None, *, at_most: int | None = None
) -> pd.DataFrame:
    """Decisions of the archive's topic `decisions`, oldest first, each once.

    Args:
        since_us, until_us: limits of the decision's time, microseconds UTC; None: none.
        at_most: a longer log is sampled down to this many decisions, each as likely, always the same ones; memory is
            bounded by it. None: all.

    Returns:
        LOG_COLUMNS (as_of: datetime64[us, UTC]; degraded: lists of codes), then one column per feature under its full
        name (float64, NaN where a decision lacked it; text features are objects), `score__<model>` (float64),
        `version__<model>` and `arm__<experiment>` (objects), each sorted by name.
    """
    import pandas as pd

    records = {record.decision_id: record for record in _records(archive, since_us, until_us, at_most)}
    rows = sorted(records.values(), key=lambda record: (record.as_of, record.decision_id))
    columns: dict[str, Any] = {name: [_base(record, name) for record in rows] for name in LOG_COLUMNS}
    columns["as_of"] = pd.Series([record.as_of for record in rows], dtype="datetime64[us, UTC]")
    for prefix, parts in (
        ("", [record.features for record in rows]),
        ("score__", [record.scores for record in rows]),
        ("version__", [record.model_versions for record in rows]),
        ("arm__", [record.arms for record in rows]),
    ):
        for name in sorted({name for part in parts for name in part}):
            columns[prefix + name] = _column([part.get(name) for part in parts])
    return pd.DataFrame(columns)


def _records(
    archive: Archive, since_us: int | None, until_us: int | None, at_most: int | None
) -> Iterator[DecisionRecord]:
    if at_most is None:
        texts: Iterable[str] = archive.scan("decisions", ["record"], since_us, until_us).column("record").to_pylist()
    else:
        texts = _sample(_texts(archive, since_us, until_us), at_most)
    return map(decode_record, texts)


def _texts(archive: Archive, since_us: int | None, until_us: int | None) -> Iterator[list[str]]:
    """The records as texts, in lists of bounded length."""
    import pyarrow.dataset as ds

    with archive.snapshot("decisions") as snapshot:
        files = ds.dataset([str(path) for path in snapshot.files], schema=snapshot.schema, format="parquet")
        for batch in files.to_batches(columns=["event_time", "record"]):
            times = batch.column("event_time").cast("int64").to_numpy()
            inside = np.full(len(times), True)
            inside &= True if since_us is None else times >= since_us
            inside &= True if until_us is None else times < until_us
            yield batch.column("record").filter(inside).to_pylist()


def _sample(lists: Iterable[list[str]], at_most: int) -> list[str]:
    """The texts with the `at_most` smallest of as many random numbers: a uniform sample in one pass."""
    random = np.random.default_rng(0)
    kept: list[str] = []
    keys = np.empty(0)
    for texts in lists:
        kept, keys = kept + texts, np.concatenate([keys, random.random(len(texts))])
        if len(kept) > at_most:
            chosen = np.argpartition(keys, at_most)[:at_most]
            kept, keys = [kept[i] for i in chosen], keys[chosen]
    return kept


def _base(record: DecisionRecord, name: str) -> object:
    if name == "sentiment_label":
        return record.sentiment.label
    if name == "trigger":
        return record.trigger.name if record.trigger else None
    if name == "sentiment_score":
        return record.sentiment.score
    return getattr(record, name)


def _column(values: list[FeatureValue]) -> Any:
    import pandas as pd

    textual = any(isinstance(value, str) for value in values)
    return pd.Series(values, dtype="object" if textual else "float64")
