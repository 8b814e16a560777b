"""Events that are in the archive more than once, and taking the repeats out.

Ingest tells that two records are one event when they arrive within ten minutes. A record that is sent again later
counts as another event everywhere: in the online store, in the archive, in history. A *repeat* is such a row that
differs from an earlier one of its id in nothing but when it arrived; rows of one id that differ in more are a
*conflict*, and nobody but their producer can say which is right.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from rapport.archive.layout import DataFile
from rapport.archive.rewriting import by_month, places, reader, sorting
from rapport.archive.schema import SOURCE, stored_schema
from rapport.archive.sql import identifier, relation
from rapport.archive.store import Archive
from rapport.errors import ArchiveError

__all__ = ["dedupe", "id_of", "migrate", "same_event"]

_OF_AN_ARRIVAL = ("event_time", "claimed_time", "arrival_time", *SOURCE)


def id_of(topic: str) -> str:
    """The column of what must not come twice: `event_id`, `decision_id`."""
    names: list[str] = stored_schema(topic).names
    return names[0]


def same_event(topic: str) -> str:
    """SQL for a value that two rows of one id share when one repeats the other. A time that was ahead of its arrival
    was set back to it: what the producer claimed counts."""
    names = [name for name in stored_schema(topic).names if name not in _OF_AN_ARRIVAL]
    columns = ", ".join(identifier(name) for name in names)
    claimed = "coalesce(claimed_time, event_time)" if "claimed_time" in stored_schema(topic).names else "event_time"
    return f"row({claimed}, {columns})"


def dedupe(archive: Archive, topic: str) -> int:
    """Take the repeats of a topic out of the archive; returns how many there were. The first to arrive stays.

    One month after the other, each in one commit: what was interrupted is finished by calling again. History and
    rebuilds see each event once from then on; rows of the online store keep what they have counted.

    Raises:
        ArchiveError: an unknown topic, or a table without months (`migrate` gives it them).
    """
    table = archive.table(topic)
    with table.changing() as months:
        files = table.files() if table.folder.is_dir() else []
        if not files:
            return 0
        if not months:
            raise ArchiveError(f"{topic} has no months yet: `rapport archive migrate` gives it them, then try again")
        with table.snapshot(), sorting() as connection:
            removed = _find(connection, topic, files)
            counts = dict(connection.sql("SELECT month, count(*) FROM repeats GROUP BY month").fetchall())
            for month, some in by_month(files):
                if month in counts:
                    table.replace(month, reader(connection, table, _without(some)), int(counts[month]))
            return removed


def migrate(archive: Archive, topic: str) -> bool:
    """Give a topic's table its months if it has none, in one commit; False when there was nothing to do.

    Rows and positions stay as they are. Appends wait meanwhile; what was interrupted has changed nothing.
    """
    table = archive.table(topic)
    with table.changing() as months:
        if months or not table.folder.is_dir():
            return False
        with table.snapshot() as snapshot, sorting() as connection:
            if snapshot.version < 0:
                return False
            source = relation(snapshot, table.schema)
            table.migrate(reader(connection, table, f"SELECT * FROM {source} ORDER BY event_time"))  # noqa: S608
            return True


def _find(connection: duckdb.DuckDBPyConnection, topic: str, files: Sequence[DataFile]) -> int:
    """Make the table `repeats` (path, row, month) of the rows to take out; returns how many they are."""
    key = identifier(id_of(topic))
    arrives = "arrival_time" in stored_schema(topic).names
    order = "arrival_time NULLS FIRST, source_hi, source_lo" if arrives else "event_time"
    source = places(files)
    connection.execute("CREATE TEMP TABLE names (path VARCHAR, month VARCHAR)")
    connection.executemany("INSERT INTO names VALUES (?, ?)", [[str(file.path), file.month] for file in files])
    columns = _columns(connection, source, topic)
    connection.execute(
        f"CREATE TEMP TABLE repeats AS WITH rows AS (SELECT {columns}, filename, file_row_number FROM {source}), "  # noqa: S608
        f"twice AS (SELECT {key} FROM rows GROUP BY ALL HAVING count(*) > 1), "
        f"numbered AS (SELECT filename AS path, file_row_number AS row, row_number() OVER (PARTITION BY {key}, "
        f"{same_event(topic)} ORDER BY {order}, filename, file_row_number) AS number "
        f"FROM rows SEMI JOIN twice USING ({key})) "
        "SELECT path, row, month FROM numbered JOIN names USING (path) WHERE number > 1"
    )
    return int(connection.sql("SELECT count(*) FROM repeats").fetchall()[0][0])


def _columns(connection: duckdb.DuckDBPyConnection, source: str, topic: str) -> str:
    """The topic's columns, null where no file has them yet."""
    have = set(connection.sql(f"SELECT * FROM {source} LIMIT 0").columns)  # noqa: S608 - paths are quoted
    names = stored_schema(topic).names
    return ", ".join(identifier(n) if n in have else f"NULL AS {identifier(n)}" for n in names)


def _without(files: Sequence[DataFile]) -> str:
    """The query of the rows of a month's files that are no repeats."""
    return (
        f"SELECT f.* EXCLUDE (filename, file_row_number) FROM {places(files)} f "  # noqa: S608 - paths are quoted
        "ANTI JOIN repeats r ON f.filename = r.path AND f.file_row_number = r.row"
    )
