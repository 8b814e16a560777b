"""Rows of tiles in Redis: written exactly once in effect, read as of a time. docs/online-store.md has the layout."""

from rapport.online.batch import Places
from rapport.online.connect import WRITE_TIMEOUT_S, connect, connect_async
from rapport.online.deletion import delete_customer
from rapport.online.keeping import Keeping, Kept
from rapport.online.layouts import Layouts
from rapport.online.plain import PlainView
from rapport.online.reader import OnlineReader
from rapport.online.rows import EXPIRED, MISSING, PRESENT, FeatureRows, FeatureValue
from rapport.online.service import reader_for
from rapport.online.views import WindowedView
from rapport.online.warmup import warm_up, warm_up_writing
from rapport.online.writer import ApplyReport, OnlineWriter

__all__ = [
    "EXPIRED",
    "MISSING",
    "PRESENT",
    "WRITE_TIMEOUT_S",
    "ApplyReport",
    "FeatureRows",
    "FeatureValue",
    "Keeping",
    "Kept",
    "Layouts",
    "OnlineReader",
    "OnlineWriter",
    "Places",
    "PlainView",
    "WindowedView",
    "connect",
    "connect_async",
    "delete_customer",
    "reader_for",
    "warm_up",
    "warm_up_writing",
]
