"""The frustration model that comes with the project: its file, checked when it is read, and its prediction."""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import cache
from hashlib import sha256
from operator import mul
from pathlib import Path

import msgspec

from rapport.errors import ModelRefused
from rapport.events.text_features import BUCKETS, FIGURES, Seen, look_at

__all__ = [
    "FORMAT",
    "Context",
    "Figure",
    "Manifest",
    "ModelFile",
    "TextModel",
    "Weights",
    "digest",
    "features_digest",
    "load",
    "read_off",
    "shipped",
    "shipped_file",
]

FORMAT = 1


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure of a message: what is taken off it, and what the rest counts."""

    mean: float
    weight: float


class Context(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a message's own score and the mean of the earlier ones make the score within a conversation."""

    own: float
    earlier: float
    first: float
    bias: float


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was learned.

    Attributes:
        bias: the score of a message that says nothing.
        figures: one for each of FIGURES.
        buckets: bucket to (inverse document frequency, weight); a bucket that is not named counts nothing.
        scale: (raw score, frustration), both rising: the points between which frustration is read off.
        context: within a conversation.
        context_scale: as scale, for the score within a conversation.
    """

    bias: float
    figures: dict[str, Figure]
    buckets: dict[int, tuple[float, float]]
    scale: list[tuple[float, float]]
    context: Context
    context_scale: list[tuple[float, float]]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model is and where it comes from.

    Attributes:
        version: of the model; another model has another version.
        features: the digest of what look_at makes of a fixed text: code that sees a message otherwise is refused.
        weights: SHA-256 of the weights.
        data: SHA-256 of the file that it was made from.
        made: the day, ISO 8601.
        turns, dialogues: how much was rated.
        scores: figures of the cross-validation by name.
    """

    format: int
    version: str
    features: str
    weights: str
    data: str
    made: str
    turns: int
    dialogues: int
    scores: dict[str, float]


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model's file holds, as JSON."""

    manifest: Manifest
    weights: Weights


class TextModel:
    """Scores what is seen of messages. Any text has a score.

    Args:
        weights: what was learned.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self._slopes = tuple(figure.weight for figure in weights.figures.values())
        self._buckets = {bucket: (idf * weight, idf * idf) for bucket, (idf, weight) in weights.buckets.items()}
        self._bias = weights.bias - sum(figure.mean * figure.weight for figure in weights.figures.values())

    def raw(self, seen: Seen) -> float:
        """The score before the scale."""
        total = length = 0.0
        for bucket in seen.buckets:
            known = self._buckets.get(bucket)
            if known is not None:
                total += known[0]
                length += known[1]
        score = float(self._bias + sum(map(mul, self._slopes, seen.figures)))
        return score + total / math.sqrt(length) if length else score

    def own(self, seen: Seen) -> float:
        """The frustration of a message by itself, 0 to 1."""
        return read_off(self.weights.scale, self.raw(seen))

    def within(self, own: float, earlier: float | None) -> float:
        """The frustration of a message within its conversation, 0 to 1.

        Args:
            own: of the message by itself.
            earlier: the mean of the customer's earlier messages' own; None: it is the first.
        """
        context = self.weights.context
        score = context.bias + context.own * own + (context.first if earlier is None else context.earlier * earlier)
        return read_off(self.weights.context_scale, score)


def read_off(scale: list[tuple[float, float]], raw: float) -> float:
    """The value at `raw` between the points of a scale; its ends go on as they were, within 0 to 1."""
    at = min(max(bisect_right(scale, (raw, math.inf)), 1), len(scale) - 1)
    (low, below), (high, above) = scale[at - 1], scale[at]
    return min(1.0, max(0.0, below + (above - below) * (raw - low) / (high - low)))


def digest(weights: Weights) -> str:
    """SHA-256 of the weights, however their file is laid out."""
    return sha256(msgspec.json.encode(weights)).hexdigest()


def features_digest() -> str:
    """SHA-256 of what is seen of a fixed text: another value means that the features have another meaning."""
    seen = look_at("WHY has nobody answered in 3 days?! I'm waiting... thanks, @shop https://x.io/1 😡", -0.5)
    return sha256(
        repr((FIGURES, BUCKETS, [round(one, 9) for one in seen.figures], sorted(seen.buckets))).encode()
    ).hexdigest()


def load(path: Path) -> ModelFile:
    """A model's file. Raises ModelRefused: it cannot be read, is not what it says it is, or has other features."""
    try:
        return _checked(msgspec.json.decode(path.read_bytes(), type=ModelFile), path)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelRefused(
            f"the text model {path} cannot be read: {error}; make it anew: rapport text train"
        ) from error


def _checked(file: ModelFile, path: Path) -> ModelFile:
    manifest, weights = file.manifest, file.weights
    for what, found, wanted in (
        ("format", manifest.format, FORMAT),
        ("weights", digest(weights), manifest.weights),
        ("features", manifest.features, features_digest()),
        ("figures", tuple(weights.figures), FIGURES),
        ("least points of a scale", min(2, len(weights.scale), len(weights.context_scale)), 2),
    ):
        if found != wanted:
            raise ModelRefused(
                f"the text model {path} does not fit: {what} is {found}, not {wanted}; make it anew: rapport text train"
            )
    return file


@cache
def shipped() -> TextModel:
    """The model that comes with the project."""
    return TextModel(shipped_file().weights)


@cache
def shipped_file() -> ModelFile:
    """Its file."""
    return load(Path(__file__).with_name("frustration.json"))
