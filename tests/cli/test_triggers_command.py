"""rapport triggers, as a person and a machine see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rapport.bus.redis_streams import RedisStreamsBus
from rapport.cli.main import run
from rapport.clock import from_us
from rapport.triggers.file import FILE
from rapport.triggers.firing import Firing, to_message

DECLARED = """
version: 1
triggers:
  - name: urgent
    description: somebody has an urgent problem
    event: {topic: support_tickets, where: {urgent: true}}
    reason: "a ticket at {event_time}"
"""


@pytest.fixture
def project(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "feature_store.yaml").write_text("project: p\n")
    (tmp_path / "feature_repo").mkdir()
    (tmp_path / FILE).write_text(DECLARED)
    monkeypatch.setenv("RAPPORT_REDIS_URL", redis_url)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_declared_and_fired(project: Path, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["triggers", "--check"]) == 0
    for number in range(3):
        at = from_us(1_700_000_000_000_000 + number)
        firing = Firing(
            id=f"{number:032}", trigger="urgent", customer_id="anna", moment=at, fired_at=at, reason="why", values={}
        )
        RedisStreamsBus(redis_url).publish([to_message(firing)])
    capsys.readouterr()
    assert run(["triggers", "--limit", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in said["firings"]] == [f"{2:032}", f"{1:032}"]
    assert said["triggers"] == [
        {
            "name": "urgent",
            "kind": "event",
            "description": "somebody has an urgent problem",
            "counts": dict.fromkeys(("fired", "quiet", "expired", "old", "capped", "withheld"), 0),
        }
    ]
    assert run(["triggers"]) == 0
    assert "somebody has an urgent problem" in capsys.readouterr().out


def test_what_is_wrong_is_one_line_and_a_code(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["triggers", "nobody"]) == 2
    assert "no trigger is named 'nobody'; there are urgent" in capsys.readouterr().err
    assert run(["triggers", "--test"]) == 2
    assert "RAPPORT_DELIVERY_URL" in capsys.readouterr().err
    (project / FILE).write_text(DECLARED.replace("urgent: true", "urgnt: true"))
    assert run(["triggers", "--check"]) == 2
    assert "did you mean 'urgent'" in capsys.readouterr().err
    (project / FILE).unlink()
    assert run(["triggers"]) == 2
    assert "no triggers are declared" in capsys.readouterr().err


def test_deliveries_and_a_sample_that_nobody_takes(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["triggers", "--deliveries", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["counts"] == {"waiting": 0, "dead": 0, "delivered": 0, "failed": 0, "tries": 0}
    assert run(["triggers", "--retry", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"retried": 0}
    (project / "secret").write_text("0123456789abcdef")
    monkeypatch.setenv("RAPPORT_DELIVERY_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("RAPPORT_DELIVERY_SECRET_FILE", str(project / "secret"))
    assert run(["triggers", "--test"]) == 5
    assert "did not take a sample: ConnectError" in capsys.readouterr().err
