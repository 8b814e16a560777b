"""Champions as MLServer (Seldon, KServe) loads them: XGBoost's own model file beside a model-settings.json.

<folder>/settings.json                    bound to this machine; without a pool of processes
<folder>/<model>/model.ubj                the trees, as they serve here
<folder>/<model>/model-settings.json      which runtime loads them, version and columns

MLServer's XGBoost runtime takes one tensor [n, columns], whose columns are in the order of its parameter `columns`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from rapport.errors import ModelError
from rapport.models import Manifest, read_manifest, read_pointer, sha256_of
from rapport.models.manifest import MANIFEST
from rapport.models.verify import check_files

__all__ = ["export_for_mlserver"]

_FILE = "model.ubj"
_SERVER = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False}


def export_for_mlserver(models: Path, target: Path, names: Sequence[str]) -> dict[str, str]:
    """Write champions into a folder that `mlserver start` takes; what is there of the same names is replaced.

    Args:
        models: the folder of all models.
        target: the folder to write; made when it is not there.
        names: the models.

    Returns:
        Model to the version that was written.

    Raises:
        ModelRefused: a file is not what was promoted.
        ModelError: a model has no champion, or is no XGBoost model.
    """
    written: dict[str, str] = {}
    for name in names:
        folder, manifest = _champion(models, name)
        _write(folder, manifest, target / name)
        written[name] = manifest.version
    (target / "settings.json").write_bytes(_json(_SERVER))
    return written


def _champion(models: Path, name: str) -> tuple[Path, Manifest]:
    pointer = read_pointer(models / name)
    if pointer is None:
        raise ModelError(f"{name} has no champion to export; `rapport promote {name}` lets a version serve")
    folder = models / name / pointer.version
    manifest = read_manifest(folder)
    if sha256_of(folder / MANIFEST) != pointer.manifest_sha256:
        raise ModelError(f"{folder / MANIFEST} is not the manifest that was promoted; promote {name} again")
    if manifest.kind != "xgboost":
        raise ModelError(
            f"{name} is of kind {manifest.kind}, which no runtime of MLServer loads; xgboost can be exported"
        )
    check_files(folder, manifest, [_FILE])
    return folder, manifest


def _write(folder: Path, manifest: Manifest, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / _FILE, target / _FILE)
    (target / "model-settings.json").write_bytes(_json(_settings(manifest)))


def _settings(manifest: Manifest) -> dict[str, Any]:
    columns = list(manifest.feature_names)
    features = {"name": "features", "datatype": "FP32", "shape": [-1, len(columns)], "parameters": {"columns": columns}}
    return {
        "name": manifest.name,
        "implementation": "mlserver_xgboost.XGBoostModel",
        "platform": "xgboost_ubj",
        "inputs": [features],
        "outputs": [{"name": "predict", "datatype": "FP32", "shape": [-1, 1]}],
        "parameters": {"uri": f"./{_FILE}", "version": manifest.version},
    }


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)
