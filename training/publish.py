"""Serving copies: a version's folder appears whole, then the pointer moves to it."""

from __future__ import annotations

import shutil
from pathlib import Path

from rapport.models import Manifest, Pointer, write_manifest, write_pointer

__all__ = ["point_to", "publish"]


def publish(models: Path, manifest: Manifest, source: Path) -> str:
    """Copy the files that the manifest names to `<models>/<name>/<version>`; returns the manifest's SHA-256.

    The folder is made aside and renamed. Call it under the lock of `changing_models`.
    """
    home = models / manifest.name
    draft, final = home / f".{manifest.version}.draft", home / manifest.version
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name in manifest.files:
        shutil.copyfile(source / name, draft / name)
    digest = write_manifest(draft, manifest)
    if final.exists():
        # an earlier copy that no longer serves, or that cannot be loaded
        shutil.rmtree(final)
    draft.rename(final)
    return digest


def point_to(models: Path, name: str, version: str, digest: str, previous: str | None) -> None:
    """Make a published version the champion that serving follows."""
    write_pointer(models / name, Pointer(version, digest, previous))
