"""The buffer on disk: numbered segments, of which the newest grows and the others are forwarded, oldest first.

A segment is a batch: its number is the batch's, and once sealed it never changes, so that a batch that is sent again,
also after a crash, is the same to the byte. What `append` has answered is on disk (fsync). A crash leaves at most a
record that was never answered at the end of the newest segment, which the next start cuts off.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from rapport.edge.numbers import Numbers, sync_folder
from rapport.edge.records import (
    HEAD_BYTES,
    TAIL_BYTES,
    Kept,
    counted,
    encode_head,
    encode_record,
    encode_tail,
    head_fits,
    read_records,
)
from rapport.errors import EdgeError, EdgeFull, EdgeUnwritable

__all__ = ["MAX_SEGMENT_BYTES", "MAX_SEGMENT_EVENTS", "Segment", "Spool"]

MAX_SEGMENT_EVENTS = 1_000
MAX_SEGMENT_BYTES = 512 * 1024
"""A segment is sealed from this size on; it may be larger by one event."""
_SUFFIX = ".segment"


@dataclass(slots=True)
class Segment:
    """A segment's file, and what it holds."""

    number: int
    path: Path
    events: int = 0
    size: int = HEAD_BYTES
    oldest_s: float = 0.0
    """When its first event came, by the system's clock; seconds since 1970."""

    def read(self) -> list[Kept]:
        """Its events.

        Raises:
            EdgeError: some are damaged: the disk has changed them.
        """
        # After a failed write there may be more in the file than was answered.
        found = [kept for _, kept in read_records(self.path.read_bytes()[: self.size])]
        if len(found) != self.events:
            raise EdgeError(
                f"{self.path} is damaged: {len(found):,} of its {self.events:,} events can be read, so it is set aside"
            )
        return found


