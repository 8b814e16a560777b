"""One decision: features, signals, scores and policy for one turn of a conversation, logged with what it took."""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from bentos.budget import Budget, Costs
from bentos.features import Features
from bentos.metrics import Metrics
from bentos.queueing import Queue
from bentos.schemas import PersonalizeRequest, SessionData
from rapport.clock import Clock, rate_of, to_us
from rapport.decisions import Decision, DecisionLog, Session
from rapport.decisions.degraded import NO_FEATURES, NO_INTENT, NO_MESSAGE, OVERLOADED, cause_of
from rapport.decisions.ids import new_id
from rapport.decisions.known import Known, known_from
from rapport.decisions.making import Turn, make_decision
from rapport.decisions.recording import beside, neutral, record_of
from rapport.decisions.scoring import Scored, Scorer
from rapport.decisions.signals import asked_before, join_signals, may_repeat
from rapport.events.text import analyse
from rapport.policy import FollowedPolicy
from rapport.quiet import log_failure

__all__ = ["Decider"]

_logger = logging.getLogger(__name__)


class _Stages:
    """How long each stage of a decision took, and all of it."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self.ms: dict[str, float] = {}
        self.seconds = 0.0

    def end(self, name: str) -> None:
        now = time.perf_counter()
        self.ms[name] = round((now - self._last) * 1e3, 3)
        self._last = now

    def end_all(self) -> None:
        self.seconds = time.perf_counter() - self._started


class Decider:
    """Makes decisions. `decide` always answers: what is missing is named in the answer.

    Args:
        queue: says when more is asked than can be decided.
        stale: whether events wait that nobody computes features from.
    """

    def __init__(
        self,
        features: Features,
        scorer: Scorer,
        policy: FollowedPolicy,
        clock: Clock,
        log: DecisionLog,
        metrics: Metrics,
        queue: Queue,
        stale: Callable[[], bool],
    ) -> None:
        self._queue = queue
        self._costs = Costs()
        self._features = features
        self._scorer = scorer
        self._policy = policy
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._stale = stale
        self._software = version("rapport")

    @property
    def wanted_slots(self) -> Collection[str]:
        """The names of slots that some template asks for."""
        return self._policy.bundle.templates.slots

    def over(self, features: Features, clock: Clock) -> Decider:
        """The same with features from elsewhere, and another clock."""
        other = copy.copy(self)
        other._features, other._clock = features, clock
        return other

    async def decide(
        self, request: PersonalizeRequest, budget: Budget | None = None, *, logged: bool = True
    ) -> Decision:
        """The decision on one turn. `logged` False: neither logged nor counted (to warm up)."""
        stages = _Stages()
        budget = budget or Budget(time.perf_counter())
        waited_s = budget.waited_s
        as_of_us = self._clock.now_us()
        try:
            if self._queue.is_too_long(waited_s, self._costs.decision_s):
                decision, record = self._shed(request, as_of_us)
            else:
                self._queue.deciding += 1
                try:
                    decision, record = await self._decide(request, as_of_us, stages, budget)
                finally:
                    self._queue.deciding -= 1
        except Exception as error:  # a chatbot gets an answer whatever happens here
            log_failure(_logger, error, "a decision failed; a neutral answer was given")
            decision = neutral(new_id(as_of_us), as_of_us)
            record = {"customer_id": "", "features": {}}
        stages.end_all()
        if logged:
            record |= {"deadline_ms": budget.deadline_ms, "waited_ms": round(waited_s * 1e3, 3)}
            # in the loop's next round: the answer goes out before it
            asyncio.get_running_loop().call_soon(self._note, decision, record, stages, waited_s)
        return decision

    async def _decide(
        self, request: PersonalizeRequest, as_of_us: int, stages: _Stages, budget: Budget
    ) -> tuple[Decision, dict[str, Any]]:
        """The decision, and what its record has beside it."""
        session, bundle, costs = request.session_data, self._policy.bundle, self._costs
        hurried = budget.deadline_ms is not None
        left_out = costs.before_read(budget.left_s, message=bool(session.message)) if hurried else ()
        said = analyse(session.message) if session.message and NO_MESSAGE not in left_out else None
        stages.end("message")
        found = None
        if NO_FEATURES not in left_out:
            try:
                within_s = budget.left_s - costs.last_s
                found = await self._features.read(request.customer_id, as_of_us, within_s)
            except TimeoutError:
                left_out = (*left_out, NO_FEATURES)
        if NO_FEATURES in left_out:
            known = Known()
        else:
            known = known_from(found.rows, as_of_us, found.at) if found else known_from(None, as_of_us)
        stages.end("read")
        if hurried:
            left_out += costs.after_read(budget.left_s, features=known.rows is not None, message=said is not None)
        scored = self._scorer.score(known, left_out)
        stages.end("scores")
        signals = None
        if said is not None:
            since_s = (as_of_us - to_us(session.message_time)) / 1e6 if session.message_time else None
            imagined = found.imagine(*asked_before(said)) if found and may_repeat(known.features) else None
            intent = None if NO_INTENT in left_out else bundle.intents.of(said.query)
            signals = join_signals(said, intent, known.features, imagined, since_s)
        stages.end("signals")
        turn = Turn(new_id(as_of_us), as_of_us, known, signals, _told(session), self._stale(), left_out)
        if bundle.policy.experiments and known.personal:
            turn = replace(turn, arms=bundle.policy.arms_of(request.customer_id))
        decision = make_decision(turn, scored, bundle)
        stages.end("policy")
        costs.learn(stages.ms, message=said is not None, scores=bool(scored.scores), reasons=bool(scored.contributions))
        return decision, beside(request.customer_id, turn, scored, bundle)

    def _shed(self, request: PersonalizeRequest, as_of_us: int) -> tuple[Decision, dict[str, Any]]:
        """What the policy says to somebody of whom nothing is known, and who has said nothing."""
        bundle = self._policy.bundle
        turn = Turn(new_id(as_of_us), as_of_us, Known(), None, _told(request.session_data), False, (OVERLOADED,))
        return make_decision(turn, Scored(), bundle), beside(request.customer_id, turn, Scored(), bundle)

    def _note(self, decision: Decision, more: dict[str, Any], stages: _Stages, waited_s: float) -> None:
        metrics = self._metrics
        metrics.decisions += 1
        metrics.waits.observe(waited_s)
        metrics.latency.observe(stages.seconds)
        metrics.rules[decision.rule] += 1
        for code in decision.degraded:
            metrics.degraded[cause_of(code)] += 1
        self._log.offer(
            record_of(
                decision,
                more,
                latency_ms=round(stages.seconds * 1e3, 3),
                stages_ms=stages.ms,
                views=self._features.definitions,
                rebuilding=self._features.rebuilding,
                clock_rate=rate_of(self._clock),
                software=self._software,
            )
        )


def _told(session: SessionData) -> Session:
    """What the caller says of the conversation, the message aside."""
    return Session(session.channel, session.page, session.locale, session.slots)
