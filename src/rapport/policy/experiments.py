"""Experiments: which arm a customer is in, and what the arm's customers get instead.

The arm follows from the experiment's name and the customer's id alone, so that it is the same in every process and at
every turn, and in one experiment says nothing of that in another.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

from rapport.policy.declared import Arm, Experiment, Tone
from rapport.policy.reading import Source, near

__all__ = ["CompiledExperiment", "compile_experiments"]

_ALL = 1 << 64


@dataclass(frozen=True, slots=True)
class CompiledExperiment:
    """A checked experiment.

    Attributes:
        arms: the names, in the order in which they are declared.
        ends: of each arm the number, of 2^64, that the hashes of its customers are below.
        templates, tones: of each arm, what stands in for what.
    """

    name: str
    arms: tuple[str, ...]
    ends: tuple[int, ...]
    templates: Mapping[str, Mapping[str, str]]
    tones: Mapping[str, Mapping[Tone, Tone]]

    def arm_of(self, customer_id: str) -> str:
        """The customer's arm."""
        text = f"{len(self.name)}:{self.name}{customer_id}".encode("utf-8", "surrogatepass")
        number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())
        return self.arms[bisect_right(self.ends, number)]


def compile_experiments(
    declared: Mapping[str, Experiment], templates: Collection[str], source: Source
) -> tuple[CompiledExperiment, ...]:
    """The experiments of a policy.

    Raises:
        PolicyError: shares that do not add up to 1, or a template that does not exist.
    """
    return tuple(_compiled(name, one, templates, source) for name, one in declared.items())


def _compiled(name: str, given: Experiment, templates: Collection[str], source: Source) -> CompiledExperiment:
    path, about = f".experiments.{name}", f"experiment {name!r}"
    # as they are written: 0.1 is a tenth
    shares = [Fraction(str(arm.share)) for arm in given.arms.values()]
    if sum(shares) != 1:
        raise source.error(f"the shares of its arms add up to {float(sum(shares)):g}, not to 1", path, about=about)
    for arm_name, arm in given.arms.items():
        _check(arm, f"{path}.arms.{arm_name}.instead", f"{about}, arm {arm_name!r}", templates, source)
    return CompiledExperiment(
        name=name,
        arms=tuple(given.arms),
        ends=tuple(int(end * _ALL) for end in accumulate(shares)),
        templates={arm_name: arm.instead.template for arm_name, arm in given.arms.items()},
        tones={arm_name: arm.instead.tone for arm_name, arm in given.arms.items()},
    )


def _check(arm: Arm, path: str, about: str, templates: Collection[str], source: Source) -> None:
    for template in (*arm.instead.template, *arm.instead.template.values()):
        if template not in templates:
            there_are = ", ".join(sorted(templates))
            text = f"unknown template {template[:80]!r}{near(template, templates)}; there are: {there_are}"
            raise source.error(text, f"{path}.template", about=about)
