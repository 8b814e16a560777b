"""Decisions for customers who have not written: of a trigger that fired, by the functions that decide for a turn.

They are made in this process and not by the decision service: a firing and its decision are one step in Redis and one
commit on the bus, a service that is down or busy with chatbots delays none, and a surge of firings slows no chatbot.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from rapport.bus.protocol import Bus
from rapport.clock import to_us
from rapport.decisions.freshness import Freshness
from rapport.decisions.ids import derived_id
from rapport.decisions.kept import FEATURE_SERVICE, KeptViews
from rapport.decisions.known import Known, known_from
from rapport.decisions.making import Turn, make_decision
from rapport.decisions.record import Decision, FiredTrigger, Session
from rapport.decisions.recording import beside, neutral, record_of
from rapport.decisions.scoring import MODELS, SEGMENTS, Scorer
from rapport.decisions.situation import consent_of
from rapport.models import Champions
from rapport.online import OnlineReader, reader_for
from rapport.policy import Bundle, FollowedPolicy
from rapport.quiet import log_failure
from rapport.settings import Settings
from rapport.triggers.deciding import Decided
from rapport.triggers.firing import Firing

__all__ = ["Proactive", "open_proactive"]

_REFRESH_S = 0.5
_CHECK_BUS_S = 2.0
_logger = logging.getLogger(__name__)


def open_proactive(settings: Settings) -> Proactive:
    """What decides for the triggers of an installation: its features, models and policy, as the service has them.

    Raises:
        DeclarationError: the features of decisions are not declared.
        StoreUnavailable
    """
    reader = reader_for(settings, FEATURE_SERVICE)
    champions = Champions(settings.data_dir / "models", reader.fingerprints, poll_s=float("inf"))
    return Proactive(reader, champions, FollowedPolicy(settings), KeptViews(settings, reader))


class Proactive:
    """Decides for firings. New models and policies take over while it runs.

    Args:
        reader: reads the features.
        champions: the models that serve.
        policy: the policy that decides.
        kept: how the features' views are defined.
    """

    def __init__(self, reader: OnlineReader, champions: Champions, policy: FollowedPolicy, kept: KeptViews) -> None:
        self._reader = reader
        self._champions = champions
        self._scorer = Scorer(champions)
        self._policy = policy
        self._kept = kept
        self._freshness = Freshness()
        self._rebuilding: tuple[str, ...] = ()
        self._software = version("rapport")
        self._refresh_s = self._check_s = 0.0

    def decide(self, firings: Sequence[Firing], *, as_of_us: int, rate: float, bus: Bus) -> list[Decided]:
        """The decisions for some firings, from features as of one time, read in one round trip.

        Args:
            as_of_us: the world's time now, microseconds.
            rate: seconds of its clock per second of the machine.
            bus: tells whether events wait that nobody computes features from.

        Raises:
            StoreUnavailable, BusUnavailable: nothing was decided.
        """
        if not firings:
            return []
        self._refresh(bus)
        began = time.perf_counter()
        rows = self._reader.read([firing.customer_id for firing in firings], as_of_us)
        read_ms = (time.perf_counter() - began) * 1e3 / len(firings)
        circumstances = {
            "views": self._kept.definitions,
            "rebuilding": self._rebuilding,
            "clock_rate": rate,
            "software": self._software,
        }
        known = [known_from(rows, as_of_us, at) for at in range(len(firings))]
        pairs = zip(firings, known, strict=True)
        return [self._one(firing, one, as_of_us, read_ms, circumstances) for firing, one in pairs]

    def _one(
        self, firing: Firing, known: Known, as_of_us: int, read_ms: float, circumstances: Mapping[str, Any]
    ) -> Decided:
        began = time.perf_counter()
        bundle = self._policy.bundle
        decision, more = self._made(firing, known, as_of_us, bundle)
        made_ms = (time.perf_counter() - began) * 1e3
        record = record_of(
            decision,
            more,
            trigger=FiredTrigger(firing.trigger, *((firing.id, firing.reason) if known.personal else ())),
            latency_ms=round(read_ms + made_ms, 3),
            stages_ms={"read": round(read_ms, 3), "decision": round(made_ms, 3)},
            **circumstances,
        )
        agreed = consent_of(known.features, known.degraded) == "given"
        return Decided(record, agreed and decision.next_action.id not in bundle.policy.silent)

    def _made(self, firing: Firing, known: Known, as_of_us: int, bundle: Bundle) -> tuple[Decision, dict[str, Any]]:
        """The decision, and what its record has beside it."""
        customer_id, decision_id = firing.customer_id, derived_id(firing.id, to_us(firing.moment))
        try:
            turn = Turn(decision_id, as_of_us, known, None, Session(), self._freshness.stale)
            arms = bundle.policy.arms_of(customer_id) if known.personal else {}
            turn = replace(turn, trigger=firing.trigger, arms=arms)
            scored = self._scorer.score(known)
            return make_decision(turn, scored, bundle), beside(customer_id, turn, scored, bundle)
        except Exception as error:  # a firing goes out whatever happens here
            log_failure(_logger, error, "a decision failed; a neutral one goes out")
            more = {"customer_id": customer_id if known.personal else "", "features": known.features}
            return neutral(decision_id, as_of_us), more

    def _refresh(self, bus: Bus) -> None:
        now_s = time.monotonic()
        if now_s >= self._refresh_s:
            self._champions.refresh(*MODELS, SEGMENTS)
            self._policy.refresh()
            self._rebuilding = self._kept.rebuilding()
            self._refresh_s = now_s + _REFRESH_S
        if now_s >= self._check_s:
            self._freshness.check(bus, now_s)
            self._check_s = now_s + _CHECK_BUS_S
