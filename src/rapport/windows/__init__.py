"""The feature engine: windows over events, with no stream, store or clock in it.

A `View` is compiled to a `Plan`; `update` adds events to rows, `read` merges a row's tiles as of a time, and `history`
computes the same values point in time from sorted events.

The declarations' own module, `rapport.windows.view`, needs no compiler; what does is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rapport.windows.view import FUNCTIONS, Aggregation, Kind, View, result_kind

if TYPE_CHECKING:
    from rapport.windows.columns import Column, Events, StringArray, column_of
    from rapport.windows.plan import Plan, compile_view
    from rapport.windows.reading import read
    from rapport.windows.sweeping import history
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
    "Kind",
    "Plan",
    "StringArray",
    "Values",
    "View",
    "column_of",
    "compile_view",
    "history",
    "read",
    "result_kind",
    "update",
]

_HOMES = {
    "columns": ("Column", "Events", "StringArray", "column_of"),
    "sweeping": ("history",),
    "plan": ("Plan", "compile_view"),
    "reading": ("read",),
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
