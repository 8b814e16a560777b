"""What a model folder must satisfy before anything in it is used; all that is wrong is named at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rapport.errors import ModelRefused
from rapport.models.manifest import Manifest, sha256_of

__all__ = ["check_features", "check_files", "check_views"]


def check_files(folder: Path, manifest: Manifest, needed: Sequence[str]) -> None:
    """Refuse missing or changed files.

    Args:
        needed: files that the manifest has to name.
    """
    wrong = [f"the manifest does not name {name}" for name in needed if name not in manifest.files]
    for name, expected in manifest.files.items():
        path = folder / name
        if Path(name).name != name:
            wrong.append(f"{name!r} is not a plain file name")
        elif not path.is_file():
            wrong.append(f"{name} is missing")
        elif (found := sha256_of(path)) != expected:
            wrong.append(f"{name} has SHA-256 {found[:12]}…, the manifest says {expected[:12]}…")
    _refuse(manifest, folder, wrong, "publish it again with `rapport promote`")


def check_views(folder: Path, manifest: Manifest, fingerprints: Mapping[str, str]) -> None:
    """Refuse a model trained with other declarations than the present ones.

    Args:
        fingerprints: feature view to fingerprint (hex), of the declarations in use.
    """
    wrong: list[str] = []
    for view in sorted({feature.view for feature in manifest.features} - manifest.views.keys()):
        wrong.append(f"features of the view {view!r} are used, but the manifest has no fingerprint of it")
    for view, trained in manifest.views.items():
        present = fingerprints.get(view)
        if present is None:
            wrong.append(f"the view {view!r} is not declared; declared are {', '.join(sorted(fingerprints)) or 'none'}")
        elif present != trained:
            wrong.append(f"the view {view!r} has changed since training (fingerprint {trained}, now {present})")
    _refuse(manifest, folder, wrong, "train again with `rapport train`")


def check_features(folder: Path, manifest: Manifest, names: Sequence[str], kinds: Sequence[str]) -> None:
    """Refuse a manifest whose features are not those of the model file, in name, order and kind.

    Args:
        names: the file's feature names, in order.
        kinds: their kinds (int, float, bool).
    """
    declared = manifest.feature_names
    wrong = [f"feature {name!r} is in the model file but not in the manifest" for name in names if name not in declared]
    wrong += [
        f"feature {name!r} is in the manifest but not in the model file" for name in declared if name not in names
    ]
    if not wrong and tuple(names) != declared:
        place = next(i for i, pair in enumerate(zip(names, declared, strict=True)) if pair[0] != pair[1])
        wrong.append(
            f"the order differs at column {place}: {names[place]!r} in the file, {declared[place]!r} in the manifest"
        )
    if not wrong:
        for feature, kind in zip(manifest.features, kinds, strict=True):
            if feature.kind != kind:
                wrong.append(f"feature {feature.name!r} is {kind} in the model file, {feature.kind} in the manifest")
    _refuse(manifest, folder, wrong, "train again with `rapport train`")


def _refuse(manifest: Manifest, folder: Path, wrong: Sequence[str], remedy: str) -> None:
    if wrong:
        what = f"model {manifest.name} {manifest.version} in {folder} is refused"
        raise ModelRefused(f"{what}: {'; '.join(wrong)}. {remedy.capitalize()}")
