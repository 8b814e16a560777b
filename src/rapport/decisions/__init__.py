"""Decisions: the record of one, its log on the bus, reading the log back, and what a policy decides from."""

from rapport.decisions.degraded import CODES
from rapport.decisions.log import DECISIONS_TOPIC, DecisionLog
from rapport.decisions.reading import read_log
from rapport.decisions.record import (
    Ask,
    Chosen,
    Decision,
    DecisionRecord,
    Money,
    Reason,
    RenderedTemplate,
    Sentiment,
    Session,
    Signals,
    decode_record,
    encode_record,
    record_row,
)
from rapport.decisions.situation import FACTS, Situation, make_situation

__all__ = [
    "CODES",
    "DECISIONS_TOPIC",
    "FACTS",
    "Ask",
    "Chosen",
    "Decision",
    "DecisionLog",
    "DecisionRecord",
    "Money",
    "Reason",
    "RenderedTemplate",
    "Sentiment",
    "Session",
    "Signals",
    "Situation",
    "decode_record",
    "encode_record",
    "make_situation",
    "read_log",
    "record_row",
]
