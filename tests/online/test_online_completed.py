"""A row that a rebuild has completed stays complete, whoever remembers it as it was."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import redis

from rapport.bus.protocol import Position
from rapport.online import Keeping, Layouts, OnlineWriter
from rapport.online.fence import RowStore
from rapport.online.marks import MARK_BYTES
from rapport.rebuild.chunks import Chunk
from rapport.rebuild.restore import Restorer
from rapport.windows import Aggregation, Events, View, compile_view, read

PLAN = compile_view(View("v", {}, (Aggregation("events", "count", "", None, None),)))
BEGUN = Position(5, 0)


def _chunk(*positions: int) -> Chunk:
    """Archived events of one customer, at times before the view was begun."""
    count = len(positions)
    table = pa.table(
        {
            "time": pa.array(range(count), pa.int64()),
            "source_partition": pa.array([0] * count, pa.int64()),
            "source_hi": pa.array(positions, pa.int64()),
            "source_lo": pa.array([0] * count, pa.int64()),
        }
    )
    return Chunk(["anna"], np.zeros(count, np.int64), table, {})


def _event(writer: OnlineWriter, at: int) -> int:
    return writer.apply(["anna"], [Position(at, 0)], 0, Events(np.array([1_000 + at]), {})).reloaded


def _count(client: redis.Redis) -> object:
    ((value,),) = RowStore(client, "p", ["v"]).load(["anna"])
    assert value is not None
    return read(PLAN, [value[MARK_BYTES:]], 10_000).row(0)["events"]


def _made(client: redis.Redis) -> tuple[OnlineWriter, Restorer]:
    keeping, layouts = Keeping(client, "p"), Layouts(client, "p", [PLAN])
    keeping.begin([PLAN], {0: BEGUN}, 1_000)
    writer = OnlineWriter(client, "p", [PLAN], layouts=layouts, keeping=keeping)
    return writer, Restorer(client, "p", [PLAN], keeping.all(), layouts, {0: Position(9, 0)})


def test_a_writer_that_remembers_an_incomplete_row_cannot_put_it_back(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        writer, restorer = _made(client)
        _event(writer, 6)
        assert _count(client) is None
        # The archive holds the event at 6 too: the row has it already.
        assert restorer.restore(_chunk(3, 4, 6)).written == 1
        assert _count(client) == 3
        assert _event(writer, 7) == 1
        assert _count(client) == 4
        assert restorer.restore(_chunk(3, 4, 6)).written == 0


def test_a_row_that_is_made_from_the_archive_goes_on_from_where_the_view_was_begun(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        writer, restorer = _made(client)
        # The event at 6 is archived, but not applied yet: the flow will.
        assert restorer.restore(_chunk(3, 5, 6)).written == 1
        assert _count(client) == 2
        _event(writer, 5)
        _event(writer, 6)
        assert _count(client) == 3


def test_a_row_waits_for_the_archive(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        writer, _ = _made(client)
        _event(writer, 6)
        kept, layouts = Keeping(client, "p").all(), Layouts(client, "p", [PLAN])
        behind = Restorer(client, "p", [PLAN], kept, layouts, {0: Position(4, 0)}).restore(_chunk(3, 4))
        assert (behind.written, behind.late, behind.needs) == (0, ["anna"], {0: BEGUN})
        assert _count(client) is None
