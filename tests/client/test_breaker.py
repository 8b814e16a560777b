"""The breaker beside a naive model of it: any calls, outcomes in any order, any time between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.client import BreakerOptions, CircuitBreaker

STEPS = st.lists(
    st.one_of(
        st.just(("ask",)),
        st.tuples(st.just("tell"), st.integers(0, 7), st.booleans()),
        st.tuples(st.just("forget"), st.integers(0, 7)),
        st.tuples(st.just("wait"), st.integers(0, 6)),
        st.tuples(st.just("rest"), st.integers(0, 8)),
    ),
    max_size=60,
)


class Naive:
    """Keeps the whole history and decides from it anew each time."""

    def __init__(self, options: BreakerOptions) -> None:
        self.options = options
        self.now = 0.0
        self.history: list[tuple[str, float]] = []
        """Turns ("opened", until) and ("closed", 0), and the outcomes ("good" or "bad", 0) and probes between them."""

    def turns(self) -> int:
        return sum(what in ("opened", "closed") for what, _ in self.history)

    def since_turn(self) -> list[str]:
        names = [what for what, _ in self.history]
        last = max((at for at, what in enumerate(names) if what in ("opened", "closed")), default=-1)
        return names[last + 1 :]

    def until(self) -> float | None:
        turns = [turn for turn in self.history if turn[0] in ("opened", "closed")]
        return turns[-1][1] if turns and turns[-1][0] == "opened" else None

    def ask(self) -> int | None:
        until = self.until()
        if until is not None:
            if self.now < until or self.since_turn().count("probe") > self.since_turn().count("given_up"):
                return None
            self.history.append(("probe", 0))
        return self.turns()

    def tell(self, permit: int, ok: bool) -> None:
        if permit != self.turns():
            return
        if self.until() is not None:
            self.history.append(("closed", 0) if ok else ("opened", self.now + self.options.open_s))
            return
        self.history.append(("good" if ok else "bad", 0))
        if self.since_turn()[-self.options.window :].count("bad") >= self.options.failures:
            self.history.append(("opened", self.now + self.options.open_s))

    def forget(self, permit: int) -> None:
        probes, given_up = self.since_turn().count("probe"), self.since_turn().count("given_up")
        if permit == self.turns() and probes > given_up:
            self.history.append(("given_up", 0))

    def rest(self, seconds: float) -> None:
        self.history.append(("opened", max(self.now + seconds, self.until() or 0)))

    def state(self) -> str:
        until = self.until()
        return "closed" if until is None else "open" if self.now < until else "half_open"


@given(steps=STEPS, failures=st.integers(1, 4), more=st.integers(0, 3), open_s=st.integers(1, 5))
def test_it_does_what_the_model_does(steps: list[tuple[str, int, bool]], failures: int, more: int, open_s: int) -> None:
    options = BreakerOptions(failures, failures + more, float(open_s))
    model = Naive(options)
    breaker = CircuitBreaker(options, lambda: model.now)
    permits: list[int] = []
    for name, *given_values in steps:
        if name == "ask":
            permit = breaker.ask()
            assert permit == model.ask()
            permits += [] if permit is None else [permit]
        elif name == "wait":
            model.now += given_values[0]
        elif name == "rest":
            breaker.rest(given_values[0])
            model.rest(given_values[0])
        elif permits:
            permit = permits.pop(given_values[0] % len(permits))
            if name == "tell":
                breaker.tell(permit, ok=bool(given_values[1]))
                model.tell(permit, bool(given_values[1]))
            else:
                breaker.forget(permit)
                model.forget(permit)
        assert breaker.state == model.state()


@pytest.mark.parametrize("values", [(0, 1, 1.0), (3, 2, 1.0), (1, 1, 0.0), (1, 1, 601.0)])
def test_what_makes_no_sense_is_refused(values: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match=r"is needed|at most"):
        BreakerOptions(*values)
