"""A few seconds of what `make schemathesis` does for long: no answer is one that the description does not know."""

from __future__ import annotations

from pathlib import Path

import pytest
from guarded_world import Guarded

from rapport.access import SCOPES
from rapport.testing.models import NoiseModels
from rapport.testing.served import wait_for
from tests.described.run import Port, check_port


@pytest.mark.parametrize("port", ["main", "admin"])
def test_answers_are_as_described(guarded: Guarded, built_models: NoiseModels, tmp_path: Path, port: str) -> None:
    for name in ("purchase_propensity", "escalation_risk", "segments"):
        built_models.promote(name, "1")
    key = guarded.key("described", list(SCOPES), rate_per_s=100_000)
    told = {"Authorization": f"Bearer {key}"}
    wait_for(lambda: guarded.admin.get("/openapi.json", headers=told).status_code == 200, "the key is not seen", 10)
    document = guarded.admin.get("/openapi.json", headers=told).content
    client = guarded.admin if port == "admin" else guarded.main
    tested = Port(str(client.base_url), key, port == "admin", guarded.authority)
    outcome = check_port(tested, document, tmp_path, examples=8, phases="examples,fuzzing")
    assert outcome.passed and outcome.cases > 10, outcome.text
