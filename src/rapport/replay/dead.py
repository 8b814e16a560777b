"""A row that became no event, as a dead letter of the bus."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

import msgspec

from rapport.bus.protocol import Message
from rapport.dead_letters import DEAD_LETTERS, DeadLetter
from rapport.replay.load import cases_of
from rapport.replay.mapping import Mapping
from rapport.replay.rows import Rejected

__all__ = ["RowLetters"]

_NOWHERE = (0, 0)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class RowLetters:
    """Writes the dead letters of one replay.

    Attributes:
        topic: the topic that a letter names: the mapping's first. To retry a row as it is gives a dead letter again,
            never a loss; what helps is a better mapping.
        file: the file's name, for the detail.
        origin: the replay's.
        mapping: the name of the mapping that could not make an event of the row.
    """

    topic: str
    file: str
    origin: str
    mapping: str

    @staticmethod
    def of(mapping: Mapping, file: str, origin: str) -> RowLetters:
        topic = next((case.topic for case in cases_of(mapping) if case.topic), "purchase_events")
        return RowLetters(topic, file, origin, mapping.name)

    def message(self, row: Rejected, arrival_us: int) -> Message:
        """The letter of a rejected row; it never stood on the bus, so its position is before all."""
        letter = DeadLetter(
            topic=self.topic,
            partition=0,
            position=_NOWHERE,
            key="",
            origin=self.origin,
            reason=row.reason,
            field=row.field,
            detail=f"{self.file}, line {row.line}: {row.detail}",
            arrival_us=arrival_us,
            schema=self.mapping,
            value=b64encode(row.raw.encode("utf-8", "backslashreplace")).decode(),
        )
        return Message(DEAD_LETTERS, "", _encode(letter), self.origin)
