"""What another policy would have answered to logged decisions: how many change, from what to what. Reads no customer's
id into what it reports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from rapport.decisions.degraded import INTERNAL_ERROR
from rapport.decisions.record import Chosen, DecisionRecord
from rapport.decisions.words import situation_then
from rapport.policy import Answer, Bundle

__all__ = ["Change", "DryRun", "DryRunReport"]

FIELDS = ("rule", "tone", "template", "text", "offer", "next_action", "ask")
_EXAMPLES = 3


class Change(msgspec.Struct, frozen=True):
    """Decisions in which one field goes from one value to another."""

    field: str
    before: str
    after: str
    decisions: int
    examples: tuple[str, ...]
    """Ids of some of them, for `rapport explain`."""


class DryRunReport(msgspec.Struct, frozen=True):
    """What a dry run found.

    Attributes:
        decisions: how many were looked at.
        changed: how many of them would have another answer; another rule with the same answer is none.
        other_rule: how many would be decided by another rule.
        apart: why some could not be looked at, and how many.
    """

    policy_version: str
    decisions: int
    changed: int
    other_rule: int
    apart: dict[str, int]
    changes: tuple[Change, ...]


class DryRun:
    """A dry run in the making."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._decisions = self._changed = self._other_rule = 0
        self._apart: Counter[str] = Counter()
        self._changes: Counter[tuple[str, str, str]] = Counter()
        self._examples: dict[tuple[str, str, str], list[str]] = {}

    def add(self, records: Iterable[DecisionRecord]) -> None:
        """Look at some decisions."""
        for record in records:
            why = _not_comparable(record)
            if why:
                self._apart[why] += 1
            else:
                situation = situation_then(record)
                # whom an experiment of this policy puts into which arm is this policy's to say
                arms = self._bundle.policy.arms_of(record.customer_id)
                situation = msgspec.structs.replace(situation, arms=arms)
                self._compare(record, self._bundle.answer(situation, record.session.slots))

    def report(self) -> DryRunReport:
        order = {name: at for at, name in enumerate(FIELDS)}
        found = sorted(self._changes.items(), key=lambda item: (order[item[0][0]], -item[1], item[0]))
        changes = tuple(Change(*key, count, tuple(self._examples[key])) for key, count in found)
        version = self._bundle.versions["policy"]
        apart = dict(self._apart.most_common())
        return DryRunReport(version, self._decisions, self._changed, self._other_rule, apart, changes)

    def _compare(self, record: DecisionRecord, answer: Answer) -> None:
        self._decisions += 1
        before, after = _named(record), _named(answer)
        if before["template"] == after["template"] and record.template != answer.template:
            after["text"] = "another"  # what it says may be personal
        different = [name for name in FIELDS if before[name] != after[name]]
        self._other_rule += "rule" in different
        self._changed += different not in ([], ["rule"])
        for name in different:
            key = (name, before[name], after[name])
            self._changes[key] += 1
            examples = self._examples.setdefault(key, [])
            if len(examples) < _EXAMPLES:
                examples.append(record.decision_id)


def _not_comparable(record: DecisionRecord) -> str:
    if INTERNAL_ERROR in record.degraded:
        return "failed"
    if not record.customer_id:
        return "not logged for lack of consent"
    return "" if record.policy_version else "logged before policies had versions"


def _named(made: DecisionRecord | Answer) -> dict[str, str]:
    """What was or would be answered, field by field, for people."""
    return {
        "rule": made.rule,
        "tone": made.tone,
        "template": made.template_id,
        "text": f"of {made.template_id}",
        "offer": _shown(made.offer),
        "next_action": _shown(made.next_action),
        "ask": ", ".join(ask.name for ask in made.ask) or "nothing",
    }


def _shown(chosen: Chosen | None) -> str:
    if chosen is None:
        return "none"
    values = ", ".join(f"{name} {value}" for name, value in chosen.values.items())
    return f"{chosen.id} ({values})" if values else chosen.id
