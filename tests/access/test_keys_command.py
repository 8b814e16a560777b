"""rapport keys, as a person and a machine see it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from rapport.access import Gate
from rapport.cli.main import run
from rapport.settings import load_settings


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "feature_store.yaml").touch()
    monkeypatch.setenv("RAPPORT_MODE", "production")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def works(folder: Path, text: str) -> bool:
    from rapport.intake.refusal import Refusal

    gate = Gate(load_settings({"RAPPORT_MODE": "production"}, root=folder))
    try:
        gate.admit(f"Bearer {text}", "decide")
    except Refusal:
        return False
    return True


def test_a_keys_life(installation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys"]) == 0
    assert "there are no keys" in capsys.readouterr().out
    assert run(["keys", "create", "bot", "--scope", "decide", "--scope", "events:write", "--tenant", "acme"]) == 0
    said = capsys.readouterr()
    text = said.out.strip()
    key_id = text.split("_")[1]
    assert works(installation, text) and text not in said.err and key_id in said.err
    assert run(["keys", "list", "--json"]) == 0
    listed = capsys.readouterr().out
    (row,) = json.loads(listed)["keys"]
    assert (row["id"], row["name"], row["state"], row["tenant"]) == (key_id, "bot", "valid", "acme")
    assert row["scopes"] == ["decide", "events:write"] and text.rpartition("_")[2] not in listed
    assert run(["keys", "rotate", key_id, "--grace-h", "0", "--to", "new.key"]) == 0
    said = capsys.readouterr()
    new = (installation / "new.key").read_text().strip()
    assert said.out == "" and new not in said.err
    assert stat.S_IMODE((installation / "new.key").stat().st_mode) == 0o600
    assert works(installation, new) and not works(installation, text)
    assert run(["keys", "revoke", new.split("_")[1]]) == 0
    assert not works(installation, new)
    capsys.readouterr()
    assert run(["keys"]) == 0
    table = capsys.readouterr().out
    assert "expired" in table and "revoked" in table and new.rpartition("_")[2] not in table


def test_a_machine_gets_the_key_in_its_document(installation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "create", "bot", "--scope", "decide", "--days", "30", "--rate", "5", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert works(installation, made["key"]) and made["rate_per_s"] == 5 and made["ends"] and made["tenant"] == "*"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "bot", "--scope", "all"], "no scope 'all'; scopes are decide"),
        (["create", "bot", "--scope", "admin", "--tenant", "acme"], "admin tells of all tenants"),
        (["create", "", "--scope", "decide"], "1 to 80 printable"),
        (["revoke", "x"], "no key has the id 'x'"),
        (["rotate", "x"], "no key has the id 'x'"),
    ],
)
def test_what_is_wrong_is_one_line(
    installation: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(["keys", *arguments]) == 2
    assert said in capsys.readouterr().err
