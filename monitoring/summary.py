"""What a drift report found, as values: what decides, what is logged, and what `rapport drift --json` prints."""

from __future__ import annotations

import msgspec

__all__ = ["ColumnDrift", "Summary"]


class ColumnDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How far one column of the decision log has moved from the champion's training reference.

    Means are of the values that are there; None where there is none.
    """

    name: str
    """Full name `view__feature`, or `score`."""
    psi: float
    """Population stability index over the reference's bins, the bin `missing` included; 0 is no change."""
    drifted: bool
    mean_reference: float | None
    mean_current: float | None
    missing_reference: float
    """Share of rows without a value, 0 to 1."""
    missing_current: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One drift report of one champion. Times are UTC, integer microseconds."""

    model: str
    version: str
    time_us: int
    """When the report was made (the machine's clock)."""
    since_us: int
    until_us: int
    """Times of the oldest and newest decision that were compared (the world's clock)."""
    rows: int
    """Decisions that this champion made in the window with its inputs at hand."""
    excluded: int
    """Decisions in the window that lacked inputs, or were made by another version."""
    compared: int
    """How many of `rows` were compared."""
    reference_rows: int
    threshold: float
    """PSI from which a column counts as drifted."""
    columns: tuple[ColumnDrift, ...]
    """The model's features, in its order."""
    score: ColumnDrift | None
    """The model's output; None for a model without one."""
    html: str
    json: str
    """Paths of the report's two files."""

    @property
    def drifted(self) -> tuple[str, ...]:
        """Full names of the drifted features, worst first."""
        found = sorted((column for column in self.columns if column.drifted), key=lambda column: -column.psi)
        return tuple(column.name for column in found)

    @property
    def share(self) -> float:
        """Share of the model's features that drifted, 0 to 1."""
        return len(self.drifted) / len(self.columns) if self.columns else 0.0
