"""API keys: `rapport_<id>_<secret>`. The secret is shown once; a file keeps its salted hash, which recognizes it.

A secret has 256 random bits, so that nothing is gained by making the hash slow: HMAC-SHA256 with a salt of the key's
own cannot be turned around, and takes microseconds.
"""

from __future__ import annotations

import fcntl
import hmac
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from rapport.access.files import open_to_others, private_folder, write_private
from rapport.errors import AccessError
from rapport.settings import Settings

__all__ = ["KEY_PREFIX", "KeyFile", "StoredKey", "keys_path", "new_key", "split_key"]

KEY_PREFIX = "rapport_"
_KEY = re.compile(r"rapport_([0-9a-f]{12})_([0-9a-f]{64})")
_ID_BYTES, _SECRET_BYTES, _SALT_BYTES = 6, 32, 16


class StoredKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key as it is kept: everything but its secret. Times are microseconds, UTC."""

    id: str
    name: str
    scopes: tuple[str, ...]
    tenant: str
    """"" the whole installation."""
    salt: str
    hash: str
    created_us: int
    rate_per_s: float | None = None
    """None: the installation's."""
    expires_us: int | None = None
    revoked_us: int | None = None

    def state(self, now_us: int) -> str:
        """ "valid", "expired" or "revoked"."""
        if self.revoked_us is not None:
            return "revoked"
        return "expired" if self.expires_us is not None and now_us >= self.expires_us else "valid"

    def fits(self, secret: str) -> bool:
        """Whether this is the key's secret; takes the same time whatever it is."""
        return hmac.compare_digest(_hash(self.salt, secret), self.hash)


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    keys: list[StoredKey] = []


def keys_path(settings: Settings) -> Path:
    """Where an installation's keys are kept."""
    return settings.root / settings.keys_file if settings.keys_file else settings.data_dir / "access" / "keys.json"


def new_key(
    name: str,
    scopes: Sequence[str],
    now_us: int,
    *,
    tenant: str = "",
    rate_per_s: float | None = None,
    expires_us: int | None = None,
) -> tuple[StoredKey, str]:
    """A new key, and its text, which nothing keeps."""
    key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)
    salt = secrets.token_hex(_SALT_BYTES)
    kept = StoredKey(
        key_id, name, tuple(scopes), tenant, salt, _hash(salt, secret), now_us, rate_per_s, expires_us=expires_us
    )
    return kept, f"{KEY_PREFIX}{key_id}_{secret}"


def split_key(text: str) -> tuple[str, str] | None:
    """Id and secret of a key's text; None: it is no key."""
    match = _KEY.fullmatch(text)
    return (match[1], match[2]) if match else None


# Made at import: two threads that decode a type for the first time at once crash msgspec.
_decoder = msgspec.json.Decoder(_Kept)


class KeyFile:
    """The file with an installation's keys. Processes may change it at the same time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[StoredKey]:
        """The keys, oldest first; none when there is no file.

        Raises:
            AccessError: the file is wrong, or cannot be read.
        """
        try:
            kept = _decoder.decode(self.path.read_bytes())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise AccessError(f"{self.path} cannot be read: {error.strerror}") from None
        except msgspec.MsgspecError as error:
            raise AccessError(f"{self.path} is not a file of keys: {error}") from None
        if kept.version != 1:
            raise AccessError(f"{self.path} has version {kept.version}; 1 is known")
        return kept.keys

    def change(self, change: Callable[[list[StoredKey]], list[StoredKey]]) -> None:
        """Replace the keys by what `change` makes of them.

        Raises:
            AccessError: as `read`, and what `change` raises; the file stays as it is then.
        """
        with self._locked():
            keys = change(self.read())
            write_private(self.path, msgspec.json.format(msgspec.json.encode(_Kept(1, keys)), indent=1))

    @property
    def is_open(self) -> bool:
        """Whether others may read or write it."""
        return open_to_others(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        private_folder(self.path.parent)
        with self.path.with_name(f".{self.path.name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _hash(salt: str, secret: str) -> str:
    return hmac.digest(salt.encode(), secret.encode(), "sha256").hex()
