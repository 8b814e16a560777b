"""What a platform knows by name (slots, parameters, attributes), as the slots of a turn.

Only names that a template asks for are taken: what else a platform keeps of a customer is neither looked at nor logged.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from rapport.decisions.record import Money, SlotValue

__all__ = ["MOST_SLOTS", "slots_of"]

MOST_SLOTS = 64
_LONGEST = 256
_MOST_AMOUNT = 40
_LARGEST = 2**53


def slots_of(known: Mapping[str, Any], wanted: Collection[str]) -> dict[str, SlotValue]:
    """The slots of a turn, within the limits of `POST /personalize`. What cannot be one is left out, and so asked for.

    Args:
        known: by the platform, as it came.
        wanted: names that templates have placeholders for.
    """
    found = {name: value for name in sorted(wanted) if (value := _value(known.get(name))) is not None}
    return dict(list(found.items())[:MOST_SLOTS])


def _value(given: Any) -> SlotValue:
    """Texts, numbers and money as they are; whole numbers as such, for Google's structs have them as floats."""
    match given:
        case str():
            return given if given.strip() and len(given) <= _LONGEST else None
        case bool():
            return given
        case int() | float() if abs(given) < _LARGEST:
            return int(given) if given == int(given) else given
        case {"amount": amount, "currency": currency} if len(str(amount)) <= _MOST_AMOUNT:
            try:
                return msgspec.convert({"amount": amount, "currency": currency}, Money)
            except msgspec.ValidationError:
                return None
    return None
