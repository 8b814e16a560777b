"""Schemas that were fetched once, kept on disk: a registry that is down does not stop what is known.

An id never changes its meaning, so a file is written once and never again. Ids are one registry's: each has a folder.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path

import msgspec

from rapport.registry.client import MAX_SCHEMA_BYTES, Registry
from rapport.registry.schema import RegisteredSchema

__all__ = ["KeptSchemas"]

_log = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(RegisteredSchema)


class KeptSchemas:
    """A registry's schemas by id, from disk where they are, else from the registry.

    Args:
        registry: the registry.
        folder: for all registries' schemas; made when the first one comes.
    """

    def __init__(self, registry: Registry, folder: Path) -> None:
        self._registry = registry
        self._folder = folder / hashlib.sha256(registry.url.encode()).hexdigest()[:16]

    def schema(self, schema_id: int) -> RegisteredSchema | None:
        """The schema of an id; None: the registry knows none.

        Raises:
            RegistryUnavailable: it is not on disk, and the registry does not answer.
            RegistryRefused: it is too large.
        """
        found = self._read(schema_id)
        if found is None:
            found = self._registry.schema(schema_id)
            if found is not None:
                self._try_to_keep(schema_id, found)
        return found

    def keep(self, schema_id: int, schema: RegisteredSchema) -> None:
        """Write a schema down, as if it had been fetched: for where the registry cannot be reached."""
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._folder, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(schema))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(self._path(schema_id))

    def _try_to_keep(self, schema_id: int, schema: RegisteredSchema) -> None:
        try:
            self.keep(schema_id, schema)
        except OSError as error:
            _log.warning("schema %d will be fetched again by the next process: %s", schema_id, error)

    def _path(self, schema_id: int) -> Path:
        return self._folder / f"{schema_id}.json"

    def _read(self, schema_id: int) -> RegisteredSchema | None:
        try:
            path = self._path(schema_id)
            return _decoder.decode(path.read_bytes()) if path.stat().st_size <= 4 * MAX_SCHEMA_BYTES else None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # Absent, or damaged: fetched again, and replaced.
            return None
