"""Loading compiled code before it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from rapport.bus.protocol import Position
from rapport.online.advance import Advance
from rapport.online.batch import batch_of
from rapport.online.cache import RowCache
from rapport.online.keys import KeyMaker
from rapport.online.packed import by_view, joined, pack
from rapport.online.packed_keys import pack_keys
from rapport.online.resp import encode_calls, encode_hmgets
from rapport.online.routing import slots_of
from rapport.windows import Events, Plan, column_of, read, update
from rapport.windows.packed import Workspace

__all__ = ["warm_up", "warm_up_writing"]


def warm_up(plans: Iterable[Plan]) -> None:
    """Run each plan once, on an event of nulls: the engine's compilation takes seconds the first time."""
    for plan in plans:
        rows = update(plan, [None], np.zeros(1, np.int64), _event_of_nulls([plan]))
        read(plan, rows, 0)


def warm_up_writing(plans: Sequence[Plan]) -> None:
    """Go the way of a writer of these views of one topic once, but for Redis."""
    batch = batch_of(["warm-up"], [Position(0, 1)], 0, _event_of_nulls(plans))
    keys, first, nothing = pack_keys(KeyMaker("any"), batch.customer_ids), np.zeros(1, np.int64), pack([None])
    cache = RowCache(2, 1 << 16, len(plans))
    absent = by_view([(first, pack([None] * len(plans)), first)], 1, len(plans))
    workspace = Workspace()
    new = joined([Advance(plan, batch, workspace).rows(0, nothing).values for plan in plans])
    cache.put(batch.customer_ids, first, absent, new)
    by_view(cache.find(batch.customer_ids), 1, len(plans))
    encode_hmgets(keys, first, [b"any"])
    encode_calls("", keys, first, absent, new, 1)
    slots_of(keys, first)


def _event_of_nulls(plans: Sequence[Plan]) -> Events:
    columns = {name: column_of(plan.view.kinds[name], [None]) for plan in plans for name in plan.columns}
    return Events(np.zeros(1, np.int64), columns)
