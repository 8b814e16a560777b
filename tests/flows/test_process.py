"""The ingest process itself: killed at any moment, terminated while it holds records."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from given import checked, letters, message
from worker import work

from rapport.archive import Archive
from rapport.bus import Bus, Message
from rapport.bus.redis_streams import RedisStreamsBus
from rapport.testing.served import wait_for

BAD, AGAIN, GOOD = 500, 500, 15_000
GIVEN = GOOD + BAD + AGAIN
KILLS = 6


def archived(root: Path) -> list[str]:
    return list(Archive(root / ".rapport" / "archive").scan("feedback", ["event_id"]).column("event_id").to_pylist())


def settled(bus: Bus) -> int:
    return sum(n for name, n in bus.counts().items() if not name.startswith("origin:"))


def test_killed_again_and_again_nothing_is_lost_or_doubled(redis_url: str, tmp_path: Path) -> None:
    bus, rng = RedisStreamsBus(redis_url), random.Random(5)
    events = [message(f"e{i}", f"c{i % 100}", "run") for i in range(GOOD)]
    events += [Message("feedback", "c", b"bad%d" % i, "run") for i in range(BAD)] + events[:AGAIN]
    rng.shuffle(events)
    (tmp_path / "feature_store.yaml").touch()
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["flows.ingest", "flows.archive"])
    share = len(events) // (KILLS + 1) + 1
    for life in range(KILLS + 1):
        before, mine = settled(bus), events[life * share :][:share]
        process = processes.Process(target=work, args=(redis_url, tmp_path), daemon=True)
        process.start()
        for at in range(0, len(mine), 100):
            bus.publish(mine[at : at + 100])
        if life < KILLS:
            # Killed soon after it began to commit, with much of the backlog before it.
            wait_for(lambda before=before: settled(bus) > before, timeout_s=90, every_s=0.002)  # type: ignore[misc]
            time.sleep(rng.random() * 0.02)
        else:
            wait_for(lambda: settled(bus) == GIVEN and len(archived(tmp_path)) >= GOOD, timeout_s=90)
        process.kill()
        process.join()
    assert bus.counts("origin:run:") == {
        "origin:run:accepted": GOOD,
        "origin:run:dead:bad_json": BAD,
        "origin:run:dead:duplicate": AGAIN,
    }
    rows = Counter(row["event_id"] for row in checked(bus))
    assert len(rows) == GOOD and set(rows.values()) == {1}
    dead = Counter((letter.partition, letter.position) for letter in letters(bus))
    assert len(dead) == BAD + AGAIN and set(dead.values()) == {1}
    assert Counter(archived(tmp_path)) == rows


def test_terminated_it_archives_what_it_holds_and_ends_cleanly(redis_url: str, tmp_path: Path) -> None:
    bus = RedisStreamsBus(redis_url)
    bus.publish([message(f"e{i}") for i in range(100)])
    (tmp_path / "feature_store.yaml").touch()
    env = {**os.environ, "RAPPORT_ROOT": str(tmp_path), "RAPPORT_REDIS_URL": redis_url}
    argv = [sys.executable, "-m", "bytewax.run", "flows.ingest:flow"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, env={**env, "RAPPORT_ARCHIVE_EVERY_S": "600"}, stderr=log, cwd=Path(__file__).parents[2]
        )
        try:
            wait_for(lambda: len(checked(bus)) == 100 or process.poll() is not None)
            time.sleep(1)
            assert archived(tmp_path) == []
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, (tmp_path / "log").read_text()
        finally:
            process.kill()
            process.wait()
    assert len(archived(tmp_path)) == 100
    assert bus.reader("feedback.checked", 0, bus.position("archive", "feedback.checked", 0)).lag() == 0
