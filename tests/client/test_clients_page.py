"""docs/clients.md says what the clients do: its code runs, its options, outcomes and tags are all there are."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_args

import pytest

from rapport.client import ClientOptions
from rapport.client.options import Outcome
from rapport.client.tags import tags_of
from rapport.testing.faulty_service import DECISION, FaultyService

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")


def first_cells(after: str) -> set[str]:
    """The code words in the first column of the first table after some words."""
    table = PAGE.partition(after)[2].partition("\n\n|")[2].partition("\n\n")[0]
    return {word for row in table.splitlines() for word in re.findall(r"`([^`]+)`", row.split(" | ")[0])}


def test_options_outcomes_and_tags_are_documented() -> None:
    assert first_cells("### Options") == {field.name for field in dataclasses.fields(ClientOptions)}
    assert first_cells("**Told.**") == set(get_args(Outcome))
    all_there = tags_of({**DECISION, "activity": "busy", "intent": "where_is_my_order"})
    assert first_cells("## Tags") == {re.sub("^score_.*", "score_<model>", name) for name in all_there}


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL), ids=["client", "flask"])
def test_the_code_runs(
    code: str, faulty: FaultyService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAPPORT_SERVICE_URL", faulty.url("ok"))
    names: dict[str, object] = {"__name__": "page"}
    exec(code.replace("deadline_ms=150", "deadline_ms=5_000"), names)
    if "app" in names:
        app, client = names["app"], names["client"]
        assert "neutral tone" in app.test_client().get("/").text  # type: ignore[attr-defined]
        client.close()  # type: ignore[attr-defined]
    else:
        assert capsys.readouterr().out == "apologetic Entschuldigen Sie die Umstände.\n"
