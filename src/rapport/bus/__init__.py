"""The bus: topics of keyed records, positions of consumers, and an atomic hop from one topic to the next."""

from rapport.bus.open import open_bus
from rapport.bus.protocol import START, Bus, Message, Position, Reader, RecordBatch

__all__ = ["START", "Bus", "Message", "Position", "Reader", "RecordBatch", "open_bus"]
