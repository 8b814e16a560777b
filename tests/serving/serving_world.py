"""The times that tests of the service count in, and the declarations that it serves; a module of helpers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MINUTE_US, HOUR_US, DAY_US = 60_000_000, 3_600_000_000, 86_400_000_000


def now_us() -> int:
    return time.time_ns() // 1_000


def declared() -> list[Any]:
    """What feature_repo/ declares."""
    from feast import Entity, FeatureService, FeatureView, StreamFeatureView

    from feature_repo import entities, services, views

    kinds = (Entity, FeatureView, StreamFeatureView, FeatureService)
    found = [value for module in (entities, views, services) for value in vars(module).values()]
    return list({id(value): value for value in found if isinstance(value, kinds)}.values())
