"""All triggers together: a block of events, or what has come due, into the changes to be written.

Nothing here knows of Redis, of the bus or of a flow; what is stored comes in as a mapping, and goes out as Changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from rapport.triggers.declared import EventMatch, OnAbsence, OnDrop, OnEvent, OnFeatures, Trigger, topics_of
from rapport.triggers.occurring import Occurred, all_of, matches, newest_of, unknown_in
from rapport.triggers.rules import (
    Features,
    Spans,
    absence_is_due,
    ask_is_due,
    begin_watch,
    check_is_due,
    event_came,
    merge,
    rest,
)
from rapport.triggers.state import CHECKS, NEVER, TIMERS, Changes, Due, Pair, Watched

__all__ = ["Engine", "Load", "Stored"]

Stored = Mapping[Pair, Watched | None]
Load = Callable[[Sequence[Pair]], Stored]
"""Looks up what is kept of some pairs."""


class _Seen(NamedTuple):
    """What a trigger has to do with an event: whether it is a cause, or the end of an absence."""

    trigger: Trigger
    event: Occurred
    ends: bool


class Engine:
    """Some triggers.

    It remembers whom a habit is watched of already, so that their further events cost no look-up. That holds as long
    as nobody else writes: tell it what was written (`written`), and when that is uncertain (`forget`).

    Args:
        triggers: what is declared.
        remembered: customers that are remembered of each trigger.
    """

    def __init__(self, triggers: Sequence[Trigger], *, remembered: int = 200_000) -> None:
        self.triggers = {trigger.name: trigger for trigger in triggers}
        self._remembered = remembered
        self._watched: dict[str, set[str]] = {
            trigger.name: set() for trigger in triggers if isinstance(trigger.on, OnDrop)
        }
        self.topics = topics_of(tuple(triggers))

    def batch(self, topic: str, rows: pa.RecordBatch, ask: Due, now_us: int, load: Load) -> Changes:
        """What a batch of a topic's checked events changes.

        Args:
            ask: where it is noted that features are to be read, once those of this batch are in the online store.
            now_us: the world's time.
            load: looks up what is kept.
        """
        changes = Changes()
        seen = list(self._seen(topic, rows, now_us, changes))
        pairs = list(dict.fromkeys(Pair(one.trigger.name, one.event.customer) for one in seen))
        states = {pair: state or Watched() for pair, state in (load(pairs) if pairs else {}).items()}
        before = {pair: msgspec.structs.replace(state) for pair, state in states.items()}
        for one in seen:
            self._take(one, Pair(one.trigger.name, one.event.customer), states, ask, now_us, changes)
        for pair, state in states.items():
            trigger = self.triggers[pair.trigger]
            if isinstance(trigger.on, OnAbsence) and state != before[pair]:
                absence_is_due(trigger, pair, state, NEVER, changes)
        return changes

    def timers(self, due: Stored, horizon_us: int) -> Changes:
        """What comes of pairs whose timers are due at a time up to which everything was seen."""
        changes = Changes()
        for pair, state in due.items():
            changes.leave(TIMERS, pair)
            trigger = self.triggers.get(pair.trigger)
            if state is None or trigger is None:
                changes.keep(pair, None, None)
            elif isinstance(trigger.on, OnAbsence):
                absence_is_due(trigger, pair, state, horizon_us, changes)
            elif state.armed_us <= state.done_us or not isinstance(trigger.on, OnFeatures):
                rest(trigger, pair, state, changes, horizon_us)
        return changes

    def asks(self, queue: str, asked: Stored, features: Mapping[Pair, Features], now_us: int) -> Changes:
        """What comes of pairs whose features could be read; `features` as of each pair's newest cause."""
        changes = Changes()
        for pair, state in asked.items():
            changes.leave(queue, pair)
            trigger = self.triggers.get(pair.trigger)
            if state is not None and trigger is not None and pair in features:
                ask_is_due(trigger, pair, state, features[pair], now_us, changes)
            elif trigger is None:
                changes.keep(pair, None, None)
        return changes

    def checks(self, due: Stored, features: Mapping[Pair, Features], spans: Spans, horizon_us: int) -> Changes:
        """What comes of customers whose habit is to be looked at; `features` as of `horizon_us`."""
        changes = Changes()
        for pair, state in due.items():
            changes.leave(CHECKS, pair)
            trigger = self.triggers.get(pair.trigger)
            if state is not None and trigger is not None and pair in features:
                check_is_due(trigger, pair, state, features[pair], spans, horizon_us, changes)
            else:
                changes.keep(pair, None, None)
        return changes

    def written(self, changes: Changes) -> None:
        """Changes of this engine are in the store."""
        for pair, state in changes.states.items():
            if (watched := self._watched.get(pair.trigger)) is None:
                continue
            if state is None:
                watched.discard(pair.customer)
            else:
                watched.add(pair.customer)
            if len(watched) > self._remembered:
                watched.clear()

    def forget(self) -> None:
        """Look everything up anew: another may have written."""
        for watched in self._watched.values():
            watched.clear()

    def _seen(self, topic: str, rows: pa.RecordBatch, now_us: int, changes: Changes) -> Iterator[_Seen]:
        times = rows.column("event_time_us").to_numpy()
        for trigger in self.triggers.values():
            waits_us = trigger.on.for_us if isinstance(trigger.on, OnAbsence) else 0
            young = times >= now_us - trigger.expires_us - waits_us
            for match, ends in ((trigger.cause, False), *((end, True) for end in trigger.ends)):
                if match.topic == topic:
                    yield from self._events(trigger, match, rows, young, ends, changes)

    def _events(
        self, trigger: Trigger, match: EventMatch, rows: pa.RecordBatch, young: np.ndarray, ends: bool, changes: Changes
    ) -> Iterator[_Seen]:
        mask = matches(rows, match)
        old = int((mask & ~young).sum())
        if old and not ends:
            changes.counts[f"{trigger.name}:old"] += old
        mask &= young
        if isinstance(trigger.on, OnDrop):
            mask &= unknown_in(rows, mask, self._watched[trigger.name])
        if mask.any():
            pick = all_of if isinstance(trigger.on, OnEvent) else newest_of
            for event in pick(rows, mask, () if ends else trigger.columns):
                yield _Seen(trigger, event, ends)

    def _take(
        self, one: _Seen, pair: Pair, states: dict[Pair, Watched], ask: Due, now_us: int, changes: Changes
    ) -> None:
        trigger, event, state = one.trigger, one.event, states[pair]
        match trigger.on:
            case OnEvent():
                event_came(trigger, pair, state, event, now_us, changes)
            case OnAbsence() if one.ends:
                state.ended_us = max(state.ended_us, event.time_us)
            case OnAbsence():
                merge(state, event)
            case OnFeatures():
                if merge(state, event):
                    changes.keep(pair, state, ask)
            case OnDrop():
                if state.check_us == NEVER:
                    begin_watch(trigger, pair, event, changes)
                else:
                    self._watched[trigger.name].add(event.customer)
