"""Models as serving sees them: a folder with a manifest, checked whole before use, and a pointer to the champion."""

from rapport.models.champion import Champions, Pointer, read_pointer, write_pointer
from rapport.models.declared import fingerprint_of, fingerprints_of
from rapport.models.manifest import FeatureSpec, Manifest, print_of, read_manifest, sha256_of, write_manifest
from rapport.models.rfm import RfmScores, RfmThresholds
from rapport.models.scorer import Model, load_model
from rapport.models.segments import Segments, load_segments

__all__ = [
    "Champions",
    "FeatureSpec",
    "Manifest",
    "Model",
    "Pointer",
    "RfmScores",
    "RfmThresholds",
    "Segments",
    "fingerprint_of",
    "fingerprints_of",
    "load_model",
    "load_segments",
    "print_of",
    "read_manifest",
    "read_pointer",
    "sha256_of",
    "write_manifest",
    "write_pointer",
]
