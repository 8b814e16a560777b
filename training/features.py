"""Point-in-time features of a feature service, as a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rapport.errors import ModelError
from rapport.models import FeatureSpec, fingerprints_of

__all__ = ["ServiceInputs", "historical_matrix", "inputs_of"]

_KINDS = {"Int32": "int", "Int64": "int", "Float32": "float", "Float64": "float", "Bool": "bool"}


@dataclass(frozen=True, slots=True)
class ServiceInputs:
    """The numeric features of a feature service, in its own order, and its views' fingerprints (hex)."""

    service: str
    features: tuple[FeatureSpec, ...]
    views: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)


def inputs_of(store: Any, service_name: str) -> ServiceInputs:
    """What a feature service gives a model. Strings are no inputs of the models and are left out.

    Args:
        store: a feast.FeatureStore.

    Raises:
        ModelError: the registry has no such service, or the service no numeric features.
    """
    from feast.errors import FeatureServiceNotFoundException

    try:
        service = store.get_feature_service(service_name)
    except FeatureServiceNotFoundException:
        raise ModelError(f"the registry has no feature service {service_name!r}: run `feast apply`") from None
    projections = service.feature_view_projections
    features = tuple(
        FeatureSpec(f"{projection.name_to_use()}__{field.name}", _KINDS[str(field.dtype)])  # type: ignore[arg-type]
        for projection in projections
        for field in projection.features
        if str(field.dtype) in _KINDS
    )
    if not features:
        raise ModelError(f"the feature service {service_name!r} has no numeric features: a model cannot learn from it")
    views = [store.registry.get_any_feature_view(projection.name, store.project) for projection in projections]
    used = {feature.view for feature in features}
    return ServiceInputs(service_name, features, fingerprints_of(view for view in views if view.name in used))


def historical_matrix(store: Any, inputs: ServiceInputs, spine: pd.DataFrame) -> NDArray[np.float64]:
    """Features of each row of the spine as they were at its as_of_us.

    Args:
        store: a feast.FeatureStore.
        spine: columns customer_id and as_of_us (UTC microseconds).

    Returns:
        float64[n, F] in the spine's order; NaN is missing, booleans are 0 and 1.
    """
    entities = pd.DataFrame(
        {
            "customer_id": spine["customer_id"].to_numpy(),
            "event_timestamp": pd.to_datetime(spine["as_of_us"].to_numpy(), unit="us", utc=True),
            "spine_row": np.arange(len(spine)),
        }
    )
    service = store.get_feature_service(inputs.service)
    frame = store.get_historical_features(entities, service, full_feature_names=True).to_df()
    if len(frame) != len(spine):
        raise ModelError(f"{len(spine)} decision times gave {len(frame)} rows of {inputs.service}: each must give one")
    frame = frame.sort_values("spine_row")
    columns = [frame[name].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan) for name in inputs.names]
    return np.column_stack(columns)
