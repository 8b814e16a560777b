"""Consistency: logged decisions' features, computed again from the archive, and why what differs does.

`rapport.consistency.replay` makes the report; it imports Feast, which is why it is not imported here.
"""

from rapport.consistency.definitions import find_definition, keep_definitions, print_of
from rapport.consistency.log import Range
from rapport.consistency.reasons import REASONS, UNEXPLAINED
from rapport.consistency.report import ConsistencyReport, Difference, FeatureReport

__all__ = [
    "REASONS",
    "UNEXPLAINED",
    "ConsistencyReport",
    "Difference",
    "FeatureReport",
    "Range",
    "find_definition",
    "keep_definitions",
    "print_of",
]
