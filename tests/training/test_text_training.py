"""The frustration model made anew from the rated dialogues, where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rapport.errors import ModelError
from rapport.events.text_model import shipped_file
from training.rated import RatedTurns, mean_rank, read_rated
from training.text import measure

RATED = Path(__file__).parents[3] / "shared" / "data" / "support_frustration"


@pytest.fixture(scope="module")
def turns() -> RatedTurns:
    if not (RATED / "dialogues.txt").is_file():
        pytest.skip(f"the rated dialogues are not at {RATED}")
    return read_rated(RATED)


def test_the_shipped_model_was_made_from_these_turns(turns: RatedTurns) -> None:
    manifest = shipped_file().manifest
    assert (manifest.data, manifest.turns, manifest.dialogues) == (turns.digest, 600, 226)
    assert turns.rated.sum() == 600 and (np.diff(turns.dialogue) >= 0).all()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_scores_of_the_manifest_are_reached_anew(turns: RatedTurns) -> None:
    assert measure(turns) == pytest.approx(dict(shipped_file().manifest.scores), abs=0.01)


def test_ranks_are_the_raters_own() -> None:
    marks = np.array([[0, 10, np.nan], [1, 20, np.nan], [2, np.nan, np.nan], [np.nan] * 3])
    assert mean_rank(marks)[:3].tolist() == pytest.approx([(1 / 3 + 1 / 2) / 2, (2 / 3 + 1) / 2, 1])
    assert np.isnan(mean_rank(marks)[3])


def test_a_folder_without_dialogues_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"dialogues\.txt"):
        read_rated(tmp_path)
    (tmp_path / "dialogues.txt").write_text("-----\nUSER: hello {1,2,3}\n")
    with pytest.raises(ModelError, match="20 are needed"):
        read_rated(tmp_path)
