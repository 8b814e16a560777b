"""A short run of `make fuzz`."""

from __future__ import annotations

from tests.fuzz.run import fuzz


def test_hostile_events_never_crash_a_decoder() -> None:
    result = fuzz(10_000, seed=20_250_301)
    assert not result.crashes, result.crashes[:5]
    assert sum(result.outcomes.values()) == result.events == 10_000
    # Neither all refused nor all accepted: the mutations reach what is behind the first byte.
    for name in ("plain", "avro", "json", "proto"):
        assert result.outcomes[f"{name}: accepted"] > 15 and result.outcomes[f"{name}: bad_value"] > 15, name
