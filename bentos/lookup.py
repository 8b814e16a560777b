"""Logged decisions found by their id, and put into words. Reads bus, archive and disk in threads, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rapport.archive import Archive
from rapport.bus.protocol import Bus
from rapport.decisions import DecisionLog, DecisionRecord
from rapport.decisions.answers import DecisionExplained
from rapport.decisions.find import find_record
from rapport.decisions.ids import is_id
from rapport.decisions.replay import Replayer
from rapport.decisions.words import explain_in_words
from rapport.errors import ArchiveError, BusError, ServiceError
from rapport.intake.refusal import Refusal
from rapport.settings import Settings

__all__ = ["Lookup"]

AT_ONCE = 2
MOST_WAITING = 32
LONGEST_S = 5.0


class Lookup:
    """Finds logged decisions.

    Args:
        bus: gives the bus; called for each look-up.
        log: of this process, whose last records are not on the bus yet.
    """

    def __init__(self, settings: Settings, bus: Callable[[], Bus], log: DecisionLog) -> None:
        self._archive = settings.data_dir / "archive"
        self._bus = bus
        self._log = log
        self._replayer = Replayer(settings)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def find(self, decision_id: str, owns: Callable[[str], bool]) -> DecisionExplained:
        """The decision, explained.

        Args:
            owns: whether a customer is one of the caller's; a decision on another does not exist for the caller.

        Raises:
            Refusal: 400 when it is no id, 404 when there is no such decision, 429 when too many look-ups wait, 503 when
                bus or archive does not answer.
        """
        if not is_id(decision_id):
            raise Refusal(400, "bad_value", "decision_id", f"{decision_id[:80]!r} is no id: 32 digits 0-9 and a-f")
        if self._waiting >= MOST_WAITING:
            raise Refusal(429, "busy", "", "too many look-ups wait; ask again in a second", {"Retry-After": "1"})
        self._waiting += 1
        try:
            async with asyncio.timeout(LONGEST_S), self._turns:
                return await asyncio.to_thread(self._explained, decision_id, owns)
        except TimeoutError:
            detail = f"it was not found within {LONGEST_S:g} s: bus or archive is slow, or many are looked for"
            raise Refusal(503, "log_unavailable", "", detail, {"Retry-After": "5"}) from None
        except (BusError, ServiceError, ArchiveError) as error:
            raise Refusal(503, "log_unavailable", "", str(error), {"Retry-After": "2"}) from None
        finally:
            self._waiting -= 1

    def _explained(self, decision_id: str, owns: Callable[[str], bool]) -> DecisionExplained:
        record = self._log.waiting(decision_id) or self._find(decision_id)
        if record is None or not owns(record.customer_id):
            raise Refusal(
                404,
                "not_found",
                "decision_id",
                "no such decision is logged: not made here, erased with its customer, "
                "or older than what the archive keeps",
            )
        return DecisionExplained(record, explain_in_words(record, self._replayer.bundle(record)))

    def _find(self, decision_id: str) -> DecisionRecord | None:
        return find_record(decision_id, Archive(self._archive), self._bus())
