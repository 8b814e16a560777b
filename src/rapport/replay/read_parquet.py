"""Reader of Parquet files; pyarrow is imported when one is opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rapport.errors import MappingError
from rapport.mapping.convert import Cell
from rapport.replay.mapping import FileFormat
from rapport.replay.rows import CHUNK_ROWS, Chunk

__all__ = ["ParquetReader"]


class ParquetReader:
    """Rows of a Parquet file, a batch at a time; NaN is no value."""

    def __init__(self, path: Path, file_format: FileFormat) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            self._file: Any = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise MappingError(f"{path}: not a readable Parquet file: {error}") from None
        self._done = 0
        self._missing = frozenset({"", *file_format.missing})

    @property
    def columns(self) -> list[str]:
        return list(self._file.schema_arrow.names)

    def fraction(self) -> float:
        """Share of the rows that have been read."""
        return self._done / max(1, int(self._file.metadata.num_rows))

    def chunks(self) -> Iterator[Chunk]:
        for batch in self._file.iter_batches(batch_size=CHUNK_ROWS):
            rows = list(range(self._done + 1, self._done + batch.num_rows + 1))
            self._done += batch.num_rows
            columns = {name: self._cells(batch.column(name).to_pylist()) for name in batch.schema.names}
            yield Chunk(columns, rows, rows)

    def _cells(self, values: list[Cell]) -> list[Cell]:
        missing = self._missing
        return [
            None if value != value or (isinstance(value, str) and (value in missing or value.isspace())) else value
            for value in values
        ]

    def close(self) -> None:
        self._file.close()
