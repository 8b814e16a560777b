"""Rated dialogues: customer turns with the frustration that people saw in them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from rapport.errors import ModelError

__all__ = ["Floats", "RatedTurns", "read_rated"]

Floats: TypeAlias = npt.NDArray[np.float64]

_HEAD = re.compile(r"^-{5,}")
_TURN = re.compile(r"^USER:\s*(?P<text>.*?)\s*\{(?P<marks>[^}]*)\}\s*$")
_FEWEST = 20
"""Dialogues, at least: fewer cannot be cross-validated."""


class RatedTurns(NamedTuple):
    """n customer turns in the order of their dialogues.

    Attributes:
        texts: n messages.
        dialogue: n numbers, rising.
        marks: n x raters; NaN: not rated.
        target: n; the mean over the raters of each one's rank, 0 to 1 (raters use different scales); NaN: not rated.
        digest: SHA-256 of the file.
    """

    texts: list[str]
    dialogue: npt.NDArray[np.int64]
    marks: Floats
    target: Floats
    digest: str

    @property
    def rated(self) -> npt.NDArray[np.bool_]:
        return ~np.isnan(self.target)


def read_rated(folder: Path) -> RatedTurns:
    """The turns of `dialogues.txt`: a line of dashes begins a dialogue, `USER: text {a,b,c}` is a rated turn.

    Raises ModelError: the file is not there, or has too few dialogues.
    """
    path = folder / "dialogues.txt"
    if not path.is_file():
        raise ModelError(f"there is no {path}: name the folder of the rated dialogues with --data")
    raw = path.read_bytes()
    texts: list[str] = []
    marks: list[list[float]] = []
    dialogue: list[int] = []
    number = 0
    for line in raw.decode().splitlines():
        number += bool(_HEAD.match(line))
        if turn := _TURN.match(line):
            # Messages that were sent one after the other are one turn.
            texts.append(turn["text"].replace("///", "\n"))
            marks.append([float(one) if one.strip().isdigit() else np.nan for one in turn["marks"].split(",")])
            dialogue.append(number)
    if len(set(dialogue)) < _FEWEST or len({len(row) for row in marks}) != 1:
        raise ModelError(
            f"{path} has {len(set(dialogue))} dialogues; {_FEWEST} are needed, every turn with as many marks"
        )
    given = np.array(marks)
    return RatedTurns(texts, np.array(dialogue), given, mean_rank(given), hashlib.sha256(raw).hexdigest())


def mean_rank(marks: Floats) -> Floats:
    """n x raters to n: the mean of each rater's ranks; NaN where nobody rated."""
    ranks = np.full_like(marks, np.nan)
    for rater in range(marks.shape[1]):
        given = ~np.isnan(marks[:, rater])
        ranks[given, rater] = rankdata(marks[given, rater]) / given.sum()
    counts = (~np.isnan(ranks)).sum(axis=1)
    return np.where(counts > 0, np.nansum(ranks, axis=1) / np.maximum(counts, 1), np.nan)
