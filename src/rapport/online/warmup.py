"""Loading compiled code before it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from rapport.bus.protocol import Position
from rapport.online.advance import Advance, Change
from rapport.online.batch import batch_of
from rapport.online.cache import RowCache
from rapport.online.keys import KeyMaker
from rapport.online.packed import pack
from rapport.online.packed_keys import KeyPacker
from rapport.online.resp import Commands
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
    ids, first, views = batch.customer_ids, np.zeros(1, np.int64), len(plans)
    keys, cache, workspace = KeyPacker(KeyMaker("any")).keys(ids), RowCache(2, 1 << 16, views), Workspace()
    change = Change(cache.values(cache.find(ids), first, pack([None] * views)), views)
    for view, plan in enumerate(plans):
        advance = Advance(plan, view, workspace)
        advance.begin(batch)
        advance.rows(0, change)
    change.counted(np.ones(1, np.bool_))
    cache.put(ids, change.touched(), change.loaded, change.new)
    commands = Commands([b"any"] * views, "", 1)
    commands.hmgets(keys, first)
    commands.calls(keys, first, change.loaded, change.new)
    slots_of(keys, first)


def _event_of_nulls(plans: Sequence[Plan]) -> Events:
    columns = {name: column_of(plan.view.kinds[name], [None]) for plan in plans for name in plan.columns}
    return Events(np.zeros(1, np.int64), columns)
