"""Replay: files of past events, fed through the same path as live ones, by a small mapping file.

mapping = load_mapping("online_retail")
report = replay(bus, Path("online_retail.csv.gz"), mapping)
print(outcome(bus, report, timeout_s=60).as_dict())
"""

from rapport.replay.check import CheckingBus
from rapport.replay.feeder import replay
from rapport.replay.load import load_mapping, mapping_names
from rapport.replay.mapping import Mapping
from rapport.replay.options import ReplayOptions
from rapport.replay.pace import ClockMode, Machine
from rapport.replay.report import Outcome, Progress, ReplayReport, outcome
from rapport.replay.window import TimeWindow

__all__ = [
    "CheckingBus",
    "ClockMode",
    "Machine",
    "Mapping",
    "Outcome",
    "Progress",
    "ReplayOptions",
    "ReplayReport",
    "TimeWindow",
    "load_mapping",
    "mapping_names",
    "outcome",
    "replay",
]
