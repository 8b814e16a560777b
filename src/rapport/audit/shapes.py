"""The shape of a text: what it looks like, without what it says.

A few shapes have names (`uuid`, `email`, `hex`, …). Otherwise each run of letters and digits becomes one sign: `a` for
small letters, `A` for capitals, `9` for digits, `?` for what is not ASCII; other signs stay: `SKU-12/x` is `A-9/a`. A
shape is so never a person's id or name.
"""

from __future__ import annotations

__all__ = ["LONG", "shape_sql"]

LONG = 16
"""Longest shape that is told sign by sign."""

_NAMED = (
    ("blank", r"\s*"),
    ("uuid", r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"),
    ("email", r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    ("time", r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*"),
    ("date", r"\d{4}-\d{2}-\d{2}"),
    ("url", r"[a-zA-Z][a-zA-Z0-9+.-]*://.*"),
    ("padded", r"(?s)\s.*|.*\s"),
    ("hex", r"[0-9a-f]{12,}|[0-9A-F]{12,}"),
)
_SPECIAL = r"(?s)[@\s]|://|^$|^\d{4}-\d{2}-\d{2}|^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}"
"""Found in every text whose shape has a name: most have none of it, and are asked once."""
_RUNS = ((r"[0-9]+", "9"), (r"[a-z]+", "a"), (r"[A-Z]+", "A"), (r"[^\x20-\x7e]+", "?"))


def shape_sql(text: str) -> str:
    """DuckDB's expression for the shape of a text; null of null.

    Digits alone are `9`, also where they are long enough for `hex`. A shape longer than LONG is told by its words:
    `w` for a run of letters and digits; one that is still longer is `other`.
    """
    named = "".join(f"WHEN regexp_full_match({text}, '{pattern}') THEN '{name}' " for name, pattern in _NAMED)
    runs, words = text, f"regexp_replace({text}, '[0-9A-Za-z]+', 'w', 'g')"
    for pattern, sign in _RUNS:
        runs = f"regexp_replace({runs}, '{pattern}', '{sign}', 'g')"
    words = f"regexp_replace({words}, '{_RUNS[-1][0]}', '?', 'g')"
    plain = (
        f"CASE WHEN length({runs}) <= {LONG} THEN {runs} WHEN length({words}) <= {LONG} THEN {words} ELSE 'other' END"
    )
    return (
        f"CASE WHEN {text} IS NULL THEN NULL WHEN regexp_full_match({text}, '[0-9]+') THEN '9' "
        f"WHEN NOT regexp_matches({text}, '{_SPECIAL}') THEN {plain} {named}ELSE {plain} END"
    )
