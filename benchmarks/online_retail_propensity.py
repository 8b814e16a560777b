"""purchase_propensity on UCI Online Retail, beside a logistic regression on plain RFM.

    python -m benchmarks.online_retail_propensity ../shared/data/online_retail/online_retail.csv.gz

Nothing of the last 60 days is trained with: neither an event nor a label. Both models score the same decisions of those
60 days whose 30 days after are in the file.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rapport.archive import Archive, arrow_schema
from rapport.bus.protocol import Position
from rapport.settings import disable_telemetry
from training.baselines import rfm_scores
from training.config import TrainConfig
from training.dataset import Dataset, assemble, sample
from training.features import historical_matrix, inputs_of
from training.fit import fit
from training.gate import judge
from training.metrics import evaluate
from training.specs import DAY_US, MODELS
from training.split import split_at

__all__ = ["Comparison", "compare", "purchases_of"]

ROOT = Path(__file__).parents[1]
HORIZON_US = 30 * DAY_US
LAST_US = 60 * DAY_US


@dataclass(frozen=True, slots=True)
class Comparison:
    """Metrics of both on the last 60 days, and what the gate would say of the one against the other."""

    train_rows: int
    test_rows: int
    model: dict[str, float]
    rfm: dict[str, float]
    verdict: str


def purchases_of(path: Path) -> pa.Table:
    """The file's lines with a customer as the archive has them: orders and cancellations, money in micros."""
    text = {"InvoiceNo": str, "StockCode": str, "CustomerID": "Int64"}
    lines = pd.read_csv(path, dtype={**text, "CustomerID": float}, parse_dates=["InvoiceDate"])
    cancelled = lines["InvoiceNo"].str.startswith("C")
    kept = lines["CustomerID"].notna() & (cancelled | (lines["Quantity"] >= 0)) & (lines["UnitPrice"] >= 0)
    lines, cancelled = lines[kept].reset_index(drop=True), cancelled[kept].reset_index(drop=True)
    micros = (lines["Quantity"].abs() * (lines["UnitPrice"] * 1e6).round()).astype("int64")
    times = lines["InvoiceDate"].dt.tz_localize("UTC")
    days = times.dt.as_unit("us").astype("int64") // DAY_US
    given: dict[str, Any] = {
        "event_id": [f"line-{i}" for i in range(len(lines))],
        "customer_id": lines["CustomerID"].astype("int64").astype(str),
        "event_time": times,
        "arrival_time": times,
        "schema_version": np.ones(len(lines), dtype=np.int64),
        "action": np.where(cancelled, "cancellation", "order"),
        "order_id": lines["InvoiceNo"].mask(cancelled),
        "cancelled_order_id": lines["InvoiceNo"].where(cancelled),
        "product_id": lines["StockCode"],
        "quantity": lines["Quantity"].abs(),
        "currency": ["GBP"] * len(lines),
        "amount_micros": micros.astype("Int64").mask(cancelled),
        "refund_micros": micros.astype("Int64").where(cancelled),
        "net_micros": micros.where(~cancelled, -micros),
        "order_day": days.astype("Int64").mask(cancelled),
    }
    empty = [None] * len(lines)
    schema = arrow_schema("purchase_events")
    columns = [pa.array(given.get(column.name, empty), column.type, from_pandas=True) for column in schema]
    return pa.table(columns, schema=schema)


def compare(path: Path, root: Path, *, rows: int, seed: int = 7) -> Comparison:
    """Build a project in `root`, put the file into its archive, train both models and score the last 60 days."""
    store = _project(root)
    archive = Archive(root / ".rapport" / "archive")
    table = purchases_of(path)
    archive.append("purchase_events", table, writer="benchmark", position=Position(1, 0))
    end_us = int(table.column("event_time").cast(pa.int64()).to_numpy().max())
    spec = next(spec for spec in MODELS if spec.name == "purchase_propensity")
    inputs = inputs_of(store, spec.service)
    spine, label = sample(archive, spec, as_of_us=end_us, horizon_us=HORIZON_US, rows=rows, seed=seed)
    data = assemble(inputs.features, spine, label, lambda part: historical_matrix(store, inputs, part))
    split = split_at(data.as_of_us, end_us - LAST_US, HORIZON_US)
    return _score(data.take(split.train), data.take(split.valid), seed)


def _score(train: Dataset, test: Dataset, seed: int) -> Comparison:
    config = TrainConfig()
    fitted = fit(train, horizon_us=HORIZON_US, folds=config.folds, seed=seed, threads=config.threads)
    scores, simple = fitted.predict(test), rfm_scores(train, test)
    if simple is None:
        raise SystemExit("the feature service purchase_propensity has no RFM features to compare with")
    verdict = judge(test.label, scores, simple, test.group, rival_name="the logistic regression on RFM")
    return Comparison(
        train_rows=len(train),
        test_rows=len(test),
        model=evaluate(test.label, scores),
        rfm=evaluate(test.label, simple),
        verdict=verdict.reason,
    )


def _project(root: Path) -> Any:
    """A FeatureStore with the project's declarations, in a folder of its own."""
    from feast import Entity, FeatureService, FeatureStore, FeatureView, StreamFeatureView

    from feature_repo import entities, services, views

    (root / ".rapport").mkdir(parents=True)
    shutil.copyfile(ROOT / "feature_store.yaml", root / "feature_store.yaml")
    kinds = (Entity, FeatureView, StreamFeatureView, FeatureService)
    found = [value for module in (entities, views, services) for value in vars(module).values()]
    store = FeatureStore(repo_path=str(root))
    store.apply(list({id(value): value for value in found if isinstance(value, kinds)}.values()))
    return store


def main() -> None:
    disable_telemetry()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=40_000, help="decision times (default 40000)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = compare(arguments.file, Path(folder) / "project", rows=arguments.rows)
    print(f"{found.train_rows:,} decisions to train with, {found.test_rows:,} of the last 60 days to test with")
    print(f"{'':28}{'XGBoost':>10}{'RFM':>10}")
    for name, value in found.model.items():
        print(f"{name:28}{value:10.4f}{found.rfm[name]:10.4f}")
    print(f"XGBoost against the logistic regression on RFM, by the gate: {found.verdict}")


if __name__ == "__main__":
    main()
