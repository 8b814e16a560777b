"""The buffer on disk: what was appended is read, cut off anywhere, damaged anywhere, and by whom it is next."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.edge.records import HEAD_BYTES, TAIL_BYTES, Kept
from rapport.edge.spool import MAX_SEGMENT_EVENTS, Spool
from rapport.errors import EdgeError, EdgeFull

MB = 2**20


def kept(count: int, start: int = 0) -> list[Kept]:
    return [Kept("feedback", b'{"event_id": "%d"}' % i, i % 7 == 3) for i in range(start, start + count)]


def drained(spool: Spool) -> list[Kept]:
    found: list[Kept] = []
    while segment := spool.seal(after_s=0):
        found += segment.read()
        spool.done(segment)
    return found


def test_events_come_back_in_order_over_restarts(tmp_path: Path) -> None:
    numbers = []
    for life in range(3):
        spool = Spool(tmp_path, 10 * MB)
        spool.append(kept(3_000, life * 3_000))
        assert spool.events == 3_000 * (life + 1) and spool.oldest_s is not None
        spool.close()
    spool = Spool(tmp_path, 10 * MB)
    found: list[Kept] = []
    while segment := spool.seal(after_s=0):
        numbers.append(segment.number)
        found += segment.read()
        spool.done(segment)
    assert found == kept(9_000)
    assert numbers == sorted(set(numbers)) and spool.events == 0 and spool.oldest_s is None
    spool.append(kept(1))
    newest = spool.seal(after_s=0)
    assert newest is not None and newest.number > max(numbers)
    spool.close()


def test_the_newest_segment_waits_for_more_and_not_for_long(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MB)
    assert spool.seal(after_s=0) is None
    spool.append(kept(1))
    assert spool.seal(after_s=60) is None
    spool.append(kept(MAX_SEGMENT_EVENTS, 1))
    segment = spool.seal(after_s=60)
    assert segment is not None and segment.events == MAX_SEGMENT_EVENTS
    spool.done(segment)
    assert spool.seal(after_s=60) is None and spool.events == 1
    spool.close()


@given(cut=st.integers(0, 10_000), junk=st.binary(max_size=30))
def test_a_newest_segment_cut_off_anywhere_gives_what_was_before(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, MB, sync=False)
    spool.append(kept(40))
    spool.close()
    (path,) = folder.glob("*.segment")
    whole = path.read_bytes()
    cut = min(cut, len(whole))
    path.write_bytes(whole[:cut] + junk)
    for _ in range(2):
        spool = Spool(folder, MB, sync=False)
        found = [one for segment in spool._segments for one in segment.read()]
        spool.close()
        # What follows may by chance be a record's beginning; it never makes one up.
        record = (len(whole) - HEAD_BYTES) / 40
        least = int((cut - HEAD_BYTES) / (record + 1)) if cut >= HEAD_BYTES else 0
        assert found == kept(len(found)) and len(found) >= least
    shutil.rmtree(folder)


def test_a_damaged_older_segment_is_set_aside(tmp_path: Path) -> None:
    for count in (MAX_SEGMENT_EVENTS, 1):
        spool = Spool(tmp_path, MB)
        spool.append(kept(count, MAX_SEGMENT_EVENTS - count))
        spool.close()
    older, _ = sorted(tmp_path.glob("*.segment"))
    content = bytearray(older.read_bytes())
    content[5_000] ^= 1
    # As if the machine had failed before its tail was on the disk.
    content = content[:-TAIL_BYTES]
    older.write_bytes(content)
    spool = Spool(tmp_path, MB)
    assert drained(spool) == kept(1, MAX_SEGMENT_EVENTS - 1)
    assert (tmp_path / "aside" / older.name).read_bytes() == content
    assert "damaged" in (tmp_path / "aside" / older.name).with_suffix(".why").read_text()
    spool.close()


def test_a_lost_name_gives_no_number_twice(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MB)
    spool.append(kept(2))
    aside = spool.seal(after_s=0)
    assert aside is not None
    spool.append(kept(2, 2))
    spool.set_aside(aside, "a test")
    sender = spool.sender
    spool.close()
    (tmp_path / "name").unlink()
    spool = Spool(tmp_path, MB)
    assert spool.sender != sender
    spool.append(kept(2, 4))
    assert drained(spool) == kept(4, 2)
    assert sorted(path.name for path in (tmp_path / "aside").iterdir()) == ["0000000001.segment", "0000000001.why"]
    spool.close()


def test_full_segments_are_not_read_at_the_start(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10 * MB)
    spool.append(kept(2 * MAX_SEGMENT_EVENTS + 5))
    spool.close()
    first, second, _ = sorted(tmp_path.glob("*.segment"))
    content = bytearray(first.read_bytes())
    content[5_000] ^= 1
    first.write_bytes(content)
    second.write_bytes(second.read_bytes()[:-3])
    spool = Spool(tmp_path, 10 * MB)
    assert spool.events == 2 * MAX_SEGMENT_EVENTS + 5
    segment = spool.seal(after_s=0)
    assert segment is not None
    with pytest.raises(EdgeError, match="is damaged"):
        segment.read()
    spool.done(segment)
    assert drained(spool) == kept(MAX_SEGMENT_EVENTS + 5, MAX_SEGMENT_EVENTS)
    spool.close()


def test_a_disk_that_changes_what_waits_is_noticed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MB)
    spool.append(kept(10))
    segment = spool.seal(after_s=0)
    assert segment is not None
    content = bytearray(segment.path.read_bytes())
    content[-1] ^= 1
    segment.path.write_bytes(content)
    with pytest.raises(EdgeError, match="9 of its 10 events"):
        segment.read()
    spool.close()


def test_there_is_room_for_so_much_and_no_more(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 100_000)
    with pytest.raises(EdgeFull):
        spool.append(kept(10_000))
    assert spool.events == 0
    while spool.has_room(kept(100)):
        spool.append(kept(100))
    assert 90_000 < sum(path.stat().st_size for path in tmp_path.glob("*.segment")) <= spool.size <= 100_000
    spool.close()


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgeError, match="--data"):
        Spool(tmp_path / "file", MB)
    (tmp_path / "name").write_text("what\n")
    with pytest.raises(EdgeError, match="holds no name"):
        Spool(tmp_path, MB)
