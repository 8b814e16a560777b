"""The versions that can be asked for: the champion, which decisions use, and the newest others that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rapport.errors import ModelRefused
from rapport.inference.offers import Offer, offer_of
from rapport.models import Champions, Model, Segments, load_model, load_segments, read_manifest
from rapport.models.manifest import MANIFEST
from rapport.stamps import Stamp, stamp_of

__all__ = ["MOST_BESIDE", "Kept", "KeptVersions"]

MOST_BESIDE = 3
"""Versions of a model beside its champion."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The versions of one model, the champion first.

    Attributes:
        champion: what a request without a version gets; None: none that can be loaded.
        versions: all of them by version.
    """

    champion: Offer | None
    versions: Mapping[str, Offer]


class KeptVersions:
    """The models of an installation as the protocol offers them. `get` never reads a file.

    Args:
        folder: the folder of all models.
        fingerprints: feature view to fingerprint (hex) of the declarations in use.
        champions: what decisions use; refreshed by its owner.
        names: the models.
    """

    def __init__(
        self, folder: Path, fingerprints: Mapping[str, str], champions: Champions, names: tuple[str, ...]
    ) -> None:
        self._folder = folder
        self._fingerprints = dict(fingerprints)
        self._champions = champions
        self._loaded: dict[Path, tuple[Stamp | None, Offer | None]] = {}
        self._offers: dict[str, tuple[Model | Segments, Offer]] = {}
        self._others: dict[str, tuple[Offer, ...]] = {}
        self.names = names

    def get(self, name: str) -> Kept | None:
        """The versions of a model as they are now; None when there is no such model."""
        if name not in self.names:
            return None
        champion = self._champion(name)
        first = {champion.version: champion} if champion else {}
        others = {offer.version: offer for offer in self._others.get(name, ())}
        return Kept(champion, {**first, **{version: one for version, one in others.items() if version not in first}})

    def refresh(self) -> None:
        """Load what is new among the versions beside the champions, and forget what is gone. Blocks on disk."""
        seen: set[Path] = set()
        for name in self.names:
            champion = self._champion(name)
            offers: list[Offer] = []
            for folder in self._newest(name, champion.version if champion else ""):
                seen.add(folder)
                offer = self._load(folder)
                if offer is not None:
                    offers.append(offer)
            self._others[name] = tuple(offers)
        self._loaded = {folder: known for folder, known in self._loaded.items() if folder in seen}

    def _champion(self, name: str) -> Offer | None:
        model = self._champions.get(name) or self._champions.segments(name)
        if model is None:
            return None
        known = self._offers.get(name)
        if known is None or known[0] is not model:
            known = self._offers[name] = (model, offer_of(model))
        return known[1]

    def _newest(self, name: str, champion: str) -> list[Path]:
        """The folders of the newest versions but the champion's."""
        found: list[tuple[int, Path]] = []
        for path in (self._folder / name).glob(f"[!.]*/{MANIFEST}"):
            created_us = _created_us(path.parent, stamp_of(path))
            if created_us is not None and path.parent.name != champion:
                found.append((created_us, path.parent))
        return [folder for _, folder in sorted(found, reverse=True)[:MOST_BESIDE]]

    def _load(self, folder: Path) -> Offer | None:
        """What the folder holds; None when it cannot be served, which is found out once."""
        stamp = stamp_of(folder / MANIFEST)
        known = self._loaded.get(folder)
        if known is None or known[0] != stamp:
            known = self._loaded[folder] = (stamp, self._offer(folder))
        return known[1]

    def _offer(self, folder: Path) -> Offer | None:
        try:
            load = load_segments if read_manifest(folder).kind == "segments" else load_model
            return offer_of(load(folder, self._fingerprints))
        except (ModelRefused, OSError):
            return None


@lru_cache(maxsize=1_024)
def _created_us(folder: Path, stamp: Stamp | None) -> int | None:
    """When the version in a folder was made; None when the folder does not hold what its name says. Read once per
    change of the manifest."""
    try:
        manifest = read_manifest(folder)
    except (ModelRefused, OSError):
        return None
    return manifest.created_us if (manifest.name, manifest.version) == (folder.parent.name, folder.name) else None
