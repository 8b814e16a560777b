"""A condition of a rule on one fact: checked, made ready to be tested, and put into words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from rapport.decisions.situation import FACTS, Situation, fact_kinds, may_be_unknown
from rapport.policy.declared import Condition, Limits, Scalar
from rapport.policy.reading import near

__all__ = ["ARM", "FactTest", "WrongCondition", "make_test", "shown"]

ARM = "arm."
"""What stands before an experiment's name, as a fact."""


class WrongCondition(ValueError):  # noqa: N818 - it names what is wrong, as its callers read it
    """What is wrong with a condition."""


@dataclass(frozen=True, slots=True)
class FactTest:
    """One condition.

    Attributes:
        fact: what it looks at.
        value: the fact's value in a situation.
        holds: of the fact's value, which is not None.
        of_unknown: whether it holds when the fact is not known.
        words: what it asks for.
    """

    fact: str
    value: Callable[[Situation], object]
    holds: Callable[[object], bool]
    of_unknown: bool
    words: str

    def passes(self, situation: Situation) -> bool:
        value = self.value(situation)
        return self.of_unknown if value is None else self.holds(value)

    def said(self, situation: Situation) -> str:
        """The fact as it is, and what was asked of it."""
        return f"{self.fact} is {shown(self.value(situation))}, asked for: {self.words}"


def shown(value: object) -> str:
    """A fact's value for people."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def make_test(fact: str, condition: Condition, experiments: Mapping[str, Collection[str]]) -> FactTest:
    """The test of a condition.

    Args:
        experiments: those that are declared, and the arms of each: `arm.<experiment>` is a fact, too.

    Raises:
        WrongCondition: the fact is not known, or the condition does not fit it; names the choices.
    """
    if fact.startswith(ARM):
        return _arm_test(fact, condition, experiments)
    kind = FACTS.get(fact)
    if kind is None:
        raise WrongCondition(f"unknown fact {fact[:80]!r}{near(fact, FACTS)}; facts: {fact_kinds()}")
    value = attrgetter(fact)
    if isinstance(condition, Limits):
        return _limits(fact, value, kind, condition)
    values = condition if isinstance(condition, list) else [condition]
    allowed = _values(kind, values)
    words = shown(values[0]) if len(values) == 1 else "one of " + ", ".join(map(shown, values))
    return FactTest(fact, value, lambda value: value in allowed, False, words)


def _arm_test(fact: str, condition: Condition, experiments: Mapping[str, Collection[str]]) -> FactTest:
    name = fact.removeprefix(ARM)
    if name not in experiments:
        there_are = ", ".join(experiments) or "none"
        raise WrongCondition(f"unknown experiment {name[:80]!r}{near(name, experiments)}; experiments: {there_are}")
    if isinstance(condition, Limits):
        raise WrongCondition("give an arm, or a list of arms")
    values = condition if isinstance(condition, list) else [condition]
    allowed = _values(str, values)
    for arm in values:
        if arm not in experiments[name]:
            raise WrongCondition(f"{name} has no arm {arm!r}; its arms: {', '.join(experiments[name])}")
    words = "one of " * (len(values) > 1) + ", ".join(map(shown, values))
    return FactTest(fact, lambda situation: situation.arms.get(name), lambda arm: arm in allowed, False, words)


def _values(kind: type, values: Sequence[Scalar]) -> frozenset[Scalar]:
    if not values:
        raise WrongCondition("the list is empty, so that it says nothing")
    for value in values:
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise WrongCondition(f"{value!r} is not a {kind.__name__}")
    return frozenset(values)


def _limits(fact: str, value: Callable[[Situation], object], kind: type, limits: Limits) -> FactTest:
    if limits == Limits():
        raise WrongCondition("give at_least, below, none_of or known")
    if limits.known is False and limits != Limits(known=False):
        raise WrongCondition("`known: false` leaves nothing for the other conditions to look at")
    if limits.known is not None and not may_be_unknown(fact):
        raise WrongCondition("this fact is always known")
    numbers = limits.at_least is not None or limits.below is not None
    if numbers and kind not in (int, float):
        raise WrongCondition(f"it is a {kind.__name__}: at_least and below are for numbers; give a value or a list")
    low = float("-inf") if limits.at_least is None else limits.at_least
    high = float("inf") if limits.below is None else limits.below
    if not low < high:
        raise WrongCondition(f"at_least {low:g} and below {high:g} leave nothing between them")
    refused = _values(kind, limits.none_of) if limits.none_of is not None else frozenset()

    def holds(found: object) -> bool:
        if limits.known is False or found in refused:
            return False
        return not numbers or low <= found < high  # type: ignore[operator]

    return FactTest(fact, value, holds, limits.known is False, _words(limits))


def _words(limits: Limits) -> str:
    if limits.known is False:
        return "not known"
    parts = [] if limits.at_least is None else [f"at least {limits.at_least:g}"]
    parts += [] if limits.below is None else [f"below {limits.below:g}"]
    parts += [] if limits.none_of is None else ["none of " + ", ".join(map(shown, limits.none_of))]
    return " and ".join(parts) or "known"
