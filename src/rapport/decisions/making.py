"""How a decision is made: features, signals and models' scores become a situation, and the policy answers it.

The same function makes it in the service and makes it again in a replay; it reads no clock and no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rapport.clock import from_us
from rapport.decisions.degraded import FEATURES_STALE, POLICY_UNAVAILABLE
from rapport.decisions.known import Known
from rapport.decisions.record import Decision, Sentiment, Session, Signals
from rapport.decisions.scoring import Scored
from rapport.decisions.situation import Situation, consent_of, make_situation
from rapport.events.text import Label
from rapport.policy.bundle import Bundle
from rapport.policy.following import NEUTRAL

__all__ = ["Turn", "make_decision", "sentiment_of", "situation_of"]

_MOOD = "conversation__sentiment_mean_1h"
_LABEL_FROM = 0.05
"""Where a mean is no longer neutral: the threshold of single messages."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one decision is made from, models and policy aside.

    Attributes:
        as_of_us: the time of the decision, microseconds UTC.
        stale: whether events wait that nobody computes features from.
        left_out: codes of what was left out for lack of time (`no_time:…`, `overloaded`).
        trigger: the name of the trigger that fired; None for a turn of a conversation.
        arms: experiment to the customer's arm.
    """

    decision_id: str
    as_of_us: int
    known: Known
    signals: Signals | None
    session: Session
    stale: bool
    left_out: tuple[str, ...] = ()
    trigger: str | None = None
    arms: Mapping[str, str] = field(default_factory=dict)


def make_decision(turn: Turn, scored: Scored, bundle: Bundle) -> Decision:
    """The decision on a turn, whose scores are known."""
    known = turn.known
    sentiment = sentiment_of(turn.signals, known)
    answer = bundle.answer(situation_of(turn, scored, sentiment), turn.session.slots)
    return Decision(
        decision_id=turn.decision_id,
        as_of=from_us(turn.as_of_us),
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
        degraded=_degraded(turn, scored, bundle),
        intent=turn.signals.intent if turn.signals else None,
        ask=answer.ask,
        offer=answer.offer,
        next_action=answer.next_action,
        policy_version=bundle.versions["policy"],
        templates_version=bundle.versions["templates"],
    )


def situation_of(turn: Turn, scored: Scored, sentiment: Sentiment) -> Situation:
    """What the policy sees of a turn."""
    return make_situation(
        turn.known.features,
        sentiment=sentiment,
        signals=turn.signals,
        scores=scored.scores,
        segment=scored.segment,
        activity=scored.activity,
        session=turn.session,
        consent=consent_of(turn.known.features, turn.known.degraded),
        trigger=turn.trigger,
        arms=turn.arms,
    )


def sentiment_of(signals: Signals | None, known: Known) -> Sentiment:
    """Of the message, else of the last hour's messages, else neutral."""
    if signals is not None:
        return Sentiment(signals.label, signals.sentiment)
    mood = known.features.get(_MOOD)
    return Sentiment(_label(mood), round(mood, 4)) if isinstance(mood, float) else Sentiment()


def _degraded(turn: Turn, scored: Scored, bundle: Bundle) -> list[str]:
    codes = [*turn.known.degraded, *scored.degraded]
    if turn.known.rows is not None and turn.stale:
        codes.append(FEATURES_STALE)
    if bundle is NEUTRAL:
        codes.append(POLICY_UNAVAILABLE)
    codes.extend(turn.left_out)
    return codes


def _label(score: float) -> Label:
    if abs(score) < _LABEL_FROM:
        return "neutral"
    return "positive" if score > 0 else "negative"
