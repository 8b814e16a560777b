"""What decisions are measured against: the same features and models in stock Feast, XGBoost and BentoML.

    bentoml serve benchmarks.decision_stock:Stock
    feast --chdir FOLDER serve

The values of one customer's features are kept as plain ones, in the same Redis, by Feast's own online store. The
service is a BentoML API method: it asks Feast's client, then `Booster.inplace_predict` of each model. STOCK_REPOSITORY
and STOCK_MODELS (paths, colon-separated) say where they are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bentoml
import numpy as np

__all__ = ["SERVICE", "Stock", "make_repository"]

SERVICE = "stock"


def make_repository(folder: Path, redis_url: str, customer_id: str, values: Mapping[str, float]) -> None:
    """Write a Feast repository, apply it, and push one customer's values.

    Args:
        redis_url: `unix://:PASSWORD@PATH`.
        values: full name, `view__feature`, to value.
    """
    import pandas as pd
    from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64

    folder.mkdir()
    url = urlsplit(redis_url)
    place = f'localhost:6379,unix_socket_path="{url.path}",password="{url.password}"'
    (folder / "feature_store.yaml").write_text(
        "project: stock\nprovider: local\nregistry: registry.db\nentity_key_serialization_version: 3\n"
        f"offline_store: {{type: file}}\nonline_store: {{type: redis, connection_string: '{place}'}}\n"
    )
    store = FeatureStore(repo_path=str(folder))
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
    by_view: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        view, _, feature = name.partition("__")
        by_view.setdefault(view, {})[feature] = value
    views = [
        FeatureView(
            name=view,
            entities=[customer],
            schema=[Field(name=feature, dtype=Float64) for feature in features],
            source=FileSource(name=view, path=str(folder / "none.parquet"), timestamp_field="event_time"),
        )
        for view, features in by_view.items()
    ]
    pd.DataFrame({"event_time": [pd.Timestamp.now("UTC")], "customer_id": [customer_id]} | values).rename(
        columns=lambda name: name.partition("__")[2] or name
    ).to_parquet(folder / "none.parquet")
    store.apply([customer, *views, FeatureService(name=SERVICE, features=views)])
    for view, features in by_view.items():
        frame = pd.DataFrame([{"customer_id": customer_id, "event_time": pd.Timestamp.now("UTC"), **features}])
        store.write_to_online_store(view, frame)


@bentoml.service(
    name="stock",
    workers=1,
    tracing={"excluded_urls": ".*"},
    traffic={"timeout": 15},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Stock:
    """Features, and two models' scores."""

    def __init__(self) -> None:
        import xgboost
        from feast import FeatureStore

        self._store = FeatureStore(repo_path=os.environ["STOCK_REPOSITORY"])
        self._service = self._store.get_feature_service(SERVICE)
        self._models = []
        for path in os.environ["STOCK_MODELS"].split(":"):
            booster = xgboost.Booster()
            booster.load_model(path)
            booster.set_param({"nthread": 1})
            self._models.append((Path(path).parts[-3], booster, booster.feature_names))

    @bentoml.api(route="/personalize")
    def personalize(self, customer_id: str, session_data: dict[str, Any]) -> dict[str, float]:
        found = self._store.get_online_features(
            features=self._service, entity_rows=[{"customer_id": customer_id}], full_feature_names=True
        ).to_dict()
        scores = {}
        for name, booster, inputs in self._models:
            row = np.array([[np.nan if (value := found[one][0]) is None else value for one in inputs]], np.float32)
            scores[name] = float(booster.inplace_predict(row, validate_features=False)[0])
        return scores
