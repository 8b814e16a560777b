"""The spine: the rows of customers and times for which history is asked."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df

from rapport.archive.sql import connect
from rapport.errors import ArchiveError

__all__ = ["Spine", "spine_of"]


@dataclass(frozen=True, slots=True)
class Spine:
    """The rows of a spine.

    Attributes:
        frame: the rows as given, in their order, with a fresh index and the times in UTC.
        time_column: the column of times.
        as_of_us: int64[rows], the times in microseconds, UTC; parts of a microsecond are cut off.
    """

    frame: pd.DataFrame
    time_column: str
    as_of_us: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.frame)

    def keys(self, column: str, *, text: bool) -> tuple[npt.NDArray[np.int64], pd.Index]:
        """The entities of the rows: each row's index into the distinct keys, and the distinct keys.

        Args:
            column: the column of entity keys.
            text: whether the entity is declared as a string.

        Raises:
            ArchiveError: there is no such column, a key is null, or a string entity has other keys.
        """
        if column not in self.frame.columns:
            raise ArchiveError(
                f"the spine has no column {column!r} with the entities' keys; "
                f"it has {', '.join(map(str, self.frame.columns))}"
            )
        codes, keys = pd.factorize(self.frame[column])
        nulls = np.flatnonzero(codes < 0)
        if len(nulls):
            raise ArchiveError(
                f"the spine's column {column!r} is null in {len(nulls)} rows, the first is row {nulls[0]}: drop them, "
                "or give each row its entity's key"
            )
        wrong = next((key for key in keys if not isinstance(key, str)), None) if text else None
        if wrong is not None:
            raise ArchiveError(
                f"the spine's column {column!r} holds {type(wrong).__name__} values such as {wrong!r}; the entity is "
                "declared as a string: convert the column, for numbers by way of int"
            )
        return codes.astype(np.int64), pd.Index(keys)


def spine_of(entity_df: pd.DataFrame | str | None) -> Spine:
    """The spine from what `get_historical_features` is given.

    Args:
        entity_df: a DataFrame, or SQL text that DuckDB answers. Times without a zone are UTC.

    Raises:
        ArchiveError: no spine, SQL that fails, or a time that is null or cannot be read.
    """
    if entity_df is None:
        raise ArchiveError(
            "windowed features are computed for given customers and times: pass entity_df, a DataFrame or a SQL query "
            "with the entity's key and event_timestamp (start_date and end_date alone do not say for which times)"
        )
    frame = _query(entity_df) if isinstance(entity_df, str) else entity_df.reset_index(drop=True)
    column = infer_event_timestamp_from_entity_df(dict(frame.dtypes))
    times = _utc(frame[column], column)
    frame = frame.assign(**{column: times})
    micros = times.dt.tz_convert(None).to_numpy().astype("datetime64[us]").astype(np.int64)
    return Spine(frame, column, micros)


def _query(sql: str) -> pd.DataFrame:
    with connect() as connection:
        try:
            frame: pd.DataFrame = connection.sql(sql).df()
            return frame
        except duckdb.Error as error:
            raise ArchiveError(f"the spine's SQL fails in DuckDB: {error}") from error


def _utc(times: pd.Series, column: str) -> pd.Series:
    try:
        utc = pd.to_datetime(times, utc=True)
    except (ValueError, TypeError) as error:
        raise ArchiveError(f"the spine's column {column!r} does not hold times: {error}") from error
    nulls = np.flatnonzero(utc.isna())
    if len(nulls):
        raise ArchiveError(f"the spine's column {column!r} is null in {len(nulls)} rows, the first is row {nulls[0]}")
    return utc
