"""Serving follows the champion pointer, whatever happens beside it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from model_folders import FINGERPRINTS, point, rows

from rapport.errors import ModelRefused
from rapport.models import Champions, Pointer, read_pointer, write_pointer
from rapport.testing.served import wait_for


def _version(champions: Champions) -> str | None:
    model = champions.get("propensity")
    return model.version if model else None


def test_no_champion_is_none(models: Path) -> None:
    champions = Champions(models, FINGERPRINTS, poll_s=0)
    assert champions.get("propensity") is None
    assert champions.get("never_heard_of") is None
    assert champions.problems == {}


def test_a_changed_pointer_is_followed(models: Path) -> None:
    champions = Champions(models, FINGERPRINTS, poll_s=0)
    seen = []
    for version in ("1", "2", "1"):
        point(models, version)
        seen.append(_version(champions))
    assert seen == ["1", "2", "1"]


def test_the_pointer_is_looked_at_once_per_poll_time(models: Path) -> None:
    now = [0.0]
    champions = Champions(models, FINGERPRINTS, poll_s=1.0, clock=lambda: now[0])
    point(models, "1")
    assert _version(champions) == "1"
    point(models, "2")
    now[0] = 0.9
    assert _version(champions) == "1"
    now[0] = 1.1
    assert _version(champions) == "2"


def test_refresh_looks_at_once(models: Path) -> None:
    champions = Champions(models, FINGERPRINTS, poll_s=float("inf"))
    point(models, "1")
    champions.refresh()
    assert _version(champions) == "1"
    point(models, "2")
    assert _version(champions) == "1"
    champions.refresh()
    assert _version(champions) == "2"


def test_a_corrupt_champion_leaves_the_old_one_and_says_why(models: Path) -> None:
    champions = Champions(models, FINGERPRINTS, poll_s=0)
    point(models, "1")
    assert _version(champions) == "1"
    (models / "propensity" / "2" / "model.ubj").write_bytes(b"half a fi")
    point(models, "2")
    assert _version(champions) == "1"
    assert "model.ubj has SHA-256" in champions.problems["propensity"]
    point(models, "1")
    assert _version(champions) == "1"
    assert champions.problems == {}


@pytest.mark.parametrize("damage", ["manifest", "pointer", "folder", "fingerprint"])
def test_every_damage_leaves_the_old_one(models: Path, damage: str) -> None:
    fingerprints = dict(FINGERPRINTS)
    champions = Champions(models, fingerprints, poll_s=0)
    point(models, "1")
    assert _version(champions) == "1"
    folder = models / "propensity"
    if damage == "manifest":
        manifest = folder / "2" / "manifest.json"
        write_pointer(folder, Pointer("2", "0" * 64))
        manifest.write_bytes(manifest.read_bytes())
    elif damage == "pointer":
        (folder / "champion.json").write_bytes(b"{")
    elif damage == "folder":
        write_pointer(folder, Pointer("3", "0" * 64))
    else:
        champions = Champions(models, {"clicks": "ffffffff"}, poll_s=0)
        assert champions.get("propensity") is None
    assert _version(champions) == (None if damage == "fingerprint" else "1")
    assert champions.problems["propensity"]


def test_a_removed_pointer_takes_the_champion_away(models: Path) -> None:
    champions = Champions(models, FINGERPRINTS, poll_s=0)
    point(models, "1")
    assert _version(champions) == "1"
    (models / "propensity" / "champion.json").unlink()
    assert champions.get("propensity") is None


def test_switching_while_others_score(models: Path) -> None:
    champions = Champions(models, FINGERPRINTS, poll_s=0)
    point(models, "1")
    matrix, failures, seen, stop = rows(4), [], set(), threading.Event()

    def score() -> None:
        while not stop.is_set():
            try:
                model = champions.get("propensity")
                assert model is not None
                assert np.isfinite(model.predict(matrix)).all()
                seen.add(model.version)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=score) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(20):
        version = "12"[turn % 2]
        point(models, version)
        champions.get("propensity")
        wait_for(lambda version=version: version in seen or failures, "nobody scores with it")
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert seen == {"1", "2"}


def test_a_pointer_is_read_back(tmp_path: Path) -> None:
    assert read_pointer(tmp_path) is None
    write_pointer(tmp_path, Pointer("7", "ab", "6"))
    assert read_pointer(tmp_path) == Pointer("7", "ab", "6")
    assert [path.name for path in tmp_path.iterdir()] == ["champion.json"]
    (tmp_path / "champion.json").write_bytes(b"[]")
    with pytest.raises(ModelRefused, match="not a champion pointer"):
        read_pointer(tmp_path)
