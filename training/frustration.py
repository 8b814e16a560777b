"""The frustration model, made from rated turns: a ridge over hashed words and figures, chosen by dialogue."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from rapport.events.text_features import BUCKETS, FIGURES, Seen
from rapport.events.text_model import Context, Figure, Weights, read_off
from training.plain_messages import PLAIN_TARGET
from training.rated import Floats

__all__ = ["Fitted", "Ints", "earlier_means", "fit", "folds_of"]

Ints: TypeAlias = npt.NDArray[np.int64]

PENALTIES = (0.5, 1.0, 2.0, 4.0)
"""Strengths of the ridge, per unit of the kernel's mean diagonal."""
SHARES = (0.5, 1.0, 2.0)
"""What the figures count beside the words."""
INNER_FOLDS = 5
SEEN_IN = 2
"""Turns that a bucket must be in."""

SCALE = ((0.02, 0.03), (0.1, 0.1), (0.25, 0.2), (0.5, 0.35), (0.75, 0.5), (0.9, 0.65), (0.98, 0.8))
"""Which frustration the turns at a quantile of the rated dialogues have: so 0.5 means the upper quarter of what is
written to a company's public support, whatever the model."""


class Fitted(NamedTuple):
    weights: Weights
    penalty: float
    share: float


class _Matrix(NamedTuple):
    """The features of n turns: words (n x BUCKETS, rows of length 1), figures (n x figures, scaled), the scaling."""

    words: sparse.csr_array
    idf: Floats
    figures: Floats
    mean: Floats
    size: Floats


def fit(seen: list[Seen], target: Floats, dialogue: Ints, plain: list[Seen]) -> Fitted:
    """A model of n turns and m plain messages.

    Args:
        seen: what is seen of each turn.
        target: n; NaN: not rated, and only an earlier turn for others.
        dialogue: n, rising.
        plain: what is seen of each plain message; they are learned from, and decide neither choices nor scales.
    """
    n, matrix = len(seen), _matrix([*seen, *plain])
    learned = np.concatenate([target, np.full(len(plain), PLAIN_TARGET)])
    folds = np.concatenate([folds_of(dialogue, INNER_FOLDS, seed=0), np.full(len(plain), -1)])
    tried = [
        (_loss(raw := _out_of_fold(kernel, learned, folds, penalty)[:n], target), penalty, share, raw)
        for share in SHARES
        for kernel in [_kernel(matrix, share)]
        for penalty in PENALTIES
    ]
    _, penalty, share, raw = min(tried, key=lambda one: one[0])
    scale = _scale(raw[~np.isnan(target)])
    own = np.array([read_off(scale, one) for one in raw])
    context, within = _context(own, target, dialogue)
    rated = ~np.isnan(learned)
    mean = float(learned[rated].mean())
    dual = _dual(_kernel(matrix, share)[np.ix_(rated, rated)], learned[rated] - mean, penalty)
    scales = scale, context, _scale(within[~np.isnan(target)])
    return Fitted(_weights(matrix, rated, dual, share, mean, scales), penalty, share)


def folds_of(dialogue: Ints, count: int, seed: int) -> Ints:
    """The fold of each turn; a dialogue is wholly in one."""
    names, index = np.unique(dialogue, return_inverse=True)
    found: Ints = np.random.default_rng(seed).permutation(len(names))[index] % count
    return found


def earlier_means(own: Floats, dialogue: Ints) -> list[float | None]:
    """Of each turn, the mean of the earlier ones of its dialogue; None for the first."""
    means: list[float | None] = []
    total, count = 0.0, 0
    for i, score in enumerate(own):
        if i and dialogue[i] != dialogue[i - 1]:
            total, count = 0.0, 0
        means.append(total / count if count else None)
        total, count = total + float(score), count + 1
    return means


def _matrix(seen: list[Seen]) -> _Matrix:
    rows = np.repeat(np.arange(len(seen)), [len(one.buckets) for one in seen])
    columns = np.fromiter((bucket for one in seen for bucket in one.buckets), np.int64)
    frequency = np.bincount(columns, minlength=BUCKETS)
    idf = np.where(frequency >= SEEN_IN, 1 + np.log((1 + len(seen)) / (1 + frequency)), 0.0)
    words = sparse.csr_array((idf[columns], (rows, columns)), shape=(len(seen), BUCKETS))
    lengths = np.sqrt(words.multiply(words).sum(axis=1))
    words = sparse.csr_array(words.multiply((1 / np.maximum(lengths, 1e-12))[:, None]))
    figures = np.array([one.figures for one in seen])
    mean, size = figures.mean(axis=0), (figures.std(axis=0) + 1e-9) * np.sqrt(len(FIGURES))
    return _Matrix(words, idf, (figures - mean) / size, mean, size)


def _kernel(matrix: _Matrix, share: float) -> Floats:
    kernel: Floats = (matrix.words @ matrix.words.T).toarray() + share * matrix.figures @ matrix.figures.T
    return kernel


def _dual(kernel: Floats, centred: Floats, penalty: float) -> Floats:
    ridge = penalty * np.trace(kernel) / len(kernel)
    found: Floats = linalg.solve(kernel + ridge * np.eye(len(kernel)), centred, assume_a="pos")
    return found


def _out_of_fold(kernel: Floats, target: Floats, folds: Ints, penalty: float) -> Floats:
    """Each turn's raw score from a model that has not seen its dialogue; what is in fold -1 is always seen."""
    raw = np.full(len(target), np.nan)
    for fold in range(INNER_FOLDS):
        other, rated = folds == fold, (folds != fold) & ~np.isnan(target)
        mean = target[rated].mean()
        dual = _dual(kernel[np.ix_(rated, rated)], target[rated] - mean, penalty)
        raw[other] = mean + kernel[np.ix_(other, rated)] @ dual
    return raw


def _loss(raw: Floats, target: Floats) -> float:
    return float(np.nanmean((raw - target) ** 2))


def _scale(raw: Floats) -> list[tuple[float, float]]:
    return [(_rounded(np.quantile(raw, share)), value) for share, value in SCALE]


def _context(own: Floats, target: Floats, dialogue: Ints) -> tuple[Context, Floats]:
    """The score within a conversation by least squares, and that score of each turn."""
    means = earlier_means(own, dialogue)
    first = np.array([one is None for one in means])
    earlier = np.array([0.0 if one is None else one for one in means])
    columns = np.column_stack([own, earlier, first, np.ones(len(own))])
    rated = ~np.isnan(target)
    found = np.linalg.lstsq(columns[rated], target[rated])[0]
    return Context(*map(_rounded, found)), columns @ found


def _rounded(value: float) -> float:
    """Six digits after the point: what is beyond them differs between machines."""
    return round(float(value), 6)


def _weights(
    matrix: _Matrix,
    rated: npt.NDArray[np.bool_],
    dual: Floats,
    share: float,
    mean: float,
    rest: tuple[list[tuple[float, float]], Context, list[tuple[float, float]]],
) -> Weights:
    words = matrix.words[rated].T @ dual
    figures = share * (matrix.figures[rated].T @ dual) / matrix.size
    scale, context, context_scale = rest
    return Weights(
        bias=_rounded(mean),
        figures={
            name: Figure(_rounded(middle), _rounded(weight))
            for name, middle, weight in zip(FIGURES, matrix.mean, figures, strict=True)
        },
        buckets={int(i): (_rounded(matrix.idf[i]), _rounded(words[i])) for i in np.flatnonzero(matrix.idf)},
        scale=scale,
        context=context,
        context_scale=context_scale,
    )
