"""The sources of an installation: the mapping files of a folder, read again when they change."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rapport.errors import MappingError
from rapport.settings import Settings
from rapport.stamps import Stamps, stamps_of
from rapport.webhooks.load import LoadedSource, load_source
from rapport.webhooks.mapping import WebhookMapping
from rapport.webhooks.signature import verify
from rapport.webhooks.translate import Translation, Translator

__all__ = ["Source", "Sources", "webhooks_folder"]


def webhooks_folder(settings: Settings) -> Path:
    """Where an installation's mapping files are."""
    return settings.root / (settings.webhooks_dir or "webhooks")


@dataclass(frozen=True, slots=True)
class Source:
    """A source of webhooks, ready to take requests."""

    loaded: LoadedSource
    translator: Translator

    @classmethod
    def load(cls, path: Path, *, secrets: bool = True) -> Source:
        """See `load_source`.

        Raises:
            MappingError
        """
        loaded = load_source(path, secrets=secrets)
        return cls(loaded, Translator(loaded.mapping))

    @property
    def mapping(self) -> WebhookMapping:
        return self.loaded.mapping

    def verify(self, headers: Mapping[str, str], body: bytes, now_us: int) -> None:
        """See `rapport.webhooks.verify`; a source that is unsigned takes every request.

        Raises:
            SignatureRefused
        """
        if self.mapping.signature is not None:
            verify(self.mapping.signature, self.loaded.secrets, headers, body, now_us)

    def translate(self, headers: Mapping[str, str], body: bytes, now_us: int) -> Translation:
        """See `Translator.translate`.

        Raises:
            EventError
        """
        return self.translator.translate(body, headers, now_us)


class Sources:
    """The sources of a folder. Safe for threads.

    A file that has become wrong is told of in `problems`, and what it said before goes on.

    Args:
        folder: holds the mapping files.
        unsigned: whether sources that do not sign are taken.
    """

    def __init__(self, folder: Path, *, unsigned: bool = True) -> None:
        self.folder = folder
        self._unsigned = unsigned
        self._sources: dict[str, Source] = {}
        self._stamps: dict[str, Stamps] = {}
        self._problems: dict[str, str] = {}
        self._lock = threading.Lock()

    @property
    def problems(self) -> dict[str, str]:
        """Source to what is wrong with its file."""
        return dict(self._problems)

    def names(self) -> list[str]:
        """The sources that take requests."""
        return sorted(self._sources)

    def get(self, name: str) -> Source | None:
        return self._sources.get(name)

    def refresh(self) -> None:
        """Read the files that are new or have changed, and forget those that are gone."""
        with self._lock:
            paths = {path.stem: path for path in sorted(self.folder.glob("*.yaml"))}
            for name in [name for name in {**self._sources, **self._problems} if name not in paths]:
                for known in (self._sources, self._stamps, self._problems):
                    known.pop(name, None)
            for name, path in paths.items():
                stamp = _stamps(path, self._sources.get(name))
                if stamp != self._stamps.get(name):
                    self._load(name, path)
                    self._stamps[name] = _stamps(path, self._sources.get(name))

    def _load(self, name: str, path: Path) -> None:
        try:
            source = Source.load(path)
            if source.mapping.signature is None and not self._unsigned:
                raise MappingError(f"{path}: the source is unsigned, and in production all sign: give `signature`")
            self._sources[name] = source
            self._problems.pop(name, None)
        except MappingError as error:
            self._problems[name] = str(error)


def _stamps(path: Path, source: Source | None) -> Stamps:
    files = source.loaded.files if source else ()
    return stamps_of(dict.fromkeys((path, *files)))
