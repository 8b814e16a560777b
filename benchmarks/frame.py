"""The common form of a measurement, and the few lines that every benchmark would write again."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import numpy as np

__all__ = ["Measurement", "compared", "latencies_ms", "rate", "spread"]

Better = Literal["higher", "lower"]


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One figure, and what it is to be read against.

    Attributes:
        name: what was measured, in a few words.
        unit: of `value`, `p99` and `peer_value`: `events/s`, `ms`, …
        value: the median of the samples.
        p99: their 99th percentile; None where samples are rates.
        samples: how many there were.
        better: which way is good.
        peer: the floor or counterpart measured in the same run; "" for none.
        peer_value: its median.
        peer_p99: its 99th percentile.
        note: a sentence on how, where the name does not say it.
        x, x_unit, series: of figures measured over a parameter: its value, what it is, and whose line this is a point
            of. They are drawn as lines, one plot per unit.
        timed: x is seconds of one run: drawn over a linear axis, and in no table.
    """

    name: str
    unit: str
    value: float
    p99: float | None = None
    samples: int = 1
    better: Better = "higher"
    peer: str = ""
    peer_value: float | None = None
    peer_p99: float | None = None
    note: str = ""
    x: float | None = None
    x_unit: str = ""
    series: str = ""
    timed: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times as good as the peer: over 1 is better than it, whichever way is good."""
        if not self.peer_value or not self.value:
            return None
        return self.value / self.peer_value if self.better == "higher" else self.peer_value / self.value


def spread(name: str, unit: str, samples: Sequence[float], *, better: Better = "lower", note: str = "") -> Measurement:
    """Median and 99th percentile of samples, latencies above all."""
    return Measurement(
        name=name,
        unit=unit,
        value=statistics.median(samples),
        p99=float(np.percentile(samples, 99)),
        samples=len(samples),
        better=better,
        note=note,
    )


def rate(name: str, unit: str, work: Callable[[], int], *, repeat: int = 5, note: str = "") -> Measurement:
    """Median over `repeat` runs of how much `work` does in a second; it returns how many units it did."""
    samples = []
    for _ in range(repeat):
        gc.collect()
        started = time.perf_counter()
        done = work()
        samples.append(done / (time.perf_counter() - started))
    return Measurement(name=name, unit=unit, value=statistics.median(samples), samples=repeat, note=note)


def latencies_ms(work: Callable[[], object], *, times: int, warm: int = 50) -> list[float]:
    """Milliseconds of each of `times` calls, after `warm` that do not count."""
    for _ in range(warm):
        work()
    samples = []
    for _ in range(times):
        started = time.perf_counter_ns()
        work()
        samples.append((time.perf_counter_ns() - started) / 1e6)
    return samples


def compared(ours: Measurement, peer: Measurement) -> Measurement:
    """`ours` beside `peer`, which must be in the same unit."""
    if ours.unit != peer.unit:
        raise ValueError(f"{ours.name} is in {ours.unit} but its peer {peer.name} in {peer.unit}: nothing to compare")
    return msgspec.structs.replace(ours, peer=peer.name, peer_value=peer.value, peer_p99=peer.p99)
