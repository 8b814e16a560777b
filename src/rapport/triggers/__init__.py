"""Triggers: declared conditions that fire for a customer, once, with a reason."""

from __future__ import annotations

from rapport.triggers.declared import Trigger, topics_of
from rapport.triggers.engine import Engine
from rapport.triggers.features import FeatureReader, check_features
from rapport.triggers.firing import TRIGGERS_TOPIC, Firing, to_message
from rapport.triggers.load import FILE, load_triggers, parse_triggers
from rapport.triggers.store import TriggerStore, ask_queue

__all__ = [
    "FILE",
    "TRIGGERS_TOPIC",
    "Engine",
    "FeatureReader",
    "Firing",
    "Trigger",
    "TriggerStore",
    "ask_queue",
    "check_features",
    "load_triggers",
    "parse_triggers",
    "to_message",
    "topics_of",
]
