"""From a topic's archive to its Profile, through DuckDB: everything streams, in a memory that does not follow the rows.

Counts, missing values, lateness and extremes are of all rows, in one pass. Shapes, words and distributions are of a
sample, repeats and twins of some of the ids, where there are too many rows for all; which ones is decided by hashes, so
the same ones are taken each time, and all rows of an id together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from rapport.archive import Archive, Snapshot
from rapport.archive.layout import overlaps
from rapport.archive.rewriting import sorting
from rapport.audit.counting import count
from rapport.audit.profile import Profile, zeros
from rapport.audit.repeats import find_repeats
from rapport.audit.rows import TopicRows
from rapport.audit.sampling import Limits, look_at_sample
from rapport.audit.span import Span

__all__ = ["Limits", "Progress", "scan"]

Progress: TypeAlias = Callable[[str], None]
"""Told what is being done now."""


def scan(
    archive: Archive, topic: str, span: Span, limits: Limits | None = None, progress: Progress = lambda text: None
) -> Profile:
    """Count a topic. Readers of the archive never wait for it; an erasure waits until it is done.

    Raises:
        ArchiveError: an unknown topic, or a table that cannot be read.
    """
    limits = limits or Limits()
    profile = Profile(topic, span, hours=zeros(span.hours))
    with archive.snapshot(topic) as snapshot, sorting() as connection:
        files = tuple(path for path in snapshot.files if overlaps(path, None, span.until_us))
        if not files:
            return profile
        connection.execute("SET preserve_insertion_order = false")
        rows = TopicRows(connection, topic, Snapshot(files, snapshot.schema, snapshot.version), span)
        progress(f"{topic}: counting")
        count(rows, profile, limits.late_us)
        if profile.rows.sum():
            progress(f"{topic}: looking for repeats")
            find_repeats(rows, profile, limits.ids)
            progress(f"{topic}: shapes and values")
            look_at_sample(rows, profile, limits)
    return profile
