"""The shipped text model: what its manifest says holds, and a file that was changed is refused."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rapport.errors import ModelRefused
from rapport.events import text_model
from rapport.events.frustration import model_version
from rapport.events.text_features import BUCKETS, FIGURES
from rapport.events.text_model import ModelFile, digest, load, read_off, shipped, shipped_file

FILE = Path(text_model.__file__).with_name("frustration.json")


def test_the_shipped_file_is_what_its_manifest_says() -> None:
    model = load(FILE)
    manifest, weights = model.manifest, model.weights
    assert model == shipped_file() and manifest.version == model_version() == f"frustration-{digest(weights)[:12]}"
    assert tuple(weights.figures) == FIGURES and all(0 <= bucket < BUCKETS for bucket in weights.buckets)
    assert manifest.scores["vader"] < manifest.scores["own"] < manifest.scores["within"]
    assert FILE.stat().st_size < 200_000


def test_the_file_holds_no_words() -> None:
    known = msgspec.json.decode(FILE.read_bytes())["weights"]
    assert all(key.isdigit() for key in known["buckets"]) and known["figures"].keys() == set(FIGURES)


def test_scales_rise() -> None:
    for scale in (shipped().weights.scale, shipped().weights.context_scale):
        assert scale == sorted(scale) and [value for _, value in scale] == sorted(value for _, value in scale)
        assert read_off(scale, -1e9) == 0 and read_off(scale, 1e9) == 1
        assert [read_off(scale, raw) for raw, _ in scale] == pytest.approx([value for _, value in scale])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"bias":0.', '"bias":0.1', 1), "weights"),
        (lambda text: text.replace('"format":1', '"format":2', 1), "format"),
        (lambda text: text.replace('"features":"', '"features":"0', 1), "features"),
        (lambda text: text[: len(text) // 2], "cannot be read"),
        (lambda text: text.replace('"manifest"', '"manifesto"', 1), "cannot be read"),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, change: object, said: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(change(FILE.read_text()))  # type: ignore[operator]
    with pytest.raises(ModelRefused, match=said):
        load(path)
    with pytest.raises(ModelRefused, match="rapport text train"):
        load(tmp_path / "absent.json")


def test_a_score_is_a_ridge_over_words_of_unit_length_and_figures() -> None:
    """Against the same sum written out from the file as plain data."""
    from rapport.events.text import seen_of

    weights = msgspec.json.decode(FILE.read_bytes(), type=ModelFile).weights
    seen = seen_of("My parcel is late again, again and again. I want my money back!")
    known = [weights.buckets[bucket] for bucket in seen.buckets if bucket in weights.buckets]
    length = sum(idf**2 for idf, _ in known) ** 0.5
    expected = weights.bias + sum(idf / length * weight for idf, weight in known)
    expected += sum(
        (value - weights.figures[name].mean) * weights.figures[name].weight
        for name, value in zip(FIGURES, seen.figures, strict=True)
    )
    assert shipped().raw(seen) == pytest.approx(expected)
