"""Firings of triggers that ask for a decision: each gets one, and goes out only to whom it may.

All of it becomes part of the step that keeps the firings: whatever is killed when, a firing has one decision, which is
logged once and sent once, or is not there at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from rapport.clock import to_us
from rapport.decisions.record import Decision, DecisionRecord
from rapport.triggers.declared import Cap, Trigger
from rapport.triggers.engine import Load
from rapport.triggers.firing import Firing
from rapport.triggers.state import EVERY, TIMERS, Changes, Due, Pair, Watched

__all__ = ["Decide", "Decided", "decide_firings"]


class Decided(NamedTuple):
    """The record of a decision, and whether it may be sent to a customer who has not asked."""

    record: DecisionRecord
    send: bool


Decide = Callable[[Sequence[Firing]], Sequence[Decided]]
"""Decides for the customers of some firings."""


def decide_firings(
    changes: Changes, triggers: Mapping[str, Trigger], cap: Cap | None, load: Load, decide: Decide
) -> None:
    """Give the firings of a step their decisions.

    Args:
        changes: what the step changes so far.
        cap: how often a customer is sent something; None: as often as it fires.
        load: looks up what is kept.
        decide: makes the decisions.
    """
    asking = [firing for firing in changes.firings if triggers[firing.trigger].decide]
    if not asking:
        return
    sent = _Sent(changes, cap, load, asking)
    within = [firing for firing in asking if sent.has_room(firing)]
    changes.firings = [firing for firing in changes.firings if not triggers[firing.trigger].decide]
    for firing, made in zip(within, decide(within), strict=True):
        changes.firings.append(_decided(firing, made, changes, sent))


def _decided(firing: Firing, made: Decided, changes: Changes, sent: _Sent) -> Firing:
    """The firing with its decision, which is logged; and sent, if it may be and the customer still has room for it."""
    changes.records[firing.id] = made.record
    if not made.send:
        changes.counts[f"{firing.trigger}:withheld"] += 1
    if not made.send or not sent.has_room(firing):
        changes.withheld.add(firing.id)
        return firing
    sent.add(firing)
    decision = Decision(**{name: getattr(made.record, name) for name in Decision.__struct_fields__})
    return msgspec.structs.replace(firing, decision=decision)


class _Sent:
    """What the customers of a step were sent lately, and are sent in it."""

    def __init__(self, changes: Changes, cap: Cap | None, load: Load, firings: Sequence[Firing]) -> None:
        self._changes = changes
        self._cap = cap
        pairs = list(dict.fromkeys(Pair(EVERY, firing.customer_id) for firing in firings)) if cap else []
        self._states = {pair: state or Watched() for pair, state in (load(pairs) if pairs else {}).items()}

    def has_room(self, firing: Firing) -> bool:
        """Whether the customer may be sent another one; counted when not."""
        if self._cap is None or len(self._lately(firing, self._cap)) < self._cap.at_most:
            return True
        self._changes.counts[f"{firing.trigger}:capped"] += 1
        return False

    def add(self, firing: Firing) -> None:
        """The firing is sent."""
        if self._cap is None:
            return
        pair = Pair(EVERY, firing.customer_id)
        state = self._states[pair]
        state.sent_us = [*self._lately(firing, self._cap), to_us(firing.fired_at)]
        # When it is due, no trigger has this name, and it is let go of.
        self._changes.keep(pair, state, Due(TIMERS, max(state.sent_us) + self._cap.within_us))

    def _lately(self, firing: Firing, cap: Cap) -> list[int]:
        since_us = to_us(firing.fired_at) - cap.within_us
        return [time_us for time_us in self._states[Pair(EVERY, firing.customer_id)].sent_us if time_us > since_us]
