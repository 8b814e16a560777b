"""Schema Registry: its client, what is kept of it on disk, and how the schemas of the events are registered."""

from __future__ import annotations

from rapport.registry.client import MAX_SCHEMA_BYTES, Registry, open_registry
from rapport.registry.kept import KeptSchemas
from rapport.registry.schema import Kind, RegisteredSchema

__all__ = ["MAX_SCHEMA_BYTES", "KeptSchemas", "Kind", "RegisteredSchema", "Registry", "open_registry"]