class Spool:
    """The buffer in one folder, which no other process may use meanwhile. For two threads: one that appends, and one
    that forwards.

    Args:
        folder: where the segments are; made if it is not there.
        max_bytes: most bytes of all segments.
        sync: whether `append` waits for the disk; without, what was answered survives a crash of the process, not
            of the machine.

    Raises:
        EdgeError: the folder cannot be used, or another process uses it.
    """

    def __init__(self, folder: Path, max_bytes: int, *, sync: bool = True) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._sync = sync
        self._changed = threading.Condition()
        self._segments: list[Segment] = []
        self._open: Segment | None = None
        self._file: FileIO | None = None
        try:
            # What waits is personal data.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / "aside").mkdir(exist_ok=True)
            self._lock = self._locked()
            self._numbers = Numbers(folder / "name")
            self._aside = sum(path.stat().st_size for path in (folder / "aside").iterdir())
            self._recover()
        except OSError as error:
            raise EdgeError(f"the buffer's folder cannot be used: {error}; choose another with --data") from error

    @property
    def sender(self) -> str:
        """The name under which the segments' numbers count."""
        return self._numbers.sender

    @property
    def size(self) -> int:
        """Bytes of all segments, also of those set aside."""
        with self._changed:
            return self._size()

    @property
    def events(self) -> int:
        """Events that wait to be forwarded."""
        with self._changed:
            return sum(segment.events for segment in self._segments)

    @property
    def oldest_s(self) -> float | None:
        """When the event that waits longest came; None: none waits."""
        with self._changed:
            return next((segment.oldest_s for segment in self._segments if segment.events), None)

    def has_room(self, events: Sequence[Kept]) -> bool:
        with self._changed:
            return (
                self._size() + sum(len(kept.event) + 16 for kept in events) + HEAD_BYTES + TAIL_BYTES <= self._max_bytes
            )

    def append(self, events: Sequence[Kept]) -> None:
        """Keep events; on return they are on disk.

        Raises:
            EdgeFull: there is no room for them; none was kept.
            EdgeUnwritable: the disk does not take them; some may have been kept.
        """
        with self._changed:
            if not self.has_room(events):
                raise EdgeFull(f"the buffer holds {self._size():,} bytes of {self._max_bytes:,}")
        at = 0
        while at < len(events):
            at += self._append(events[at : at + MAX_SEGMENT_EVENTS])

    def seal(self, *, after_s: float) -> Segment | None:
        """The oldest segment, to be forwarded; the newest only if it is full or its first event came `after_s` ago,
        and then it is sealed. None: there is none."""
        with self._changed:
            if not self._segments:
                return None
            oldest = self._segments[0]
            if oldest is self._open:
                if not oldest.events or time.time() - oldest.oldest_s < after_s:
                    return None
                self._close()
            return oldest

    def wait(self, seconds: float) -> None:
        """Return when something was appended, or after `seconds`."""
        with self._changed:
            self._changed.wait(seconds)

    def done(self, segment: Segment) -> None:
        """Forget a segment: the other side has it."""
        segment.path.unlink(missing_ok=True)
        with self._changed:
            self._segments.remove(segment)
        # Before the next one is sent: an older number that came back with the file would not be taken.
        self._sync_folder()

    def set_aside(self, segment: Segment, why: str) -> Path:
        """Move a segment that is not forwarded out of the way, with the reason beside it; returns where to."""
        place = self._folder / "aside" / segment.path.name
        place.with_suffix(".why").write_text(why + "\n")
        segment.path.replace(place)
        with self._changed:
            self._segments.remove(segment)
            self._aside += segment.size + TAIL_BYTES
        return place

    def rename(self) -> None:
        """Take a new name, under which the numbers of what waits have not been used."""
        self._numbers.rename()

    def close(self) -> None:
        with self._changed:
            self._close()
        os.close(self._lock)

    def _append(self, events: Sequence[Kept]) -> int:
        """Append as many of the events as the newest segment takes: at least one; returns how many."""
        with self._changed:
            segment = self._open or self._begin()
            taken, parts, size = 0, [], segment.size
            for kept in events[: MAX_SEGMENT_EVENTS - segment.events]:
                parts.append(encode_record(kept))
                size += len(parts[-1])
                taken += 1
                if size >= MAX_SEGMENT_BYTES:
                    break
            try:
                self._write(b"".join(parts))
            except OSError as error:
                self._cut_back(segment)
                raise self._unwritable(error) from error
            segment.oldest_s = segment.oldest_s or time.time()
            segment.events, segment.size = segment.events + taken, size
            if segment.events >= MAX_SEGMENT_EVENTS or segment.size >= MAX_SEGMENT_BYTES:
                self._end(segment)
            self._changed.notify_all()
            return taken

    def _begin(self) -> Segment:
        try:
            number = self._numbers.next()
            segment = Segment(number, self._folder / f"{number:010d}{_SUFFIX}")
            # Unbuffered: what a write leaves behind when it fails is not written by the next one.
            self._file = segment.path.open("xb", buffering=0)
            self._open = segment
            self._segments.append(segment)
            self._write(encode_head(number))
            self._sync_folder()
            return segment
        except OSError as error:
            self._drop_open()
            raise self._unwritable(error) from error

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        if self._file is None:
            raise EdgeUnwritable("there is no segment to write to")
        while view:
            view = view[self._file.write(view) :]
        if self._sync:
            os.fdatasync(self._file.fileno())

    def _cut_back(self, segment: Segment) -> None:
        """After a failed write: leave what was answered, and begin another segment next time."""
        with contextlib.suppress(OSError):
            os.truncate(segment.path, segment.size)
        if segment.events:
            self._close()
        else:
            self._drop_open()

    def _end(self, segment: Segment) -> None:
        # Not waited for: without it the next start reads the segment to count it.
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.write(encode_tail(segment.events))
        self._close()

    def _drop_open(self) -> None:
        segment = self._open
        self._close()
        if segment is not None:
            segment.path.unlink(missing_ok=True)
            self._segments.remove(segment)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._open = self._file = None

    def _unwritable(self, error: OSError) -> EdgeUnwritable:
        return EdgeUnwritable(f"the disk of {self._folder} does not take events: {error.strerror}")

    def _size(self) -> int:
        return self._aside + sum(segment.size + TAIL_BYTES for segment in self._segments)

    def _sync_folder(self) -> None:
        if self._sync:
            sync_folder(self._folder)

    def _locked(self) -> int:
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise EdgeError(f"another process uses {self._folder}: one folder has one edge") from None
        return lock

    def _recover(self) -> None:
        paths = sorted(self._folder.glob(f"*{_SUFFIX}"))
        for path in [*paths, *self._folder.glob(f"aside/*{_SUFFIX}")]:
            self._numbers.pass_over(_number(path))
        for path in paths:
            segment, whole = _recovered(path)
            self._segments.append(segment)
            if path == paths[-1] and not whole:
                with path.open("r+b") as file:
                    file.truncate(segment.size)
                    os.fsync(file.fileno())
            elif not whole and path.stat().st_size - segment.size > TAIL_BYTES:
                self.set_aside(segment, "damaged: the disk has changed its bytes")
                continue
            if not segment.events:
                self.done(segment)


def _number(path: Path) -> int:
    return int(path.name.removesuffix(_SUFFIX))


def _recovered(path: Path) -> tuple[Segment, bool]:
    """The segment that a file holds, and whether it is whole: nothing cut off, nothing damaged."""
    number, state = _number(path), path.stat()
    segment = Segment(number, path, oldest_s=state.st_mtime)
    with path.open("rb") as file:
        file.seek(max(0, state.st_size - TAIL_BYTES))
        events = counted(file.read())
    if events is not None:
        segment.events, segment.size = events, state.st_size - TAIL_BYTES
        return segment, True
    content = path.read_bytes()
    if not head_fits(content, number):
        return segment, False
    for end, _ in read_records(content):
        segment.events += 1
        segment.size = end
    return segment, segment.size == len(content)
