"""Who runs what, and when, where several processes share the tests: what shares a server stays together, and what takes
long begins first, for a long one that begins last keeps everybody waiting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.source_tree import ROOT

__all__ = ["group_of", "in_order"]

_TOGETHER = ("consistency", "faults", "monitoring", "serving", "simulate", "training")
"""Folders whose tests share what takes seconds to make."""
_BESIDE = {"surge/test_surge.py": "kafka/test_million.py"}
"""Files that start their processes from the same one, which takes seconds to import everything."""
_LONGEST_FIRST = (
    "ops/test_installation.py",
    "metrics/test_watched.py",
    "chaos/test_chaos.py",
    "kafka/test_million.py",
    "faults",
    "serving",
    "flows/test_rebuild.py",
)
"""Groups that take half a minute or more."""


def group_of(path: Path) -> str:
    """What a file's tests are run with, by one process, one after the other."""
    file = path.relative_to(ROOT / "tests")
    name = file.parts[0] if file.parts[0] in _TOGETHER else file.as_posix()
    return _BESIDE.get(name, name)


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests with their groups marked, those of a group one after the other, the longest groups first."""
    groups: dict[str, list[pytest.Item]] = {name: [] for name in _LONGEST_FIRST}
    for item in items:
        group = group_of(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
        groups.setdefault(group, []).append(item)
    return [item for some in groups.values() for item in some]
