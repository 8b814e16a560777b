"""The manifest of a model folder: what the model is, what it needs, and what its files must be.

manifest.json       this record
model.ubj           XGBoost's own format (kind xgboost)
model.onnx          the same trees, when they could be converted
segments.json       thresholds, centroids and names (kind segments)
reference.parquet   a sample of training features by full name, and `score`: what drift compares with
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from rapport.errors import ModelRefused

__all__ = ["MANIFEST", "FeatureSpec", "Manifest", "print_of", "read_manifest", "sha256_of", "write_manifest"]

MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 20


class FeatureSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input of a model: its full name (`view__feature`) and its kind."""

    name: str
    kind: Literal["int", "float", "bool"]

    @property
    def view(self) -> str:
        return self.name.partition("__")[0]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model folder holds and needs. Times are UTC microseconds."""

    format: Literal[1] = 1
    name: str
    version: str
    kind: Literal["xgboost", "segments"]
    created_us: int
    service: str
    """The feature service whose features these are."""
    features: tuple[FeatureSpec, ...]
    """The model's inputs, in the order of the matrix's columns."""
    views: dict[str, str]
    """Feature view to the fingerprint (hex) of the declaration that the model was trained with."""
    files: dict[str, str]
    """File name to its SHA-256, hex."""
    metrics: dict[str, float] = {}
    trained_until_us: int
    """Nothing after this time was seen in training: neither an event nor a label."""
    label: str
    """What the model predicts, in words."""
    horizon_us: int = 0
    """How long after the decision the label looks."""
    onnx_max_difference: float | None = None
    """Largest difference of the runtimes' probabilities on the evaluation set; None: not shown equal, so not used."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)


# Made at import: two threads that decode a type for the first time at once crash msgspec.
_decoder = msgspec.json.Decoder(Manifest)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a model folder.

    Raises:
        ModelRefused: there is none, or it is not one.
    """
    path = folder / MANIFEST
    try:
        return _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        raise ModelRefused(f"{folder} is not a model folder: it has no {MANIFEST}; promote a version again") from None
    except msgspec.DecodeError as error:
        raise ModelRefused(f"{path} is not a manifest: {error}; promote the version again") from None


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Write the manifest into a folder; returns its SHA-256, hex."""
    (folder / MANIFEST).write_bytes(_encoded(manifest))
    return print_of(manifest)


def print_of(manifest: Manifest) -> str:
    """SHA-256 of the manifest as `write_manifest` writes it, hex."""
    return hashlib.sha256(_encoded(manifest)).hexdigest()


def _encoded(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=2)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
