"""The champion of each model: a pointer file that is replaced atomically, and readers that follow it.

<models>/<name>/champion.json            {"version": …, "manifest_sha256": …, "previous": …}
<models>/<name>/<version>/               a model folder
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from rapport.errors import ModelRefused
from rapport.files import write_whole
from rapport.models.manifest import MANIFEST, read_manifest, sha256_of
from rapport.models.scorer import Model, load_model
from rapport.models.segments import Segments, load_segments
from rapport.stamps import Stamp, stamp_of

__all__ = ["Champions", "Pointer", "read_pointer", "write_pointer"]

_POINTER = "champion.json"
_TRY_AGAIN_S = 2.0
"""After which a version that could not be loaded is tried again: its files may have been repaired."""


class Pointer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which version of a model serves, and the SHA-256 of its manifest."""

    version: str
    manifest_sha256: str
    previous: str | None = None
    """The version that served before, where `rollback` goes."""


# Made at import: two threads that decode a type for the first time at once crash msgspec.
_decoder = msgspec.json.Decoder(Pointer)


@dataclass(frozen=True, slots=True)
class _Slot:
    signature: Stamp | None
    loaded: Model | Segments | None
    problem: str | None
    tried_s: float = 0.0


def read_pointer(folder: Path) -> Pointer | None:
    """The pointer in a model's folder `<models>/<name>`; None when the model has no champion.

    Raises:
        ModelRefused: the file is not a pointer.
    """
    try:
        return _decoder.decode((folder / _POINTER).read_bytes())
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise ModelRefused(f"{folder / _POINTER} is not a champion pointer: {error}; promote a version again") from None


def write_pointer(folder: Path, pointer: Pointer) -> None:
    """Replace the pointer in `<models>/<name>`: a reader sees the old one or the new one, whole."""
    write_whole(folder / _POINTER, msgspec.json.encode(pointer), lasting=True)


class Champions:
    """The champions as they are now, for a process that serves them.

    A changed pointer is seen by a poll of its modification time. A version that cannot be loaded leaves the present one
    in place, as does a model's folder that is gone; `problems` says why, and it is tried again. `get` never raises and,
    with `refresh` called elsewhere, never reads a file.

    Args:
        folder: the folder of all models, `settings.data_dir / "models"`.
        fingerprints: feature view to fingerprint (hex) of the declarations in use.
        poll_s: least time between two looks at a pointer by `get` and `segments`; `float("inf")`: only `refresh` looks.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        folder: Path,
        fingerprints: Mapping[str, str],
        *,
        poll_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._fingerprints = dict(fingerprints)
        self._poll_s = poll_s
        self._clock = clock
        self._slots: dict[str, _Slot] = {}
        self._looked: dict[str, float] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Model | None:
        """The champion of an XGBoost model; None when it has none that can be loaded."""
        loaded = self._follow(name)
        return loaded if isinstance(loaded, Model) else None

    def segments(self, name: str = "segments") -> Segments | None:
        """The champion of a segmentation; None when it has none that can be loaded."""
        loaded = self._follow(name)
        return loaded if isinstance(loaded, Segments) else None

    @property
    def problems(self) -> dict[str, str]:
        """Model name to why its newest champion is not in use (a person may read it)."""
        return {name: slot.problem for name, slot in self._slots.items() if slot.problem}

    def refresh(self, *names: str) -> None:
        """Look at the pointers of these models now (default: of all in the folder), and load what has changed."""
        if not names:
            names = tuple(path.parent.name for path in self._folder.glob(f"*/{_POINTER}"))
        for name in names:
            with self._lock:
                self._look(name)

    def _follow(self, name: str) -> Model | Segments | None:
        now = self._clock()
        due = name not in self._slots or now - self._looked.get(name, now) >= self._poll_s
        # one thread loads; the others go on with what there is
        if due and self._lock.acquire(blocking=name not in self._slots):
            try:
                self._look(name)
            finally:
                self._lock.release()
        slot = self._slots.get(name)
        return slot.loaded if slot else None

    def _look(self, name: str) -> None:
        now_s = self._looked[name] = self._clock()
        known = self._slots.get(name, _Slot(None, None, None))
        signature = stamp_of(self._folder / name / _POINTER)
        again = known.problem is not None and now_s - known.tried_s >= _TRY_AGAIN_S
        if name in self._slots and signature == known.signature and not again:
            return
        try:
            self._slots[name] = _Slot(signature, self._load(name, known.loaded is not None), None)
        except (ModelRefused, OSError) as error:
            self._slots[name] = _Slot(signature, known.loaded, str(error), now_s)

    def _load(self, name: str, serves: bool) -> Model | Segments | None:
        """The champion; `serves`: whether there is one that serves."""
        pointer = read_pointer(self._folder / name)
        if pointer is None:
            if serves and not (self._folder / name).is_dir():
                raise ModelRefused(f"{self._folder / name} is gone; the version that was loaded serves on")
            return None
        folder = self._folder / name / pointer.version
        manifest = read_manifest(folder)
        if sha256_of(folder / MANIFEST) != pointer.manifest_sha256:
            raise ModelRefused(f"{folder / MANIFEST} is not the manifest that was promoted; promote {name} again")
        if (manifest.name, manifest.version) != (name, pointer.version):
            raise ModelRefused(f"{folder} holds {manifest.name} {manifest.version}, not {name} {pointer.version}")
        load = load_segments if manifest.kind == "segments" else load_model
        return load(folder, self._fingerprints)
