"""Every policy that has decided, kept by what it says: so that an old decision can be explained and made again.

<data folder>/policy/<12 digits of its SHA-256>.yaml    a file as it was
<data folder>/policy/current.json                       which three worked last
"""

from __future__ import annotations

import msgspec

from rapport.errors import PolicyError
from rapport.files import write_whole
from rapport.policy.bundle import FILES, Bundle, digest_of, parse_bundle
from rapport.settings import Settings

__all__ = ["KeptPolicies"]

_CURRENT = "current.json"


class KeptPolicies:
    """The kept files of an installation. Blocks on disk."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.data_dir / "policy"

    def keep(self, bundle: Bundle) -> None:
        """Keep the files of a bundle, as the one that worked last.

        Raises:
            OSError: the disk does not take them.
        """
        for data in bundle.texts.values():
            path = self.folder / f"{digest_of(data)}.yaml"
            if not path.is_file():
                write_whole(path, data)
        write_whole(self.folder / _CURRENT, msgspec.json.encode(dict(bundle.versions)))

    def find(self, version: str) -> bytes | None:
        """The file of a version (`<declared>-<digest>`); None when it is not kept, or is no longer what it was."""
        digest = version.rpartition("-")[2]
        if not digest.isalnum():
            return None
        try:
            data = (self.folder / f"{digest}.yaml").read_bytes()
        except OSError:
            return None
        return data if digest_of(data) == digest else None

    def bundle(self, versions: dict[str, str]) -> Bundle:
        """The bundle of three versions, by file.

        Raises:
            PolicyError: one is not kept (names which), or can no longer be read.
        """
        texts = {}
        for name in FILES:
            data = self.find(versions.get(name, ""))
            if data is None:
                version = versions.get(name) or "unknown"
                raise PolicyError(f"{name}.yaml, version {version}, is not kept in {self.folder}")
            texts[name] = data
        return parse_bundle(texts, where={name: f"{name}.yaml, version {versions[name]}" for name in FILES})

    def last(self) -> Bundle | None:
        """The bundle that worked last; None when there is none that still does."""
        try:
            versions = msgspec.json.decode((self.folder / _CURRENT).read_bytes(), type=dict[str, str])
            return self.bundle(versions)
        except (OSError, msgspec.MsgspecError, PolicyError):
            return None
