"""From what was given to what is kept: each event checked, noise dropped, the rest on disk before it is answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import msgspec

from rapport.clock import Clock, to_us
from rapport.edge.figures import Figures
from rapport.edge.records import Kept
from rapport.edge.rules import Noise
from rapport.edge.spool import Spool
from rapport.errors import EdgeError, EdgeFull, EventError
from rapport.events.decode import decode
from rapport.events.times import event_times
from rapport.intake.bodies import Given

__all__ = ["Answer", "Keeper", "Result"]

_AT_ONCE = 64
"""Requests that share one wait for the disk."""


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one event, by its place in the request. Of a dropped one, `reason` is the rule."""

    index: int
    status: Literal["accepted", "refused", "dropped"]
    field: str | None = None
    reason: str | None = None
    detail: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What became of the events of a request: the accepted and refused ones are on disk."""

    accepted: int
    refused: int
    dropped: int
    results: list[Result]


class _Asked(NamedTuple):
    given: Sequence[Given]
    user_agent: str
    answer: asyncio.Future[Answer]


class Keeper:
    """Keeps events, those of several requests with one wait for the disk. `keep` is of one event loop.

    Args:
        spool: where to.
        noise: what is dropped.
        clock: the present, for events that claim a later time.
        figures: counts what became of events.
    """

    def __init__(self, spool: Spool, noise: Noise, clock: Clock, figures: Figures) -> None:
        self._spool = spool
        self._noise = noise
        self._clock = clock
        self._figures = figures
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keeper")
        self._asked: list[_Asked] = []
        self._running: asyncio.Task[None] | None = None

    async def keep(self, given: Sequence[Given], user_agent: str = "") -> Answer:
        """Check events, drop noise and keep the rest; on return it is on disk.

        Raises:
            EdgeFull: there is no room; nothing was kept.
            EdgeUnwritable: the disk does not take them; some may have been kept, and are to be given again.
        """
        asked = _Asked(given, user_agent, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await asked.answer

    def keep_now(self, given: Sequence[Given], user_agent: str = "") -> Answer:
        """As `keep`, without an event loop."""
        (outcome,) = self._take([(given, user_agent)])
        if isinstance(outcome, EdgeError):
            raise outcome
        return outcome

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._asked:
                group, self._asked = self._asked[:_AT_ONCE], self._asked[_AT_ONCE:]
                given = [(asked.given, asked.user_agent) for asked in group]
                for asked, outcome in zip(group, await self._tried(loop, given), strict=True):
                    if asked.answer.done():
                        continue  # its client has left
                    if isinstance(outcome, Answer):
                        asked.answer.set_result(outcome)
                    else:
                        asked.answer.set_exception(outcome)
        finally:
            self._running = None

    async def _tried(
        self, loop: asyncio.AbstractEventLoop, given: list[tuple[Sequence[Given], str]]
    ) -> Sequence[Answer | Exception]:
        try:
            return await loop.run_in_executor(self._thread, self._take, given)
        except Exception as error:  # whoever waits is told, whatever it is
            return [error] * len(given)

    def _take(self, asked: Sequence[tuple[Sequence[Given], str]]) -> list[Answer | EdgeError]:
        answers: list[Answer | EdgeError] = []
        kept: list[Kept] = []
        for given, user_agent in asked:
            room = [Kept(topic, event, False) for topic, event in given]
            # Asked before the rules are, which remember what they have let through.
            if not self._spool.has_room([*kept, *room]):
                answers.append(EdgeFull(f"the buffer is full: it holds {self._spool.size:,} bytes"))
                continue
            answer, events = self._judge(given, user_agent)
            answers.append(answer)
            kept.extend(events)
        try:
            self._spool.append(kept)
        except EdgeError as error:
            return [answer if isinstance(answer, EdgeError) else error for answer in answers]
        for (given, _), outcome in zip(asked, answers, strict=True):
            if isinstance(outcome, Answer):
                self._count(given, outcome)
        return answers

    def _judge(self, given: Sequence[Given], user_agent: str) -> tuple[Answer, list[Kept]]:
        now_us = self._clock.now_us()
        results = [self._result(index, *one, user_agent, now_us) for index, one in enumerate(given)]
        kept = [
            Kept(topic, event, result.status == "refused")
            for (topic, event), result in zip(given, results, strict=True)
            if result.status != "dropped"
        ]
        counts = Counter(result.status for result in results)
        return Answer(counts["accepted"], counts["refused"], counts["dropped"], results), kept

    def _result(self, index: int, topic: str, raw: bytes, user_agent: str, now_us: int) -> Result:
        try:
            event = decode(topic, raw)
            event_times(to_us(event.event_time), now_us)
        except EventError as error:
            rule = self._noise.rule_of_refused(topic, error.field, user_agent)
            if rule is not None:
                return Result(index, "dropped", reason=rule)
            return Result(index, "refused", error.field, error.reason, error.detail)
        rule = self._noise.rule_of(topic, event, user_agent)
        return Result(index, "accepted") if rule is None else Result(index, "dropped", reason=rule)

    def _count(self, given: Sequence[Given], answer: Answer) -> None:
        counts: Counter[tuple[str, str, str]] = Counter()
        for (topic, _), result in zip(given, answer.results, strict=True):
            counts[topic, result.status, result.reason or ""] += 1
        for (topic, status, reason), amount in counts.items():
            if status == "dropped":
                self._figures.add("dropped_total", amount, topic=topic, rule=reason)
            else:
                self._figures.add("events_total", amount, topic=topic, result=reason or status)
