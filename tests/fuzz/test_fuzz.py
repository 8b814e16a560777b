"""A short run of `make fuzz`."""

from __future__ import annotations

from tests.fuzz.run import fuzz


def test_hostile_events_never_crash_a_decoder() -> None:
    result = fuzz(20_000, seed=20_250_301)
    assert not result.crashes, result.crashes[:5]
    assert sum(result.outcomes.values()) == result.events == 20_000
    formats = ("plain", "avro", "json", "proto", "odd avro", "odd proto")
    # Neither all refused nor all accepted: the mutations reach what is behind the first byte.
    for name in formats[:4]:
        assert result.outcomes[f"{name}: accepted"] > 50 and result.outcomes[f"{name}: bad_value"] > 50, name
