"""Where a declaration's batch source is on this machine, and how DuckDB reads it.

A path below `.rapport/archive` means the archive of the settings, wherever RAPPORT_DATA_DIR has put it; other relative
paths are the repository's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from feast import FileSource
from feast.data_format import DeltaFormat
from feast.repo_config import RepoConfig

from rapport.archive import TOPICS, Archive, arrow_schema
from rapport.archive.sql import read_parquet, relation
from rapport.errors import ArchiveError
from rapport.feast.declare import ARCHIVE_PATH
from rapport.settings import load_settings

__all__ = ["archive_of", "path_of", "reading", "topic_at"]


def archive_of(config: RepoConfig) -> Archive:
    """The archive of the settings that hold for this Feast repository."""
    return Archive(load_settings(root=Path(config.repo_path)).data_dir / "archive")


def path_of(config: RepoConfig, source: Any) -> Path:
    """The local path of a batch source.

    Raises:
        ArchiveError: it is not a FileSource, or not on this machine.
    """
    if not isinstance(source, FileSource):
        raise ArchiveError(f"batch source {getattr(source, 'name', source)!r} is not a FileSource; Rapport reads files")
    if "://" in source.path.removeprefix("file://"):
        raise ArchiveError(f"batch source {source.name!r}: {source.path} is not a path of this machine")
    path = Path(source.path.removeprefix("file://"))
    if path.is_absolute():
        return path
    if path.is_relative_to(ARCHIVE_PATH):
        return archive_of(config).folder / path.relative_to(ARCHIVE_PATH)
    return Path(config.repo_path).absolute() / path


def topic_at(config: RepoConfig, source: Any) -> str | None:
    """The topic whose archive a batch source is; None for files of another origin."""
    path = path_of(config, source)
    return path.name if path.name in TOPICS and path.parent == archive_of(config).folder else None


@contextmanager
def reading(config: RepoConfig, source: FileSource) -> Iterator[str]:
    """DuckDB's FROM text for a source of events; the archive's files stay while the block runs.

    Raises:
        ArchiveError: files of the user's own that are not there.
    """
    topic = topic_at(config, source)
    if topic is None:
        yield read_parquet(_files(source, path_of(config, source)))
        return
    with archive_of(config).snapshot(topic) as snapshot:
        yield relation(snapshot, arrow_schema(topic))


def _files(source: FileSource, path: Path) -> list[str]:
    if isinstance(source.file_format, DeltaFormat):
        try:
            return [str(path / uri.rpartition("/")[2]) for uri in DeltaTable(str(path)).file_uris()]
        except (DeltaError, OSError) as error:
            raise ArchiveError(f"batch source {source.name!r}: {path} is not a Delta table: {error}") from error
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    if not files:
        raise ArchiveError(
            f"batch source {source.name!r}: no Parquet file at {path}; check its path in the declaration"
        )
    return [str(file) for file in files]
