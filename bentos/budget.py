"""The time that a request has, and what of its decision is left out when that is not enough.

Only the read waits for somebody else; it may take what is left. The other parts take what they usually take, which is a
running mean of the decisions before, and are left out while that is more than is left. What was left out is a code of
the decision, so that whoever makes it again leaves out the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from starlette.requests import Request

from rapport.decisions.degraded import NO_FEATURES, NO_INTENT, NO_MESSAGE, NO_REASONS, NO_SCORES
from rapport.intake.refusal import Refusal

__all__ = ["ARRIVED", "HEADER", "MOST_MS", "Budget", "Costs", "budget_of"]

ARRIVED = "rapport.arrived"
"""Key of a request's state: when it had arrived whole, by `time.perf_counter`."""
HEADER = "X-Deadline-Ms"
_HEADER = HEADER.lower().encode()
MOST_MS = 60_000
_ANSWER_S = 0.0002
"""To write the answer and send it."""
_SHARE = 0.05
_EVERY = 8
"""One decision in so many is looked at: to learn from each would cost more than it tells."""
_MOST_GROWTH = 8.0
"""One decision counts for at most this many times the mean: a pause of the process says nothing of a part."""
_FIRST_S = {"message": 0.0003, "scores": 0.0001, "scores with reasons": 0.0004, "signals": 0.0001, "policy": 0.0002}
"""Until something is known."""


class Budget(NamedTuple):
    """When a request arrived, and how long it may take from then on.

    Attributes:
        arrived_s: by `time.perf_counter`.
        deadline_ms: None: as long as it takes.
    """

    arrived_s: float
    deadline_ms: int | None = None

    @property
    def waited_s(self) -> float:
        """How long ago it arrived."""
        return time.perf_counter() - self.arrived_s

    @property
    def left_s(self) -> float:
        """What is left of it; negative when it is over."""
        return float("inf") if self.deadline_ms is None else self.deadline_ms / 1e3 - self.waited_s

    def from_now(self) -> Budget:
        """The same end for what begins now."""
        now_s = time.perf_counter()
        return Budget(now_s, None if self.deadline_ms is None else max(0, round(self.left_s * 1e3)))


def budget_of(request: Request, otherwise_ms: int | None = None) -> Budget:
    """The budget that a request's header gives it.

    Args:
        otherwise_ms: without a header; None: none.

    Raises:
        Refusal: 400, the header is not a whole number from 1 to 60,000.
    """
    scope = request.scope
    arrived_s = scope["state"].get(ARRIVED) if "state" in scope else None
    deadline_ms = otherwise_ms
    for name, value in scope["headers"]:
        if name == _HEADER:
            deadline_ms = _milliseconds(value.decode("latin-1"))
            break
    return Budget(time.perf_counter() if arrived_s is None else arrived_s, deadline_ms)


class Costs:
    """What the parts of a decision usually take, seconds.

    Attributes:
        decision_s: all of them together, what somebody else does aside.
    """

    def __init__(self) -> None:
        self._usual = dict(_FIRST_S)
        self._until = 0
        self.decision_s = self._all_s()

    def learn(self, stages_ms: Mapping[str, float], *, message: bool, scores: bool, reasons: bool) -> None:
        """Take in how long the parts of one decision took, if it is its turn.

        Args:
            stages_ms: part to milliseconds.
            message, scores, reasons: whether it had them.
        """
        self._until -= 1
        if self._until > 0:
            return
        self._until = _EVERY
        self._take("policy", stages_ms["policy"])
        if message:
            self._take("message", stages_ms["message"])
            self._take("signals", stages_ms["signals"])
        if scores:
            self._take("scores with reasons" if reasons else "scores", stages_ms["scores"])
        self.decision_s = self._all_s()

    def _all_s(self) -> float:
        usual = self._usual
        return usual["message"] + usual["scores with reasons"] + usual["signals"] + self.last_s

    def _take(self, part: str, ms: float) -> None:
        mean = self._usual[part]
        self._usual[part] = mean + _SHARE * (min(ms / 1e3, _MOST_GROWTH * mean) - mean)

    @property
    def last_s(self) -> float:
        """What comes in any case, after all the rest: the policy's answer, written and sent."""
        return self._usual["policy"] + _ANSWER_S

    def before_read(self, left_s: float, *, message: bool) -> tuple[str, ...]:
        """The codes of what is left out before and of the read.

        Args:
            message: whether there is one.
        """
        spare_s = left_s - self.last_s
        codes: tuple[str, ...] = ()
        if message:
            if spare_s < self._usual["message"]:
                codes = (NO_MESSAGE,)
            else:
                spare_s -= self._usual["message"]
        return codes if spare_s > 0 else (*codes, NO_FEATURES)

    def after_read(self, left_s: float, *, features: bool, message: bool) -> tuple[str, ...]:
        """The codes of what is left out after it: first goes why, then what a message wants, then the scores.

        Args:
            features: whether there are any to score.
            message: whether one was looked at.
        """
        usual = self._usual
        spare_s = left_s - self.last_s
        codes: list[str] = []
        if features:
            if spare_s < usual["scores"]:
                codes.append(NO_SCORES)
            else:
                spare_s -= usual["scores"]
        if message:
            if spare_s < usual["signals"]:
                codes.append(NO_INTENT)
            else:
                spare_s -= usual["signals"]
        if features and NO_SCORES not in codes and spare_s < usual["scores with reasons"] - usual["scores"]:
            codes.append(NO_REASONS)
        return tuple(codes)


def _milliseconds(given: str) -> int:
    if given.isascii() and given.isdigit() and len(given) <= len(str(MOST_MS)) and 1 <= int(given) <= MOST_MS:
        return int(given)
    detail = f"{given[:40]!r} is refused: whole milliseconds, 1 to {MOST_MS}, within which the answer is of use"
    raise Refusal(400, "bad_value", HEADER, detail)
