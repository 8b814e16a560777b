"""The job that `get_historical_features` gives back: computed when its result is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from feast import FileSource
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView

from rapport.archive.files import replace
from rapport.errors import ArchiveError
from rapport.feast.spine import Spine

__all__ = ["History", "HistoryJob"]

_PANDAS_TYPES = {
    pa.int64(): pd.Int64Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


@dataclass(frozen=True, slots=True)
class History:
    """What a computation gives: the features of every spine row, and each windowed view's status (uint8[rows])."""

    features: pa.Table
    statuses: Mapping[str, npt.NDArray[np.uint8]] = field(default_factory=dict)


class HistoryJob(RetrievalJob):  # type: ignore[misc]
    """A retrieval over a spine; its rows are the spine's, in the spine's order, with all its columns.

    In pandas, integers and booleans have the nullable types Int64 and boolean, floats are float64 with NaN for null,
    strings are objects with None.
    """

    def __init__(
        self,
        spine: Spine,
        compute: Callable[[], History],
        *,
        full_feature_names: bool,
        on_demand: Sequence[OnDemandFeatureView],
        metadata: RetrievalMetadata,
        repo_path: Path,
    ) -> None:
        self._spine = spine
        self._compute = compute
        self._history: History | None = None
        self._full_feature_names = full_feature_names
        self._on_demand = list(on_demand)
        self._metadata = metadata
        self._repo_path = repo_path

    @property
    def full_feature_names(self) -> bool:
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata:
        return self._metadata

    def statuses(self) -> Mapping[str, npt.NDArray[np.uint8]]:
        """For each windowed view the status of every row: rapport.windows' PRESENT, MISSING or EXPIRED."""
        return self._result().statuses

    def to_df(self, validation_reference: Any = None, timeout: int | None = None) -> pd.DataFrame:
        """The spine's columns as given, and the features."""
        table: pa.Table = self.to_arrow(validation_reference=validation_reference, timeout=timeout)
        features = table.select(table.column_names[self._spine.frame.shape[1] :])
        frame: pd.DataFrame = features.to_pandas(types_mapper=_PANDAS_TYPES.get)
        return pd.concat([self._spine.frame, frame], axis=1)

    def persist(self, storage: Any, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Write the result to a Parquet file, replacing one only if allowed."""
        if not isinstance(storage, SavedDatasetFileStorage):
            raise ArchiveError(f"a result can be kept in a SavedDatasetFileStorage, not in a {type(storage).__name__}")
        uri = storage.file_options.uri
        path = Path(FileSource.get_uri_for_file_path(self._repo_path, uri))
        if path.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=uri)
        replace(path, self.to_arrow(timeout=timeout))

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self.to_df(timeout=timeout)

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        table = pa.Table.from_pandas(self._spine.frame, preserve_index=False)
        features = self._result().features
        for name in features.column_names:
            table = table.append_column(name, features[name])
        return table

    def _result(self) -> History:
        if self._history is None:
            self._history = self._compute()
        return self._history
