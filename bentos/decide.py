"""One decision: features, scores, segment, tone and template for one turn of a conversation."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from bentos.answering import Answering
from bentos.features import FeatureGateway
from bentos.known import Known, known_from
from bentos.metrics import Metrics
from bentos.schemas import PersonalizeRequest
from bentos.scoring import Scored, Scorer
from rapport.clock import Clock, from_us, rate_of
from rapport.decisions import Decision, DecisionLog, DecisionRecord, Sentiment, make_situation
from rapport.decisions.degraded import FEATURES_STALE, INTERNAL_ERROR, POLICY_UNAVAILABLE, cause_of
from rapport.decisions.record import RenderedTemplate
from rapport.events.text import Label, TextSignals, analyse
from rapport.quiet import log_failure

__all__ = ["Decider"]

_logger = logging.getLogger(__name__)
_MOOD = "conversation__sentiment_mean_1h"
_LABEL_FROM = 0.05
"""Where a mean is no longer neutral: the threshold of single messages."""
_NEUTRAL_TEXT = RenderedTemplate("en", "How can I help you?")


class Decider:
    """Makes decisions. `decide` always answers: what is missing is named in the answer.

    Args:
        stale: whether events wait that nobody computes features from.
    """

    def __init__(
        self,
        features: FeatureGateway,
        scorer: Scorer,
        answering: Answering,
        clock: Clock,
        log: DecisionLog,
        metrics: Metrics,
        stale: Callable[[], bool],
    ) -> None:
        self._features = features
        self._scorer = scorer
        self._answering = answering
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._stale = stale

    async def decide(self, request: PersonalizeRequest, *, logged: bool = True) -> Decision:
        """The decision on one turn. `logged` False: neither logged nor counted (to warm up)."""
        started = time.perf_counter()
        as_of_us = self._clock.now_us()
        try:
            known = known_from(await self._features.read(request.customer_id, as_of_us), as_of_us)
            decision = self._decide(request, known, as_of_us)
        except Exception as error:  # a chatbot gets an answer whatever happens here
            log_failure(_logger, error, "a decision failed; a neutral answer was given")
            known, decision = Known(), _neutral(as_of_us)
        if logged:
            self._note(request, known, decision, time.perf_counter() - started)
        return decision

    def _decide(self, request: PersonalizeRequest, known: Known, as_of_us: int) -> Decision:
        session = request.session_data
        signals = analyse(session.message) if session.message else None
        scored = self._scorer.score(known)
        sentiment = _sentiment(signals, known)
        situation = make_situation(
            known.features,
            sentiment=sentiment,
            frustration=signals.frustration if signals else None,
            scores=scored.scores,
            segment=scored.segment,
            activity=scored.activity,
            channel=session.channel,
            page=session.page,
        )
        answer = self._answering.answer(situation, session.locale or known.locale)
        return Decision(
            decision_id=uuid.uuid4().hex,
            as_of=from_us(as_of_us),
            segment=scored.segment,
            activity=scored.activity,
            sentiment=sentiment,
            scores=scored.scores,
            tone=answer.tone,
            template_id=answer.template_id,
            template=answer.template,
            rule=answer.rule,
            reasons=scored.reasons,
            model_versions=scored.versions,
            feature_age_s=known.age_s,
            degraded=self._degraded(known, scored),
        )

    def _degraded(self, known: Known, scored: Scored) -> list[str]:
        codes = [*known.degraded, *scored.degraded]
        if known.rows is not None and self._stale():
            codes.append(FEATURES_STALE)
        if self._answering.problem:
            codes.append(POLICY_UNAVAILABLE)
        return codes

    def _note(self, request: PersonalizeRequest, known: Known, decision: Decision, seconds: float) -> None:
        metrics = self._metrics
        metrics.decisions += 1
        metrics.latency.observe(seconds)
        metrics.rules[decision.rule] += 1
        for code in decision.degraded:
            metrics.degraded[cause_of(code)] += 1
        self._log.offer(
            DecisionRecord(
                **_fields(known, decision),
                customer_id=request.customer_id if known.personal else "",
                features=known.features,
                latency_ms=round(seconds * 1e3, 3),
                views=self._features.definitions,
                rebuilding=self._features.rebuilding,
                clock_rate=rate_of(self._clock),
            )
        )


def _sentiment(signals: TextSignals | None, known: Known) -> Sentiment:
    """Of the message, else of the last hour's messages, else neutral."""
    if signals is not None:
        return Sentiment(signals.label, round(signals.sentiment, 4))
    mood = known.features.get(_MOOD)
    return Sentiment(_label(mood), round(mood, 4)) if isinstance(mood, float) else Sentiment()


def _label(score: float) -> Label:
    if abs(score) < _LABEL_FROM:
        return "neutral"
    return "positive" if score > 0 else "negative"


def _fields(known: Known, decision: Decision) -> dict[str, Any]:
    """The decision's own fields; what the customer wrote is personal, too."""
    fields = {name: getattr(decision, name) for name in Decision.__struct_fields__}
    return fields if known.personal else {**fields, "sentiment": Sentiment()}


def _neutral(as_of_us: int) -> Decision:
    return msgspec.structs.replace(
        _NEUTRAL, decision_id=uuid.uuid4().hex, as_of=from_us(as_of_us), degraded=[INTERNAL_ERROR]
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
