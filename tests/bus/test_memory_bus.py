"""The bus in memory keeps to the protocol."""

from __future__ import annotations

from typing import Any

import pytest
from conformance import BusConformance, MakeBus

from rapport.testing.bus import MemoryBus


class TestMemoryBus(BusConformance):
    @pytest.fixture
    def make_bus(self) -> MakeBus:
        made: list[MemoryBus] = []

        def make(**limits: Any) -> MemoryBus:
            if not made:
                made.append(MemoryBus(**limits))
            return made[0]

        return make
