"""Dead letters: events that could not be accepted, kept with their original bytes, to be looked at, mended and sent
again, or dropped.

Letters lie on the topic `dead_letters` and are never changed. What was done with them is written beside them, on
`dead_letters.marks`, in the same step that does it, so that two people cannot retry one letter twice.
"""

from rapport.dead_letters.box import (
    LetterFilter,
    State,
    StoredLetter,
    count_letters,
    list_letters,
    show_letter,
    walk_letters,
)
from rapport.dead_letters.edit import edited_event, with_fields
from rapport.dead_letters.erase import belongs_to, erase_customer, expire_letters
from rapport.dead_letters.letter import DEAD_LETTERS, RETRY_ORIGIN, DeadLetter, letter_message, schema_of
from rapport.dead_letters.settle import drop_letters, retry_letters, send_again

__all__ = [
    "DEAD_LETTERS",
    "RETRY_ORIGIN",
    "DeadLetter",
    "LetterFilter",
    "State",
    "StoredLetter",
    "belongs_to",
    "count_letters",
    "drop_letters",
    "edited_event",
    "erase_customer",
    "expire_letters",
    "letter_message",
    "list_letters",
    "retry_letters",
    "schema_of",
    "send_again",
    "show_letter",
    "walk_letters",
    "with_fields",
]
