"""A short run of `make fuzz`, and hostile schemas."""

from __future__ import annotations

from tests.fuzz.run import fuzz
from tests.fuzz.schemas import fuzz_schemas


def test_hostile_events_never_crash_a_decoder() -> None:
    result = fuzz(10_000, seed=20_250_301)
    assert not result.crashes, result.crashes[:5]
    assert sum(result.outcomes.values()) == result.events == 10_000
    # Neither all refused nor all accepted: the mutations reach what is behind the first byte.
    for name in ("plain", "avro", "json", "proto"):
        assert result.outcomes[f"{name}: accepted"] > 15 and result.outcomes[f"{name}: bad_value"] > 15, name


def test_hostile_schemas_never_crash_a_reader() -> None:
    outcomes = fuzz_schemas(3_000, seed=20_250_301)
    assert all(outcomes[f"{name}: {fate}"] > 20 for name in ("avro", "json", "proto") for fate in ("read", "refused"))
