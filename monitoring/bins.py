"""Columns as bins of the reference, so that one distance fits every kind of feature.

Numbers are cut at the reference's deciles. A value that carries at least ATOM_SHARE of the reference (the zero of a
count, say) gets a bin of its own, so that a move from it or to it shows. Null is a bin, for a model reads it as
information too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf, nextafter

import numpy as np
import numpy.typing as npt

__all__ = ["ATOM_SHARE", "MISSING", "NumberBins", "number_bins"]

DECILES = 10
ATOM_SHARE = 0.05
MISSING = "missing"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NumberBins:
    """Bins between cuts: bin i holds cuts[i-1] < x <= cuts[i]; labels has one text more than cuts has numbers."""

    cuts: Floats
    labels: tuple[str, ...]

    def label(self, values: Floats) -> npt.NDArray[np.object_]:
        """The bin of each value: object[n] of texts; NaN is MISSING."""
        names = np.array([*self.labels, MISSING], dtype=object)
        at = np.searchsorted(self.cuts, values, side="left")
        return names[np.where(np.isnan(values), len(self.labels), at)]


def number_bins(reference: Floats) -> NumberBins:
    """Bins of a numeric column, from the reference's values (NaN: null). Infinite values are as good as any."""
    seen = reference[~np.isnan(reference)]
    if not len(seen):
        return NumberBins(np.empty(0), ("any value",))
    inner = np.arange(1, DECILES) / DECILES
    edges = np.unique(np.quantile(seen, inner, method="inverted_cdf"))
    atoms = [edge for edge in edges if np.mean(seen == edge) >= ATOM_SHARE]
    cuts = np.unique([*edges, *(nextafter(atom, -inf) for atom in atoms)])
    return NumberBins(cuts, _labels(cuts, set(atoms)))


def _labels(cuts: Floats, atoms: set[float]) -> tuple[str, ...]:
    """One text per bin, numbered so that texts sort as the bins do."""
    bounds = [-inf, *cuts, inf]
    return tuple(
        f"{i:02d}: {_interval(float(low), float(high), atoms)}" for i, (low, high) in enumerate(pairwise(bounds))
    )


def _interval(low: float, high: float, atoms: set[float]) -> str:
    """The bin low < x <= high in words. A bound right below an atom stands for the atom, left out."""
    above_low, above_high = nextafter(low, inf), nextafter(high, inf) + 0.0
    if above_low == high and high in atoms:
        return f"= {high:.6g}"
    upper = f"below {above_high:.6g}" if above_high in atoms else f"up to {high:.6g}"
    if low == -inf:
        return upper
    if high == inf:
        return f"over {low:.6g}"
    return f"over {low:.6g}, {upper}"
