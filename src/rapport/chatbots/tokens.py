"""How many tokens a text has at most, without a tokenizer.

Tokenizers of language models that work on bytes (GPT's, Llama's, Claude's: byte-level BPE) give at most one token per
byte of UTF-8. They first cut a text into words, digits and marks, which no token crosses except for the one space
before a word; then a word of letters gives fewer tokens than it has letters, the more so the more usual it is. So:

- a run of ASCII letters: a token for each 3 letters begun, which also covers the space before it;
- a digit, a mark, any further white space: one each;
- every other character: one per byte of its UTF-8.

For random letters real tokenizers need about one token per 2 letters: such words are told from others by what we write
ourselves, so ids and other values that come from outside count one per byte (`tokens_at_most(text, plain=False)`).
"""

from __future__ import annotations

import re

__all__ = ["tokens_at_most"]

_LETTERS_PER_TOKEN = 3
_PIECE = re.compile(r" ?[A-Za-z]+|.", re.DOTALL)


def tokens_at_most(text: str, *, plain: bool = True) -> int:
    """An upper estimate of the tokens of a text; never more than its bytes of UTF-8.

    Args:
        plain: whether it is plain language; otherwise each byte counts, which no byte-level tokenizer exceeds.
    """
    if not plain:
        return len(text.encode())
    return sum(_tokens(piece) for piece in _PIECE.findall(text))


def _tokens(piece: str) -> int:
    letters = len(piece) - (piece[0] == " ")
    if letters and piece[-1].isascii() and piece[-1].isalpha():
        return -(-letters // _LETTERS_PER_TOKEN)
    return len(piece.encode())
