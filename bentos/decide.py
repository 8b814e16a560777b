"""One decision: features, signals, scores and policy for one turn of a conversation, logged with what it took."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import msgspec

from bentos.features import FeatureGateway
from bentos.metrics import Metrics
from bentos.schemas import PersonalizeRequest
from rapport.clock import Clock, from_us, rate_of, to_us
from rapport.decisions import Decision, DecisionLog, DecisionRecord, RenderedTemplate, Sentiment, Session
from rapport.decisions.degraded import INTERNAL_ERROR, cause_of
from rapport.decisions.ids import new_id
from rapport.decisions.known import known_from
from rapport.decisions.making import Turn, make_decision
from rapport.decisions.scoring import Scored, Scorer
from rapport.decisions.signals import asked_before, join_signals, may_repeat
from rapport.events.text import analyse
from rapport.policy import Bundle, FollowedPolicy
from rapport.quiet import log_failure

__all__ = ["Decider"]

_logger = logging.getLogger(__name__)
_NEUTRAL_TEXT = RenderedTemplate("en", "How can I help you?")


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
        stale: whether events wait that nobody computes features from.
    """

    def __init__(
        self,
        features: FeatureGateway,
        scorer: Scorer,
        policy: FollowedPolicy,
        clock: Clock,
        log: DecisionLog,
        metrics: Metrics,
        stale: Callable[[], bool],
    ) -> None:
        self._features = features
        self._scorer = scorer
        self._policy = policy
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._stale = stale
        self._software = version("rapport")

    async def decide(self, request: PersonalizeRequest, *, logged: bool = True) -> Decision:
        """The decision on one turn. `logged` False: neither logged nor counted (to warm up)."""
        stages = _Stages()
        as_of_us = self._clock.now_us()
        try:
            decision, record = await self._decide(request, as_of_us, stages)
        except Exception as error:  # a chatbot gets an answer whatever happens here
            log_failure(_logger, error, "a decision failed; a neutral answer was given")
            decision = _neutral(as_of_us)
            record = {"customer_id": "", "features": {}}
        stages.end_all()
        if logged:
            # in the loop's next round: the answer goes out before it
            asyncio.get_running_loop().call_soon(self._note, decision, record, stages)
        return decision

    async def _decide(
        self, request: PersonalizeRequest, as_of_us: int, stages: _Stages
    ) -> tuple[Decision, dict[str, Any]]:
        """The decision, and what its record has beside it."""
        session, bundle = request.session_data, self._policy.bundle
        said = analyse(session.message) if session.message else None
        stages.end("message")
        found = await self._features.read(request.customer_id, as_of_us)
        known = known_from(found[0] if found else None, as_of_us)
        stages.end("read")
        scored = self._scorer.score(known)
        stages.end("scores")
        signals = None
        if said is not None:
            since_s = (as_of_us - to_us(session.message_time)) / 1e6 if session.message_time else None
            imagined = found[1](*asked_before(said)) if found and may_repeat(known.features) else None
            signals = join_signals(said, bundle.intents.of(said.query), known.features, imagined, since_s)
        about = Session(session.channel, session.page, session.locale, session.slots)
        turn = Turn(new_id(as_of_us), as_of_us, known, signals, about, self._stale())
        decision = make_decision(turn, scored, bundle)
        stages.end("policy")
        return decision, _beside(request.customer_id, turn, scored, bundle)

    def _note(self, decision: Decision, beside: dict[str, Any], stages: _Stages) -> None:
        metrics = self._metrics
        metrics.decisions += 1
        metrics.latency.observe(stages.seconds)
        metrics.rules[decision.rule] += 1
        for code in decision.degraded:
            metrics.degraded[cause_of(code)] += 1
        shown = decision if beside["customer_id"] else _without_person(decision)
        self._log.offer(
            DecisionRecord(
                **msgspec.structs.asdict(shown),
                **beside,
                latency_ms=round(stages.seconds * 1e3, 3),
                stages_ms=stages.ms,
                views=self._features.definitions,
                rebuilding=self._features.rebuilding,
                clock_rate=rate_of(self._clock),
                software=self._software,
            )
        )


def _beside(customer_id: str, turn: Turn, scored: Scored, bundle: Bundle) -> dict[str, Any]:
    """What is logged beside the decision. Without consent, or when that is not known, nothing of the person."""
    known = turn.known
    found = {
        "customer_id": customer_id if known.personal else "",
        "features": known.features,
        "absent": known.absent,
        "contributions": scored.contributions,
        "models": scored.models,
        "intents_version": bundle.versions["intents"],
    }
    return {**found, "signals": turn.signals, "session": turn.session} if known.personal else found


def _without_person(decision: Decision) -> Decision:
    """The decision without what the customer wrote, and what came of it."""
    text = RenderedTemplate(decision.template.locale, None)
    asks = [msgspec.structs.replace(ask, problem=None) for ask in decision.ask]
    return msgspec.structs.replace(decision, sentiment=Sentiment(), intent=None, template=text, ask=asks)


def _neutral(as_of_us: int) -> Decision:
    return msgspec.structs.replace(
        _NEUTRAL, decision_id=new_id(as_of_us), as_of=from_us(as_of_us), degraded=[INTERNAL_ERROR]
    )


_NEUTRAL = Decision(
    decision_id="",
    as_of=from_us(0),
    segment="Unknown",
    activity=None,
    sentiment=Sentiment(),
    scores={},
    tone="neutral",
    template_id="neutral_help",
    template=_NEUTRAL_TEXT,
    rule="default",
    reasons=[],
    model_versions={},
    feature_age_s=None,
    degraded=[],
)
