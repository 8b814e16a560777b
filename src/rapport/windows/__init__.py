"""The feature engine: windows over events, with no stream, store or clock in it.

A `View` is compiled to a `Plan`; `update` adds events to rows, `read` merges a row's tiles as of a time, and `history`
computes the same values point in time from sorted events.
"""

from rapport.windows.columns import Column, Events, StringArray, column_of
from rapport.windows.history import history
from rapport.windows.plan import Plan, compile_view
from rapport.windows.read import read
from rapport.windows.update import update
from rapport.windows.values import EXPIRED, MISSING, PRESENT, STATUS_NAMES, Values
from rapport.windows.view import FUNCTIONS, Aggregation, Kind, View, result_kind

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
