"""The feature engine: windows over events, with no stream, store or clock in it.

A `View` is compiled to a `Plan`; `update` adds events to rows, `read` merges a row's tiles as of a time, and `history`
computes the same values point in time from sorted events. When a declaration changes, `translate` turns old rows into
ones of the new plan, with gaps for what they lack, and `complete` closes gaps from the past.

The declarations' own module, `rapport.windows.view`, needs no compiler; what does is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rapport.windows.view import FUNCTIONS, Aggregation, Kind, View, result_kind

if TYPE_CHECKING:
    from rapport.windows.columns import Column, Events, StringArray, column_of
    from rapport.windows.completing import complete
    from rapport.windows.gaps import Gap
    from rapport.windows.plan import Layout, Plan, SeriesLayout, compile_view
    from rapport.windows.reading import read
    from rapport.windows.sweeping import history
    from rapport.windows.translating import translate
    from rapport.windows.updating import update
    from rapport.windows.values import EXPIRED, MISSING, PRESENT, STATUS_NAMES, Values

__all__ = [
    "EXPIRED",
    "FUNCTIONS",
    "MISSING",
    "PRESENT",
    "STATUS_NAMES",
    "Aggregation",
    "Column",
    "Events",
    "Gap",
    "Kind",
    "Layout",
    "Plan",
    "SeriesLayout",
    "StringArray",
    "Values",
    "View",
    "column_of",
    "compile_view",
    "complete",
    "history",
    "read",
    "result_kind",
    "translate",
    "update",
]

_HOMES = {
    "columns": ("Column", "Events", "StringArray", "column_of"),
    "completing": ("complete",),
    "gaps": ("Gap",),
    "plan": ("Layout", "Plan", "SeriesLayout", "compile_view"),
    "reading": ("read",),
    "sweeping": ("history",),
    "translating": ("translate",),
    "updating": ("update",),
    "values": ("EXPIRED", "MISSING", "PRESENT", "STATUS_NAMES", "Values"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            found = getattr(import_module(f"rapport.windows.{module}"), name)
            # From now on it is found without this function.
            globals()[name] = found
            return found
    raise AttributeError(f"module 'rapport.windows' has no attribute {name!r}")
