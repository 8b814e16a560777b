"""Rows that were there before: by hashes of ids and of contents, never by the texts themselves."""

from __future__ import annotations

from rapport.archive import SOURCE, stored_schema
from rapport.archive.repeats import id_of
from rapport.archive.sql import identifier
from rapport.audit.profile import Profile
from rapport.audit.rows import TopicRows, by_day, thin

__all__ = ["find_repeats"]

# A row whose contents came before under its id repeats it; one whose id came before, with other contents, differs.
_OF_ONE_ID = (
    "WITH twice AS (SELECT id FROM keys GROUP BY id HAVING count(*) > 1), numbered AS (SELECT day, "
    "row_number() OVER (PARTITION BY id ORDER BY time, contents) AS of_id, "
    "row_number() OVER (PARTITION BY id, contents ORDER BY time) AS of_both FROM keys SEMI JOIN twice USING (id)) "
    "SELECT day, count(*) FILTER (of_both > 1), count(*) FILTER (of_both = 1 AND of_id > 1) FROM numbered "
    "WHERE day IS NOT NULL GROUP BY day"
)
# Of the ids that share their contents, the first is the event, and each other one a twin, where it first came.
_OF_ONE_CONTENT = (
    "WITH twice AS (SELECT contents FROM keys GROUP BY contents HAVING min(id) <> max(id)), "
    "firsts AS (SELECT contents, id, min(time) AS time, arg_min(day, time) AS day FROM keys "
    "SEMI JOIN twice USING (contents) GROUP BY ALL), "
    "numbered AS (SELECT day, row_number() OVER (PARTITION BY contents ORDER BY time, id) AS number FROM firsts) "
    "SELECT day, count(*) FROM numbered WHERE day IS NOT NULL AND number > 1 GROUP BY day"
)


def find_repeats(rows: TopicRows, profile: Profile, most: int) -> None:
    """Fill repeats, conflicts and twins.

    Args:
        most: rows to look at, about; where there are more, some of the ids are looked at, with all their rows.
    """
    key = identifier(id_of(rows.topic))
    apart = {id_of(rows.topic), "event_time", "claimed_time", "arrival_time", *SOURCE}
    names = [name for name in stored_schema(rows.topic).names if name not in apart]
    claimed = "coalesce(claimed_time, event_time)" if rows.arrives else "event_time"
    contents = f"hash(row(epoch_us({claimed}), {', '.join(map(identifier, names))}))"
    total = int(rows.ask(f"SELECT count(*) FROM {rows.rows()}")[0][0])  # noqa: S608 - see relation
    profile.thinned = min(1.0, most / total)
    keys = (
        f"SELECT hash({key}) AS id, {contents} AS contents, "  # noqa: S608
        f"{rows.time} AS time, {rows.day} AS day FROM {rows.rows()} AND "
    )
    rows.make("keys", keys + thin(key, profile.thinned))
    for day, repeats, conflicts in rows.ask(_OF_ONE_ID):
        profile.repeats[day], profile.conflicts[day] = repeats, conflicts
    profile.checked = by_day(rows.ask("SELECT day, count(*) FROM keys WHERE day IS NOT NULL GROUP BY day"))
    if profile.thinned < 1:
        # Twins have different ids: which are looked for is for their contents to say.
        rows.make("keys", keys + thin(contents, profile.thinned))
    profile.twins = by_day(rows.ask(_OF_ONE_CONTENT))
    rows.connection.execute("DROP TABLE keys")
