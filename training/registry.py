"""MLflow's registry as this project uses it: runs with their metrics and plots, versions, and two aliases.

Versions live in `models:/<name>/<version>`; `champion` serves now, `previous` served before. Serving does not need any
of it. The folder of a version is the run's artifact folder `model`.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rapport.errors import ModelError
from rapport.models import write_manifest
from rapport.settings import Settings, disable_telemetry
from training.draft import Draft

__all__ = ["CHAMPION", "PREVIOUS", "Registered", "Registry"]

CHAMPION = "champion"
PREVIOUS = "previous"
_ARTIFACTS = "model"
_ENVIRONMENT = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # a server that is away is reported after seconds, not after minutes of retries
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


@dataclass(frozen=True, slots=True)
class Registered:
    """One registered version."""

    name: str
    version: str
    run_id: str
    created_us: int
    aliases: tuple[str, ...]
    metrics: dict[str, float]


class Registry:
    """A connection to the registry of these settings: RAPPORT_MLFLOW_URI, else SQLite in the data folder.

    Raises:
        ModelError: MLflow does not answer. Every method raises it too.
    """

    def __init__(self, settings: Settings) -> None:
        disable_telemetry()
        for key, value in _ENVIRONMENT.items():
            os.environ.setdefault(key, value)
        folder = settings.data_dir / "mlflow"
        self.uri = settings.mlflow_uri or f"sqlite:///{folder / 'mlflow.db'}"
        self._artifacts = None if settings.mlflow_uri else folder / "artifacts"
        if self._artifacts:
            self._artifacts.mkdir(parents=True, exist_ok=True)
        with self._answering():
            self._client = _client(self.uri)

    def register(self, draft: Draft, *, now_us: int) -> Registered:
        """Log a run with the draft's parameters, metrics and plots, and register its model as a new version."""
        name = draft.manifest.name
        with self._answering():
            run = self._client.create_run(self._experiment(name), start_time=now_us // 1_000)
            run_id = run.info.run_id
            self._log(run_id, draft, now_us)
            self._ensure_model(name, draft.manifest.label)
            source = f"{run.info.artifact_uri}/{_ARTIFACTS}"
            made = self._client.create_model_version(name, source, run_id, await_creation_for=0)
            manifest = msgspec.structs.replace(draft.manifest, version=str(made.version), files=draft.served_files())
            write_manifest(draft.folder, manifest)
            self._client.log_artifacts(run_id, str(draft.folder), _ARTIFACTS)
            self._client.set_terminated(run_id)
            return self._registered(made)

    def versions(self, name: str) -> list[Registered]:
        """All versions of a model, oldest first."""
        with self._answering():
            found = [] if "'" in name else self._client.search_model_versions(f"name = '{name}'")
            aliases = self._aliases(name) if found else {}
            listed = [self._registered(version, aliases) for version in found]
        return sorted(listed, key=lambda version: int(version.version))

    def names(self) -> list[str]:
        """Names of all registered models."""
        with self._answering():
            return sorted(model.name for model in self._client.search_registered_models())

    def version(self, name: str, version: str | None) -> Registered:
        """One version; None: the newest.

        Raises:
            ModelError: there is no such version; the message lists those that there are.
        """
        known = self.versions(name)
        if not known:
            raise ModelError(f"no version of {name} is registered at {self.uri}: run `rapport train`")
        if version is None:
            return known[-1]
        for found in known:
            if found.version == version:
                return found
        raise ModelError(f"{name} has no version {version!r}; it has {', '.join(v.version for v in known)}")

    def download(self, registered: Registered, into: Path) -> Path:
        """Copy the version's folder into an existing folder; returns the copy."""
        with self._answering():
            return Path(self._client.download_artifacts(registered.run_id, _ARTIFACTS, str(into)))

    def set_champion(self, name: str, champion: str, previous: str | None) -> None:
        """Move the aliases."""
        with self._answering():
            self._client.set_registered_model_alias(name, CHAMPION, champion)
            if previous is not None:
                self._client.set_registered_model_alias(name, PREVIOUS, previous)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        where = str(self._artifacts / name) if self._artifacts else None
        return str(self._client.create_experiment(name, artifact_location=where))

    def _log(self, run_id: str, draft: Draft, now_us: int) -> None:
        from mlflow.entities import Metric, Param

        metrics = [Metric(key, value, now_us // 1_000, 0) for key, value in draft.manifest.metrics.items()]
        params = [Param(key, str(value)) for key, value in draft.params.items()]
        self._client.log_batch(run_id, metrics=metrics, params=params)
        self._client.log_artifacts(run_id, str(draft.plots), "plots")

    def _ensure_model(self, name: str, label: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name, description=f"Predicts {label}.")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _aliases(self, name: str) -> dict[str, str]:
        """Alias to version."""
        return {alias: str(v) for alias, v in self._client.get_registered_model(name).aliases.items()}

    def _registered(self, version: Any, aliases: dict[str, str] | None = None) -> Registered:
        number = str(version.version)
        held = tuple(sorted(alias for alias, holder in (aliases or {}).items() if holder == number))
        metrics = dict(self._client.get_run(version.run_id).data.metrics)
        return Registered(version.name, number, version.run_id, version.creation_timestamp * 1_000, held, metrics)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        import sqlalchemy.exc
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, sqlalchemy.exc.SQLAlchemyError, OSError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0][:300]
            # without the cause: its text may have the password of the address too
            raise ModelError(
                f"MLflow at {_masked(self.uri)} does not do what it is asked: {_masked(first)}. "
                "What serves is unchanged; start MLflow, or set RAPPORT_MLFLOW_URI to one that answers"
            ) from None


def _client(uri: str) -> Any:
    from mlflow import MlflowClient
    from sqlalchemy.exc import SADeprecationWarning

    for name in ("mlflow", "alembic"):
        # the making of a database is told in twenty lines of INFO
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # MLflow's own mapping of its tables, made at the first connection
        warnings.filterwarnings("ignore", "The ``noload`` loader strategy is deprecated", SADeprecationWarning)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return client


def _masked(text: str) -> str:
    """The text without the user and password of any address in it."""
    return re.sub(r"://[^/\s@]*@", "://…@", text)
