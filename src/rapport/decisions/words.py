"""A logged decision in words: what was known, what the models made of it, which rule decided and why, and what came."""

from __future__ import annotations

from collections.abc import Iterator

from rapport.decisions.degraded import CODES, INTERNAL_ERROR, cause_of
from rapport.decisions.making import sentiment_of, situation_of
from rapport.decisions.reasons import phrase_of, value_text
from rapport.decisions.record import DecisionRecord
from rapport.decisions.replay import turn_of
from rapport.decisions.scoring import Scored
from rapport.decisions.situation import Situation, consent_of
from rapport.policy import Bundle

__all__ = ["explain_in_words", "situation_then"]

_MOST = 3


def explain_in_words(record: DecisionRecord, bundle: Bundle | str) -> list[str]:
    """Sentences, in the order in which the decision was made.

    Args:
        bundle: the policy that decided, or why it is no longer there.
    """
    return [
        *_cause(record),
        *_customer(record),
        *_message(record),
        *_scores(record),
        *_rule(record, bundle),
        *(f"In experiment {name} the customer is in the arm {arm}." for name, arm in record.arms.items()),
        *_answer(record),
        *(f"Missing: {_meaning(code)}" for code in record.degraded),
        _time(record),
    ]


def situation_then(record: DecisionRecord) -> Situation:
    """What the policy saw."""
    turn = turn_of(record)
    scored = Scored(scores=record.scores, segment=record.segment, activity=record.activity)
    return situation_of(turn, scored, sentiment_of(turn.signals, turn.known))


def _cause(record: DecisionRecord) -> Iterator[str]:
    if record.trigger is not None:
        named = f" (firing {record.trigger.firing_id}): {record.trigger.reason}" if record.trigger.firing_id else ""
        yield f"Made because trigger {record.trigger.name} fired{named}."


def _customer(record: DecisionRecord) -> Iterator[str]:
    who = f"customer {record.customer_id}" if record.customer_id else "a customer whose id was not logged"
    consent = {"given": "has agreed to personalization", "refused": "has refused personalization"}
    said = consent.get(consent_of(record.features, record.degraded), "has not said whether personalization is welcome")
    yield f"At {record.as_of:%Y-%m-%d %H:%M:%S} UTC, {who}, who {said}."
    if record.features:
        age = "" if record.feature_age_s is None else f"; the newest event was {record.feature_age_s:,.1f} s old"
        known = sum(value is not None for value in record.features.values())
        yield f"{known} of {len(record.features)} features were known{age}."


def _message(record: DecisionRecord) -> Iterator[str]:
    signals = record.signals
    if signals is None:
        return
    intent = f"its intent {signals.intent}" if signals.intent else "no declared intent in it"
    repeat = "a question repeated within 10 minutes" if signals.repeat else "no repetition"
    yield (
        f"The message sounded {signals.label} ({signals.sentiment:+.2f}), frustration {signals.frustration:.2f}, "
        f"{intent}, {repeat}."
    )


def _scores(record: DecisionRecord) -> Iterator[str]:
    if record.segment != "Unknown" or record.activity:
        activity = f", activity {record.activity}" if record.activity else ""
        yield f"Segment {record.segment}{activity} (segments {record.model_versions.get('segments', '?')})."
    for model, score in record.scores.items():
        moved = sorted(record.contributions.get(model, {}).items(), key=lambda item: -abs(item[1]))[:_MOST]
        parts = [
            f"{phrase_of(name)} {value_text(name, _number(record, name))} ({'+' if amount > 0 else ''}{amount:.2f})"
            for name, amount in moved
        ]
        why = f"; moved most, in log-odds, by {', '.join(parts)}" if parts else ""
        yield f"{model.replace('_', ' ').capitalize()} {score:.1%} (version {record.model_versions[model]}){why}."


def _rule(record: DecisionRecord, bundle: Bundle | str) -> Iterator[str]:
    if INTERNAL_ERROR in record.degraded:
        return
    if isinstance(bundle, str) or not record.customer_id:
        missing = bundle if isinstance(bundle, str) else "what the rules looked at was not logged"
        policy = record.policy_version or "of then"
        yield f"Rule {record.rule!r} of policy {policy} decided; why cannot be said: {missing}."
        return
    situation = situation_then(record)
    rules = bundle.policy.rules
    place = next((at for at, rule in enumerate(rules) if rule.name == record.rule), len(rules))
    if place < len(rules):
        because = "; ".join(test.said(situation) for test in rules[place].tests)
        yield (
            f"Rule {place + 1} of {len(rules)}, {record.rule!r}, of policy {record.policy_version} decided, because "
            f"{because}."
        )
    else:
        yield f"None of the {len(rules)} rules of policy {record.policy_version} held, so the default decided."
    for rule in rules[:place]:
        if (failed := rule.failed(situation)) is not None:
            yield f"Before it, {rule.name!r} did not hold: {failed.said(situation)}."


def _answer(record: DecisionRecord) -> Iterator[str]:
    offer = f", offer {record.offer.id}" if record.offer else ""
    yield f"So: tone {record.tone}, template {record.template_id}{offer}, next action {record.next_action.id}."
    for ask in record.ask:
        problem = f" ({ask.problem})" if ask.problem else ""
        yield f"Asked for first: {ask.name} ({ask.type}){problem}."


def _time(record: DecisionRecord) -> str:
    stages = ", ".join(f"{name} {ms:.2f}" for name, ms in record.stages_ms.items())
    return f"It took {record.latency_ms:.2f} ms{f' ({stages})' if stages else ''}."


def _meaning(code: str) -> str:
    cause, _, name = code.partition(":")
    meaning = next((text for known, text in CODES.items() if cause_of(known) == cause), "")
    return f"{cause}{f' ({name})' if name else ''}: {meaning}"


def _number(record: DecisionRecord, name: str) -> float | None:
    value = record.features.get(name)
    return value if isinstance(value, float) else None
