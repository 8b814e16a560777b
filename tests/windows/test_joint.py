"""Reading many views and customers together gives what reading each row alone gives, damage and all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.errors import RowCorrupt
from rapport.testing.oracle import OracleEvent
from rapport.windows import Gap, Kind, Plan, compile_view, read, update
from rapport.windows.joint import DAMAGED, FOREIGN, Joint, JointValues, Wanted
from tests.windows.strategies import NOW, columns_of, event_lists, views
from tests.windows.test_properties import CASES

IN_FRONT = b"\x00\x01mark"
OTHER_LAYOUT = b"\x02nope" + bytes(20)


def _row(plan: Plan, events: Sequence[OracleEvent], begun: Gap | None) -> bytes | None:
    if not events:
        return None
    row = update(plan, [None], np.zeros(len(events), np.int64), columns_of(list(events)), begun=begun)[0]
    return IN_FRONT + row


@settings(max_examples=CASES)
@given(st.data())
def test_together_is_each_alone(data: st.DataObject) -> None:
    declared = data.draw(st.lists(views(), min_size=1, max_size=3))
    plans = [compile_view(replace(view, name=f"v{at}")) for at, view in enumerate(declared)]
    picked = [data.draw(st.lists(st.sampled_from(plan.names), max_size=6)) for plan in plans]
    customers = data.draw(st.lists(event_lists(max_size=8), max_size=3))
    begun = data.draw(st.sampled_from([None, Gap(NOW - 3_600_000_000, 0, 0)]))
    rows = [_changed(data, _row(plan, events, begun)) for events in customers for plan in plans]
    moments = st.sampled_from([0, 1, 60_000_000, 40 * 86_400_000_000]).map(lambda later: NOW + later)
    times = data.draw(st.lists(moments, min_size=len(customers), max_size=len(customers)))
    starts = np.cumsum([2, *map(len, picked)]).tolist()
    wanted = [Wanted(*each) for each in zip(plans, picked, starts, strict=False)]
    found = Joint(wanted, starts[-1] + 1, skip_bytes=len(IN_FRONT)).read(rows, len(customers), times)
    assert found.floats.shape == (len(customers), starts[-1] + 1)
    for view, each in enumerate(wanted):
        for customer in range(len(customers)):
            _check(found, each, customer, view, rows[customer * len(plans) + view], times[customer])


def _changed(data: st.DataObject, row: bytes | None) -> bytes | None:
    """The row, or one with a damaged byte, cut short, or of another layout."""
    how = data.draw(st.sampled_from(["not", "not", "not", "byte", "cut", "layout"]))
    if row is None or how == "not":
        return row
    if how == "layout":
        return IN_FRONT + OTHER_LAYOUT
    place = data.draw(st.integers(len(IN_FRONT) + 13, len(row) - 1))
    if how == "cut":
        return row[:place]
    return row[:place] + bytes([row[place] ^ data.draw(st.integers(1, 255))]) + row[place + 1 :]


def _check(found: JointValues, wanted: Wanted, customer: int, view: int, row: bytes | None, as_of_us: int) -> None:
    plan, status = wanted.plan, found.status[customer, view]
    columns = range(wanted.column, wanted.column + len(wanted.features))
    valid = found.valid[customer, columns]
    if row is not None and (row[len(IN_FRONT) :][:5] == OTHER_LAYOUT[:5] or len(row) <= len(IN_FRONT) + 13):
        assert status == FOREIGN
        assert not valid.any()
        return
    try:
        alone = read(plan, [None if row is None else row[len(IN_FRONT) :]], as_of_us)
        expected = alone.row(0)
    except UnicodeDecodeError:
        # The damaged byte is a letter.
        return
    except RowCorrupt:
        # Series of which nothing is wanted are stepped over, damage in them unseen.
        assert status == DAMAGED or set(wanted.features) != set(plan.names)
        if status == DAMAGED:
            assert not valid.any()
            assert np.isnan(found.floats[customer, columns]).all()
        return
    assert (status, found.newest_us[customer, view]) == (alone.status[0], alone.newest_us[0])
    for column, feature in zip(columns, wanted.features, strict=True):
        place = plan.names.index(feature)
        assert _value(found, customer, column, plan.kinds[place], plan.scales[place]) == expected[feature]


def _value(found: JointValues, customer: int, column: int, kind: Kind, scale: int) -> object:
    if kind is Kind.STRING:
        return found.texts(column)[customer]
    if not found.valid[customer, column]:
        return None
    if kind is Kind.FLOAT:
        return float(found.floats[customer, column])
    value = int(found.integers[customer, column])
    if kind is Kind.DECIMAL:
        return Decimal(value).scaleb(-scale)
    return bool(value) if kind is Kind.BOOL else value
